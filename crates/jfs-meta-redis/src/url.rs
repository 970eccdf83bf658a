//! Metadata URLs of Redis.

use jfs_meta::EngineError;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use std::time::Duration;

/// The port of Redis when the URL names none.
const PORT: u16 = 6379;
/// Longest time that an address may ask for.
const DURATION_MAX: Duration = Duration::from_secs(1_000_000_000);

/// The address of the server, and the time limits for it.
pub(crate) struct Address {
    pub(crate) info: ConnectionInfo,
    /// Deadline of one round trip.
    pub(crate) timeout: Duration,
    /// The server for people, without password.
    pub(crate) shown: String,
}

/// Reads `redis://[user][:password]@host[:port][/db][?options]` or
/// `unix://[user][:password]@/path/of.sock[?db=N]`. The password may also come from `REDIS_PASSWORD`,
/// `META_PASSWORD` or the file `META_PASSWORD_FILE`. No error shows a password.
pub(crate) fn parse(url: &str) -> Result<Address, EngineError> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
    match scheme {
        "redis" | "unix" => {}
        "rediss" => return Err(fatal("TLS to Redis (rediss://) is not supported yet")),
        _ => return Err(fatal("a Redis URL starts with redis:// or unix://")),
    }
    // What follows a # is for browsers.
    let rest = rest.split('#').next().unwrap_or_default();
    let (base, options) = rest.split_once('?').unwrap_or((rest, ""));
    // A path may hold an @ as well.
    let slash = base.find('/').unwrap_or(base.len());
    let (user_info, base) = match base[..slash].rfind('@') {
        Some(at) => (&base[..at], &base[at + 1..]),
        None => ("", base),
    };
    // A slash or a question mark inside of a password: nothing behind it is what it seems to be.
    let cut = match scheme {
        "redis" => base.contains('@') || options.contains('@'),
        _ => !base.starts_with('/') && base[..base.find('/').unwrap_or(base.len())].contains(':'),
    };
    if cut {
        return Err(unreadable());
    }
    let options = Options::read(options)?;
    let (addr, db) = match scheme {
        "unix" => (socket(base)?, 0),
        _ => server(base)?,
    };
    let (user, secret) = user_info.split_once(':').unwrap_or((user_info, ""));
    let (user, mut secret) = (decoded(user)?, decoded(secret)?);
    if secret.is_empty() {
        secret = password()?.unwrap_or_default();
    }
    let info = "redis://localhost".into_connection_info();
    let info = info.map_err(|e| EngineError::Fatal(e.to_string()))?;
    let mut settings: RedisConnectionInfo = info.redis_settings().clone();
    settings = settings
        .set_db(options.db.unwrap_or(db))
        .set_skip_set_lib_name();
    // A name without a password is not a login.
    if !secret.is_empty() {
        settings = settings.set_password(secret);
        if !user.is_empty() {
            settings = settings.set_username(user);
        }
    }
    let shown = addr.to_string();
    Ok(Address {
        info: info.set_addr(addr).set_redis_settings(settings),
        timeout: options.timeout,
        shown,
    })
}

fn fatal(text: &str) -> EngineError {
    EngineError::Fatal(text.to_string())
}

fn unreadable() -> EngineError {
    fatal(
        "the Redis URL cannot be read: redis://[user]:[password]@host:port/db is needed, with %40 for @, \
         %2F for /, %23 for #, %3F for ? and %25 for % in a password",
    )
}

/// The options behind the `?`.
struct Options {
    timeout: Duration,
    db: Option<i64>,
}

impl Options {
    fn read(text: &str) -> Result<Options, EngineError> {
        let mut options = Options {
            timeout: Duration::from_secs(30),
            db: None,
        };
        for option in text.split('&').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decoded(value)?;
            let time = || {
                duration(&value)
                    .ok_or_else(|| EngineError::Fatal(format!("{key}={value}: no duration")))
            };
            match key.replace('_', "-").as_str() {
                "read-timeout" => options.timeout = time()?,
                "db" if value.is_empty() => {}
                "db" => options.db = Some(database(&value)?),
                // Accepted: what they tune happens here anyway or has its own limits.
                "write-timeout" | "dial-timeout" | "min-retry-backoff" | "max-retry-backoff"
                | "pool-timeout" | "idle-timeout" | "conn-max-idle-time" | "max-conn-age"
                | "conn-max-lifetime" => {
                    time()?;
                }
                "pool-size" | "pool-fifo" | "max-retries" | "min-idle-conns" | "max-idle-conns"
                | "max-active-conns" | "client-name" | "protocol" => {}
                // About clusters and TLS, which are refused where they are asked for.
                "route-read" | "insecure-skip-verify" => {}
                _ => {
                    let text = format!("unknown option {key} in the Redis URL");
                    return Err(EngineError::Fatal(text));
                }
            }
        }
        Ok(options)
    }
}

fn database(text: &str) -> Result<i64, EngineError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| fatal("the database in the Redis URL is no number"))
}

/// `host[:port][/db]`.
fn server(base: &str) -> Result<(ConnectionAddr, i64), EngineError> {
    let (place, path) = base.split_once('/').unwrap_or((base, ""));
    match (place.find(','), place.find(':')) {
        (Some(comma), Some(colon)) if colon < comma => {
            return Err(fatal("Redis Cluster is not supported yet"));
        }
        (Some(_), _) => return Err(fatal("Redis Sentinel is not supported yet")),
        _ => {}
    }
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(unreadable)?;
            let port = match port.strip_prefix(':') {
                Some(port) => port,
                None if port.is_empty() => "",
                None => return Err(unreadable()),
            };
            (host, port)
        }
        None => place.split_once(':').unwrap_or((place, "")),
    };
    let port = match port {
        "" => PORT,
        port => port.parse().map_err(|_| unreadable())?,
    };
    let host = match decoded(host)? {
        host if host.is_empty() => "localhost".to_string(),
        host if host.contains(char::is_whitespace) => return Err(unreadable()),
        host => host,
    };
    let db = match path.trim_end_matches('/') {
        "" => 0,
        db => database(db)?,
    };
    Ok((ConnectionAddr::Tcp(host, port), db))
}

fn socket(path: &str) -> Result<ConnectionAddr, EngineError> {
    match decoded(path)? {
        path if path.is_empty() => Err(fatal(
            "unix:// needs the path of a socket: unix:///run/redis.sock?db=1",
        )),
        path => Ok(ConnectionAddr::Unix(path.into())),
    }
}

/// The text that percent signs stand for.
fn decoded(text: &str) -> Result<String, EngineError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digits = after
            .get(..2)
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|d| std::str::from_utf8(d).ok());
        let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
        out.push(byte.ok_or_else(unreadable)?);
        rest = &after[2..];
    }
    String::from_utf8(out).map_err(|_| unreadable())
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

/// A time in the address. A longer one than [`DURATION_MAX`] is taken for a mistake.
fn duration(text: &str) -> Option<Duration> {
    let time = jfs_types::duration::parse(text).filter(|_| !text.is_empty())?;
    (time < DURATION_MAX).then_some(time)
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
        for (url, shown, db) in [
            ("localhost/2", "localhost:6379", 2),
            ("redis://", "localhost:6379", 0),
            ("redis://h:1/01?db=#x", "h:1", 1),
            (
                "redis://h/5/?db=6&max_retries=3&dial_timeout=3",
                "h:6379",
                6,
            ),
            ("redis://[::1]:7/1", "::1:7", 1),
            ("redis://[::1]", "::1:6379", 0),
            ("unix:///run/a%20b.sock?db=4", "/run/a b.sock", 4),
            ("unix://r.sock", "r.sock", 0),
            ("unix:///run/u@h:1.sock", "/run/u@h:1.sock", 0),
        ] {
            let a = parse(url).unwrap();
            assert_eq!(
                (a.shown.as_str(), a.info.redis_settings().db()),
                (shown, db),
                "{url}"
            );
        }
    }

    /// As the reference takes them, over both kinds of connections.
    #[test]
    fn names_and_passwords() {
        for (given, user, password) in [
            (":top%40secret@", None, Some("top@secret")),
            (
                "us:p%40ss%2Fw%23%3F%25%3Ad@",
                Some("us"),
                Some("p@ss/w#?%:d"),
            ),
            ("us:a@b:c@", Some("us"), Some("a@b:c")),
            ("us@", None, None),
            ("us:@", None, None),
            (":@", None, None),
            ("@", None, None),
        ] {
            for url in [
                format!("redis://{given}h/1"),
                format!("unix://{given}/r.sock?db=1"),
            ] {
                let a = parse(&url).unwrap();
                let settings = a.info.redis_settings();
                let found = (settings.username(), settings.password(), settings.db());
                assert_eq!(found, (user, password, 1), "{url}");
            }
        }
    }

    #[test]
    fn others_are_refused_without_a_password() {
        for (url, why) in [
            ("rediss://:secret@h/1", "TLS"),
            ("redis+socket://:secret@/r.sock", "unix://"),
            ("redis://:secret@h1:1,h2:2/1", "Cluster"),
            ("redis://master,h1,h2:1/1", "Sentinel"),
            ("redis://h/1?what=secret", "unknown option what"),
            ("redis://h/1?dial-timeout=x", "no duration"),
            ("redis://:secret@h:port/x", "cannot be read"),
            ("redis://:secret%@h/1", "%25 for %"),
            ("redis://:sec/ret@h/1", "cannot be read"),
            ("redis://:secret?x=1@h/1", "cannot be read"),
            ("unix://:secret/x@/r.sock", "cannot be read"),
            ("redis://:secret@h/x", "no number"),
            ("redis://:secret@h/1/2", "no number"),
            ("redis://:secret@h/-1", "no number"),
            ("redis://:secret@ h/1", "cannot be read"),
            ("redis://:secret@h:99999/1", "cannot be read"),
            ("unix://:secret@", "path of a socket"),
        ] {
            let text = parse(url).err().unwrap().to_string();
            assert!(text.contains(why), "{url}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
