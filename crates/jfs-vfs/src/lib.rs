//! The POSIX view of a volume: handles, reading with read-ahead, buffered writing, close-to-open.
//!
//! [`Vfs`] is what FUSE and embedding programs call. Methods named `try_...` answer from memory on
//! the calling thread and never wait; the others are async. docs/SEMANTICS.md says what may be
//! relied on.
//!
//! # Inodes, handles, callers
//!
//! Operations take inodes, not paths: walk with [`Vfs::lookup`] from `Ino::ROOT`. Reading and writing need
//! a handle ([`Vfs::open`], [`Vfs::create`]), which ends with [`Vfs::release`]. A handle that is not released stays
//! open until the session ends. Modes and ACLs apply to a `Caller` with `check_permission`. Without it, as behind
//! a kernel that has checked, only the rules apply that a kernel does not know. `Caller::root()` may do everything.
//!
//! # Errors
//!
//! Every operation answers an `Errno` as the system call of its name would. Besides those that its
//! documentation names, all may answer EIO (the metadata engine or the object store failed, or the fate of
//! a change cannot be found out; the log says more) and ENOENT (the inode is gone), and all that change
//! something EROFS on a read-only volume, ENOSPC and EDQUOT at limits of space, EPERM for what is immutable
//! or append-only. A failure to store written data in the background is reported by the next
//! [`Vfs::write`], [`Vfs::flush`] or [`Vfs::fsync`] of that file. [`Vfs::release`] cannot report it: call one of the
//! latter two before.
//!
//! # Concurrency
//!
//! All methods may be called at the same time from any number of tasks, also on one handle. Changes happen
//! one after the other in some order; reads of a file that is being written see each write whole, or not
//! yet. Memory is bounded by [`VfsConfig::buffer_size`]: writers wait while buffers are full.
//!
//! # Cancellation
//!
//! A future that is dropped stops waiting. A change that was sent may still happen, once, or not at all; no
//! change is left half done in the volume. The background commits data that [`Vfs::write`] had accepted. A lock that
//! was about to be given is given back. A handle that was about to be given may stay until the session ends. If that
//! matters, spawn [`Vfs::open`] and [`Vfs::create`] instead of dropping them.
//!
//! # Edges
//!
//! What a kernel asks for beyond this, notices to its cache above all, is in the module [`kernel`]. Files that
//! no volume holds are the business of the edges: [`SpecialFile`] gives them a handle here.

#![forbid(unsafe_code)]

mod attributes;
mod background_flush;
mod config;
mod copy;
mod dirs;
mod files;
mod handles;
pub mod kernel;
mod kernel_attributes;
mod locks;
mod names;
mod reader;
mod reply;
mod search;
mod special;
mod unsynced;
mod unwritten;
mod vfs;
mod write_failures;
mod writer;
mod writers;
mod xattr;

pub use config::VfsConfig;
pub use jfs_meta::wire::{LockRecord, LockType};
pub use jfs_meta::{LOCK_END_MAX, LockRange, NewNode, SetTime, StatFs};
pub use reader::ReadNow;
pub use reply::{AttrReply, DirItem, DirItems, EntryReply, SetAttrRequest};
pub use special::SpecialFile;
pub use unwritten::Unwritten;
pub use vfs::Vfs;
