//! What the kernel asks of a mount, and what it leaves to us: each test does the same on a mount and on a
//! local file system, or looks at what a program sees.
#![allow(clippy::unwrap_used, reason = "tests")]

mod kernel {
    use jfs_tests::local_volume;

    mod control_rights;
    mod direct;
    mod file_handles;
    mod privileges;
    mod users;
    mod write_flags;
}
