//! The volume as a whole: making one, and bringing the tables of an older one up to date.

use crate::db::{Db, bytes, get};
use crate::errors::classify;
use crate::write::Target;
use crate::{schema, sql};
use jfs_meta::EngineError;
use jfs_meta::engine::FIRST_COUNTERS;
use jfs_types::{Attr, Ino, Time};
use rusqlite::params;
use std::collections::HashSet;

/// The first records of a new volume.
pub(crate) struct NewVolume {
    pub(crate) json: String,
    pub(crate) root: Attr,
    pub(crate) trash: Option<Attr>,
    pub(crate) overwrite: bool,
}

/// Tables that every volume of every client has had. Without one of them a database is damaged; the others
/// are made by the first client that wants them.
const CORE: [&str; 6] = [
    "jfs_counter",
    "jfs_node",
    "jfs_edge",
    "jfs_symlink",
    "jfs_chunk",
    "jfs_chunk_ref",
];

/// The setting document, `None` without a volume.
pub(crate) fn setting(db: Db<'_>) -> Result<Option<Vec<u8>>, EngineError> {
    let existing = names(db)?;
    if !existing.contains("jfs_setting") {
        return Ok(None);
    }
    let found = db.one(sql::SETTING, [], |row| bytes(row, 0).map(<[u8]>::to_vec))?;
    if found.is_some()
        && let Some(missing) = CORE.iter().find(|table| !existing.contains(**table))
    {
        return Err(EngineError::Fatal(format!(
            "the database is damaged, table {missing} is missing: restore it from a backup"
        )));
    }
    Ok(found)
}

/// Replaces the setting document if it is `expect`.
pub(crate) fn replace_setting(db: Db<'_>, expect: &str, json: &str) -> Result<(), EngineError> {
    db.run_some(sql::SETTING_UPDATE, [json, expect])
}

/// Makes the tables and the first rows, in the transaction that is open.
pub(crate) fn create(db: Db<'_>, volume: &NewVolume) -> Result<(), EngineError> {
    complete_schema(db)?;
    if db.any(sql::SETTING, [])? && !volume.overwrite {
        return Err(EngineError::Conflict);
    }
    let existing = names(db)?;
    for table in schema::tables()
        .chain(["session"])
        .map(|t| format!("jfs_{t}"))
    {
        if existing.contains(&table) {
            db.run(&format!("DELETE FROM `{table}`"), [])?;
        }
    }
    db.run(sql::SETTING_INSERT, [&volume.json])?;
    for (name, value) in FIRST_COUNTERS {
        db.run(sql::COUNTER_PUT, params![name, value])?;
    }
    let target = Target {
        db,
        at: Time::default(),
    };
    target.new_node(Ino::ROOT, &volume.root)?;
    match &volume.trash {
        Some(trash) => target.new_node(Ino::TRASH, trash),
        None => Ok(()),
    }
}

/// Whether tables, indexes or columns are missing, as on volumes of older clients.
pub(crate) fn is_complete(db: Db<'_>) -> Result<bool, EngineError> {
    let existing = names(db)?;
    let complete = schema::statements()
        .iter()
        .all(|(name, _)| existing.contains(name));
    Ok(complete && missing_columns(db)?.is_empty())
}

/// Adds what is missing.
pub(crate) fn complete_schema(db: Db<'_>) -> Result<(), EngineError> {
    let existing = names(db)?;
    for (name, sql) in schema::statements() {
        if !existing.contains(&name) {
            execute(db, &sql)?;
        }
    }
    for sql in missing_columns(db)? {
        execute(db, &sql)?;
    }
    Ok(())
}

/// Statements that add the missing columns.
fn missing_columns(db: Db<'_>) -> Result<Vec<String>, EngineError> {
    let mut missing = Vec::new();
    for (table, column, definition) in schema::LATER_COLUMNS {
        let known = format!(
            "SELECT 1 FROM pragma_table_info('jfs_{table}', 'main') WHERE name = '{column}'"
        );
        if !db.any(&known, [])? {
            missing.push(format!(
                "ALTER TABLE `jfs_{table}` ADD `{column}` {definition}"
            ));
        }
    }
    Ok(missing)
}

/// A statement that runs once and is not worth keeping.
fn execute(db: Db<'_>, sql: &str) -> Result<(), EngineError> {
    db.trips.record_for(db.op, || sql::brief(sql));
    db.c.execute_batch(sql).map_err(classify)
}

fn names(db: Db<'_>) -> Result<HashSet<String>, EngineError> {
    Ok(db
        .all(sql::SCHEMA_NAMES, [], |row| get(row, 0))?
        .into_iter()
        .collect())
}
