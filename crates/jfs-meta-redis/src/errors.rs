//! Refusals of the server as engine errors: the one place that looks at their texts.

use crate::conn::Lost;
use jfs_meta::EngineError;
use jfs_meta::wire::WireError;

/// Classifies an error reply. The command it answers had no effect.
pub(crate) fn classify(reply: &[u8]) -> EngineError {
    let text = String::from_utf8_lossy(reply);
    let code = text.split(' ').next().unwrap_or_default();
    match code {
        "LOADING" | "READONLY" | "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "EXECABORT" | "MASTERDOWN"
        | "BUSY" | "NOREPLICAS" => EngineError::Transient(format!("Redis cannot answer now: {text}")),
        "ERR" if text.contains("max number of clients") => {
            EngineError::Transient(format!("Redis has no connection left: {text}"))
        }
        "OOM" => EngineError::Fatal(format!(
            "Redis is out of memory: raise maxmemory or free some; {text}"
        )),
        "MISCONF" => EngineError::Fatal(format!(
            "Redis refuses writes because it cannot save its data: mend its disk; {text}"
        )),
        "NOAUTH" => EngineError::Fatal(
            "Redis wants a password: give it in the URL or in REDIS_PASSWORD".to_string(),
        ),
        "WRONGPASS" => EngineError::Fatal("Redis refuses the user name or the password".to_string()),
        "NOPERM" => EngineError::Fatal(format!("the Redis user may not do what is needed: {text}")),
        "WRONGTYPE" => EngineError::corrupt("a key", "it holds another type of value than a volume has"),
        "ERR" if text.contains("AUTH") => EngineError::Fatal(
            "Redis wants no password but one is given, in the URL or in REDIS_PASSWORD or META_PASSWORD"
                .to_string(),
        ),
        "ERR" if text.contains("invalid password") => {
            EngineError::Fatal("Redis refuses the password".to_string())
        }
        "ERR" if text.contains("DB index") => {
            EngineError::Fatal("Redis has no database of the number in the URL".to_string())
        }
        _ => EngineError::Fatal(format!("Redis: {text}")),
    }
}

/// A request without effect, or one that may be sent again, got no answer.
pub(crate) fn unanswered(lost: &Lost) -> EngineError {
    EngineError::Transient(format!("no answer from Redis: {lost}"))
}

/// A commit got no answer.
pub(crate) fn in_doubt(lost: &Lost) -> EngineError {
    EngineError::MaybeCommitted(format!("no answer from Redis: {lost}"))
}

/// Names the record in an error about a corrupt one.
pub(crate) fn name_record(e: EngineError, record: impl FnOnce() -> String) -> EngineError {
    match e {
        EngineError::Corrupt { reason, .. } => EngineError::Corrupt { record: record(), reason },
        e => e,
    }
}

/// A value that does not decode.
pub(crate) fn undecodable(e: WireError) -> EngineError {
    EngineError::corrupt("a value", e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_kind() {
        for text in [
            "LOADING Redis is loading the dataset in memory",
            "READONLY You can't write against a read only replica.",
            "CLUSTERDOWN The cluster is down",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "MOVED 3999 127.0.0.1:6381",
            "ASK 3999 127.0.0.1:6381",
            "EXECABORT Transaction discarded because of previous errors.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "NOREPLICAS Not enough good replicas to write.",
            "ERR max number of clients reached",
        ] {
            assert!(matches!(classify(text.as_bytes()), EngineError::Transient(_)), "{text}");
        }
        for (text, advice) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", "raise maxmemory"),
            ("MISCONF Redis is configured to save RDB snapshots", "mend its disk"),
            ("NOAUTH Authentication required.", "REDIS_PASSWORD"),
            ("WRONGPASS invalid username-password pair or user is disabled.", "refuses the user name"),
            ("ERR invalid password", "refuses the password"),
            ("ERR Client sent AUTH, but no password is set", "wants no password"),
            ("ERR AUTH <password> called without any password configured", "wants no password"),
            ("ERR DB index is out of range", "no database"),
            ("NOPERM this user has no permissions to run the 'get' command", "may not"),
            ("ERR unknown command 'FOO'", "unknown command"),
        ] {
            let e = classify(text.as_bytes());
            assert!(matches!(&e, EngineError::Fatal(t) if t.contains(advice)), "{text}: {e}");
        }
        let wrong = classify(b"WRONGTYPE Operation against a key holding the wrong kind of value");
        let named = name_record(wrong, || "i5".to_string());
        assert!(matches!(named, EngineError::Corrupt { record, .. } if record == "i5"));
    }
}
