//! jfs in a program: volumes of a distributed POSIX file system, without a mount.
//!
//! ```
//! use jfs::{FormatOptions, OpenOptions, Volume};
//! use std::io::SeekFrom;
//! use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let here = temporary.path().display();
//! // Metadata in SQLite, data in a directory. For more than one machine: Redis and S3.
//! let url = format!("sqlite3://{here}/photos.db");
//! Volume::format(&url, FormatOptions::new().name("photos").bucket(format!("{here}/objects"))).await?;
//!
//! let volume = Volume::open(&url, OpenOptions::new()).await?;
//! let fs = volume.fs();
//!
//! fs.create_dir_all("/2026/may").await?;
//! fs.write("/2026/may/notes.txt", "seven pictures").await?;
//!
//! let mut file = fs.create("/2026/may/1.raw").await?;
//! file.write_all(&[7; 300_000]).await?;
//! file.close().await?; // stored: other clients see it
//!
//! let mut file = fs.open("/2026/may/1.raw").await?;
//! file.seek(SeekFrom::End(-2)).await?;
//! let mut tail = Vec::new();
//! file.read_to_end(&mut tail).await?;
//! assert_eq!(tail, [7, 7]);
//! assert_eq!(file.read_at(100, 3).await?, vec![7; 3]);
//!
//! let mut names = Vec::new();
//! let mut entries = fs.read_dir("/2026/may").await?;
//! while let Some(entry) = entries.next_entry().await? {
//!     names.push(entry.file_name().to_owned());
//! }
//! names.sort();
//! assert_eq!(names, ["1.raw", "notes.txt"]);
//!
//! volume.close().await?; // stores what is left, ends the session
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! - [`Volume`]: formats, opens and closes. [`Volume::fs`] is the file system by paths.
//! - [`Fs`]: methods named as in `tokio::fs`: `open`, `create`, `read`, `write`, `metadata`, `read_dir`, `create_dir_all`,
//!   `remove_dir_all`, `rename`, `copy` (no data moves), `symlink`, `hard_link`, extended attributes, permissions.
//!   [`Fs::as_user`] acts as a user with groups, [`Fs::open_dir`] gives a directory where relative paths begin,
//!   [`Fs::options`] opens files in every other way ([`FileOptions`]).
//! - [`File`]: `AsyncRead`, `AsyncWrite`, `AsyncSeek`; `read_at` and `write_at` for many tasks at once; `sync_all`, `set_len`,
//!   locks that all clients see, `close`.
//! - [`OpenOptions`] and [`FormatOptions`]: options by subject, each with its default.
//! - [`Error`]: kind, path, operation, source.
//! - [`admin`]: changes the setting of a volume and tells about it. [`vfs`]: the layer below, by inodes and handles.
//!
//! # Rules
//!
//! **Runtime.** A volume is opened on a tokio runtime, and its uploads, heartbeat and clean-ups run there. The runtime needs more than one
//! thread, or one that is never blocked.
//!
//! **Close.** Await [`Volume::close`]: a volume that is dropped loses what is not stored, and other clients clean its session up only
//! when it has expired. A [`File`] that is dropped is closed in the background; only [`File::close`] and
//! [`File::sync_all`] tell whether its data was stored.
//!
//! **Other clients.** An open volume is one client among all that have it open, mounts and JuiceFS clients included. What one has closed
//! is seen by the next open of another. A program may open a volume more than once. [`Volume::lost`] tells when the volume
//! was replaced under it.
//!
//! **Dropped futures.** Whatever opens, reads or stores data goes on in the background when its future is dropped, and ends properly. A changed
//! name (`rename`, `create_dir`) happens once or not at all.
//!
//! **Memory.** Buffers of readers and writers share [`BufferOptions::size_bytes`]; writers wait while it is used up.
//!
//! # Examples and features
//!
//! The directory `examples` of this crate has whole programs, run with `cargo run -p jfs --example NAME`: `embed`, `import_tree` (a
//! local tree into a volume), `copy_tree` (several tasks, no data moves), `shared_counter` (two clients and a
//! lock), `http_server` (ranges of files over HTTP, streamed).
//!
//! The features `sqlite` and `redis`, both on by default, are the metadata engines; an address of one that was left out is
//! refused by name.

#![forbid(unsafe_code)]

pub mod admin;
mod closing;
mod engines;
mod error;
mod format_options;
mod fs;
mod options;
mod reconfigure;
mod secrets;
mod session;
mod shared;
mod store;
mod support;
mod volume;

pub use closing::{STALL_MAX, describe_unwritten};
pub use engines::connect;
pub use error::{Error, ErrorKind};
pub use format_options::FormatOptions;
pub use fs::{Dir, DirEntry, File, FileOptions, Fs, Metadata, ReadDir};
pub use jfs_types::FileType;
pub use options::{
    BufferOptions, CacheOptions, JobOptions, KernelOptions, ListingOptions, MetadataOptions,
    OpenOptions, StorageOptions,
};
pub use volume::{Volume, open_engine};

pub use jfs_cache as cache;
pub use jfs_control::{self as control, View};
pub use jfs_meta as meta;
pub use jfs_object::shown_bucket;
pub use jfs_types as types;
pub use jfs_vfs::{self as vfs, Vfs};
