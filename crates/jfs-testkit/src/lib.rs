//! Helpers for tests: private servers, mounts of our binaries and of the reference client, file trees
//! and the golden volumes.
//!
//! Everything here is started for one test process, listens on the loopback only, lives in a scratch
//! directory of that process and is gone when the process is, killed or not. A program that is missing
//! is an error that names the package to install, never a skipped test.
//!
//! The crate knows no engine and no file system code of ours: it drives programs and the kernel.

mod certificates;
mod client;
mod daemon;
mod delay_relay;
mod error;
mod fixture;
mod jfsbin;
mod mariadb;
mod minio;
mod mount;
mod postgres;
mod process;
mod reference;
mod scratch;
mod servers;
mod sql_client;
mod template;
mod tools;
mod tree;
mod unprivileged;
mod vendors;
mod wait;

pub use certificates::Certificates;
pub use client::{Client, Output};
pub use delay_relay::DelayRelay;
pub use error::{KitError, Result};
pub use fixture::{Fixture, Manifest, StatFs, fixtures_dir};
pub use jfsbin::Jfs;
pub use mariadb::{MariadbOptions, MariadbServer};
pub use minio::{DetachedMinio, MINIO_ACCESS_KEY, MINIO_SECRET_KEY, MinioServer};
pub use mount::{Mount, MountArgs};
pub use postgres::{PostgresOptions, PostgresServer};
pub use process::{pids_with_env, process_alive};
pub use reference::Reference;
pub use scratch::scratch_dir;
pub use servers::{DetachedRedis, RedisOptions, RedisServer};
pub use sql_client::{PASSWORD_USER, TlsFiles, USER as DATABASE_USER, USER_PASSWORD};
pub use tree::{Field, Kind, Node, Tree, content, diff, fill, walk, xattrs};
pub use vendors::{Ran, Vendors};
pub use wait::wait_until;
