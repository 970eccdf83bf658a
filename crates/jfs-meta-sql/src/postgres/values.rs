//! Parameters and columns in PostgreSQL's binary form.

use crate::value::{Row, Value};
use bytes::{BufMut, BytesMut};
use jfs_meta::EngineError;
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// A parameter. [`misfit`] has found it right for its place before.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) &'a Value);

/// The reason why a parameter of type `ty` cannot hold `value`.
pub(super) fn misfit(value: &Value, ty: &Type) -> Option<String> {
    let refused = |what: String| Some(format!("{what} does not fit into a parameter of type {ty}"));
    match (value, ty) {
        (Value::Null, _) => None,
        (Value::Int(_), &Type::INT8) => None,
        (Value::Int(n), &Type::INT4) if i32::try_from(*n).is_ok() => None,
        (Value::Int(n), &Type::INT2) if i16::try_from(*n).is_ok() => None,
        (Value::Int(n), _) => refused(n.to_string()),
        (Value::Bytes(_), &Type::BYTEA) => None,
        (Value::Bytes(_), _) => refused("binary data".into()),
        (Value::Text(data), &Type::TEXT | &Type::VARCHAR) => match std::str::from_utf8(data) {
            Ok(text) if !text.contains('\0') => None,
            _ => refused(format!(
                "{:?}, which is no UTF-8,",
                String::from_utf8_lossy(data)
            )),
        },
        (Value::Text(_), _) => refused("text".into()),
    }
}

impl ToSql for Param<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self.0, ty) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Int(n), &Type::INT2) => out.put_i16(i16::try_from(*n)?),
            (Value::Int(n), &Type::INT4) => out.put_i32(i32::try_from(*n)?),
            (Value::Int(n), _) => out.put_i64(*n),
            (Value::Bytes(data) | Value::Text(data), _) => out.put_slice(data),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column of a row.
enum Cell<'a> {
    Number(i64),
    Data(&'a [u8]),
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Cell<'a>, Box<dyn Error + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Cell::Number(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Cell::Number(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT2 => Cell::Number(i16::from_be_bytes(raw.try_into()?).into()),
            _ => Cell::Data(raw),
        })
    }

    fn accepts(ty: &Type) -> bool {
        matches!(
            *ty,
            Type::INT8
                | Type::INT4
                | Type::INT2
                | Type::BYTEA
                | Type::TEXT
                | Type::VARCHAR
                | Type::NAME
        )
    }
}

/// A row of a result.
pub(super) struct PgRow(pub(super) tokio_postgres::Row);

impl PgRow {
    fn cell(&self, column: usize) -> Result<Option<Cell<'_>>, EngineError> {
        self.0.try_get(column).map_err(|e| {
            let reason = e
                .source()
                .map_or_else(|| e.to_string(), ToString::to_string);
            EngineError::corrupt(format!("column {column}"), reason)
        })
    }
}

impl Row for PgRow {
    fn number(&self, column: usize) -> Result<Option<i64>, EngineError> {
        match self.cell(column)? {
            None => Ok(None),
            Some(Cell::Number(n)) => Ok(Some(n)),
            Some(Cell::Data(_)) => Err(EngineError::corrupt(
                format!("column {column}"),
                "bytes where a number is stored",
            )),
        }
    }

    fn data(&self, column: usize) -> Result<Option<&[u8]>, EngineError> {
        match self.cell(column)? {
            None => Ok(None),
            Some(Cell::Data(data)) => Ok(Some(data)),
            Some(Cell::Number(_)) => Err(EngineError::corrupt(
                format!("column {column}"),
                "a number where bytes are stored",
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_sent() {
        let big = i64::from(i32::MAX) + 1;
        for (value, ty) in [
            (Value::Int(big), Type::INT4),
            (Value::Int(40_000), Type::INT2),
            (Value::Int(1), Type::TEXT),
            (Value::bytes(b"a"), Type::TEXT),
            (Value::text(b"a"), Type::BYTEA),
            (Value::text(b"\xff"), Type::VARCHAR),
            (Value::text(b"a\0"), Type::VARCHAR),
        ] {
            assert!(misfit(&value, &ty).is_some(), "{value:?} as {ty}");
        }
        for (value, ty, wanted) in [
            (Value::Int(-2), Type::INT4, &(-2i32).to_be_bytes()[..]),
            (Value::Int(big), Type::INT8, &big.to_be_bytes()),
            (Value::bytes(b"\0\xff"), Type::BYTEA, b"\0\xff"),
            (Value::text("ü".as_bytes()), Type::VARCHAR, "ü".as_bytes()),
        ] {
            assert_eq!(misfit(&value, &ty), None);
            let mut out = BytesMut::new();
            Param(&value).to_sql(&ty, &mut out).unwrap();
            assert_eq!(&out[..], wanted);
        }
    }
}
