//! SQLite engine: typed metadata records in the tables of the volume format.
//!
//! One writer thread owns the writing connection; commits that wait together share one database
//! transaction, a savepoint each. An attempt reads without locks on a reader connection; its commit
//! carries what it saw, and the writer compares inside `BEGIN IMMEDIATE`. Point reads run on the
//! calling thread (they take microseconds), listings and scans on the blocking pool
//! (docs/decisions/0003-sqlite-reads.md).

#![forbid(unsafe_code)]

mod attempt;
mod cleanup;
mod errors;
mod listing;
mod node;
mod open;
mod read;
mod schema;
mod sessions;
mod volume;
mod write;
mod writer;

pub use open::SqliteEngine;
