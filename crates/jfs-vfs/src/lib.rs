//! The POSIX view of a volume: handles, reading with read-ahead, buffered writing, close-to-open.
//!
//! [`Vfs`] is what FUSE and embedding programs call. Methods named `try_...` answer from memory on
//! the calling thread and never wait; the others are async. docs/SEMANTICS.md says what may be
//! relied on.
//!
//! # Inodes, handles, callers
//!
//! Operations take inodes, not paths: walk with [`Vfs::lookup`] from `Ino::ROOT`. Reading and writing need
//! a handle ([`Vfs::open`], [`Vfs::create`]), which ends with [`Vfs::release`]; what is not released stays
//! open until the session ends. A `Caller` with `check_permission` is held to modes and ACLs; without it,
//! as behind a kernel that has checked, only the rules that a kernel does not know apply. `Caller::root()`
//! may do everything.
//!
//! # Errors
//!
//! Every operation answers an `Errno` as the system call of its name would. Besides those that its
//! documentation names, all may answer EIO (the metadata engine or the object store failed, or the fate of
//! a change cannot be found out; the log says more) and ENOENT (the inode is gone), and all that change
//! something EROFS on a read-only volume, ENOSPC and EDQUOT at limits of space, EPERM for what is immutable
//! or append-only. What writing a file went wrong in the background is told by the next
//! [`Vfs::write`], [`Vfs::flush`] or [`Vfs::fsync`] of that file, once: who wants to know calls one of the
//! latter two before [`Vfs::release`], which cannot say.
//!
//! # Concurrency
//!
//! All methods may be called at the same time from any number of tasks, also on one handle. Changes happen
//! one after the other in some order; reads of a file that is being written see each write whole, or not
//! yet. Memory is bounded by [`VfsConfig::buffer_size`]: writers wait while buffers are full.
//!
//! # Cancellation
//!
//! A future that is dropped stops waiting. A change that it had sent may still happen, once, or not at
//! all; nothing is left half done in the volume. Data that [`Vfs::write`] had accepted is committed by the
//! background all the same. A handle or a lock that was about to be given may stay until the session
//! ends: spawn [`Vfs::open`], [`Vfs::create`] and [`Vfs::flock`] when that matters, instead of dropping them.

#![forbid(unsafe_code)]

mod attributes;
mod background_flush;
mod config;
mod copy;
mod dirs;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod handles;
mod internal;
mod kernel_attributes;
mod locks;
mod losses;
mod names;
mod reader;
mod reply;
mod search;
mod unsynced;
mod vfs;
mod watch;
mod writer;
mod writers;
mod xattr;

pub use config::VfsConfig;
pub use internal::Describe;
pub use jfs_meta::wire::{LockRecord, LockType};
pub use jfs_meta::{LockRange, NewNode, SetTime, StatFs};
pub use kernel_attributes::KernelCache;
pub use losses::Unwritten;
pub use reader::ReadNow;
pub use reply::{AttrReply, DirItem, DirItems, EntryReply, SetAttrRequest};
pub use vfs::Vfs;
pub use watch::{Began, Op, Shown, VfsStats, changes, mode_text, shown};
pub use writer::WriteTo;
