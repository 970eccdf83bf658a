//! How a volume is opened, by subject.
//!
//! Each default is written once: those of the metadata client, the cache and the stores come from the
//! crates that act on them.

mod define;

pub(crate) use define::options;
use jfs_cache::{CacheConfig, Checksum, Eviction};
use jfs_control::ViewConfig;
use jfs_meta::MetaConfig;
use jfs_object::StoreOptions;
use jfs_types::Format;
use jfs_types::path::file_bucket;
use jfs_vfs::VfsConfig;
use std::path::PathBuf;
use std::time::Duration;

options! {
    /// Options of [`crate::Volume::open`]. The defaults are those of `mount`.
    ///
    /// ```
    /// use jfs::{BufferOptions, CacheOptions, OpenOptions};
    ///
    /// let options = OpenOptions::new()
    ///     .read_only(true)
    ///     .subdir("/photos")
    ///     .cache(CacheOptions::new().dirs(vec!["/var/cache/app".into()]).size_bytes(1 << 30))
    ///     .buffers(BufferOptions::new().size_bytes(64 << 20));
    /// assert!(options.read_only);
    /// ```
    pub struct OpenOptions {
        /// Refuse every change, register no session. Default false.
        read_only: bool = false,
        /// The metadata client.
        metadata: MetadataOptions = MetadataOptions::new(),
        /// The object store.
        storage: StorageOptions = StorageOptions::new(),
        /// The block cache.
        cache: CacheOptions = CacheOptions::new(),
        /// Buffers of readers and writers.
        buffers: BufferOptions = BufferOptions::new(),
        /// Background jobs.
        jobs: JobOptions = JobOptions::new(),
        /// Listings of directories.
        listing: ListingOptions = ListingOptions::new(),
        /// What a kernel may keep that mounts the volume.
        kernel: KernelOptions = KernelOptions::new(),
    }
    optional {
        /// Directory of the volume that is its root here; made when missing. Default: the volume's root.
        subdir: String,
        /// What the session record calls the mount point. Default `sdk`.
        mountpoint: String,
    }
}

options! {
    /// How the metadata client behaves.
    pub struct MetadataOptions {
        /// Time between two heartbeats. Default 12 s; 0 sends none.
        heartbeat: Duration = MetaConfig::default().heartbeat,
        /// A directory's times are not updated again within this time. Default 100 ms.
        skip_dir_mtime: Duration = MetaConfig::default().skip_dir_mtime,
        /// How long the attributes of an open file count as fresh. Default 0.
        open_cache: Duration = MetaConfig::default().open_cache,
        /// Files remembered for `open_cache` and the kernel's page cache after they were closed, those that
        /// are open among them; 0 = the most that are ever remembered, 65,536. Default 10,000.
        open_cache_limit: usize = MetaConfig::default().open_cache_limit,
        /// Answer statfs from what is known of the volume's usage, up to a heartbeat old. Default false.
        fast_statfs: bool = VfsConfig::default().fast_statfs,
    }
}

options! {
    /// Where blocks are and how requests to the object store behave.
    pub struct StorageOptions {
        /// Deadline of one attempt to read, list or delete an object. Default 60 s.
        get_timeout: Duration = StoreOptions::default().get_timeout,
        /// Deadline of one attempt to write an object. Default 60 s.
        put_timeout: Duration = StoreOptions::default().put_timeout,
        /// Retries of a failed object request. Default 10.
        io_retries: u32 = StoreOptions::default().io_retries,
        /// Uploads at the same time. Default 20.
        max_uploads: usize = 20,
        /// Downloads at the same time. Default 200.
        max_downloads: usize = 200,
        /// Write, read and delete an object before the volume is opened. Default false.
        check: bool = false,
    }
    optional {
        /// Another kind of storage than the setting's.
        kind: String,
        /// Another bucket than the setting's. For file storage a directory; see `base_dir`.
        bucket: String,
        /// Where a relative directory in `bucket` starts. Default: the current directory.
        base_dir: PathBuf,
        /// Another storage class for new objects than the setting's.
        class: String,
    }
}

options! {
    /// How blocks are cached.
    pub struct CacheOptions {
        /// Directories of the block cache; `memory` keeps blocks in memory only. Default `memory`; the
        /// mount program has its own.
        dirs: Vec<PathBuf> = CacheConfig::default().dirs,
        /// Bytes of the block cache. Default 100 GiB.
        size_bytes: u64 = CacheConfig::default().size_bytes,
        /// Share of the cache's disk that stays free. Default 0.1.
        free_space_ratio: f64 = CacheConfig::default().free_space_ratio,
        /// Most blocks in the cache's directories; 0 = as many as fit. Default 0.
        items: u64 = CacheConfig::default().items,
        /// Which cached block goes when a disk is full.
        eviction: Eviction = Eviction::default(),
        /// Cached blocks not used for this long go; zero = never. Default zero.
        expire: Duration = CacheConfig::default().expire,
        /// Time between two scans of the cache directories, which find what other processes have stored or
        /// removed there; zero = only at the start. Default one hour.
        scan_interval: Duration = CacheConfig::default().scan_interval,
        /// Permissions of cached files. Default 0600.
        mode: u32 = CacheConfig::default().mode,
        /// When cached blocks are verified.
        checksum: Checksum = Checksum::default(),
        /// Cache only blocks smaller than the volume's block size. Default false.
        partial_only: bool = false,
        /// Cache full blocks after their upload too. Default false.
        large_write: bool = false,
    }
}

options! {
    /// Memory of readers and writers.
    pub struct BufferOptions {
        /// Bytes of read and write buffers in total. Default 300 MiB.
        size_bytes: u64 = VfsConfig::default().buffer_size,
        /// Bytes read ahead of a sequential reader at most, per open file. Default 16 MiB.
        max_readahead: u64 = VfsConfig::default().max_readahead,
        /// Blocks fetched around random reads at the same time. Default 1.
        prefetch: usize = VfsConfig::default().prefetch,
    }
}

options! {
    /// Jobs that run beside the program.
    pub struct JobOptions {
        /// Take part in the clean-ups that all clients share: trash, removed files, stale sessions. Default true.
        cleanup: bool = true,
        /// Files and slices deleted at the same time; 0 deletes none. Default 10.
        max_deletes: usize = 10,
    }
}

options! {
    /// How directories are listed.
    pub struct ListingOptions {
        /// List directories in the order of the bytes of names. Default false: in the engine's order.
        sorted: bool = VfsConfig::default().sort_dir,
        /// Put `.jfs` before the names of `.accesslog`, `.trash` and the like. Default false.
        prefix_internal: bool = ViewConfig::default().prefix_internal,
        /// List none of them. Default true; the mount program has its own.
        hide_internal: bool = ViewConfig::default().hide_internal,
    }
}

options! {
    /// How long a kernel may keep what it was told. For mounts; programs that use [`crate::Fs`] see every
    /// change at once.
    pub struct KernelOptions {
        /// How long attributes may be kept. Default 1 s.
        attr_cache: Duration = VfsConfig::default().attr_timeout,
        /// How long entries of files may be kept. Default 1 s.
        entry_cache: Duration = VfsConfig::default().entry_timeout,
        /// How long entries of directories may be kept. Default 1 s.
        dir_entry_cache: Duration = VfsConfig::default().dir_entry_timeout,
        /// How long the kernel may keep that a name does not exist. Default 0: not at all.
        negative_entry_cache: Duration = VfsConfig::default().negative_timeout,
        /// Let the kernel keep listings of directories. Default false.
        readdir_cache: bool = VfsConfig::default().readdir_cache,
    }
}

impl OpenOptions {
    /// The setting as this client uses it: with the storage, bucket and class of these options.
    pub fn apply(&self, format: Format) -> Format {
        self.storage.apply(format)
    }
}

impl StorageOptions {
    fn apply(&self, mut format: Format) -> Format {
        if let Some(storage) = &self.kind {
            format.storage.clone_from(storage);
        }
        if let Some(bucket) = &self.bucket {
            format.bucket = match format.storage_kind().as_str() {
                "file" => self.directory(bucket),
                _ => bucket.clone(),
            };
        }
        if let Some(class) = &self.class {
            format.set_class_of_new_objects(class);
        }
        format
    }

    /// The bucket of file storage as the setting holds it.
    fn directory(&self, bucket: &str) -> String {
        let bucket = match bucket.split_once("://") {
            Some((scheme, path)) if scheme.eq_ignore_ascii_case("file") => path,
            // Stays an address, which file storage refuses.
            Some(_) => return bucket.to_string(),
            None => bucket,
        };
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
        let options = |storage: Option<&str>, bucket: &str| {
            let mut options = StorageOptions::new()
                .bucket(bucket)
                .base_dir("/home/u")
                .class("STANDARD_IA");
            options.kind = storage.map(str::to_string);
            OpenOptions::new().storage(options)
        };
        for (storage, bucket, want) in [
            (None, "b", "/home/u/b/"),
            (None, "/b//", "/b/"),
            (None, "x/../b", "/home/u/b/"),
            (None, "file:///b", "/b/"),
            (None, "http://h/b", "http://h/b"),
            (Some("FILE"), "b", "/home/u/b/"),
            (Some("minio"), "h:9000/b", "h:9000/b"),
        ] {
            let format = options(storage, bucket).apply(stored.clone());
            assert_eq!(format.bucket, want);
            let tier = &format.tiers.expect("tiers")["0"];
            assert_eq!(tier["StorageClass"], "STANDARD_IA");
        }
    }
}
