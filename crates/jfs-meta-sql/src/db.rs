//! Running statements: prepared once per connection, each one counted as a round trip.

use crate::errors::classify;
use crate::sql;
use jfs_meta::EngineError;
use jfs_meta::trips::TripLog;
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Params, Row, ToSql};

/// A connection in use by one operation.
#[derive(Clone, Copy)]
pub(crate) struct Db<'a> {
    pub(crate) c: &'a Connection,
    pub(crate) trips: &'a TripLog,
    /// The operation that waits for what runs here.
    pub(crate) op: &'static str,
}

impl Db<'_> {
    fn count(&self, sql: &str) {
        self.trips.record_for(self.op, || sql::brief(sql));
    }

    /// Runs a statement and returns the number of rows it changed.
    pub(crate) fn run(&self, sql: &str, params: impl Params) -> Result<usize, EngineError> {
        self.count(sql);
        self.c
            .prepare_cached(sql)
            .and_then(|mut s| s.execute(params))
            .map_err(classify)
    }

    /// As [`Db::run`], but no row changed is a conflict: what was read is not there any more.
    pub(crate) fn run_some(&self, sql: &str, params: impl Params) -> Result<(), EngineError> {
        match self.run(sql, params)? {
            0 => Err(EngineError::Conflict),
            _ => Ok(()),
        }
    }

    /// `BEGIN`, `COMMIT` and their like.
    pub(crate) fn step(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.count(sql);
        self.c.prepare_cached(sql)?.raw_execute().map(|_| ())
    }

    /// The first row of a statement.
    pub(crate) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        f: impl FnOnce(&Row<'_>) -> Result<T, EngineError>,
    ) -> Result<Option<T>, EngineError> {
        self.count(sql);
        let mut statement = self.c.prepare_cached(sql).map_err(classify)?;
        let mut rows = statement.query(params).map_err(classify)?;
        match rows.next().map_err(classify)? {
            Some(row) => f(row).map(Some),
            None => Ok(None),
        }
    }

    /// Whether a statement has a row.
    pub(crate) fn any(&self, sql: &str, params: impl Params) -> Result<bool, EngineError> {
        Ok(self.one(sql, params, |_| Ok(()))?.is_some())
    }

    /// All rows of a statement. The statement bounds them.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut f: impl FnMut(&Row<'_>) -> Result<T, EngineError>,
    ) -> Result<Vec<T>, EngineError> {
        self.count(sql);
        let mut statement = self.c.prepare_cached(sql).map_err(classify)?;
        let mut rows = statement.query(params).map_err(classify)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(classify)? {
            all.push(f(row)?);
        }
        Ok(all)
    }
}

/// Bytes that are stored as text, whether or not they are UTF-8.
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// A column of a row.
pub(crate) fn get<T: FromSql>(row: &Row<'_>, column: usize) -> Result<T, EngineError> {
    row.get(column).map_err(classify)
}

/// A column with an id, which is stored as a signed number.
pub(crate) fn get_u64(row: &Row<'_>, column: usize) -> Result<u64, EngineError> {
    get::<i64>(row, column).map(|n| n as u64)
}

/// The raw bytes of a column whatever its storage class: an append turns a blob into text. NULL is
/// empty.
pub(crate) fn bytes<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8], EngineError> {
    match row.get_ref(column).map_err(classify)? {
        ValueRef::Blob(b) | ValueRef::Text(b) => Ok(b),
        ValueRef::Null => Ok(&[]),
        other => Err(EngineError::corrupt(
            format!("column {column}"),
            format!(
                "a value of type {} where bytes are stored",
                other.data_type()
            ),
        )),
    }
}
