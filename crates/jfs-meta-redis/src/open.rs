//! Opening an engine: connect, and look whether the server is fit for it.

use crate::conn::{Conn, info_field};
use crate::faults::FaultPlan;
use crate::lookup;
use crate::pool::Pool;
use crate::resp::Value;
use crate::shared::Shared;
use crate::url::Target;
use jfs_meta::EngineError;
use jfs_meta::engine::Capabilities;
use jfs_meta::trips::TripLog;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Oldest major version of the server that works.
const VERSION_MIN: u32 = 4;
/// Most writes of one commit.
const WRITES_MAX: usize = 10_000;
/// A round trip that takes longer deserves a warning.
const SLOW: Duration = Duration::from_millis(10);

/// A volume's metadata on a Redis server.
///
/// Handles are cheap to clone and may be used by many tasks at once, all on the runtime that
/// opened it: the connections belong to that.
#[derive(Clone)]
pub struct RedisEngine {
    pub(crate) shared: Arc<Shared>,
}

impl RedisEngine {
    /// Connects to the server of a URL: `redis://[user:password@]host:port/db` or `unix://path?db=n`, with
    /// options `read-timeout` (default 30s), `write-timeout` (5s), `dial-timeout` (5s),
    /// `min-retry-backoff` (20ms) and `max-retry-backoff` (10s). A missing password is taken from
    /// `REDIS_PASSWORD`, `META_PASSWORD` or the file that `META_PASSWORD_FILE` names.
    ///
    /// Errors: `Fatal` for addresses, passwords and servers that cannot work, `Transient` when the server cannot
    /// be reached. None shows the password.
    pub async fn open(url: &str) -> Result<RedisEngine, EngineError> {
        let target = Target::parse(url)?.complete(|name| std::env::var(name).ok())?;
        let pool = Arc::new(Pool::new(target));
        let (conn, info) = Conn::connect(&pool.target, &pool.clock).await?;
        check_server(&info)?;
        pool.give(Box::new(conn));
        pool.start();
        let shared = Shared {
            pool,
            trips: TripLog::default(),
            faults: Arc::default(),
            capabilities: Capabilities {
                name: "redis",
                usage_in_transaction: true,
                max_writes: WRITES_MAX,
            },
            scripts: AtomicBool::new(true),
        };
        check_rights(&shared).await?;
        check_settings(&shared).await?;
        lookup::load(&shared).await?;
        Ok(RedisEngine { shared: Arc::new(shared) })
    }

    /// Commits that are to go wrong, for tests.
    pub fn faults(&self) -> &Arc<FaultPlan> {
        &self.shared.faults
    }
}

fn check_server(info: &str) -> Result<(), EngineError> {
    if let Some(version) = info_field(info, "redis_version") {
        let major = version.split('.').next().and_then(|n| n.parse::<u32>().ok());
        if major.is_some_and(|major| major < VERSION_MIN) {
            return Err(EngineError::Fatal(format!(
                "Redis {version} is too old: version {VERSION_MIN}.0 or newer is needed"
            )));
        }
    }
    if info_field(info, "redis_mode") == Some("cluster") {
        return Err(EngineError::Fatal(
            "Redis Cluster is not supported yet: use a server that is not in cluster mode".to_string(),
        ));
    }
    Ok(())
}

/// Makes sure that the user may run transactions. Commands that follow a refused MULTI would run one by one,
/// so this must be known before the first commit.
async fn check_rights(shared: &Shared) -> Result<(), EngineError> {
    let watch = |r: &mut crate::resp::Request| {
        r.call(&[b"WATCH", crate::layout::SETTING]);
        r.call(&[b"MULTI"]);
        r.call(&[b"EXEC"]);
        r.call(&[b"UNWATCH"]);
    };
    shared.ask(watch, |replies| (0..4).try_for_each(|_| replies.done())).await
}

/// Measures a round trip, and warns of settings that lose metadata.
async fn check_settings(shared: &Shared) -> Result<(), EngineError> {
    let start = Instant::now();
    shared.ask(|r| r.call(&[b"PING"]), |replies| replies.done()).await?;
    let latency = start.elapsed();
    if latency > SLOW {
        tracing::warn!("Ping redis latency: {latency:?}; every operation waits for that at least once");
    } else {
        tracing::info!("Ping redis latency: {latency:?}");
    }
    let info = shared
        .ask(
            |r| r.call(&[b"INFO"]),
            |replies| match replies.value()? {
                Value::Bulk(text) => Ok(String::from_utf8_lossy(text).into_owned()),
                _ => Ok(String::new()),
            },
        )
        .await?;
    if info_field(&info, "aof_enabled") == Some("0") {
        tracing::warn!("AOF is not enabled, you may lose data if Redis is not shutdown properly.");
    }
    match info_field(&info, "maxmemory_policy") {
        None | Some("noeviction") => Ok(()),
        Some(policy) => mend_policy(shared, policy).await,
    }
}

/// A server that evicts keys when memory is short would evict metadata.
async fn mend_policy(shared: &Shared, policy: &str) -> Result<(), EngineError> {
    tracing::warn!("maxmemory_policy is {policy:?}, we will try to reconfigure it to 'noeviction'.");
    let refused = shared
        .ask(
            |r| r.call(&[b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction"]),
            |replies| match replies.value()? {
                Value::Error(text) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
                _ => Ok(None),
            },
        )
        .await?;
    match refused {
        Some(why) => tracing::error!("Redis may evict metadata, set maxmemory-policy to noeviction: {why}"),
        None => tracing::info!("maxmemory-policy is set to noeviction"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_cannot_work_are_refused() {
        let refused = |info: &str, word: &str| {
            matches!(check_server(info), Err(EngineError::Fatal(t)) if t.contains(word))
        };
        assert!(refused("redis_version:3.2.1\r\nredis_mode:standalone\r\n", "too old"));
        assert!(refused("redis_version:7.0.15\r\nredis_mode:cluster\r\n", "Cluster"));
        assert!(check_server("redis_version:7.0.15\r\nredis_mode:standalone\r\n").is_ok());
        assert!(check_server("").is_ok());
    }
}
