//! The front door: paths, files, users, locks, errors and the end of a volume, on SQLite and a local directory.
//!
//! Each test has a private volume and uses nothing but the public interface.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "fs/cancelled.rs"]
mod cancelled;
#[path = "fs/closing.rs"]
mod closing;
#[path = "fs/errors.rs"]
mod errors;
#[path = "fs/files.rs"]
mod files;
#[path = "fs/locks.rs"]
mod locks;
#[path = "fs/names.rs"]
mod names;
#[path = "fs/place.rs"]
mod place;
#[path = "fs/trees.rs"]
mod trees;
#[path = "fs/users.rs"]
mod users;
