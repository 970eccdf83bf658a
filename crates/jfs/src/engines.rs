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
        "sqlite3" => sqlite(url),
        "redis" | "rediss" | "unix" => redis(url).await,
        "memkv" | "memory" => Ok(Arc::new(MemoryEngine::new())),
        "postgres" => postgres(url).await,
        "mysql" | "tikv" | "etcd" | "badger" | "fdb" => Err(Error::url(format!(
            "metadata engine {scheme} is not supported yet"
        ))),
        _ => Err(Error::url(format!(
            "{}:// is no metadata engine: use sqlite3://, redis:// or postgres://",
            mask_url(scheme)
        ))),
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str) -> Result<Arc<dyn Engine>, Error> {
    Ok(Arc::new(jfs_meta_sql::SqliteEngine::open(url)?))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<Arc<dyn Engine>, Error> {
    Err(left_out("SQLite", "sqlite"))
}

#[cfg(feature = "redis")]
async fn redis(url: &str) -> Result<Arc<dyn Engine>, Error> {
    Ok(Arc::new(jfs_meta_redis::RedisEngine::open(url).await?))
}

#[cfg(not(feature = "redis"))]
async fn redis(_: &str) -> Result<Arc<dyn Engine>, Error> {
    Err(left_out("Redis", "redis"))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<Arc<dyn Engine>, Error> {
    Ok(jfs_meta_sql::open_postgres(url).await?)
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &str) -> Result<Arc<dyn Engine>, Error> {
    Err(left_out("PostgreSQL", "postgres"))
}

#[cfg(not(all(feature = "sqlite", feature = "redis", feature = "postgres")))]
fn left_out(engine: &str, feature: &str) -> Error {
    Error::url(format!(
        "this program was built without the metadata engine {engine}: the feature `{feature}` of the crate `jfs` is off"
    ))
}

#[cfg(all(
    test,
    not(all(feature = "sqlite", feature = "redis", feature = "postgres"))
))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_that_was_left_out_is_refused_by_its_feature() {
        let missing = match (cfg!(feature = "sqlite"), cfg!(feature = "redis")) {
            (false, _) => ("sqlite3:///x.db", "sqlite"),
            (_, false) => ("redis://h/1", "redis"),
            _ => ("postgres://u@h/x", "postgres"),
        };
        let refused = connect(missing.0).await.err().map(|e| e.to_string());
        let said = refused.unwrap_or_default();
        assert!(
            said.contains(&format!("the feature `{}`", missing.1)),
            "{said}"
        );
    }
}
