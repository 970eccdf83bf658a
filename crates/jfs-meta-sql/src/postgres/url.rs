//! `postgres://user:password@host:port/database?options`: what the address says.
//!
//! The forms are those of the reference client, whose driver follows libpq: several hosts, directories of sockets, options that the
//! server takes, and the environment variables `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD` and `PGDATABASE` for what is left out.

mod options;

use self::options::Options;
use super::tls::{Mode, Tls};
use crate::net::pool::Limits;
use jfs_meta::EngineError;
use std::path::Path;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// The server's usual port.
const PORT: u16 = 5432;
/// Longest time for making a connection where the address says nothing.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for a free connection.
const WAIT: Duration = Duration::from_secs(30);
/// Silence after which the client asks whether the server is still there, and the time between two such questions.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Longest time that sent data may stay without acknowledgement.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// The address of a database.
pub(super) struct Address {
    /// Hosts, user, password, database.
    pub(super) config: Config,
    pub(super) tls: Tls,
    /// Longest time for making a connection.
    pub(super) connect: Duration,
    /// Settings of a session by name, which the address asks for.
    pub(super) settings: Vec<(String, String)>,
    pub(super) limits: Limits,
    /// The beginning of the tables' names.
    pub(super) prefix: String,
    /// The address without secrets, for messages.
    pub(super) shown: String,
}

/// Reads an address. `env` gives environment variables, `None` for one that is not set or empty.
pub(super) fn parse(
    url: &str,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Address, EngineError> {
    let rest = url.strip_prefix("postgres://").ok_or_else(unreadable)?;
    let (base, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = base.split_once('/').unwrap_or((base, ""));
    let (user_info, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    // A password with a character of the address in it: the rest of it is not to be taken for a name.
    if database.contains('@') || options.contains('@') && user_info.is_empty() {
        return Err(unreadable());
    }
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let mut parts = Parts {
        user: decoded(user)?,
        password: decoded(password)?,
        hosts: decoded(hosts)?,
        port: String::new(),
        database: decoded(database)?,
    };
    let mut options = Options::read(options, &mut parts)?;
    let config = parts.config(&mut options, env)?;
    let shown = shown(&config);
    Ok(Address {
        tls: options.tls()?,
        connect: options.connect,
        settings: options.settings,
        limits: options.limits,
        prefix: options.prefix,
        config,
        shown,
    })
}

fn fatal(text: impl Into<String>) -> EngineError {
    EngineError::Fatal(text.into())
}

fn unreadable() -> EngineError {
    fatal(
        "the PostgreSQL URL cannot be read: postgres://user:password@host:port/database is needed, with %40 for @, %2F for /, \
         %23 for #, %3F for ? and %25 for % in a password",
    )
}

/// The parts of an address that options may name too.
struct Parts {
    user: String,
    password: String,
    /// Hosts with or without ports, separated by commas.
    hosts: String,
    port: String,
    database: String,
}

impl Parts {
    fn config(
        self,
        options: &mut Options,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Config, EngineError> {
        let or_env = |given: String, name: &str| match given.is_empty() {
            true => env(name).unwrap_or_default(),
            false => given,
        };
        let mut config = Config::new();
        let user = or_env(self.user, "PGUSER");
        let user = or_env(user, "USER");
        if user.is_empty() {
            return Err(fatal("the PostgreSQL URL names no user"));
        }
        let database = or_env(self.database, "PGDATABASE");
        config.dbname(if database.is_empty() {
            &user
        } else {
            &database
        });
        config.user(user);
        let mut password = self.password;
        if password.is_empty() {
            password = secret(&env)?;
        }
        if !password.is_empty() {
            config.password(password);
        }
        let hosts = or_env(self.hosts, "PGHOST");
        let port = or_env(self.port, "PGPORT");
        for host in hosts.split(',') {
            let (host, own) = place(host)?;
            let port = [own, &port].into_iter().find(|port| !port.is_empty());
            let port = port
                .map_or(Ok(PORT), str::parse)
                .map_err(|_| unreadable())?;
            let host = match host {
                "" => default_host(),
                host => host.to_string(),
            };
            if host.contains(char::is_whitespace) && !host.starts_with('/') {
                return Err(unreadable());
            }
            options.host_names.push(host.clone());
            config.host(&host).port(port);
        }
        config
            .application_name("jfs")
            .connect_timeout(options.connect)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE.0)
            .keepalives_interval(KEEPALIVE.1)
            .target_session_attrs(options.target)
            .ssl_mode(match options.mode {
                // Sockets of this machine have no TLS.
                _ if options.is_local() => SslMode::Disable,
                Mode::Off => SslMode::Disable,
                Mode::Prefer => SslMode::Prefer,
                Mode::Unverified | Mode::VerifyChain | Mode::VerifyAll => SslMode::Require,
            });
        Ok(config)
    }
}

/// The server on this machine: the directory of its socket where there is one.
fn default_host() -> String {
    let directories = ["/var/run/postgresql", "/tmp"];
    let socket = |directory: &&str| {
        Path::new(directory)
            .join(format!(".s.PGSQL.{PORT}"))
            .exists()
    };
    let found = directories.into_iter().find(socket);
    found.unwrap_or("localhost").to_string()
}

/// Host and port of `host:port`, `[address]:port` or a directory.
fn place(text: &str) -> Result<(&str, &str), EngineError> {
    if text.starts_with('/') {
        return Ok((text, ""));
    }
    match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(unreadable)?;
            let port = port.strip_prefix(':').or(port.is_empty().then_some(""));
            Ok((host, port.ok_or_else(unreadable)?))
        }
        None => Ok(text.split_once(':').unwrap_or((text, ""))),
    }
}

/// A password from outside of the address: in this order META_PASSWORD, the file META_PASSWORD_FILE, PGPASSWORD.
fn secret(env: impl Fn(&str) -> Option<String>) -> Result<String, EngineError> {
    if let Some(password) = env("META_PASSWORD") {
        return Ok(password);
    }
    if let Some(path) = env("META_PASSWORD_FILE") {
        return match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_string()),
            Err(e) => Err(fatal(format!("META_PASSWORD_FILE {path}: {e}"))),
        };
    }
    Ok(env("PGPASSWORD").unwrap_or_default())
}

/// Hosts, ports and database.
fn shown(config: &Config) -> String {
    use tokio_postgres::config::Host;
    let host = |(host, port): (&Host, &u16)| match host {
        Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
        Host::Tcp(name) => format!("{name}:{port}"),
        Host::Unix(path) => format!("{}/.s.PGSQL.{port}", path.display()),
    };
    let hosts = config.get_hosts().iter().zip(config.get_ports()).map(host);
    format!(
        "{}/{}",
        hosts.collect::<Vec<_>>().join(","),
        config.get_dbname().unwrap_or_default()
    )
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, EngineError> {
        parse(url, |_| None)
    }

    #[test]
    fn addresses() {
        for (url, shown, user) in [
            ("postgres://us:pw@h:7/db", "h:7/db", "us"),
            ("postgres://us@h/db?sslmode=disable", "h:5432/db", "us"),
            ("postgres://us@h", "h:5432/us", "us"),
            ("postgres://us@[::1]:7/d%20b", "[::1]:7/d b", "us"),
            ("postgres://us@a:1,b:2,c/db", "a:1,b:2,c:5432/db", "us"),
            ("postgres://us@a,b/db?port=9", "a:9,b:9/db", "us"),
            (
                "postgres:///db?host=/run/pg&user=u%40s&port=7",
                "/run/pg/.s.PGSQL.7/db",
                "u@s",
            ),
            ("postgres://us@h/vol/", "h:5432/vol/", "us"),
        ] {
            let a = read(url).unwrap();
            assert_eq!(a.shown, shown, "{url}");
            assert_eq!(a.config.get_user(), Some(user), "{url}");
        }
    }

    #[test]
    fn passwords_from_the_address_and_from_outside() {
        let password = |url: &str, env: &[(&str, &str)]| {
            let find = |name: &str| {
                let found = env.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_string())
            };
            let a = parse(url, find).unwrap();
            a.config
                .get_password()
                .map(|p| String::from_utf8_lossy(p).into_owned())
        };
        let own = "postgres://us:p%40%20s%2Fw%23%3F%25%3Ad@h/db";
        let meta = [("META_PASSWORD", "m"), ("PGPASSWORD", "g")];
        assert_eq!(password(own, &meta).as_deref(), Some("p@ s/w#?%:d"));
        assert_eq!(
            password("postgres://us:a@b:c@h/db", &[]).as_deref(),
            Some("a@b:c")
        );
        assert_eq!(password("postgres://us@h/db", &meta).as_deref(), Some("m"));
        assert_eq!(
            password("postgres://us:@h/db", &meta[1..]).as_deref(),
            Some("g")
        );
        assert_eq!(password("postgres://us@h/db", &[]), None);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "f\n").unwrap();
        let named = [("META_PASSWORD_FILE", file.path().to_str().unwrap())];
        assert_eq!(password("postgres://us@h/db", &named).as_deref(), Some("f"));
    }

    #[test]
    fn options() {
        let a = read(
            "postgres://us@h/db?search_path=s1&table_prefix=Ab_1&max_open_conns=9&connect_timeout=3&statement_timeout=5",
        )
        .unwrap();
        assert_eq!(a.prefix, "jfs_Ab_1_");
        assert_eq!((a.limits.open_max, a.connect), (9, Duration::from_secs(3)));
        let settings = [("search_path", "s1"), ("statement_timeout", "5")];
        assert_eq!(
            a.settings,
            settings.map(|(k, v)| (k.to_string(), v.to_string()))
        );
        assert_eq!(
            read("postgres://us@h/db?table_prefix=").unwrap().prefix,
            "jfs_"
        );
    }

    #[test]
    fn others_are_refused_without_a_password() {
        for (url, why) in [
            ("postgres://us:secret%@h/db", "%25 for %"),
            ("postgres://us:sec/ret@h/db", "cannot be read"),
            ("postgres://us:secret@h:port/db", "cannot be read"),
            ("postgres://us:secret@h:99999/db", "cannot be read"),
            ("postgres://us:secret?x@h/db", "cannot be read"),
            ("postgres://us:secret@ h/db", "cannot be read"),
            ("postgres://h/db", "no user"),
            ("postgres://us@h/db?search_path=a,b", "one schema"),
            ("postgres://us@h/db?table_prefix=a-b", "letters"),
            ("postgres://us@h/db?sslmode=secret", "verify-full"),
            ("postgres://us@h/db?connect_timeout=secret", "seconds"),
            ("postgres://us@h/db?max_idle_time=secret", "seconds"),
            (
                "postgres://us@h/db?sslpassword=secret",
                "without a password",
            ),
            ("postgres://us@h/db?sslcert=/a", "go together"),
            ("postgres://us@h/db?service=secret", "not supported"),
            ("postgres://us@h/db?options=-csecret", "not supported"),
        ] {
            let text = read(url).err().unwrap().to_string();
            assert!(text.contains(why), "{url}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
