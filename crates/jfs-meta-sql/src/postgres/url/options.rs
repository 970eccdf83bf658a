//! The options behind the `?` of an address.

use super::{CONNECT, Parts, WAIT, decoded, fatal};
use crate::net::pool::Limits;
use crate::postgres::tls::{Mode, Tls};
use crate::prefix::table_prefix;
use jfs_meta::EngineError;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::TargetSessionAttrs;

/// What the options say.
pub(super) struct Options {
    pub(super) mode: Mode,
    root_certificates: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    pub(super) connect: Duration,
    pub(super) target: TargetSessionAttrs,
    pub(super) settings: Vec<(String, String)>,
    pub(super) limits: Limits,
    pub(super) prefix: String,
    pub(super) host_names: Vec<String>,
}

impl Options {
    pub(super) fn read(text: &str, parts: &mut Parts) -> Result<Options, EngineError> {
        let mut options = Options {
            mode: Mode::Prefer,
            root_certificates: None,
            certificate: None,
            key: None,
            connect: CONNECT,
            target: TargetSessionAttrs::Any,
            settings: Vec::new(),
            limits: Limits::new(WAIT),
            prefix: "jfs_".to_string(),
            host_names: Vec::new(),
        };
        for option in text.split('&').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decoded(&value.replace('+', " "))?;
            match key {
                "user" => parts.user = value,
                "password" => parts.password = value,
                "host" => parts.hosts = value,
                "port" => parts.port = value,
                "dbname" | "database" => parts.database = value,
                _ => options.set(key, value)?,
            }
        }
        if options.mode == Mode::Unverified && options.root_certificates.is_some() {
            // As libpq: who names authorities wants them to be looked at.
            options.mode = Mode::VerifyChain;
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: String) -> Result<(), EngineError> {
        let wrong = |wanted: &str| {
            fatal(format!(
                "{key} in the PostgreSQL URL is not right: {wanted} is needed"
            ))
        };
        match key {
            "sslmode" => {
                self.mode = match value.as_str() {
                    "disable" => Mode::Off,
                    "allow" | "prefer" | "" => Mode::Prefer,
                    "require" => Mode::Unverified,
                    "verify-ca" => Mode::VerifyChain,
                    "verify-full" => Mode::VerifyAll,
                    _ => {
                        return Err(wrong(
                            "disable, allow, prefer, require, verify-ca or verify-full",
                        ));
                    }
                }
            }
            "sslrootcert" => self.root_certificates = path(value),
            "sslcert" => self.certificate = path(value),
            "sslkey" => self.key = path(value),
            "sslpassword" => {
                return Err(fatal(
                    "sslpassword in the PostgreSQL URL is not supported: store the key of the client certificate without a password",
                ));
            }
            "connect_timeout" => {
                let seconds = value.parse().map_err(|_| wrong("a number of seconds"))?;
                self.connect = match seconds {
                    0 => CONNECT,
                    seconds => Duration::from_secs(seconds).min(Duration::from_secs(600)),
                };
            }
            "target_session_attrs" => {
                self.target = match value.as_str() {
                    "any" | "prefer-standby" => TargetSessionAttrs::Any,
                    "read-write" | "primary" => TargetSessionAttrs::ReadWrite,
                    "read-only" | "standby" => TargetSessionAttrs::ReadOnly,
                    _ => return Err(wrong("any, read-write or read-only")),
                }
            }
            "search_path" if value.contains(',') => return Err(wrong("one schema")),
            "search_path" if value.is_empty() => {}
            "table_prefix" => self.prefix = table_prefix(&value)?,
            "service" | "servicefile" | "passfile" => {
                return Err(fatal(format!(
                    "{key} in the PostgreSQL URL is not supported: write host, user and database into the URL"
                )));
            }
            // These tune the reference client's driver.
            "default_query_exec_mode"
            | "statement_cache_capacity"
            | "description_cache_capacity"
            | "fallback_application_name"
            | "krbsrvname"
            | "krbspn"
            | "sslsni"
            | "channel_binding"
            | "min_read_buffer_size"
            | "gssencmode"
            | "binary_parameters" => {}
            "options" => {
                return Err(fatal(
                    "options in the PostgreSQL URL is not supported: write each setting as an option of its own",
                ));
            }
            key => match self.limits.set(key, &value) {
                Some(true) => {}
                None => return Err(wrong("a number, or a time in seconds")),
                // The server knows whether there is such a setting.
                Some(false) => self.settings.push((key.to_string(), value)),
            },
        }
        Ok(())
    }

    /// Whether all hosts are directories of sockets.
    pub(super) fn is_local(&self) -> bool {
        self.host_names.iter().all(|host| host.starts_with('/'))
    }

    pub(super) fn tls(&self) -> Result<Tls, EngineError> {
        if self.is_local() {
            return Tls::new(Mode::Off, None, None);
        }
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((certificate.as_path(), key.as_path())),
            (None, None) => None,
            _ => {
                return Err(fatal(
                    "sslcert and sslkey in the PostgreSQL URL go together: one of them is missing",
                ));
            }
        };
        Tls::new(self.mode, self.root_certificates.as_deref(), identity)
    }
}

fn path(value: String) -> Option<PathBuf> {
    (!value.is_empty()).then(|| value.into())
}
