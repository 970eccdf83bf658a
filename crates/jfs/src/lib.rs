//! The front door of the library: open a volume by its metadata URL.
//!
//! [`open`] gives a [`Volume`] with a [`Vfs`] to work on; [`admin`] formats volumes and tells about
//! them. This is the one place that names concrete engines.
//!
//! ```no_run
//! # async fn example() -> Result<(), jfs::Error> {
//! let volume = jfs::open("sqlite3:///var/lib/app/volume.db", jfs::OpenOptions::default()).await?;
//! let me = jfs::types::Caller::root();
//! let (entry, fh, _) = volume.vfs().create(&me, jfs::types::Ino::ROOT, b"hello", 0o644, 0o022, 0).await?;
//! volume.vfs().write(fh, entry.ino, 0, b"hello, world".as_slice().into()).await?;
//! volume.vfs().flush(fh, entry.ino).await?;
//! volume.vfs().release(fh, entry.ino).await;
//! volume.close().await
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod admin;
mod engines;
mod error;
mod options;
mod reconfigure;
mod secrets;
mod session;
mod store;
mod support;
mod volume;

pub use engines::connect;
pub use error::Error;
pub use options::OpenOptions;
pub use volume::{Volume, open, open_engine};

pub use jfs_cache as cache;
pub use jfs_meta as meta;
pub use jfs_types as types;
pub use jfs_vfs::{self as vfs, Vfs};
