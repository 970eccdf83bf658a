//! Reading volumes of older clients as they are: what a client that may write would add to the database
//! (`volume::complete_schema`) stands in front of it, on one connection and for as long as that lasts.
//!
//! Names without a schema lead to temporary tables first, so the statements stay the same.

use crate::errors::classify;
use crate::schema;
use jfs_meta::EngineError;
use rusqlite::Connection;
use std::collections::HashSet;

/// Puts empty tables in the place of missing ones, and views with zeros in the place of tables that lack
/// columns. Whether there was anything to do: then another client may add the real ones at any time, and
/// the connection is not to be used again. A database without a volume is left alone.
pub(crate) fn stand_in(c: &Connection) -> Result<bool, EngineError> {
    let tables = names(
        c,
        "SELECT name FROM main.sqlite_master WHERE type = 'table'",
    )?;
    if !tables.contains("jfs_setting") {
        return Ok(false);
    }
    let mut sql = String::new();
    for (name, columns) in schema::TABLES {
        let table = format!("jfs_{name}");
        if !tables.contains(&table) {
            sql += &format!("CREATE TEMP TABLE `{table}` ({columns});");
            continue;
        }
        let mut later = schema::LATER_COLUMNS
            .iter()
            .filter(|(t, ..)| t == name)
            .peekable();
        if later.peek().is_none() {
            continue;
        }
        let known = names(
            c,
            &format!("SELECT name FROM pragma_table_info('{table}', 'main')"),
        )?;
        let missing: String = later
            .filter(|(_, column, _)| !known.contains(*column))
            .map(|(_, column, _)| format!(", 0 AS `{column}`"))
            .collect();
        if !missing.is_empty() {
            sql += &format!("CREATE TEMP VIEW `{table}` AS SELECT *{missing} FROM main.`{table}`;");
        }
    }
    c.execute_batch(&sql).map_err(classify)?;
    Ok(!sql.is_empty())
}

fn names(c: &Connection, sql: &str) -> Result<HashSet<String>, EngineError> {
    let mut statement = c.prepare(sql).map_err(classify)?;
    let names = statement
        .query_map([], |row| row.get(0))
        .map_err(classify)?;
    names.collect::<Result<_, _>>().map_err(classify)
}
