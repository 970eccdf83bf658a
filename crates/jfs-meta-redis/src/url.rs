//! Metadata URLs of Redis.

use jfs_meta::EngineError;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use std::time::Duration;

/// Where the server is, and how long to wait for it.
pub(crate) struct Address {
    pub(crate) info: ConnectionInfo,
    /// Deadline of one round trip.
    pub(crate) timeout: Duration,
    /// The server for people, without password.
    pub(crate) shown: String,
}

/// Reads `redis://[user][:password]@host[:port][/db][?options]` or `unix://path[?db=N]`. The
/// password may also come from `REDIS_PASSWORD`, `META_PASSWORD` or the file `META_PASSWORD_FILE`.
pub(crate) fn parse(url: &str) -> Result<Address, EngineError> {
    let fatal = |text: String| EngineError::Fatal(text);
    let with_scheme = if url.contains("://") {
        url.to_string()
    } else {
        format!("redis://{url}")
    };
    let (base, options) = with_scheme.split_once('?').unwrap_or((&with_scheme, ""));
    let mut timeout = Duration::from_secs(30);
    let mut db = None;
    for option in options.split('&').filter(|o| !o.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match key.replace('_', "-").as_str() {
            "read-timeout" => {
                timeout =
                    duration(value).ok_or_else(|| fatal(format!("{key}={value}: no duration")))?
            }
            "db" => {
                db = Some(
                    value
                        .parse::<i64>()
                        .map_err(|_| fatal(format!("db={value}: no number")))?,
                )
            }
            // Accepted: what they tune happens here anyway or has its own limits.
            "write-timeout" | "dial-timeout" | "min-retry-backoff" | "max-retry-backoff"
            | "pool-size" => {}
            _ => return Err(fatal(format!("unknown option {key} in the Redis URL"))),
        }
    }
    if base.starts_with("rediss://") {
        return Err(fatal(
            "TLS to Redis (rediss://) is not supported yet".into(),
        ));
    }
    let info = match base.strip_prefix("unix://") {
        Some(path) => unix(path, db.unwrap_or(0))?,
        None => tcp(base)?,
    };
    let info = match (info.redis_settings().password().is_none(), password()?) {
        (true, Some(password)) => {
            let settings = info.redis_settings().clone().set_password(password);
            info.set_redis_settings(settings)
        }
        _ => info,
    };
    let shown = info.addr().to_string();
    Ok(Address {
        info,
        timeout,
        shown,
    })
}

fn tcp(base: &str) -> Result<ConnectionInfo, EngineError> {
    let fatal = |text: &str| EngineError::Fatal(text.to_string());
    let rest = base
        .strip_prefix("redis://")
        .ok_or_else(|| fatal("a Redis URL starts with redis://"))?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    match (host.find(','), host.find(':')) {
        (Some(comma), Some(colon)) if colon < comma => {
            return Err(fatal("Redis Cluster is not supported yet"));
        }
        (Some(_), _) => return Err(fatal("Redis Sentinel is not supported yet")),
        _ => {}
    }
    // The error of the library may quote the URL, password included.
    let info = base.into_connection_info().map_err(|_| {
        fatal("the Redis URL cannot be read: redis://[user]:[password]@host:port/db is needed")
    })?;
    let settings: RedisConnectionInfo = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

fn unix(path: &str, db: i64) -> Result<ConnectionInfo, EngineError> {
    let addr = ConnectionAddr::Unix(path.into());
    let info = "redis://localhost"
        .into_connection_info()
        .map_err(|e| EngineError::Fatal(e.to_string()))?;
    let settings = info
        .redis_settings()
        .clone()
        .set_db(db)
        .set_skip_set_lib_name();
    Ok(info.set_addr(addr).set_redis_settings(settings))
}

fn password() -> Result<Option<String>, EngineError> {
    for name in ["REDIS_PASSWORD", "META_PASSWORD"] {
        if let Ok(value) = std::env::var(name)
            && !value.is_empty()
        {
            return Ok(Some(value));
        }
    }
    match std::env::var("META_PASSWORD_FILE") {
        Ok(path) if !path.is_empty() => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_string())),
            Err(e) => Err(EngineError::Fatal(format!(
                "META_PASSWORD_FILE {path}: {e}"
            ))),
        },
        _ => Ok(None),
    }
}

/// A Go duration (`30s`, `500ms`, `1m`) or bare seconds.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(
        text.find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(text.len()),
    );
    let n: f64 = number
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite() && *n >= 0.0 && *n < 1e9)?;
    let seconds = match unit {
        "ms" => n / 1000.0,
        "" | "s" => n,
        "m" => n * 60.0,
        "h" => n * 3600.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let a = parse("redis://:secret@127.0.0.1:7000/3?read-timeout=5s").unwrap();
        assert_eq!(
            (a.info.redis_settings().db(), a.timeout),
            (3, Duration::from_secs(5))
        );
        assert_eq!(a.info.redis_settings().password(), Some("secret"));
        assert!(!a.shown.contains("secret"));
        assert_eq!(parse("localhost/2").unwrap().info.redis_settings().db(), 2);
        assert_eq!(
            parse("unix:///run/redis.sock?db=4")
                .unwrap()
                .info
                .redis_settings()
                .db(),
            4
        );
        for (url, why) in [
            ("rediss://h/1", "TLS"),
            ("redis://h1:1,h2:2/1", "Cluster"),
            ("redis://master,h1,h2:1/1", "Sentinel"),
            ("redis://h/1?what=1", "unknown option"),
            ("redis://:secret@h:port/x", "cannot be read"),
        ] {
            let text = parse(url).err().unwrap().to_string();
            assert!(text.contains(why), "{url}: {text}");
            assert!(!text.contains("secret"));
        }
    }
}
