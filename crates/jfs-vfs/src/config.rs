//! How a mount behaves.

use jfs_types::Ino;
use std::time::Duration;

/// Settings of a [`crate::Vfs`]. The defaults are those of `mount`.
#[derive(Clone, Debug)]
pub struct VfsConfig {
    /// How long the kernel may keep attributes. Default 1 s.
    pub attr_timeout: Duration,
    /// How long the kernel may keep entries of files. Default 1 s.
    pub entry_timeout: Duration,
    /// How long the kernel may keep entries of directories. Default 1 s.
    pub dir_entry_timeout: Duration,
    /// Bytes of buffers in total. Default 300 MiB.
    pub buffer_size: u64,
    /// Bytes read ahead of a sequential reader at most. Default 16 MiB.
    pub max_readahead: u64,
    /// Blocks fetched whole on a random read. Default 1.
    pub prefetch: usize,
    /// How long the kernel may keep that a name does not exist. Default 0: not at all.
    pub negative_timeout: Duration,
    /// Let the kernel keep listings of directories. Default false.
    pub readdir_cache: bool,
    /// List directories in the order of the bytes of names. Default false: in the engine's order.
    pub sort_dir: bool,
    /// Answer statfs from what is known of the volume's usage, up to a heartbeat old. Default false.
    pub fast_statfs: bool,
    /// Refuse every change.
    pub read_only: bool,
    /// The directory shown as the root. Default: the volume's root.
    pub root: Ino,
}

impl Default for VfsConfig {
    fn default() -> VfsConfig {
        let second = Duration::from_secs(1);
        VfsConfig {
            attr_timeout: second,
            entry_timeout: second,
            dir_entry_timeout: second,
            buffer_size: 300 << 20,
            max_readahead: 16 << 20,
            prefetch: 1,
            negative_timeout: Duration::ZERO,
            readdir_cache: false,
            sort_dir: false,
            fast_statfs: false,
            read_only: false,
            root: Ino::ROOT,
        }
    }
}
