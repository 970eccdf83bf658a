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
        "mysql" => mysql(url).await,
        "tikv" | "etcd" | "badger" | "fdb" => Err(Error::url(format!(
            "metadata engine {scheme} is not supported yet"
        ))),
        _ => Err(Error::url(format!(
            "{}:// is no metadata engine: use sqlite3://, redis://, postgres:// or mysql://",
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

#[cfg(feature = "mysql")]
async fn mysql(url: &str) -> Result<Arc<dyn Engine>, Error> {
    Ok(jfs_meta_sql::open_mysql(url).await?)
}

#[cfg(not(feature = "mysql"))]
async fn mysql(_: &str) -> Result<Arc<dyn Engine>, Error> {
    Err(left_out("MySQL", "mysql"))
}

#[cfg(not(all(
    feature = "sqlite",
    feature = "redis",
    feature = "postgres",
    feature = "mysql"
)))]
fn left_out(engine: &str, feature: &str) -> Error {
    Error::url(format!(
        "this program was built without the metadata engine {engine}: the feature `{feature}` of the crate `jfs` is off"
    ))
}

#[cfg(all(
    test,
    not(all(
        feature = "sqlite",
        feature = "redis",
        feature = "postgres",
        feature = "mysql"
    ))
))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_that_was_left_out_is_refused_by_its_feature() {
        let missing = [
            (cfg!(feature = "sqlite"), "sqlite3:///x.db", "sqlite"),
            (cfg!(feature = "redis"), "redis://h/1", "redis"),
            (cfg!(feature = "postgres"), "postgres://u@h/x", "postgres"),
            (cfg!(feature = "mysql"), "mysql://u@(h)/x", "mysql"),
        ]
        .into_iter()
        .find(|(built_in, ..)| !built_in)
        .map(|(_, url, feature)| (url, feature))
        .unwrap();
        let refused = connect(missing.0).await.err().map(|e| e.to_string());
        let said = refused.unwrap_or_default();
        assert!(
            said.contains(&format!("the feature `{}`", missing.1)),
            "{said}"
        );
    }
}
