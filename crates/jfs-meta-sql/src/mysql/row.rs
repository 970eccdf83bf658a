//! Rows of results in the text protocol.

use crate::value::Row;
use jfs_meta::EngineError;
use mysql_async::Value;
use mysql_async::consts::ColumnType;

/// A row of a result. Numbers stand there in decimal digits; the type of a column tells them from text.
pub(super) struct TextRow(pub(super) mysql_async::Row);

impl TextRow {
    fn cell(&self, column: usize) -> Result<(Option<&[u8]>, bool), EngineError> {
        let corrupt = |reason: &str| EngineError::corrupt(format!("column {column}"), reason);
        let (Some(value), Some(named)) = (self.0.as_ref(column), self.0.columns_ref().get(column))
        else {
            return Err(corrupt("no such column"));
        };
        match value {
            Value::NULL => Ok((None, true)),
            Value::Bytes(data) => Ok((Some(data), is_number(named.column_type()))),
            _ => Err(corrupt("a value of another protocol")),
        }
    }
}

fn is_number(column: ColumnType) -> bool {
    matches!(
        column,
        ColumnType::MYSQL_TYPE_TINY
            | ColumnType::MYSQL_TYPE_SHORT
            | ColumnType::MYSQL_TYPE_INT24
            | ColumnType::MYSQL_TYPE_LONG
            | ColumnType::MYSQL_TYPE_LONGLONG
    )
}

impl Row for TextRow {
    fn number(&self, column: usize) -> Result<Option<i64>, EngineError> {
        let corrupt = |reason: String| EngineError::corrupt(format!("column {column}"), reason);
        match self.cell(column)? {
            (None, _) => Ok(None),
            (Some(digits), true) => {
                let text = String::from_utf8_lossy(digits);
                let number = text.parse().map_err(|_| corrupt(text.into_owned()))?;
                Ok(Some(number))
            }
            (Some(_), false) => Err(corrupt("bytes where a number is stored".into())),
        }
    }

    fn data(&self, column: usize) -> Result<Option<&[u8]>, EngineError> {
        match self.cell(column)? {
            (None, _) => Ok(None),
            (Some(data), false) => Ok(Some(data)),
            (Some(_), true) => Err(EngineError::corrupt(
                format!("column {column}"),
                "a number where bytes are stored",
            )),
        }
    }
}
