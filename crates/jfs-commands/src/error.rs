//! Refused command lines. Each message is one line and names the flag or the argument.

use jfs_telemetry::scripted;
use thiserror::Error;

/// Why a command line was refused. The program ends with [`EXIT_CODE`].
///
/// Messages repeat what was typed, so an address in them may hold a password. Show them through
/// `jfs_telemetry`, which masks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandLineError {
    /// An argument with a dash in front that names no flag.
    #[error("{}", scripted::unknown_option(.0))]
    UnknownOption(String),
    /// A flag of one command in front of the command's name.
    #[error("--{0} belongs to a command: write it behind the command's name")]
    BeforeCommand(String),
    /// The last argument is a flag whose value is missing.
    #[error("option \"{0}\" needs a value")]
    ValueMissing(String),
    /// Three dashes, or a dash followed by `=`.
    #[error("\"{0}\" is no option: one or two dashes and a name make one")]
    BadSyntax(String),
    /// A value that does not parse.
    #[error("{} ({expected} is expected)", scripted::bad_value(.flag, .value))]
    BadValue {
        /// As typed, without dashes.
        flag: String,
        /// As typed.
        value: String,
        /// What would do, as a noun: "a whole number".
        expected: String,
    },
    /// A function that is asked for and is not there yet. `given` is empty where the value may be secret.
    #[error("--{flag} is not supported yet{}", in_brackets(.given))]
    NotSupported {
        /// The flag's long name.
        flag: String,
        /// As typed; empty for switches, numbers and secrets.
        given: String,
    },
    /// Too few positional arguments.
    #[error("{missing} is missing; usage: {usage}")]
    ArgumentMissing {
        /// Name of the first missing argument.
        missing: String,
        /// The usage line.
        usage: String,
    },
    /// Too many positional arguments.
    #[error("\"{extra}\" is one argument too many; usage: {usage}")]
    ArgumentExtra {
        /// The first argument that has no place.
        extra: String,
        /// The usage line.
        usage: String,
    },
    /// A refusal by the library that reads command lines, which no case above covers.
    #[error("{0}")]
    Other(String),
}

/// The exit code of a refused command line.
pub const EXIT_CODE: u8 = 1;

fn in_brackets(given: &str) -> String {
    match given {
        "" => String::new(),
        given => format!(" (given \"{given}\")"),
    }
}

impl CommandLineError {
    /// A value that only the program can judge.
    pub fn bad_value(flag: &str, value: &str, expected: &str) -> CommandLineError {
        CommandLineError::BadValue {
            flag: flag.to_string(),
            value: value.to_string(),
            expected: expected.to_string(),
        }
    }
}
