//! How a volume is opened.

use jfs_cache::{Checksum, Eviction};
use jfs_types::Format;
use jfs_types::path::file_bucket;
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
    /// Files remembered for `open_cache` and the kernel's page cache after they were closed, those that
    /// are open among them; 0 = the most that are ever remembered, 65,536. Default 10,000.
    pub open_cache_limit: usize,
    /// Bytes of read and write buffers in total. Default 300 MiB.
    pub buffer_size: u64,
    /// Bytes read ahead of a sequential reader at most, per handle. Default 16 MiB.
    pub max_readahead: u64,
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
    /// Most blocks in the cache's directories; 0 = as many as fit. Default 0.
    pub cache_items: u64,
    /// Which cached block goes when a disk is full.
    pub cache_eviction: Eviction,
    /// Cached blocks not used for this long go; zero = never. Default zero.
    pub cache_expire: Duration,
    /// Time between two scans of the cache directories, which find what other processes have stored or removed
    /// there; zero = only at the start. Default one hour.
    pub cache_scan_interval: Duration,
    /// Permissions of cached files. Default 0600.
    pub cache_mode: u32,
    /// When cached blocks are verified.
    pub cache_checksum: Checksum,
    /// Cache only blocks smaller than the volume's block size. Default false.
    pub cache_partial_only: bool,
    /// Cache full blocks after their upload too. Default false.
    pub cache_large_write: bool,
    /// Another kind of storage than the setting's.
    pub storage: Option<String>,
    /// Another bucket than the setting's. For file storage a directory; see `base_dir`.
    pub bucket: Option<String>,
    /// Where a relative directory in `bucket` starts. Default: the current directory.
    pub base_dir: Option<PathBuf>,
    /// Another storage class for new objects than the setting's.
    pub storage_class: Option<String>,
    /// Deadline of one attempt to read, list or delete an object. Default 60 s.
    pub get_timeout: Duration,
    /// Deadline of one attempt to write an object. Default 60 s.
    pub put_timeout: Duration,
    /// Write, read and delete an object before the volume is opened. Default false.
    pub check_storage: bool,
    /// What the session record calls the mount point. Default `sdk`.
    pub mountpoint: Option<String>,
    /// How long the kernel may keep attributes. Default 1 s.
    pub attr_cache: Duration,
    /// How long the kernel may keep entries of files. Default 1 s.
    pub entry_cache: Duration,
    /// How long the kernel may keep entries of directories. Default 1 s.
    pub dir_entry_cache: Duration,
    /// How long the kernel may keep that a name does not exist. Default 0: not at all.
    pub negative_entry_cache: Duration,
    /// Let the kernel keep listings of directories. Default false.
    pub readdir_cache: bool,
    /// List directories in the order of the bytes of names. Default false: in the engine's order.
    pub sort_dir: bool,
    /// Answer statfs from what is known of the volume's usage, up to a heartbeat old. Default false.
    pub fast_statfs: bool,
    /// Put `.jfs` before the names of `.accesslog`, `.trash` and the like. Default false.
    pub prefix_internal: bool,
    /// List none of them. Default true; the mount program has its own.
    pub hide_internal: bool,
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
            open_cache_limit: 10_000,
            buffer_size: 300 << 20,
            max_readahead: 16 << 20,
            prefetch: 1,
            max_uploads: 20,
            max_downloads: 200,
            max_deletes: 10,
            io_retries: 10,
            cache_dir: vec![PathBuf::from("memory")],
            cache_size: 100 << 30,
            free_space_ratio: 0.1,
            cache_items: 0,
            cache_eviction: Eviction::default(),
            cache_expire: Duration::ZERO,
            cache_scan_interval: Duration::from_secs(3600),
            cache_mode: 0o600,
            cache_checksum: Checksum::default(),
            cache_partial_only: false,
            cache_large_write: false,
            storage: None,
            bucket: None,
            base_dir: None,
            storage_class: None,
            get_timeout: Duration::from_secs(60),
            put_timeout: Duration::from_secs(60),
            check_storage: false,
            mountpoint: None,
            attr_cache: Duration::from_secs(1),
            entry_cache: Duration::from_secs(1),
            dir_entry_cache: Duration::from_secs(1),
            negative_entry_cache: Duration::ZERO,
            readdir_cache: false,
            sort_dir: false,
            fast_statfs: false,
            prefix_internal: false,
            hide_internal: true,
        }
    }
}

impl OpenOptions {
    /// The setting as this client uses it: with the storage, bucket and class of these options.
    pub fn apply(&self, mut format: Format) -> Format {
        if let Some(storage) = &self.storage {
            format.storage.clone_from(storage);
        }
        if let Some(bucket) = &self.bucket {
            format.bucket = match format.storage.as_str() {
                "file" => self.directory(bucket),
                _ => bucket.clone(),
            };
        }
        if let Some(class) = &self.storage_class {
            format.set_class_of_new_objects(class);
        }
        format
    }

    /// The bucket of file storage as the setting holds it.
    fn directory(&self, bucket: &str) -> String {
        let base = match &self.base_dir {
            Some(dir) => dir.clone(),
            None => std::env::current_dir().unwrap_or_default(),
        };
        file_bucket(bucket, &base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_replaces_the_setting() {
        let stored = Format {
            storage: "file".into(),
            bucket: "/a/".into(),
            ..Format::default()
        };
        assert_eq!(OpenOptions::default().apply(stored.clone()), stored);
        let options = |storage: Option<&str>, bucket: &str| OpenOptions {
            storage: storage.map(str::to_string),
            bucket: Some(bucket.to_string()),
            base_dir: Some("/home/u".into()),
            storage_class: Some("STANDARD_IA".into()),
            ..OpenOptions::default()
        };
        for (storage, bucket, want) in [
            (None, "b", "/home/u/b/"),
            (None, "/b//", "/b/"),
            (None, "x/../b", "/home/u/b/"),
            (Some("minio"), "h:9000/b", "h:9000/b"),
        ] {
            let format = options(storage, bucket).apply(stored.clone());
            assert_eq!(format.bucket, want);
            let tier = &format.tiers.expect("tiers")["0"];
            assert_eq!(tier["StorageClass"], "STANDARD_IA");
        }
    }
}
