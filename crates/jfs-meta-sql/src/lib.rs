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
#[allow(dead_code, reason = "arms for servers, whose engines follow")]
mod dialect;
mod engine;
mod errors;
mod fence;
mod listing;
mod locks;
mod lost_answers;
#[allow(dead_code, reason = "the engines for servers follow")]
mod net;
mod node;
mod older_volumes;
mod open;
mod read;
#[allow(dead_code, reason = "the engines move here one after the other")]
mod records;
mod schema;
mod sessions;
mod sql;
#[allow(dead_code, reason = "the engines move here one after the other")]
mod statement;
mod url;
#[allow(dead_code, reason = "the engines move here one after the other")]
mod value;
mod volume;
mod write;
mod writer;

pub use lost_answers::FaultPlan;
pub use open::SqliteEngine;
