//! The metadata operations on every engine: one list of scenarios, made green by each of them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod meta {
    mod acls;
    mod attempts;
    mod attrs;
    mod change_log;
    mod compact;
    mod concurrent;
    mod copies;
    mod create;
    mod data;
    mod faults;
    mod fence;
    mod inode_flags;
    mod listing;
    mod locks;
    mod lost_answers;
    mod opens;
    mod operations;
    mod owner_quotas;
    mod quotas;
    mod remove;
    mod rename;
    mod restore;
    mod same_records;
    mod scans;
    mod sessions;
    mod small_commits;
    mod special_files;
    mod trash;
    mod trips;
    mod xattrs;
}
