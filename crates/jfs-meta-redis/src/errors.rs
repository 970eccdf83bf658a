//! Errors of the Redis library as engine errors: the one place that looks at kinds and codes.

use jfs_meta::EngineError;
use redis::{ErrorKind, RedisError};

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
        (_, Some("NOAUTH" | "WRONGPASS")) | (ErrorKind::AuthenticationFailed, _) => {
            EngineError::Fatal(
                "Redis refuses user or password: check the URL, REDIS_PASSWORD or META_PASSWORD"
                    .into(),
            )
        }
        // The library reports this one by its text, out of the first command of a connection.
        _ if text.contains("Authentication required") => EngineError::Fatal(
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

/// Whether the connection can be used on.
pub(crate) fn is_answer(e: &RedisError) -> bool {
    e.code().is_some() && !e.is_io_error()
}
