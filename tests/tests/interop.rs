//! One volume, two clients: what we write the reference reads, and the other way round; and what is
//! left of our volume when the mount is killed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod interop {
    use jfs_tests::local_volume;

    mod access_log;
    mod caches;
    mod change_log;
    mod control;
    mod extreme_requests;
    mod fixtures;
    mod further_kinds;
    mod holes;
    mod internal;
    mod killed_mount;
    mod metrics;
    mod mixed_changes;
    mod mounts;
    mod open_without_name;
    mod options;
    mod setgid;
    mod sql_servers;
    mod statfs;
    mod taking_turns;
    mod times;
    mod tools;
    mod volumes;
}
