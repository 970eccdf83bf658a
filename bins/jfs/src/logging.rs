//! Log lines of this program: to standard error, as the global flags say.

use crate::bad_value;
use jfs_args::Parsed;
use jfs_telemetry::{Level, LogOptions};

/// Sets logging up by the global flags.
pub(crate) fn init(args: &Parsed) -> anyhow::Result<()> {
    let name = args.text("log-level");
    let level = Level::from_switches(
        args.bool("trace"),
        args.bool("verbose"),
        args.bool("quiet"),
        &name,
    )
    .ok_or_else(|| bad_value("log-level", &name))?;
    jfs_telemetry::init(LogOptions {
        level,
        log_id: Some(args.text("log-id")),
        no_color: args.bool("no-color"),
        ..LogOptions::default()
    })?;
    Ok(())
}

/// Sets logging up for a command line that could not be read. Does nothing when it is set up.
pub(crate) fn plain() {
    let _ = jfs_telemetry::init(LogOptions::default());
}
