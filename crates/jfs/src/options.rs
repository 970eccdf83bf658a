//! How a volume is opened.

use std::path::PathBuf;
use std::time::Duration;

/// Options of [`crate::open`]. The defaults are those of `mount`.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Refuse every change, register no session. Default false.
    pub read_only: bool,
    /// Directory of the volume that is its root here. Default: the volume's root.
    pub subdir: Option<String>,
    /// Time between two heartbeats. Default 12 s; 0 sends none.
    pub heartbeat: Duration,
    /// No clean-ups in this client. Default false.
    pub no_bgjob: bool,
    /// A directory's times are not updated again within this time. Default 100 ms.
    pub skip_dir_mtime: Duration,
    /// How long the attributes of an open file count as fresh. Default 0.
    pub open_cache: Duration,
    /// Bytes of read and write buffers in total. Default 300 MiB.
    pub buffer_size: u64,
    /// Blocks fetched ahead on random reads. Default 1.
    pub prefetch: usize,
    /// Uploads at the same time. Default 20.
    pub max_uploads: usize,
    /// Downloads at the same time. Default 200.
    pub max_downloads: usize,
    /// Files and slices deleted at the same time; 0 deletes none. Default 10.
    pub max_deletes: usize,
    /// Retries of a failed object request. Default 10.
    pub io_retries: u32,
    /// Directories of the block cache; `memory` keeps blocks in memory only. Default `memory`; the
    /// mount program has its own.
    pub cache_dir: Vec<PathBuf>,
    /// Bytes of the block cache. Default 100 GiB.
    pub cache_size: u64,
    /// Share of the cache's disk that stays free. Default 0.1.
    pub free_space_ratio: f64,
    /// Another bucket than the setting's.
    pub bucket: Option<String>,
    /// What the session record calls the mount point. Default `sdk`.
    pub mountpoint: Option<String>,
    /// How long the kernel may keep attributes. Default 1 s.
    pub attr_cache: Duration,
    /// How long the kernel may keep entries of files. Default 1 s.
    pub entry_cache: Duration,
    /// How long the kernel may keep entries of directories. Default 1 s.
    pub dir_entry_cache: Duration,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            read_only: false,
            subdir: None,
            heartbeat: Duration::from_secs(12),
            no_bgjob: false,
            skip_dir_mtime: Duration::from_millis(100),
            open_cache: Duration::ZERO,
            buffer_size: 300 << 20,
            prefetch: 1,
            max_uploads: 20,
            max_downloads: 200,
            max_deletes: 10,
            io_retries: 10,
            cache_dir: vec![PathBuf::from("memory")],
            cache_size: 100 << 30,
            free_space_ratio: 0.1,
            bucket: None,
            mountpoint: None,
            attr_cache: Duration::from_secs(1),
            entry_cache: Duration::from_secs(1),
            dir_entry_cache: Duration::from_secs(1),
        }
    }
}
