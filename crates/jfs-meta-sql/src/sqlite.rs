//! The SQLite engine.
//!
//! One writer thread owns the writing connection; commits that wait together share one database
//! transaction, a savepoint each. An attempt reads without locks on a reader connection; its commit
//! carries what it saw, and the writer makes sure inside `BEGIN IMMEDIATE` that it still holds.
//! Point reads run on the calling thread, for they take a few microseconds; listings and scans run
//! on the blocking pool (docs/decisions/0003-sqlite-reads.md).

mod attempt;
mod calls;
mod commit_group;
mod db;
mod engine;
mod errors;
mod fence;
mod lost_answers;
mod older_volumes;
mod open;
mod read;
mod row;
mod url;
mod writer;

pub use lost_answers::FaultPlan;
pub use open::SqliteEngine;
