//! Errors of the Redis library as engine errors: the one place that looks at kinds and codes.

use jfs_meta::EngineError;
use redis::{ErrorKind, RedisError, Value};

/// Classifies an error of a call that changed nothing.
pub(crate) fn classify(e: &RedisError) -> EngineError {
    let text = format!("Redis: {e}");
    match (e.kind(), e.code()) {
        (
            _,
            Some(
                "LOADING" | "READONLY" | "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "EXECABORT"
                | "BUSY" | "MASTERDOWN" | "NOREPLICAS",
            ),
        ) => EngineError::Transient(text),
        (_, Some("WRONGPASS")) | (ErrorKind::AuthenticationFailed, _) => EngineError::Fatal(
            "Redis refuses user or password: check the URL, REDIS_PASSWORD or META_PASSWORD".into(),
        ),
        (_, Some("NOAUTH")) => EngineError::Fatal(
            "Redis wants a password: put it into the URL, REDIS_PASSWORD or META_PASSWORD".into(),
        ),
        (_, Some("NOPERM")) => EngineError::Fatal(format!(
            "the Redis user lacks a permission: {text}; grant it, or use another user in the URL"
        )),
        (_, Some("OOM")) => {
            EngineError::Fatal("Redis is out of memory: raise its maxmemory".into())
        }
        (_, Some("MISCONF")) => EngineError::Fatal(format!(
            "Redis cannot save to its disk and takes no writes, see its log: {text}"
        )),
        (_, Some("WRONGTYPE")) => {
            EngineError::corrupt("a key of the volume", "it has another type")
        }
        _ if e.is_io_error()
            || e.is_timeout()
            || e.is_connection_dropped()
            || e.is_connection_refusal() =>
        {
            EngineError::Transient(text)
        }
        _ if text.contains("max number of clients") => EngineError::Transient(text),
        _ => EngineError::Fatal(text),
    }
}

/// Whether the server that answers so is not, or no longer, the one that takes writes: a failover may have
/// left connections to it.
pub(crate) fn is_demoted(value: &Value) -> bool {
    matches!(value, Value::ServerError(e) if matches!(e.code(), "READONLY" | "MASTERDOWN" | "LOADING"))
}
