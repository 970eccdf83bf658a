//! Log lines of a program, as the flags say that every command takes.

use crate::{CommandLineError, GlobalFlags};
use jfs_telemetry::{Level, LogOptions, Logs, Output, SYSLOG_SOCKET};
use std::path::PathBuf;

/// Where the lines of a program go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard error.
    Terminal,
    /// The log file of a daemon and, with `syslog`, the machine's log daemon.
    Daemon {
        /// The file.
        file: PathBuf,
        /// Whether lines go to the log daemon as well.
        syslog: bool,
    },
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `--log-level` names no level.
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    /// The log has been set up before.
    #[error(transparent)]
    Init(#[from] jfs_telemetry::subscriber::InitError),
}

/// Sets the log up.
pub fn init(flags: &GlobalFlags, destination: Destination) -> Result<Logs, LoggingError> {
    let name = &flags.log_level;
    let level = Level::from_switches(flags.trace, flags.verbose, flags.quiet, name);
    let level = level.ok_or_else(|| {
        let expected = "trace, debug, info, warn, error, fatal or panic";
        CommandLineError::bad_value("log-level", name, expected)
    })?;
    let (output, syslog) = match destination {
        Destination::Terminal => (Output::Stderr, false),
        Destination::Daemon { file, syslog } => (Output::File(file), syslog),
    };
    Ok(jfs_telemetry::init(LogOptions {
        level,
        log_id: Some(flags.log_id.clone()),
        no_color: flags.no_color,
        output,
        syslog: syslog.then(|| PathBuf::from(SYSLOG_SOCKET)),
    })?)
}

/// Sets the log up for a command line that could not be read. Does nothing when it is set up.
pub fn init_plain() {
    let _ = jfs_telemetry::init(LogOptions::default());
}
