//! Redis engine: typed metadata records as keys and hashes, transactions by WATCH and MULTI/EXEC.
//!
//! A plain read has a connection from the pool for its round trip, an attempt that watches something for
//! as long as it takes. WATCH and the reads it guards go in one pipeline, MULTI .. EXEC in a second: two
//! round trips per transaction. Key layout: docs/FORMAT.md, Redis.

#![forbid(unsafe_code)]

mod acl;
mod attempt;
mod change_log;
mod connection;
mod connections;
mod deadlines;
mod engine;
mod errors;
mod fence;
#[doc(hidden)]
pub mod fuzzing;
mod keys;
mod listing;
mod lua;
mod marks;
mod owner_quota;
mod quota;
mod read;
mod scan;
mod sessions;
mod url;
mod volume;
mod write;

pub use engine::RedisEngine;
