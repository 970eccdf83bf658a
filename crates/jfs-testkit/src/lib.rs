//! Helpers for tests: private servers, mounts of our binaries and of the reference client, file trees
//! and the golden volumes.
//!
//! Everything here is started for one test process, listens on the loopback only, lives in a scratch
//! directory of that process and is gone when the process is, killed or not. A program that is missing
//! is an error that names the package to install, never a skipped test.
//!
//! The crate knows no engine and no file system code of ours: it drives programs and the kernel.

mod client;
mod error;
mod fixture;
mod jfsbin;
mod minio;
mod mount;
mod process;
mod reference;
mod scratch;
mod servers;
mod tools;
mod tree;
mod vendors;
mod wait;

pub use client::{Client, Output};
pub use error::{KitError, Result};
pub use fixture::{Fixture, Manifest, StatFs, fixtures_dir};
pub use jfsbin::Jfs;
pub use minio::{DetachedMinio, MINIO_ACCESS_KEY, MINIO_SECRET_KEY, MinioServer};
pub use mount::{Mount, MountArgs};
pub use process::{pids_with_env, process_alive};
pub use reference::Reference;
pub use scratch::scratch_dir;
pub use servers::{DetachedRedis, RedisOptions, RedisServer};
pub use tree::{Field, Kind, Node, Tree, content, diff, fill, walk, xattrs};
pub use vendors::{Ran, Vendors};
pub use wait::wait_until;
