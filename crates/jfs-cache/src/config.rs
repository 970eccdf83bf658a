//! How a cache is set up.

use jfs_types::{Clock, Rand, SystemClock, SystemRand};
use std::path::PathBuf;
use std::sync::Arc;

/// Which reads from the cache disk are compared with the stored checksums. A piece is 32 KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// None; none are stored either.
    None,
    /// Only reads of a whole block.
    Full,
    /// The whole pieces inside the range.
    Shrink,
    /// Every piece the range touches.
    #[default]
    Extend,
}

/// Who leaves when the cache disk is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eviction {
    /// Nobody: new blocks are not kept.
    None,
    /// The less recently used of two blocks picked at random, until there is room.
    #[default]
    TwoRandom,
}

/// Options of [`crate::BlockCache::open`].
#[derive(Clone)]
pub struct CacheConfig {
    /// Cache directories. `memory`, alone, or none at all keeps blocks in memory only. Default:
    /// none. More than one directory is not supported yet.
    pub dirs: Vec<PathBuf>,
    /// UUID of the volume: the directory below each of `dirs`.
    pub uuid: String,
    /// Form of the keys, as in the bucket. Default false.
    pub hash_prefix: bool,
    /// Bytes kept on disk. Without a disk, bytes kept in memory, but never more than a quarter of
    /// the machine's. 0 means no disk. Default 100 GiB.
    pub size_bytes: u64,
    /// Blocks kept on disk. Default 10 million.
    pub items_max: u64,
    /// Share of the cache disk's space and inodes left free. Default 0.1.
    pub free_space_ratio: f64,
    /// Bytes of blocks kept in memory beside a disk. Default 64 MiB.
    pub memory_bytes: u64,
    /// Mode of block files; directories get x where it has r. Default 0600.
    pub mode: u32,
    /// Checks on reading. Default `Extend`.
    pub checksum: Checksum,
    /// Default `TwoRandom`.
    pub eviction: Eviction,
    /// Block files kept open. Default 256.
    pub open_files_max: usize,
    /// Tells when a block was used.
    pub clock: Arc<dyn Clock>,
    /// Picks blocks to evict.
    pub rand: Arc<dyn Rand>,
}

impl Default for CacheConfig {
    fn default() -> CacheConfig {
        CacheConfig {
            dirs: Vec::new(),
            uuid: String::new(),
            hash_prefix: false,
            size_bytes: 100 << 30,
            items_max: 10_000_000,
            free_space_ratio: 0.1,
            memory_bytes: 64 << 20,
            mode: 0o600,
            checksum: Checksum::default(),
            eviction: Eviction::default(),
            open_files_max: 256,
            clock: Arc::new(SystemClock),
            rand: Arc::new(SystemRand),
        }
    }
}
