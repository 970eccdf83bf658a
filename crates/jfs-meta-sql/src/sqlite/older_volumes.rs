//! Reading volumes of older clients as they are: what a client that may write would add to the database
//! (`calls::complete_schema`) stands in front of it, on one connection and for as long as that lasts.
//!
//! Names without a schema lead to temporary tables first, so the statements stay the same.

use super::errors::classify;
use crate::records::existing::Existing;
use crate::records::schema::{Older, Schema};
use crate::records::volume::SETTING_TABLE;
use crate::statement::{Catalog, Statement};
use jfs_meta::EngineError;
use rusqlite::Connection;

/// Puts empty tables in the place of missing ones, and views with zeros in the place of tables that lack
/// columns. Whether there was anything to do: then another client may add the real ones at any time, and
/// the connection is not to be used again. A database without a volume is left alone.
pub(crate) fn stand_in(c: &Connection, catalog: &Catalog) -> Result<bool, EngineError> {
    let schema = Schema::new(catalog.dialect(), catalog.prefix());
    let existing = {
        let sql = &catalog.get(Statement::Existing).run;
        let mut statement = c.prepare(sql).map_err(classify)?;
        let mut rows = statement.query([]).map_err(classify)?;
        Existing::new(catalog.prefix(), &mut rows)?
    };
    if !existing.has(&schema.table(SETTING_TABLE)) {
        return Ok(false);
    }
    let mut sql = String::new();
    for older in schema.older(&existing) {
        sql += &match older {
            Older::Table(table, columns) => format!("CREATE TEMP TABLE `{table}` ({columns});"),
            Older::Columns(table, missing) => {
                let zeros = missing.iter().map(|column| format!(", 0 AS `{column}`"));
                let zeros: String = zeros.collect();
                format!("CREATE TEMP VIEW `{table}` AS SELECT *{zeros} FROM main.`{table}`;")
            }
        };
    }
    c.execute_batch(&sql).map_err(classify)?;
    Ok(!sql.is_empty())
}
