//! Values and rows in the driver's terms.

use super::errors::classify;
use crate::value::{Row, Rows, Value};
use jfs_meta::EngineError;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(n) => ValueRef::Integer(*n),
            Value::Bytes(data) => ValueRef::Blob(data),
            // SQLite takes any bytes for text.
            Value::Text(data) => ValueRef::Text(data),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn number(&self, column: usize) -> Result<Option<i64>, EngineError> {
        match self.get_ref(column).map_err(classify)? {
            ValueRef::Integer(n) => Ok(Some(n)),
            ValueRef::Null => Ok(None),
            other => Err(unexpected(column, "a number", other)),
        }
    }

    /// Raw bytes of a blob or a text: an append turns a blob into text.
    fn data(&self, column: usize) -> Result<Option<&[u8]>, EngineError> {
        match self.get_ref(column).map_err(classify)? {
            ValueRef::Blob(data) | ValueRef::Text(data) => Ok(Some(data)),
            ValueRef::Null => Ok(None),
            other => Err(unexpected(column, "bytes", other)),
        }
    }
}

fn unexpected(column: usize, wanted: &str, value: ValueRef<'_>) -> EngineError {
    EngineError::corrupt(
        format!("column {column}"),
        format!(
            "a value of type {} where {wanted} must be",
            value.data_type()
        ),
    )
}

impl Rows for rusqlite::Rows<'_> {
    fn next(&mut self) -> Result<Option<&dyn Row>, EngineError> {
        let row = rusqlite::Rows::next(self).map_err(classify)?;
        Ok(row.map(|row| row as &dyn Row))
    }
}

/// The rows of a statement that returns none.
pub(crate) struct NoRows;

impl Rows for NoRows {
    fn next(&mut self) -> Result<Option<&dyn Row>, EngineError> {
        Ok(None)
    }
}
