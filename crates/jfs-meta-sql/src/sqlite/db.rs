//! Running statements: prepared once per connection, each one counted as a round trip.

use super::errors::classify;
use super::row::NoRows;
use crate::records::existing::{self, Existing};
use crate::records::schema::Schema;
use crate::records::{Change, Expect, Query, settle};
use crate::statement::{Catalog, Statement, brief};
use crate::value::{Params, Rows};
use jfs_meta::EngineError;
use jfs_meta::engine::Receipt;
use jfs_meta::trips::TripLog;
use rusqlite::{CachedStatement, Connection, params_from_iter};

/// Statements of the protocol, which name no table.
pub(crate) mod step {
    pub(crate) const BEGIN_READ: &str = "BEGIN";
    pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
    pub(crate) const COMMIT: &str = "COMMIT";
    pub(crate) const ROLLBACK: &str = "ROLLBACK";
    pub(crate) const SAVEPOINT: &str = "SAVEPOINT one";
    pub(crate) const RELEASE: &str = "RELEASE one";
    pub(crate) const ROLLBACK_TO: &str = "ROLLBACK TO one";
    /// Changes whenever another connection has committed.
    pub(crate) const DATA_VERSION: &str = "PRAGMA data_version";
}

/// A connection in use by one operation.
#[derive(Clone, Copy)]
pub(crate) struct Db<'a> {
    pub(crate) c: &'a Connection,
    pub(crate) catalog: &'a Catalog,
    pub(crate) trips: &'a TripLog,
    /// The operation that waits for what runs here.
    pub(crate) op: &'static str,
}

impl<'a> Db<'a> {
    fn prepare(&self, statement: Statement) -> Result<CachedStatement<'a>, EngineError> {
        let prepared = self.catalog.get(statement);
        self.trips.record_for(self.op, || prepared.brief.clone());
        self.c.prepare_cached(&prepared.run).map_err(classify)
    }

    /// Runs a statement and returns the number of rows it changed.
    pub(crate) fn run(&self, query: &Query) -> Result<u64, EngineError> {
        self.execute(query.statement, &query.params)
    }

    fn execute(&self, statement: Statement, params: &Params) -> Result<u64, EngineError> {
        let changed = self
            .prepare(statement)?
            .execute(params_from_iter(params))
            .map_err(classify)?;
        Ok(changed as u64)
    }

    /// Runs a statement and returns what `f` makes of its rows.
    pub(crate) fn read<T>(
        &self,
        query: &Query,
        f: impl FnOnce(&mut dyn Rows) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.rows(query.statement, &query.params, f)
    }

    fn rows<T>(
        &self,
        statement: Statement,
        params: &Params,
        f: impl FnOnce(&mut dyn Rows) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut statement = self.prepare(statement)?;
        let mut rows = statement
            .query(params_from_iter(params))
            .map_err(classify)?;
        f(&mut rows)
    }

    /// Makes a change and checks what it has done.
    pub(crate) fn change(&self, change: &Change, receipt: &mut Receipt) -> Result<(), EngineError> {
        match change.expect {
            Expect::Nothing | Expect::SomeRow => {
                let changed = self.execute(change.statement, &change.params)?;
                settle(change, changed, &mut NoRows, receipt)
            }
            Expect::ListLength { .. } | Expect::UsersLeft { .. } => {
                self.rows(change.statement, &change.params, |rows| {
                    settle(change, 0, rows, receipt)
                })
            }
        }
    }

    /// `BEGIN`, `COMMIT` and their like.
    pub(crate) fn step(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.trips
            .record_for(self.op, || brief(sql, self.catalog.prefix()));
        self.c.prepare_cached(sql)?.raw_execute().map(|_| ())
    }

    /// SQLite's data version.
    pub(crate) fn data_version(&self) -> Option<i64> {
        let sql = step::DATA_VERSION;
        self.trips
            .record_for(self.op, || brief(sql, self.catalog.prefix()));
        let mut statement = self.c.prepare_cached(sql).ok()?;
        statement.query_row([], |row| row.get(0)).ok()
    }

    /// A statement that runs once and is not worth keeping.
    pub(crate) fn once(&self, sql: &str) -> Result<(), EngineError> {
        self.trips
            .record_for(self.op, || brief(sql, self.catalog.prefix()));
        self.c.execute_batch(sql).map_err(classify)
    }

    /// The tables and indexes of the volume in the words of the database.
    pub(crate) fn schema(&self) -> Schema {
        Schema::new(self.catalog.dialect(), self.catalog.prefix())
    }

    /// The tables, indexes and columns of the volume that exist.
    pub(crate) fn existing(&self) -> Result<Existing, EngineError> {
        self.read(&existing::query(), |rows| {
            Existing::new(self.catalog.prefix(), rows)
        })
    }
}
