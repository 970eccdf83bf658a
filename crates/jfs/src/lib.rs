//! The front door of the library: open a volume by its metadata URL.
//!
//! [`open`] gives a [`Volume`] with a [`Vfs`] to work on; [`admin`] formats volumes and tells about
//! them. This is the one place that names concrete engines.
//!
//! A volume is opened on a tokio runtime with more than one thread (or one that is never blocked): its
//! background jobs, uploads and heartbeat run there. An open volume is one client among all that have it
//! open, mounts and JuiceFS clients included; a program may open it more than once. [`Volume::close`] has to
//! be awaited: dropping a volume loses what is not flushed, and other clients clean its session up
//! only when it has expired. [`Volume::lost`] tells when the volume was replaced under the client.
//!
//! What operations answer, how they run side by side, and what becomes of a future that is dropped is
//! in the documentation of [`vfs`]. Whole programs are in the directory `examples`: `embed`, `copy_tree` (a tree
//! walked and copied by several tasks), `shared_counter` (two clients and a lock).
//!
//! ```no_run
//! # async fn example() -> Result<(), jfs::Error> {
//! let volume = jfs::open("sqlite3:///var/lib/app/volume.db", jfs::OpenOptions::default()).await?;
//! let me = jfs::types::Caller::root();
//! let (entry, fh, _) = volume.vfs().create(&me, jfs::types::Ino::ROOT, b"hello", 0o644, 0o022, 0).await?;
//! volume.vfs().write(fh, 0, b"hello, world".as_slice().into()).await?;
//! volume.vfs().flush(fh).await?;
//! volume.vfs().release(fh).await;
//! volume.close().await
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod admin;
mod closing;
mod engines;
mod error;
mod options;
mod reconfigure;
mod secrets;
mod session;
mod store;
mod support;
mod volume;

pub use closing::{STALL_MAX, describe_unwritten};
pub use engines::connect;
pub use error::Error;
pub use options::OpenOptions;
pub use volume::{Volume, open, open_engine};

pub use jfs_cache as cache;
pub use jfs_meta as meta;
pub use jfs_types as types;
pub use jfs_vfs::{self as vfs, Vfs};
