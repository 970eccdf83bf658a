//! The flags that every command takes, before or after the sub-command.

use crate::spec::{FlagSpec, Kind};

/// The table, in help order. `help` and `version` are read by [`crate::parse_command`].
pub const GLOBALS: &[FlagSpec] = &[
    FlagSpec::switch(&["verbose", "debug", "v"], "enable debug log"),
    FlagSpec::switch(&["quiet", "q"], "show warning and errors only"),
    FlagSpec::switch(&["trace"], "enable trace log"),
    FlagSpec::new(
        &["log-level"],
        Kind::Text,
        "",
        "level of the log: trace, debug, info, warn, error, fatal, panic",
    )
    .hidden(),
    FlagSpec::new(
        &["log-id"],
        Kind::Text,
        "",
        "append the given log id in log, use \"random\" to use random uuid",
    ),
    FlagSpec::new(
        &["no-agent"],
        Kind::Bool,
        "true",
        "no profiling agent; there is none yet",
    )
    .off_only(&["true"]),
    FlagSpec::new(&["pyroscope"], Kind::Text, "", "pyroscope address").off_only(&[""]),
    FlagSpec::switch(&["no-color"], "disable colors"),
    FlagSpec::switch(&["help", "h"], "show help"),
    FlagSpec::switch(&["version", "V"], "print version only"),
];
