//! The metadata operations on every engine: one list of scenarios, made green by each of them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod meta {
    mod attrs;
    mod create;
    mod data;
    mod listing;
    mod remove;
    mod rename;
    mod sessions;
    mod trash;
}
