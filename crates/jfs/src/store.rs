//! From the volume's setting to its object store and chunk store.

use crate::{Error, OpenOptions};
use jfs_cache::{BlockCache, CacheConfig};
use jfs_chunk::{ChunkConfig, ChunkStore, Compression};
use jfs_object::{ObjectStore, StoreOptions};
use jfs_types::Format;

/// The object store of a volume, below its name.
pub(crate) fn open_store(format: &Format, options: &StoreOptions) -> Result<ObjectStore, Error> {
    ObjectStore::open(&format.storage, &format.bucket, &format.name, options)
        .map_err(|e| Error::Storage(e.to_string()))
}

/// The chunk store of a volume with its cache.
pub(crate) fn open_chunks(format: &Format, options: &OpenOptions) -> Result<ChunkStore, Error> {
    let store_options = StoreOptions {
        io_retries: options.io_retries,
        ..StoreOptions::default()
    };
    let objects = open_store(format, &store_options)?;
    let cache = BlockCache::open(CacheConfig {
        dirs: options.cache_dir.clone(),
        uuid: format.uuid.clone(),
        size_bytes: options.cache_size,
        free_space_ratio: options.free_space_ratio,
        hash_prefix: format.hash_prefix,
        ..CacheConfig::default()
    })
    .map_err(|e| Error::Cache(e.to_string()))?;
    let compression = match format.compression.as_str() {
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::None,
    };
    let config = ChunkConfig {
        block_size: format.block_bytes(),
        compression,
        hash_prefix: format.hash_prefix,
        max_uploads: options.max_uploads,
        max_downloads: options.max_downloads,
        max_deletes: options.max_deletes,
        cache_large_write: false,
        prefetch: options.prefetch,
        buffer_size: options.buffer_size,
        runtime: tokio::runtime::Handle::current(),
    };
    Ok(ChunkStore::new(objects, cache, config))
}
