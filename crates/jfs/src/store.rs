//! From the volume's setting to its object store and chunk store.

use crate::{Error, OpenOptions, secrets};
use jfs_cache::{BlockCache, CacheConfig};
use jfs_chunk::{ChunkConfig, ChunkStore, Compression};
use jfs_crypt::{Algorithm, CryptError, Envelope, PrivateKey};
use jfs_object::{Location, ObjectStore, StoreOptions};
use jfs_types::Format;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the passphrase of a protected private key is.
const PASSPHRASE: &str = "JFS_RSA_PASSPHRASE";

/// The object store of a volume, below its name. Opens secrets; sends nothing.
pub(crate) fn open_store(format: &Format, options: &StoreOptions) -> Result<ObjectStore, Error> {
    let location = location(format)?;
    ObjectStore::open_at(&location, options).map_err(Error::storage)
}

fn location(format: &Format) -> Result<Location, Error> {
    let format = secrets::open(format)?;
    Ok(Location {
        storage: format.storage_kind(),
        envelope: envelope(&format)?,
        shards: u32::try_from(format.shards).unwrap_or(0),
        storage_class: format.class_of_new_objects().to_string(),
        bucket: format.bucket,
        volume_name: format.name,
        access_key: format.access_key,
        secret_key: format.secret_key,
        session_token: format.session_token,
    })
}

/// Makes `objects` follow the setting: what it answers is to be called with every setting that was
/// read, and moves the store when the place, the keys or the class differ from the last ones. A place
/// that cannot be opened is warned about, and the old one stays in use.
pub(crate) fn follower(
    objects: ObjectStore,
    options: OpenOptions,
    first: &Format,
) -> impl Fn(&Format) + Send + Sync + 'static {
    let last = Mutex::new(Place::of(&options.apply(first.clone())));
    move |format| {
        let format = options.apply(format.clone());
        let place = Place::of(&format);
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == place {
            return;
        }
        tracing::info!(
            "the setting has changed: storage={:?} bucket={:?} access-key={:?} storage-class={:?}",
            format.storage,
            jfs_telemetry::mask_url(&format.bucket),
            format.access_key,
            format.class_of_new_objects()
        );
        let moved = location(&format).and_then(|location| {
            let moved = objects.move_to(&location);
            moved.map_err(Error::storage)
        });
        if let Err(e) = moved {
            tracing::warn!("the volume's new setting cannot be used yet: {e}");
        }
        *last = place;
    }
}

/// What of a setting says where objects are and how to reach them; secrets as they are stored.
#[derive(PartialEq)]
struct Place([String; 6]);

impl Place {
    fn of(format: &Format) -> Place {
        Place([
            format.storage.clone(),
            format.bucket.clone(),
            format.access_key.clone(),
            format.secret_key.clone(),
            format.session_token.clone(),
            format.class_of_new_objects().to_string(),
        ])
    }
}

fn envelope(format: &Format) -> Result<Option<Arc<Envelope>>, Error> {
    if !format.encrypted() {
        return Ok(None);
    }
    let unusable = |e: CryptError| {
        let hint = match e {
            CryptError::PassphraseMissing => {
                format!(": the variable {PASSPHRASE} has to hold it")
            }
            _ => String::new(),
        };
        Error::setting(format!("encryption of the volume: {e}{hint}"))
    };
    let algorithm = Algorithm::parse(&format.encrypt_algo).map_err(unusable)?;
    let passphrase = std::env::var(PASSPHRASE).unwrap_or_default();
    let key = PrivateKey::from_pem(&format.encrypt_key, &passphrase).map_err(unusable)?;
    Ok(Some(Arc::new(Envelope::new(key, algorithm))))
}

/// The block cache. It only saves time: without a directory that can be used there is one in memory, and
/// that is said.
fn open_cache(config: CacheConfig) -> Result<BlockCache, Error> {
    let memory = CacheConfig {
        dirs: vec![PathBuf::from("memory")],
        ..config.clone()
    };
    let on_disk = BlockCache::open(config);
    on_disk
        .or_else(|error| {
            tracing::warn!("{error}; blocks are kept in memory only");
            BlockCache::open(memory)
        })
        .map_err(Error::cache)
}

/// The chunk store of a volume with its cache.
pub(crate) async fn open_chunks(
    format: &Format,
    options: &OpenOptions,
) -> Result<ChunkStore, Error> {
    let store_options = StoreOptions {
        io_retries: options.storage.io_retries,
        get_timeout: options.storage.get_timeout,
        put_timeout: options.storage.put_timeout,
        ..StoreOptions::default()
    };
    let objects = open_store(format, &store_options)?;
    if options.storage.check {
        let tested = objects.test().await;
        tested.map_err(Error::storage)?;
    }
    let cache = CacheConfig {
        dirs: options.cache.dirs.clone(),
        uuid: format.uuid.clone(),
        size_bytes: options.cache.size_bytes,
        items: options.cache.items,
        free_space_ratio: options.cache.free_space_ratio,
        eviction: options.cache.eviction,
        expire: options.cache.expire,
        scan_interval: options.cache.scan_interval,
        mode: options.cache.mode,
        checksum: options.cache.checksum,
        hash_prefix: format.hash_prefix,
    };
    let cache = open_cache(cache)?;
    let compression = match format.compression_name().as_str() {
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::None,
    };
    let config = ChunkConfig {
        block_size: format.block_bytes(),
        compression,
        hash_prefix: format.hash_prefix,
        max_uploads: options.storage.max_uploads,
        max_downloads: options.storage.max_downloads,
        max_deletes: options.jobs.max_deletes,
        cache_full_blocks: !options.cache.partial_only,
        cache_large_write: options.cache.large_write,
        prefetch: options.buffers.prefetch,
        buffer_size: options.buffers.size_bytes,
        runtime: tokio::runtime::Handle::current(),
    };
    Ok(ChunkStore::new(objects, cache, config))
}
