//! Calls outside of attempts that take several statements, inside a transaction that is open where they
//! change something.

use super::db::Db;
use crate::records::{Change, Query};
use crate::records::{acl, change_log, counters, locks, sessions, volume};
use jfs_meta::EngineError;
use jfs_meta::engine::{DirStat, IdKind, LockKind, LockRow, LogHead, LogLine, Receipt};
use jfs_types::{AclRule, Attr, Ino};
use std::ops::Range;

/// The setting document, `None` without a volume.
pub(crate) fn setting(db: Db<'_>) -> Result<Option<Vec<u8>>, EngineError> {
    let (schema, existing) = (db.schema(), db.existing()?);
    if !existing.has(&schema.table(volume::SETTING_TABLE)) {
        return Ok(None);
    }
    let found = db.read(&volume::setting(), volume::setting_row)?;
    if found.is_some() {
        volume::check_tables(&schema, &existing)?;
    }
    Ok(found)
}

/// Makes the change.
pub(crate) fn change(db: Db<'_>, change: &Change) -> Result<(), EngineError> {
    db.change(change, &mut Receipt::default())
}

/// Runs the statements one after the other.
pub(crate) fn run_all(
    db: Db<'_>,
    queries: impl IntoIterator<Item = Query>,
) -> Result<(), EngineError> {
    queries
        .into_iter()
        .try_for_each(|query| db.run(&query).map(|_| ()))
}

/// Makes the tables and the first rows.
pub(crate) fn create_volume(
    db: Db<'_>,
    json: &[u8],
    root: &Attr,
    trash: Option<&Attr>,
    overwrite: bool,
) -> Result<(), EngineError> {
    let json = volume::document(json)?;
    complete_schema(db)?;
    let known = db.read(&volume::setting(), volume::setting_row)?;
    if known.is_some() && !overwrite {
        return Err(EngineError::Conflict);
    }
    for sql in db.schema().emptied(&db.existing()?) {
        db.once(&sql)?;
    }
    run_all(db, volume::first_rows(json, root, trash))
}

/// Whether tables, indexes or columns are missing, as on volumes of older clients.
pub(crate) fn is_complete(db: Db<'_>) -> Result<bool, EngineError> {
    Ok(db.schema().missing(&db.existing()?).is_empty())
}

/// Adds what is missing.
pub(crate) fn complete_schema(db: Db<'_>) -> Result<(), EngineError> {
    let missing = db.schema().missing(&db.existing()?);
    missing.iter().try_for_each(|sql| db.once(sql))
}

/// Stores a rule, and `log` with it.
pub(crate) fn add_acl(db: Db<'_>, rule: &AclRule, log: Vec<Query>) -> Result<u32, EngineError> {
    run_all(db, log)?;
    db.read(&acl::insert(rule), acl::number)
}

/// Adds to a counter, whose row is made when it is missing, and returns its value.
pub(crate) fn add(db: Db<'_>, name: &str, n: i64) -> Result<i64, EngineError> {
    db.read(&counters::add(name, n), |rows| counters::added(name, rows))
}

/// Reserves `n` ids.
pub(crate) fn reserve(
    db: Db<'_>,
    kind: IdKind,
    n: u64,
    log: Vec<Query>,
) -> Result<Range<u64>, EngineError> {
    run_all(db, log)?;
    let end = add(db, counters::name_of_ids(kind), n as i64)?;
    counters::reserved(kind, n, end)
}

/// Adds to the usage counters.
pub(crate) fn add_usage(db: Db<'_>, space: i64, inodes: i64) -> Result<(), EngineError> {
    counters::add_usage(space, inodes)
        .try_for_each(|query| db.read(&query, |rows| rows.any()).map(|_| ()))
}

/// Adds deltas and returns the directories without a record.
pub(crate) fn add_stats(db: Db<'_>, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
    let mut missing = Vec::new();
    for (dir, delta) in deltas {
        if db.run(&counters::add_stat(*dir, delta))? == 0 {
            missing.push(*dir);
        }
    }
    Ok(missing)
}

/// Takes the next session id; one that is taken already is skipped.
pub(crate) fn new_session(
    db: Db<'_>,
    expire: i64,
    info: &[u8],
    log: &[LogLine],
) -> Result<u64, EngineError> {
    for _ in 0..sessions::TRIES_MAX {
        let sid = add(db, sessions::COUNTER, 1)? as u64;
        if db.run(&sessions::insert(sid, expire, info))? == 1 {
            run_all(db, change_log::add_all(log, sid))?;
            return Ok(sid);
        }
    }
    Err(sessions::none_free())
}

/// The oldest entries of the change log.
pub(crate) fn log_head(db: Db<'_>, limit: usize) -> Result<LogHead, EngineError> {
    let total = db.read(&change_log::count(), change_log::counted)?;
    let entries = db.read(&change_log::head(limit), change_log::entries)?;
    Ok(LogHead { total, entries })
}

/// All locks of a session.
pub(crate) fn locks_of_session(
    db: Db<'_>,
    sid: u64,
) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
    let mut found = Vec::new();
    for kind in [LockKind::Flock, LockKind::Posix] {
        let query = locks::of_session(sid, kind);
        found.extend(db.read(&query, |rows| locks::rows_of_session(kind, rows))?);
    }
    Ok(found)
}
