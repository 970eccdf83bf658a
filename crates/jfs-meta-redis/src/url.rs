//! Addresses of a server: `redis://[user:password@]host:port/db?options`, `unix://path?db=n&options`.

use jfs_meta::EngineError;
use std::path::PathBuf;
use std::time::Duration;

/// Where the server is and how to talk to it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: u32,
    pub(crate) limits: Limits,
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Waiting for replies; default 30 s.
    pub(crate) read: Duration,
    /// Sending a request; default 5 s.
    pub(crate) write: Duration,
    /// Making a connection, greetings included; default 5 s.
    pub(crate) connect: Duration,
    /// First pause before a connection is tried again; default 20 ms, doubled each time.
    pub(crate) backoff_min: Duration,
    /// Longest such pause; default 10 s.
    pub(crate) backoff_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            read: Duration::from_secs(30),
            write: Duration::from_secs(5),
            connect: Duration::from_secs(5),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_secs(10),
        }
    }
}

/// A host or a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

const PORT: u16 = 6379;

impl Target {
    /// Reads an address. A missing scheme means `redis://`. Errors never show the password.
    pub(crate) fn parse(url: &str) -> Result<Target, EngineError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, place) = place.rsplit_once('@').unwrap_or(("", place));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let mut target = Target {
            address: Address::Unix(place.into()),
            user: decoded(user)?,
            password: decoded(password)?,
            database: 0,
            limits: Limits::default(),
        };
        match scheme {
            "redis" => {
                let (hosts, db) = place.split_once('/').unwrap_or((place, ""));
                target.address = host_and_port(hosts)?;
                target.database = database(db)?;
            }
            "rediss" => {
                return fatal("rediss:// (Redis over TLS) is not supported yet: use redis://");
            }
            "unix" if place.is_empty() => {
                return fatal("unix:// needs the path of a socket");
            }
            "unix" => {}
            _ => return fatal(&format!("{scheme}:// is no Redis address: use redis:// or unix://")),
        }
        for option in options.split('&').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            target.set(&key.replace('_', "-"), &decoded(value)?)?;
        }
        Ok(target)
    }

    /// Takes the password from the environment, as `get` tells it, when the URL has none.
    pub(crate) fn complete(
        mut self,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Target, EngineError> {
        let given = |name: &str| get(name).filter(|v| !v.is_empty());
        if !self.password.is_empty() {
            return Ok(self);
        }
        if let Some(password) = given("REDIS_PASSWORD").or_else(|| given("META_PASSWORD")) {
            self.password = password;
        } else if let Some(file) = given("META_PASSWORD_FILE") {
            let text = std::fs::read_to_string(&file).map_err(|e| {
                EngineError::Fatal(format!("META_PASSWORD_FILE {file} cannot be read: {e}"))
            })?;
            self.password = text.trim().to_string();
        }
        Ok(self)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), EngineError> {
        match key {
            "read-timeout" => self.limits.read = duration(key, value)?,
            "write-timeout" => self.limits.write = duration(key, value)?,
            "dial-timeout" => self.limits.connect = duration(key, value)?,
            "min-retry-backoff" => self.limits.backoff_min = duration(key, value)?,
            "max-retry-backoff" => self.limits.backoff_max = duration(key, value)?,
            "db" => self.database = database(value)?,
            "client-cache" | "route-read" if !matches!(value, "" | "false" | "0" | "master") => {
                return fatal(&format!("the option {key} in the Redis URL is not supported yet"));
            }
            "client-cache" | "route-read" => {}
            "client-cache-size" | "client-cache-expire" | "client-cache-preload" | "pool-size"
            | "pool-timeout" | "pool-fifo" | "min-idle-conns" | "max-idle-conns" | "max-active-conns"
            | "idle-timeout" | "conn-max-idle-time" | "conn-max-lifetime" | "max-conn-age"
            | "max-retries" | "idle-check-frequency" => {
                tracing::warn!("the option {key} in the Redis URL has no effect");
            }
            "insecure-skip-verify" | "tls-cert-file" | "tls-key-file" | "tls-ca-cert-file"
            | "tls-server-name" => {
                return fatal(&format!(
                    "the option {key} in the Redis URL is for TLS, which is not supported yet"
                ));
            }
            _ => {
                return fatal(&format!(
                    "unknown option {key} in the Redis URL: read-timeout, write-timeout, dial-timeout, \
                     min-retry-backoff, max-retry-backoff and db are known"
                ));
            }
        }
        Ok(())
    }
}

fn fatal<T>(text: &str) -> Result<T, EngineError> {
    Err(EngineError::Fatal(text.to_string()))
}

fn host_and_port(hosts: &str) -> Result<Address, EngineError> {
    if let Some((first, _)) = hosts.split_once(',') {
        let kind = if first.contains(':') { "Redis Cluster" } else { "Redis Sentinel" };
        return fatal(&format!("{kind} is not supported yet: give one host"));
    }
    let (host, port) = match hosts.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or("")),
        None => hosts.split_once(':').unwrap_or((hosts, "")),
    };
    let host = if host.is_empty() { "localhost" } else { host };
    let port = match port {
        "" => PORT,
        text => text.parse().map_err(|_| {
            EngineError::Fatal(format!("the Redis URL has the port {text}: a number below 65536 is needed"))
        })?,
    };
    Ok(Address::Tcp(host.to_string(), port))
}

fn database(text: &str) -> Result<u32, EngineError> {
    match text.trim_end_matches('/') {
        "" => Ok(0),
        number => number.parse().map_err(|_| {
            EngineError::Fatal(format!("the Redis URL names the database {number}: a number is needed"))
        }),
    }
}

/// A duration such as `500ms`, `1m30s`, or a plain number of seconds.
fn duration(key: &str, text: &str) -> Result<Duration, EngineError> {
    let wrong = || {
        EngineError::Fatal(format!(
            "{key}={text} in the Redis URL: a time such as 500ms, 30s or 1m is needed"
        ))
    };
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "" if seconds == 0.0 => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        seconds += number.parse::<f64>().map_err(|_| wrong())? * scale;
        rest = after;
    }
    match Duration::try_from_secs_f64(seconds) {
        Ok(d) if !d.is_zero() => Ok(d),
        _ => Err(wrong()),
    }
}

/// Undoes percent encoding.
fn decoded(text: &str) -> Result<String, EngineError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        match (first, hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| EngineError::Fatal("the Redis URL is not UTF-8 once it is decoded".to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn tcp(url: &str) -> (String, u16, u32) {
        let t = Target::parse(url).unwrap();
        match t.address {
            Address::Tcp(host, port) => (host, port, t.database),
            Address::Unix(_) => panic!("{url} is no host"),
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(tcp("redis://localhost"), ("localhost".into(), 6379, 0));
        assert_eq!(tcp("h:1234/5"), ("h".into(), 1234, 5));
        assert_eq!(tcp("redis://:8/2"), ("localhost".into(), 8, 2));
        assert_eq!(tcp("redis://[::1]:7/3/"), ("::1".into(), 7, 3));
        assert_eq!(tcp("redis://[::1]"), ("::1".into(), 6379, 0));
        let unix = Target::parse("unix:///run/r.sock?db=4").unwrap();
        assert_eq!((unix.address, unix.database), (Address::Unix("/run/r.sock".into()), 4));
    }

    #[test]
    fn logins() {
        let t = Target::parse("redis://me:p%40:s/s@h/1").unwrap();
        assert_eq!((t.user.as_str(), t.password.as_str()), ("me", "p@:s/s"));
        let t = Target::parse("redis://:100%@h/1").unwrap();
        assert_eq!((t.user.as_str(), t.password.as_str()), ("", "100%"));
        assert_eq!(t.address, Address::Tcp("h".into(), 6379));
    }

    #[test]
    fn passwords_of_the_environment() {
        let env = |name: &str| match name {
            "META_PASSWORD" => Some("meta".to_string()),
            "REDIS_PASSWORD" => Some(String::new()),
            _ => None,
        };
        let with = |url: &str| Target::parse(url).unwrap().complete(env).unwrap().password;
        assert_eq!(with("redis://h"), "meta");
        assert_eq!(with("redis://:own@h"), "own");
        let missing = |name: &str| (name == "META_PASSWORD_FILE").then(|| "/no/such".to_string());
        let e = Target::parse("h").unwrap().complete(missing).err().unwrap();
        assert!(e.to_string().contains("/no/such"));
    }

    #[test]
    fn options() {
        let url = "redis://h?read_timeout=1m30s&write-timeout=500ms&dial-timeout=2&pool_size=9";
        let limits = Target::parse(url).unwrap().limits;
        assert_eq!(limits.read, Duration::from_secs(90));
        assert_eq!(limits.write, Duration::from_millis(500));
        assert_eq!(limits.connect, Duration::from_secs(2));
        assert!(Target::parse("h?client-cache=false&route-read=").is_ok());
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (url, words) in [
            ("rediss://u:secret@h", "TLS"),
            ("redis://u:secret@h1:1,h2:2/0", "Redis Cluster is not supported yet"),
            ("redis://u:secret@main,h1,h2:2/0", "Redis Sentinel is not supported yet"),
            ("redis://u:secret@h:port/0", "port"),
            ("redis://u:secret@h/first", "first"),
            ("redis://u:secret@h?read-timeout=soon", "soon"),
            ("redis://u:secret@h?read-timeout=0", "500ms"),
            ("redis://u:secret@h?what=1", "what"),
            ("redis://u:secret@h?client-cache=true", "client-cache"),
            ("redis://u:secret@h?route-read=replica", "route-read"),
            ("redis://u:secret@h?tls-cert-file=x", "tls-cert-file"),
            ("unix://", "path"),
            ("http://u:secret@h", "http"),
        ] {
            let text = Target::parse(url).err().unwrap().to_string();
            assert!(text.contains(words) && !text.contains("secret"), "{url}: {text}");
        }
    }
}
