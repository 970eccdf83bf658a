//! What can be wrong with a command line, in the reference's words.

use thiserror::Error;

/// A refused command line. [`ArgError::exit_code`] and [`ArgError::is_usage`] say how to end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArgError {
    /// An argument that starts with a dash and names no flag.
    #[error("unknown option: \"{0}\"")]
    Unknown(String),
    /// A flag before the sub-command that is not a global one.
    #[error("flag provided but not defined: -{0}")]
    NotGlobal(String),
    /// The last argument is a flag that wants a value.
    #[error("option \"{0}\" requires value")]
    RequiresValue(String),
    /// Three dashes, or a dash followed by `=`.
    #[error("bad flag syntax: {0}")]
    BadSyntax(String),
    /// Neither true nor false.
    #[error("invalid boolean value \"{value}\" for -{flag}: parse error")]
    BadBool {
        /// As typed, without dashes.
        flag: String,
        /// As typed.
        value: String,
    },
    /// A number, duration or list that does not parse.
    #[error("invalid value \"{value}\" for flag -{flag}: parse error")]
    BadValue {
        /// As typed, without dashes.
        flag: String,
        /// As typed.
        value: String,
    },
    /// A size that does not parse.
    #[error("Invalid value \"{value}\" for \"{flag}\": {reason}")]
    BadSize {
        /// The flag's first name.
        flag: String,
        /// As typed.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A function that is asked for and not there yet. `value` is empty where it may be secret.
    #[error("--{flag} is not supported yet{}", given(.value))]
    NotSupported {
        /// The flag's first long name.
        flag: String,
        /// As typed; empty for switches and secrets.
        value: String,
    },
    /// Too few positional arguments.
    #[error("This command requires at least {0} arguments")]
    TooFew(usize),
    /// Too many positional arguments.
    #[error("This command accept at most {max} arguments but got [{}]", got.join(" "))]
    TooMany {
        /// The most it takes.
        max: usize,
        /// What was given.
        got: Vec<String>,
    },
}

fn given(value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else {
        format!(" (given \"{value}\")")
    }
}

impl ArgError {
    /// Whether the error is about the number of arguments: shown with the usage line and without
    /// a log line's frame, as the reference does.
    pub fn is_usage(&self) -> bool {
        matches!(self, ArgError::TooFew(_) | ArgError::TooMany { .. })
    }

    /// The exit code that goes with a refused command line.
    pub fn exit_code(&self) -> i32 {
        1
    }
}
