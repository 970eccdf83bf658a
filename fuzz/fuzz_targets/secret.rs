//! See `jfs_tests::fuzz`.
#![no_main]

jfs_fuzz::target!("secret");
