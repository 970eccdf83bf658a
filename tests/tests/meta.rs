//! The metadata operations on every engine: one list of scenarios, made green by each of them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod meta {
    mod attrs;
    mod concurrent;
    mod create;
    mod data;
    mod faults;
    mod listing;
    mod ops;
    mod remove;
    mod rename;
    mod same;
    mod sessions;
    mod trash;
    mod trips;
}
