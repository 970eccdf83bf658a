//! One volume, two clients: what we write the reference reads, and the other way round; and what is
//! left of our volume when the mount is killed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod interop {
    mod caches;
    mod fixtures;
    mod killed;
    mod kinds;
    mod mounts;
    mod place;
    mod turns;
    mod volumes;
}
