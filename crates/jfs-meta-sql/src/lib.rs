//! SQL engines: typed metadata records in the tables of the volume format.
//!
//! - `records`: keys and writes as statements, rows as answers; pure, the same for every database.
//! - `statement`, `dialect`, `value`: the statements by name, their text for each database, and what goes in
//!   and out.
//! - `sqlite`: the engine for SQLite, the only place that knows its driver.
//! - `net`: the engine for servers, over exchanges of many statements in one round trip.
//! - `postgres`, `mysql`: connections to a server, the only places that know their drivers.
//!
//! The decision and the rejected options: docs/decisions/0011-sql-dialects.md. No rules of the file system
//! are here.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "mysql", feature = "postgres")),
    allow(
        dead_code,
        unused_imports,
        reason = "parts for a server that this build leaves out"
    )
)]

mod dialect;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod net;
#[cfg(feature = "postgres")]
mod postgres;
mod prefix;
mod records;
mod sqlite;
mod statement;
mod value;

#[cfg(feature = "mysql")]
pub use mysql::open as open_mysql;
#[cfg(feature = "postgres")]
pub use postgres::open as open_postgres;
pub use sqlite::{FaultPlan, SqliteEngine};
