//! Block cache: recently used blocks in memory and on disk.
//!
//! The cache knows block keys, not slices or inodes. Blocks never change, so a cached block is never stale. The
//! reference client uses the same directory layout (docs/FORMAT.md, local cache directory).

mod cache;
mod checksum;
mod disk;
mod disks;
mod fds;
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod index;
mod key;
mod memory;
mod ring;
mod stats;
mod temporary;

pub use cache::{BlockCache, CacheConfig, CacheError};
pub use checksum::Checksum;
pub use disk::QUEUE_MAX;
pub use index::Eviction;
pub use key::BlockKey;
pub use stats::CacheStats;
