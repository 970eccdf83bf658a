//! SQLite engine: typed metadata records in the tables of the volume format.
//!
//! One writer thread owns the writing connection; commits that wait together share one database
//! transaction, a savepoint each. An attempt reads without locks on a reader connection; its commit
//! carries what it saw, and the writer makes sure inside `BEGIN IMMEDIATE` that it still holds.
//! Point reads run on the calling thread, for they take a few microseconds; listings and scans run
//! on the blocking pool (docs/decisions/0003-sqlite-reads.md).
//!
//! No rules of the file system are here, and no other SQL database yet: all statements are in
//! `sql` and `schema`, which is where another dialect would start.

#![forbid(unsafe_code)]

mod acl;
mod attempt;
mod cleanup;
mod commit_group;
mod counters;
mod db;
mod dialect;
mod engine;
mod errors;
mod fence;
mod listing;
mod locks;
mod lost_answers;
mod net;
mod node;
mod older_volumes;
mod open;
mod read;
mod schema;
mod sessions;
mod sql;
mod statement;
mod url;
mod value;
mod volume;
mod write;
mod writer;

pub use lost_answers::FaultPlan;
pub use open::SqliteEngine;
