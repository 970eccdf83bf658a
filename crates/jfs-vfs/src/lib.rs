//! The POSIX view of a volume: handles, reading with read-ahead, buffered writing, close-to-open.
//!
//! [`Vfs`] is what FUSE and embedding programs call. Methods named `try_...` answer from memory on
//! the calling thread and never wait; the others are async. docs/SEMANTICS.md says what may be
//! relied on.

#![forbid(unsafe_code)]

mod config;
mod copy;
mod dirs;
mod durable;
mod files;
mod handles;
mod internal;
mod locks;
mod names;
mod nodes;
mod reader;
mod reply;
mod ticker;
mod told;
mod vfs;
mod watch;
mod writer;
mod writers;
mod xattr;

pub use config::VfsConfig;
pub use internal::Describe;
pub use jfs_meta::wire::{LockRecord, LockType};
pub use jfs_meta::{LockRange, NewNode, SetTime, StatFs};
pub use reader::ReadNow;
pub use reply::{AttrReply, DirItem, DirItems, EntryReply, SetAttrRequest};
pub use told::KernelCache;
pub use vfs::Vfs;
pub use watch::{Began, Op, Shown, VfsStats, changes, mode_text, shown};
