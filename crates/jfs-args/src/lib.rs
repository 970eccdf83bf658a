//! The command line as JuiceFS users know it: flags before, after and between the arguments, one
//! dash or two, sizes and durations with the reference's units, help with its layout.
//!
//! The tables ([`FlagSpec`], [`CommandSpec`]) belong to the binaries; this crate reads arguments
//! by them. It prints nothing, exits nowhere, and touches neither volumes nor files.
//!
//! A flag whose function is not there yet is [`Support::OffOnly`]: the values that mean "off", or
//! what we do anyway, are accepted, every other one is refused by name. Nothing is swallowed.

#![forbid(unsafe_code)]

pub mod address;
pub mod error;
pub mod globals;
pub mod help;
pub mod parse;
pub mod parsed;
pub mod spec;
pub mod value;

pub use error::ArgError;
pub use parse::{Invocation, Split, parse_command, split_command};
pub use parsed::Parsed;
pub use spec::{CommandSpec, DefaultValue, FlagSpec, Kind, Support};
