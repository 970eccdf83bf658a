//! Levels as the command line names them and as lines show them.

use tracing::level_filters::LevelFilter;

/// Levels of log lines. Each level includes the ones after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// Details for developers.
    Debug,
    /// Events for administrators; the default.
    Info,
    /// Something is odd, work goes on.
    Warning,
    /// A person should look.
    Error,
    /// The process ends.
    Fatal,
}

impl Level {
    /// A level by the name `--log-level` takes; `panic` is the same as `fatal`.
    pub fn from_name(name: &str) -> Option<Level> {
        Some(match name.to_ascii_lowercase().as_str() {
            "trace" => Level::Trace,
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warn" | "warning" => Level::Warning,
            "error" => Level::Error,
            "fatal" | "panic" => Level::Fatal,
            _ => return None,
        })
    }

    /// The level that the command line's switches ask for. The most talkative switch wins, then
    /// `name` (`--log-level`), then [`Level::Info`]. `None` when `name` is no level.
    pub fn from_switches(trace: bool, verbose: bool, quiet: bool, name: &str) -> Option<Level> {
        let named = if name.is_empty() {
            Level::Info
        } else {
            Level::from_name(name)?
        };
        Some(match (trace, verbose, quiet) {
            (true, _, _) => Level::Trace,
            (_, true, _) => Level::Debug,
            (_, _, true) => Level::Warning,
            _ => named,
        })
    }

    /// The name in a line.
    pub fn label(self) -> &'static str {
        match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Fatal => "FATAL",
        }
    }

    /// Terminal colour code of the name.
    pub(crate) fn colour(self) -> u8 {
        match self {
            Level::Trace | Level::Debug => 35,
            Level::Info => 34,
            Level::Warning => 33,
            Level::Error | Level::Fatal => 31,
        }
    }

    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Level::Trace => LevelFilter::TRACE,
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warning => LevelFilter::WARN,
            Level::Error | Level::Fatal => LevelFilter::ERROR,
        }
    }
}

impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Level {
        match level {
            tracing::Level::TRACE => Level::Trace,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::INFO => Level::Info,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::ERROR => Level::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_and_names() {
        let level = Level::from_switches;
        assert_eq!(level(false, false, false, ""), Some(Level::Info));
        assert_eq!(level(true, true, true, "error"), Some(Level::Trace));
        assert_eq!(level(false, true, true, ""), Some(Level::Debug));
        assert_eq!(level(false, false, true, "debug"), Some(Level::Warning));
        assert_eq!(level(false, false, false, "Panic"), Some(Level::Fatal));
        assert_eq!(level(false, false, false, "warn"), Some(Level::Warning));
        assert_eq!(level(false, false, true, "loud"), None);
    }
}
