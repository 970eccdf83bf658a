//! The engine for database servers: attempts over an exchange of many statements in one round trip.
//!
//! A [`link::Driver`] gives connections and knows the dialect of its server. Nothing here names one.

pub(crate) mod link;
