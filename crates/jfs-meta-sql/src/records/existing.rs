//! The tables, indexes and columns that a database has.

use super::{Query, schema};
use crate::dialect::Dialect;
use crate::statement::Statement as S;
use crate::value::Rows;
use jfs_meta::EngineError;
use std::collections::HashSet;

/// Reads what exists.
pub(crate) fn query() -> Query {
    Query::new(S::Existing, [])
}

/// The statement: rows of an object's name and NULL, or of a table's name and a column's name. SQLite names
/// the columns of those tables only that volumes of older clients have with fewer, as every new reader asks.
pub(crate) fn text(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => {
            let columns = schema::extended_tables().map(|table| {
                format!(" UNION ALL SELECT '{{{table}}}', name FROM pragma_table_info('{{{table}}}', 'main')")
            });
            let columns: String = columns.collect();
            format!("SELECT name, NULL FROM main.sqlite_master{columns}")
        }
        Dialect::Postgres => {
            "SELECT CAST(c.relname AS text), CAST(a.attname AS text) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE n.nspname = current_schema()"
                .to_string()
        }
        Dialect::Mysql => {
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() \
             UNION ALL SELECT index_name, NULL FROM information_schema.statistics WHERE table_schema = DATABASE()"
                .to_string()
        }
    }
}

/// Tables, indexes and columns of a volume.
#[derive(Clone, Debug, Default)]
pub(crate) struct Existing {
    names: HashSet<String>,
    columns: HashSet<(String, String)>,
}

impl Existing {
    /// What exists, from the rows of [`query`]. Names without `prefix` are left out: a database may hold
    /// many other tables.
    pub(crate) fn new(prefix: &str, rows: &mut dyn Rows) -> Result<Existing, EngineError> {
        let mut existing = Existing::default();
        let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
        while let Some(row) = rows.next()? {
            let name = text(row.bytes(0)?);
            if !name.contains(prefix) {
                continue;
            }
            if let Some(column) = row.data(1)? {
                existing.columns.insert((name.clone(), text(column)));
            }
            existing.names.insert(name);
        }
        Ok(existing)
    }

    /// Whether there is a table or an index of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether a table has a column.
    pub(crate) fn has_column(&self, table: &str, column: &str) -> bool {
        self.columns
            .contains(&(table.to_string(), column.to_string()))
    }
}
