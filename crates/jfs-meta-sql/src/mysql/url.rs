//! `mysql://user:password@tcp(host:port)/database?options`: what the address says.
//!
//! The forms are those of the reference client and its driver: `(host:port)`, `tcp(host:port)`, `unix(/path)`, and neither for the usual
//! port of this machine. The password stands there as it is; percent signs mean bytes where all of them can.

use super::tls::Tls;
use crate::net::pool::Limits;
use crate::prefix::table_prefix;
use jfs_meta::EngineError;
use std::path::PathBuf;
use std::time::Duration;

/// The server's usual port.
const PORT: u16 = 3306;
/// The server's usual socket.
const SOCKET: &str = "/tmp/mysql.sock";
/// Longest time for making a connection where the address says nothing.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time for one exchange where the address says nothing.
const EXCHANGE: Duration = Duration::from_secs(30);
/// Longest wait for a free connection.
const WAIT: Duration = Duration::from_secs(30);
/// Longest time that an address may ask for.
const TIME_MAX: Duration = Duration::from_secs(86_400);
/// Smallest and largest `maxAllowedPacket`, bytes: what MySQL itself allows.
const PACKET: std::ops::RangeInclusive<usize> = 65_536..=1 << 30;

/// The place of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Host and port.
    Tcp(String, u16),
    /// The path of a socket.
    Unix(String),
}

/// The address of a database.
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) database: String,
    pub(super) tls: Tls,
    /// The password may be sent as it is, where TLS or a socket protects it.
    pub(super) cleartext: bool,
    /// Longest time for making a connection.
    pub(super) connect: Duration,
    /// Longest time for one exchange.
    pub(super) exchange: Duration,
    /// Largest packet, bytes; the server's limit when it is smaller.
    pub(super) packet_max: usize,
    /// Variables of a session by name, which the address asks for.
    pub(super) variables: Vec<(String, String)>,
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
    let rest = url.strip_prefix("mysql://").ok_or_else(unreadable)?;
    let (server, database, options) = split(rest)?;
    let (login, place) = server.rsplit_once('@').unwrap_or(("", server));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let place = read_place(place)?;
    let database = decoded(database).ok_or_else(unreadable)?;
    if database.is_empty() {
        return Err(fatal(
            "the MySQL URL names no database: mysql://user:password@(host:port)/database is needed",
        ));
    }
    // As it is, unless all percent signs stand for bytes.
    let mut password = decoded(password).unwrap_or_else(|| password.to_string());
    if password.is_empty() {
        password = secret(&env)?;
    }
    let options = Options::read(options)?;
    let shown = match &place {
        Place::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}/{database}"),
        Place::Tcp(host, port) => format!("{host}:{port}/{database}"),
        Place::Unix(path) => format!("{path}/{database}"),
    };
    Ok(Address {
        tls: options.tls(&place)?,
        place,
        user: user.to_string(),
        password,
        database,
        cleartext: options.cleartext,
        connect: options.connect,
        exchange: options.exchange,
        packet_max: options.packet_max,
        variables: options.variables,
        limits: options.limits,
        prefix: options.prefix,
        shown,
    })
}

fn fatal(text: impl Into<String>) -> EngineError {
    EngineError::Fatal(text.into())
}

fn unreadable() -> EngineError {
    fatal(
        "the MySQL URL cannot be read: mysql://user:password@(host:port)/database?options or \
         mysql://user:password@unix(/path/of.sock)/database is needed, with %3F for ? and %25 for % in a password",
    )
}

/// Login and place, database, options.
fn split(rest: &str) -> Result<(&str, &str, &str), EngineError> {
    // A password and a path of a socket may hold slashes, and the option of a file does.
    if let Some(at) = rest.rfind(")/") {
        let (server, after) = rest.split_at(at + 1);
        let (database, options) = after[1..].split_once('?').unwrap_or((&after[1..], ""));
        return match database.contains('/') {
            true => Err(unreadable()),
            false => Ok((server, database, options)),
        };
    }
    let (base, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (server, database) = base.rsplit_once('/').ok_or_else(unreadable)?;
    // The end of a password with a question mark is not to be taken for an option.
    match options.contains('@') || options.contains('/') {
        true => Err(unreadable()),
        false => Ok((server, database, options)),
    }
}

/// `tcp(host:port)`, `(host:port)`, `unix(path)`, `tcp`, or nothing.
fn read_place(text: &str) -> Result<Place, EngineError> {
    let (network, address) = match text.strip_suffix(')') {
        Some(inner) => inner.split_once('(').ok_or_else(unreadable)?,
        None => (text, ""),
    };
    match network {
        "" | "tcp" | "tcp4" | "tcp6" => {
            let (host, port) = host_and_port(address)?;
            Ok(Place::Tcp(host, port))
        }
        "unix" if address.is_empty() => Ok(Place::Unix(SOCKET.into())),
        "unix" => Ok(Place::Unix(address.into())),
        _ => Err(unreadable()),
    }
}

fn host_and_port(text: &str) -> Result<(String, u16), EngineError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(unreadable)?;
            (host, port.strip_prefix(':').unwrap_or(port))
        }
        None => text.rsplit_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" => PORT,
        port => port.parse().map_err(|_| unreadable())?,
    };
    match host {
        "" => Ok(("127.0.0.1".into(), port)),
        host if host.contains(|c: char| c.is_whitespace() || "@/(),".contains(c)) => {
            Err(unreadable())
        }
        host => Ok((host.into(), port)),
    }
}

/// The password from outside of the address, empty where there is none.
fn secret(env: &impl Fn(&str) -> Option<String>) -> Result<String, EngineError> {
    if let Some(password) = env("META_PASSWORD") {
        return Ok(password);
    }
    match env("META_PASSWORD_FILE") {
        None => Ok(String::new()),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_string()),
            Err(e) => Err(fatal(format!("META_PASSWORD_FILE {path}: {e}"))),
        },
    }
}

/// The text that percent signs stand for; `None` where one stands for nothing.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let digits = after.get(..2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(out).ok()
}

/// The options behind the `?`.
struct Options {
    tls: String,
    authorities: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    fallback: bool,
    cleartext: bool,
    connect: Duration,
    exchange: Duration,
    packet_max: usize,
    variables: Vec<(String, String)>,
    limits: Limits,
    prefix: String,
}

impl Options {
    fn read(text: &str) -> Result<Options, EngineError> {
        let mut options = Options {
            tls: String::new(),
            authorities: None,
            certificate: None,
            key: None,
            fallback: false,
            cleartext: false,
            connect: CONNECT,
            exchange: EXCHANGE,
            packet_max: *PACKET.end(),
            variables: Vec::new(),
            limits: Limits::new(WAIT),
            prefix: table_prefix("")?,
        };
        for option in text.split('&').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decoded(&value.replace('+', " ")).ok_or_else(unreadable)?;
            options.set(key, value)?;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), EngineError> {
        let wrong = |wanted: &str| fatal(format!("{key} in the MySQL URL: {wanted} is needed"));
        let time = || {
            let time = jfs_types::duration::parse(&value).filter(|time| *time <= TIME_MAX);
            time.filter(|_| !value.is_empty())
                .ok_or_else(|| wrong("a time like 5s"))
        };
        let switch = || match value.as_str() {
            "true" | "TRUE" | "True" | "1" => Ok(true),
            "false" | "FALSE" | "False" | "0" => Ok(false),
            _ => Err(wrong("true or false")),
        };
        match key {
            "tls" => self.tls = value,
            // The names that options of Redis addresses have.
            "tls-ca-cert-file" => self.authorities = path(value),
            "tls-cert-file" => self.certificate = path(value),
            "tls-key-file" => self.key = path(value),
            "allowFallbackToPlaintext" => self.fallback = switch()?,
            "allowCleartextPasswords" => self.cleartext = switch()?,
            "timeout" => self.connect = Some(time()?).filter(|t| !t.is_zero()).unwrap_or(CONNECT),
            "readTimeout" => {
                self.exchange = Some(time()?).filter(|t| !t.is_zero()).unwrap_or(EXCHANGE);
            }
            "writeTimeout" => {
                time()?; // sending is part of the exchange
            }
            "maxAllowedPacket" => match value.parse() {
                Ok(0) => {}
                Ok(bytes) if PACKET.contains(&bytes) => self.packet_max = bytes,
                _ => return Err(wrong("a number of bytes from 65536 to 1073741824")),
            },
            "table_prefix" => self.prefix = table_prefix(&value)?,
            "serverPubKey" => {
                return Err(fatal(
                    "serverPubKey in the MySQL URL is not supported: use tls=true for a server whose key is to be checked",
                ));
            }
            "allowOldPasswords" => {
                if switch()? {
                    return Err(fatal(
                        "allowOldPasswords in the MySQL URL is not supported: give the user a password of MySQL 4.1 or later",
                    ));
                }
            }
            // They tune how the reference client's driver talks to the server.
            "allowAllFiles"
            | "allowNativePasswords"
            | "charset"
            | "checkConnLiveness"
            | "clientFoundRows"
            | "collation"
            | "columnsWithAlias"
            | "compress"
            | "connectionAttributes"
            | "interpolateParams"
            | "loc"
            | "multiStatements"
            | "parseTime"
            | "rejectReadOnly"
            | "timeTruncate" => {}
            // The isolation level is this client's choice.
            "transaction_isolation" | "tx_isolation" => {}
            key => match self.limits.set(key, &value) {
                Some(true) => {}
                None => return Err(wrong("a number, or a time in seconds")),
                // The server knows whether there is such a variable.
                Some(false) => self.variable(key, value)?,
            },
        }
        Ok(())
    }

    fn variable(&mut self, key: &str, value: String) -> Result<(), EngineError> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty() || !key.chars().all(word) {
            return Err(fatal(format!("unknown option {key} in the MySQL URL")));
        }
        if value.is_empty() || !value.chars().all(|c| word(c) || "'.,-+ ".contains(c)) {
            return Err(fatal(format!(
                "{key} in the MySQL URL: a variable of the server needs a number or a quoted text"
            )));
        }
        self.variables.push((key.to_string(), value));
        Ok(())
    }

    fn tls(&self, place: &Place) -> Result<Tls, EngineError> {
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((certificate.as_path(), key.as_path())),
            (None, None) => None,
            _ => {
                return Err(fatal(
                    "tls-cert-file and tls-key-file in the MySQL URL go together: one of them is missing",
                ));
            }
        };
        let files = self.authorities.is_some() || identity.is_some();
        if matches!(place, Place::Unix(_)) {
            return Ok(Tls::Off); // never leaves this machine
        }
        let (checked, needed) = match self.tls.as_str() {
            "" if files => (true, true),
            "" | "false" | "FALSE" | "False" | "0" => return Ok(Tls::Off),
            "true" | "TRUE" | "True" | "1" => (true, true),
            "skip-verify" => (false, true),
            "preferred" => (false, false),
            name => {
                return Err(fatal(format!(
                    "tls={name} in the MySQL URL: true, skip-verify, preferred or false is needed; certificates of your own are named by \
                     tls-ca-cert-file, tls-cert-file and tls-key-file"
                )));
            }
        };
        Tls::new(
            checked,
            needed && !self.fallback,
            self.authorities.as_deref(),
            identity,
        )
    }
}

fn path(value: String) -> Option<PathBuf> {
    (!value.is_empty()).then(|| value.into())
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
        for (url, shown) in [
            ("mysql://us:pw@(h:7)/db", "h:7/db"),
            ("mysql://us:pw@tcp(h:7)/db?charset=utf8mb4", "h:7/db"),
            ("mysql://us:pw@(h)/db", "h:3306/db"),
            ("mysql://us:pw@tcp([::1]:7)/d%20b", "[::1]:7/d b"),
            ("mysql://us:pw@unix(/run/my.sock)/db", "/run/my.sock/db"),
            ("mysql://us:pw@unix/db", "/tmp/mysql.sock/db"),
            ("mysql://us:pw@/db", "127.0.0.1:3306/db"),
            ("mysql://us:pw@tcp/db", "127.0.0.1:3306/db"),
            ("mysql:///db", "127.0.0.1:3306/db"),
            (
                "mysql://us@(h:7)/db?tls-ca-cert-file=/a/b&tls=false",
                "h:7/db",
            ),
        ] {
            assert_eq!(read(url).unwrap().shown, shown, "{url}");
        }
    }

    #[test]
    fn passwords_stand_there_as_they_are() {
        let login = |login: &str| {
            let a = read(&format!("mysql://{login}@(h:7)/db")).unwrap();
            assert_eq!(a.shown, "h:7/db", "{login}");
            (a.user, a.password)
        };
        for (given, password) in [
            ("us:pw", "pw"),
            ("us:p@w", "p@w"),
            ("us:p:/w@x", "p:/w@x"),
            ("us:p#(w)+", "p#(w)+"),
            ("us:p?w", "p?w"),
            ("us:p%40%3fw", "p@?w"),
            ("us:100%", "100%"),
            ("us:a%20b%", "a%20b%"),
            ("us", ""),
        ] {
            assert_eq!(login(given), ("us".into(), password.into()));
        }
    }

    #[test]
    fn passwords_from_outside() {
        let password = |url: &str, env: &[(&str, &str)]| {
            let find = |name: &str| {
                let found = env.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_string())
            };
            parse(url, find).unwrap().password
        };
        let meta = [("META_PASSWORD", "p%41")];
        assert_eq!(password("mysql://us:own@(h)/db", &meta), "own");
        assert_eq!(password("mysql://us:@(h)/db", &meta), "p%41");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "f\n").unwrap();
        let named = [("META_PASSWORD_FILE", file.path().to_str().unwrap())];
        assert_eq!(password("mysql://us@(h)/db", &named), "f");
    }

    #[test]
    fn options() {
        let a = read(
            "mysql://us@(h)/db?table_prefix=Ab_1&max_open_conns=9&timeout=3s&readTimeout=1m&maxAllowedPacket=65536\
             &wait_timeout=50&sql_log_bin=0&time_zone=%27UTC%27",
        )
        .unwrap();
        assert_eq!((a.prefix.as_str(), a.limits.open_max), ("jfs_Ab_1_", 9));
        assert_eq!(
            (a.connect, a.exchange),
            (Duration::from_secs(3), Duration::from_secs(60))
        );
        assert_eq!(a.packet_max, 65_536);
        let variables = [
            ("wait_timeout", "50"),
            ("sql_log_bin", "0"),
            ("time_zone", "'UTC'"),
        ];
        assert_eq!(
            a.variables,
            variables.map(|(k, v)| (k.to_string(), v.to_string()))
        );
        assert!(matches!(
            read("mysql://us@(h)/db?tls=0").unwrap().tls,
            Tls::Off
        ));
        assert!(matches!(
            read("mysql://us@unix(/s)/db?tls=true").unwrap().tls,
            Tls::Off
        ));
        let preferred = read("mysql://us@(h)/db?tls=preferred").unwrap().tls;
        assert!(matches!(preferred, Tls::On { needed: false, .. }));
        let unchecked = read("mysql://us@(h)/db?tls=skip-verify").unwrap().tls;
        assert!(matches!(unchecked, Tls::On { needed: true, .. }));
    }

    #[test]
    fn others_are_refused_without_a_password() {
        for (url, why) in [
            ("mysql://us:secret@h:7/db", "cannot be read"),
            ("mysql://us:secret@(h:7)", "cannot be read"),
            ("mysql://us:secret@(h:7)/", "names no database"),
            ("mysql://us:secret@(h:7)/a/b", "cannot be read"),
            ("mysql://us:secret@udp(h:7)/db", "cannot be read"),
            ("mysql://us:secret@(h:port)/db", "cannot be read"),
            ("mysql://us:secret@(a:1,b:2)/db", "cannot be read"),
            ("mysql://us:secret?x@h/db", "cannot be read"),
            ("mysql://us:secret@(h)/db?tls=custom", "tls-ca-cert-file"),
            ("mysql://us:secret@(h)/db?tls-cert-file=/a", "go together"),
            (
                "mysql://us:secret@(h)/db?tls-ca-cert-file=/no/file",
                "/no/file",
            ),
            ("mysql://us:secret@(h)/db?timeout=secret", "a time"),
            ("mysql://us:secret@(h)/db?maxAllowedPacket=secret", "bytes"),
            ("mysql://us:secret@(h)/db?max_idle_time=secret", "seconds"),
            (
                "mysql://us:secret@(h)/db?allowCleartextPasswords=secret",
                "true or false",
            ),
            (
                "mysql://us:secret@(h)/db?allowOldPasswords=true",
                "not supported",
            ),
            (
                "mysql://us:secret@(h)/db?serverPubKey=secret",
                "not supported",
            ),
            ("mysql://us:secret@(h)/db?table_prefix=a-b", "table_prefix"),
            ("mysql://us:secret@(h)/db?what-ever=1", "unknown option"),
            ("mysql://us:secret@(h)/db?a=(select%20secret)", "a number"),
        ] {
            let text = read(url).err().unwrap().to_string();
            assert!(text.contains(why), "{url}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
