//! The command lines of the binaries: one struct of flags per command, and how arguments become one.
//!
//! The structs derive `clap::Parser`; their doc comments are the help texts. Scripts of JuiceFS users write
//! command lines in the manner of Go's flag package, which clap does not read. So [`arguments`] reads the
//! words first, by the flags that clap knows, and hands them to clap in one plain form.
//!
//! A flag whose function is missing has the type [`NotYet`]: the values that mean off are accepted, every
//! other value is refused by the flag's name.
//!
//! The crate prints nothing, exits nowhere, and opens neither volumes nor files. [`logging`] sets up the log
//! by the flags that every command takes.

#![forbid(unsafe_code)]

pub mod address;
pub mod arguments;
pub mod catalogue;
pub mod commands;
pub mod error;
pub mod globals;
pub mod help;
pub mod logging;
pub mod mount_flags;
pub mod mount_helper;
pub mod not_yet;
pub mod parse;
pub mod values;

pub use error::CommandLineError;
pub use globals::GlobalFlags;
pub use not_yet::NotYet;
pub use parse::{Invocation, Parsed, parse};
