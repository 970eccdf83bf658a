//! The engine for database servers: attempts over an exchange of many statements in one round trip.
//!
//! A [`link::Driver`] gives connections and knows the dialect of its server. Nothing here names one.

#![allow(dead_code)] // until a driver is there

mod link;
