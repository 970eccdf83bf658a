//! The flags and arguments of each command. The doc comments are the help texts.

pub mod bench;
pub mod completion;
pub mod config;
pub mod format;
pub mod info;
pub mod mount;
pub mod status;
pub mod umount;
pub mod version;

pub use bench::BenchCommand;
pub use completion::{CompletionCommand, Shell};
pub use config::ConfigCommand;
pub use format::FormatCommand;
pub use info::InfoCommand;
pub use mount::MountCommand;
pub use status::StatusCommand;
pub use umount::UmountCommand;
pub use version::VersionCommand;

use crate::globals::GlobalFlags;
use clap::{CommandFactory, FromArgMatches};

/// A command of these programs.
pub trait JfsCommand: CommandFactory + FromArgMatches {
    /// The flags that every command takes.
    fn globals(&self) -> &GlobalFlags;
}

macro_rules! with_globals {
    ($($command:ty),+) => {
        $(impl JfsCommand for $command {
            fn globals(&self) -> &GlobalFlags {
                &self.globals
            }
        })+
    };
}

with_globals!(
    BenchCommand,
    CompletionCommand,
    ConfigCommand,
    FormatCommand,
    InfoCommand,
    MountCommand,
    StatusCommand,
    UmountCommand,
    VersionCommand
);
