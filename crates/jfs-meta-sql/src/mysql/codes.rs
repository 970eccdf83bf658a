//! Errors of servers and of the driver, in the kinds that the engine can act on: the one place that looks at codes.

use crate::net::link::FailureKind;
use jfs_meta::EngineError;
use jfs_telemetry::mask_text;
use mysql_async::{DriverError, Error, IoError, ServerError};

/// What an error means.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) kind: FailureKind,
    pub(super) text: String,
    /// The connection is of no use any more.
    pub(super) ends_connection: bool,
    /// The server has undone the transaction that was open.
    pub(super) undone: bool,
}

/// A deadlock: the server has undone one of the transactions.
const DEADLOCK: u16 = 1213;

/// The meaning of an error code of MySQL or MariaDB.
fn kind(code: u16) -> FailureKind {
    match code {
        // Duplicate key; row changed since it was read (MariaDB), deadlock of distributed transactions, table definition changed, deadlock
        // between servers of a group; lock wait.
        1062 | 1020 | 1614 | 1412 | 3101 | 1205 | DEADLOCK => FailureKind::Conflict,
        // Two clients make the same table, column or index.
        1050 | 1060 | 1061 => FailureKind::Conflict,
        // A number out of range, see `Dialect::checked`.
        1690 => FailureKind::Check,
        // Out of range, too long, not of the column's character set, no UTF-8, wrong value, NULL, truncated.
        1264 | 1406 | 1366 | 1300 | 1292 | 1048 | 1265 | 1367 => FailureKind::Value,
        // Connections: too many of all users, of this user, of this user within an hour. The server stops, or a node of a cluster is
        // not ready.
        1040 | 1203 | 1226 | 1053 | 1047 => FailureKind::Transient,
        // Killed: the statement, the connection (MariaDB, MySQL), by a time limit; packets that arrived damaged or late.
        1317 | 1927 | 4031 | 1969 | 3024 | 1152 | 1156..=1161 | 1184 => FailureKind::Transient,
        // No such table, column, database (while a connection is used).
        1146 | 1054 | 1051 | 1049 => FailureKind::Missing,
        _ => FailureKind::Fatal,
    }
}

/// What to do about an error, where that is known.
fn advice(code: u16) -> Option<&'static str> {
    Some(match code {
        1045 | 1698 => {
            "user or password is refused: check the URL, META_PASSWORD or META_PASSWORD_FILE"
        }
        1044 => "the user may not use the database: GRANT ALL ON database.* TO the user",
        1049 => "the database does not exist: CREATE DATABASE, or check its name in the URL",
        1142 | 1143 | 1370 | 1227 => "the user lacks a right: GRANT ALL ON database.* TO the user",
        1129 => "the server blocks this host after connection errors: FLUSH HOSTS on the server",
        1130 => "the server allows no connections from this host: CREATE USER for it",
        3159 => "the server wants TLS: add tls=true to the URL",
        1820 | 1862 => "the password has expired: ALTER USER gives it a new one",
        1290 | 1792 | 1836 => {
            "the server is read-only: use the primary server, or make it writable (SET GLOBAL read_only = 0)"
        }
        1153 => {
            "a statement is larger than the server takes: raise max_allowed_packet on the server"
        }
        1021 | 1114 | 3 => "the disk of the server is full",
        1665 => "the server needs binlog_format=ROW or MIXED",
        1193 => "an option of the URL is no variable of the server",
        1146 | 1051 | 1054 => {
            "the database holds no volume, or one of another version: jfs format makes one"
        }
        1040 | 1203 => {
            "the server has too many connections: raise max_connections, or lower max_open_conns in the URL"
        }
        1226 => "the user has used up a limit of the server",
        _ => return None,
    })
}

/// What `e` means for an exchange.
pub(super) fn meaning(e: &Error) -> Meaning {
    match e {
        Error::Server(e) => Meaning {
            kind: kind(e.code),
            text: words(e),
            ends_connection: matches!(
                e.code,
                1053 | 1153 | 1927 | 4031 | 1152 | 1156..=1161 | 1184
            ),
            undone: e.code == DEADLOCK,
        },
        Error::Driver(DriverError::PacketTooLarge) => Meaning {
            kind: FailureKind::Fatal,
            text: "MySQL: a packet is larger than the driver takes".into(),
            ends_connection: true,
            undone: false,
        },
        e => Meaning {
            kind: FailureKind::Transient,
            text: format!("the connection to MySQL broke: {}", plain(e)),
            ends_connection: true,
            undone: false,
        },
    }
}

/// What it means that no connection could be made to the server at `shown`.
pub(super) fn no_connection(e: &Error, shown: &str) -> EngineError {
    let fatal = |text: String| EngineError::Fatal(format!("MySQL at {shown}: {text}"));
    // The next attempt finds a descriptor for its connection then.
    jfs_types::descriptors::free(e);
    match e {
        Error::Server(e) => match kind(e.code) {
            FailureKind::Transient => {
                EngineError::Transient(format!("MySQL at {shown}: {}", words(e)))
            }
            _ => fatal(words(e)),
        },
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            fatal("the server offers no TLS: leave out tls in the URL, or give the server a certificate".into())
        }
        Error::Driver(DriverError::CleartextPluginDisabled) => fatal(
            "the server wants the password as it is: add allowCleartextPasswords=true to the URL, together with tls=true".into(),
        ),
        Error::Driver(DriverError::MysqlOldPasswordDisabled) => {
            fatal("the user has a password of MySQL 4.0: give it a new one".into())
        }
        Error::Io(IoError::Tls(e)) => fatal(format!("TLS failed: {e}")),
        Error::Io(IoError::Io(e)) if e.kind() == std::io::ErrorKind::InvalidData => {
            fatal(format!("TLS failed: {e}"))
        }
        Error::Io(_) => EngineError::Transient(format!(
            "MySQL at {shown} cannot be reached: {}",
            plain(e)
        )),
        e => fatal(plain(e)),
    }
}

/// Advice, then the server's own words.
fn words(e: &ServerError) -> String {
    let own = mask_text(&format!("{} {}", e.code, e.message));
    match advice(e.code) {
        Some(advice) => format!("{advice} ({own})"),
        None => format!("MySQL says {own}"),
    }
}

/// The innermost reason, on one line.
fn plain(e: &Error) -> String {
    let mut reason: &dyn std::error::Error = e;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    mask_text(&reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16) -> Error {
        Error::Server(ServerError {
            code,
            message: "words".into(),
            state: "HY000".into(),
        })
    }

    #[test]
    fn codes_have_kinds() {
        for (codes, kind) in [
            (&[1213, 1205, 1062, 1020][..], FailureKind::Conflict),
            (&[1690], FailureKind::Check),
            (&[1264, 1406], FailureKind::Value),
            (&[1040, 1203, 1927, 1053], FailureKind::Transient),
            (&[1146, 1054], FailureKind::Missing),
            (
                &[1045, 1044, 1290, 1792, 1836, 1142, 1064],
                FailureKind::Fatal,
            ),
        ] {
            for code in codes {
                assert_eq!(meaning(&server(*code)).kind, kind, "{code}");
            }
        }
        assert!(meaning(&server(1213)).undone && !meaning(&server(1205)).undone);
        assert!(meaning(&server(1927)).ends_connection);
        assert!(!meaning(&server(1062)).ends_connection);
    }

    #[test]
    fn a_broken_connection_may_be_made_again() {
        let e = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let broken = meaning(&e);
        assert_eq!(broken.kind, FailureKind::Transient);
        assert!(broken.ends_connection);
        let refused = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        assert!(matches!(
            no_connection(&refused, "h"),
            EngineError::Transient(_)
        ));
    }

    #[test]
    fn connections_that_are_refused_say_what_to_do() {
        for (code, word) in [
            (1045, "META_PASSWORD"),
            (1044, "GRANT"),
            (1049, "CREATE DATABASE"),
            (3159, "tls=true"),
            (1193, "option of the URL"),
        ] {
            let e = no_connection(&server(code), "h:1/db");
            let text = e.to_string();
            assert!(matches!(e, EngineError::Fatal(_)), "{text}");
            assert!(text.contains(word) && text.contains("h:1/db"), "{text}");
        }
        let e = no_connection(&server(1040), "h");
        assert!(matches!(e, EngineError::Transient(_)));
    }
}
