//! One volume, two clients: what we write the reference reads, and the other way round; and what is
//! left of our volume when the mount is killed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod interop {
    use jfs_tests::place;

    mod access_log;
    mod caches;
    mod control;
    mod edges;
    mod fixtures;
    mod internal;
    mod killed;
    mod kinds;
    mod metrics;
    mod mixed;
    mod mounts;
    mod nameless;
    mod options;
    mod setgid;
    mod statfs;
    mod times;
    mod tools;
    mod turns;
    mod volumes;
}
