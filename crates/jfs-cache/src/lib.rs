//! The block cache: recently used blocks in memory, and all that fits on a local disk, in the
//! directory layout that other clients of the volume share (docs/FORMAT.md, "Local cache
//! directory").
//!
//! It knows block keys and bytes: no slices, inodes, object stores or compression; what it holds is
//! plain data. A block never changes, so an entry is never stale, only lost. Losing one costs a
//! download and nothing else: every fault of the cache disk ends as a miss.
//!
//! [`BlockCache::try_read`] is the path that matters: it runs on the thread that read the request,
//! takes a few microseconds, and never waits for a disk.

pub mod cache;
pub mod config;
pub mod error;
pub mod key;
pub mod stats;

mod checksum;
mod disk;
mod lru;
mod memory;
mod queue;
mod sys;

pub use cache::{BlockCache, TryRead};
pub use config::{CacheConfig, Checksum, Eviction};
pub use error::CacheError;
pub use key::BlockKey;
pub use stats::CacheStats;
