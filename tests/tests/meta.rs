//! The metadata operations on every engine: one list of scenarios, made green by each of them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod meta {
    mod acls;
    mod attrs;
    mod compact;
    mod concurrent;
    mod copies;
    mod create;
    mod data;
    mod faults;
    mod fence;
    mod gap;
    mod listing;
    mod locks;
    mod nodes;
    mod opens;
    mod ops;
    mod quotas;
    mod remove;
    mod rename;
    mod restore;
    mod same;
    mod sessions;
    mod trash;
    mod trips;
    mod xattrs;
}
