//! SQL engines: typed metadata records in the tables of the volume format.
//!
//! - `records`: keys and writes as statements, rows as answers; pure, the same for every database.
//! - `statement`, `dialect`, `value`: the statements by name, their text for each database, and what goes in
//!   and out.
//! - `sqlite`: the engine for SQLite, the only place that knows its driver.
//! - `net`: the engine for servers, over exchanges of many statements in one round trip.
//! - `postgres`: connections to PostgreSQL, the only place that knows its driver.
//!
//! The decision and the rejected options: docs/decisions/0011-sql-dialects.md. No rules of the file system
//! are here.

#![forbid(unsafe_code)]

#[allow(dead_code, reason = "arms for servers, whose engines follow")]
mod dialect;
#[cfg(feature = "mysql")]
mod mysql;
#[allow(dead_code, reason = "the engines for servers follow")]
mod net;
#[cfg(feature = "postgres")]
mod postgres;
mod prefix;
#[allow(dead_code, reason = "parts for servers, whose engines follow")]
mod records;
mod sqlite;
#[allow(dead_code, reason = "parts for servers, whose engines follow")]
mod statement;
#[allow(dead_code, reason = "parts for servers, whose engines follow")]
mod value;

#[cfg(feature = "mysql")]
pub use mysql::open as open_mysql;
#[cfg(feature = "postgres")]
pub use postgres::open as open_postgres;
pub use sqlite::{FaultPlan, SqliteEngine};
