//! Log lines of this program: to standard error, or to the daemon's file.

use jfs_args::{ArgError, Parsed};
use jfs_telemetry::{Level, LogOptions, Logs, Output, SYSLOG_SOCKET};
use std::path::PathBuf;

/// Sets logging up by the global flags. Lines that go to a file go to the machine's log daemon too,
/// unless `--no-syslog`.
pub(crate) fn init(args: &Parsed, file: Option<PathBuf>) -> anyhow::Result<Logs> {
    let name = args.text("log-level");
    let level = Level::from_switches(
        args.bool("trace"),
        args.bool("verbose"),
        args.bool("quiet"),
        &name,
    )
    .ok_or_else(|| ArgError::BadValue {
        flag: "log-level".to_string(),
        value: name,
    })?;
    let daemon = file.is_some() && !args.bool("no-syslog");
    Ok(jfs_telemetry::init(LogOptions {
        syslog: daemon.then(|| PathBuf::from(SYSLOG_SOCKET)),
        level,
        log_id: Some(args.text("log-id")),
        no_color: args.bool("no-color"),
        output: file.map_or(Output::Stderr, Output::File),
    })?)
}

/// Sets logging up for a command line that could not be read. Does nothing when it is set up.
pub(crate) fn plain() {
    let _ = jfs_telemetry::init(LogOptions::default());
}
