//! Redis engine: typed metadata records in the keys of the volume format, committed by
//! WATCH/MULTI/EXEC.
//!
//! An attempt leases one connection: WATCH and the reads it guards are one pipeline, MULTI, the writes
//! and EXEC another, so that a transaction with one batch of reads is two round trips. Requests are
//! written and replies are read by the task that waits for them; there is no driver task between
//! (docs/decisions/0004-redis-connections.md says why and what it saves).
//!
//! No rules of the file system are here, and neither cluster, Sentinel nor TLS yet: such addresses
//! are refused by name.

#![forbid(unsafe_code)]

mod attempt;
mod cleanup;
mod conn;
mod counters;
mod deadline;
mod engine;
mod errors;
mod faults;
mod layout;
mod listing;
mod lookup;
mod open;
mod pool;
mod read;
mod resp;
mod sessions;
mod shared;
mod stream;
mod url;
mod volume;
mod write;

pub use faults::FaultPlan;
pub use open::RedisEngine;
