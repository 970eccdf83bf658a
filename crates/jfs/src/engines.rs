//! Engines by URL scheme.

use crate::Error;
use jfs_meta::Engine;
use jfs_meta::memory::MemoryEngine;
use jfs_telemetry::mask_url;
use std::sync::Arc;

/// Connects to the metadata engine that `url` names. An URL without scheme is taken as Redis, as the
/// reference client does.
pub async fn connect(url: &str) -> Result<Arc<dyn Engine>, Error> {
    let (scheme, _) = url.split_once("://").unwrap_or(("redis", url));
    match scheme {
        #[cfg(feature = "sqlite")]
        "sqlite3" => Ok(Arc::new(jfs_meta_sql::SqliteEngine::open(url)?)),
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "unix" => Ok(Arc::new(jfs_meta_redis::RedisEngine::open(url).await?)),
        "memkv" | "memory" => Ok(Arc::new(MemoryEngine::new())),
        "postgres" | "mysql" | "tikv" | "etcd" | "badger" | "fdb" => Err(Error::Url(format!(
            "metadata engine {scheme} is not supported yet"
        ))),
        _ => Err(Error::Url(format!(
            "{}:// is no metadata engine: use sqlite3:// or redis://",
            mask_url(scheme)
        ))),
    }
}
