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
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let url = format!("sqlite3://{}/volume.db", dir.path().display());
//! # let format = jfs::types::Format {
//! #     name: "example".into(),
//! #     uuid: uuid::Uuid::new_v4().to_string(),
//! #     storage: "file".into(),
//! #     bucket: format!("{}/objects/", dir.path().display()),
//! #     block_size: 4096,
//! #     meta_version: 1,
//! #     ..jfs::types::Format::default()
//! # };
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # jfs::admin::format(&url, format, jfs::admin::FormatOptions { force: false, check_storage: true }).await?;
//! // `url` is the address of the metadata engine, as `sqlite3:///var/lib/app/volume.db`.
//! let volume = jfs::open(&url, jfs::OpenOptions::default()).await?;
//! let (vfs, me) = (volume.vfs(), jfs::types::Caller::root());
//! let (entry, fh, _) = vfs
//!     .create(&me, jfs::types::Ino::ROOT, b"hello", 0o644, 0o022, libc::O_RDWR)
//!     .await?;
//! vfs.write(fh, 0, b"hello, world".as_slice().into()).await?;
//! vfs.flush(fh).await?;
//! assert_eq!(vfs.read(fh, 7, 100).await?, b"world"[..]);
//! assert_eq!(vfs.getattr(entry.ino).await?.attr.length, 12);
//! vfs.release(fh).await;
//! volume.close().await?;
//! # Ok::<(), jfs::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
pub use jfs_control::{self as control, View};
pub use jfs_meta as meta;
pub use jfs_object::shown_bucket;
pub use jfs_types as types;
pub use jfs_vfs::{self as vfs, Vfs};
