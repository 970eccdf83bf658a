//! The engine for database servers: attempts over an exchange of many statements in one round trip.
//!
//! A [`link::Driver`] gives connections and knows the dialect of its server. Nothing here names one.

mod attempt;
mod batch;
mod changes;
mod commit;
pub(crate) mod engine;
pub(crate) mod link;
pub(crate) mod pool;
mod server;
mod volume;
