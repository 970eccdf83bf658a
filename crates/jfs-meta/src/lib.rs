//! Every metadata operation of the file system, written once above a small typed engine interface.
//!
//! Start reading at [`Meta`] (what callers use), then [`engine`] (what engines implement), then one
//! file of [`ops`]. This crate has no database driver, knows no blocks and no object store: what
//! must happen to data leaves as [`Work`].

#![forbid(unsafe_code)]

pub mod engine;
pub mod engine_hooks;
pub mod memory;
pub mod ops;
pub mod perm;
mod proof;
pub mod trips;
pub mod wire;

mod acls;
mod change_log;
mod commit_size;
mod dir_stats;
mod ids;
mod locks;
mod meta;
mod open_files;
mod outage_wait;
mod owner_quotas;
mod quotas;
mod recent_dirs;
mod recent_names;
mod run;
mod session_watch;
mod stats;
mod txn;
mod usage;
mod volume_access;
mod work;

pub use engine::{Attempt, Engine, EngineError};
pub use meta::{Meta, MetaConfig, StatFs};
pub use open_files::ChunkView;
pub use ops::{
    CHUNKS_PEEKED, FORGET_MAX, Held, InodeLocks, More, Summary, TreeNode, TreeShape, Walked,
};
pub use ops::{
    CompactPlan, Compacted, CopyRange, NewNode, Opened, Restored, SetAttr, SetTime, SetXattr,
};
pub use ops::{LOCK_END_MAX, LOCK_RECORDS_MAX, LockHolder, LockRange, LockReply};
pub use outage_wait::OutageWait;
pub use stats::MetaStats;
pub use volume_access::Lost;
pub use wire::SessionInfo;
pub use work::Work;
