//! The flags that every command takes, in front of the command's name or behind it.

use crate::not_yet::{self, NotYet};
use clap::{ArgAction, Args, Command};

/// Heading of these flags; also tells them from a command's own.
pub const HEADING: &str = "Options of every command";

/// Log switches, help and version.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = HEADING, disable_help_flag = true, disable_version_flag = true)]
pub struct GlobalFlags {
    /// Log what a developer wants to see.
    #[arg(long, short = 'v', visible_alias = "debug")]
    pub verbose: bool,
    /// Log nothing below warnings.
    #[arg(long, short)]
    pub quiet: bool,
    /// Log every step.
    #[arg(long)]
    pub trace: bool,
    /// Lowest level that is logged: trace, debug, info, warn, error, fatal or panic. The switches above win.
    #[arg(
        long,
        hide = true,
        value_name = "LEVEL",
        default_value = "",
        hide_default_value = true
    )]
    pub log_level: String,
    /// Put [ID] into each log line, to tell processes apart. "random" makes up a UUID.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub log_id: String,
    /// Run without an agent for profiles. There is none.
    #[arg(
        long, value_name = "BOOL", value_parser = not_yet::on, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true"
    )]
    pub no_agent: NotYet,
    /// Server that profiles are sent to.
    #[arg(
        long, value_name = "URL", value_parser = not_yet::no_text,
        default_value = "", hide_default_value = true
    )]
    pub pyroscope: NotYet,
    /// Write log lines and tables without colours, on a terminal too.
    #[arg(long)]
    pub no_color: bool,
    /// Show this help.
    #[arg(long, short)]
    pub help: bool,
    /// Show the version.
    #[arg(long, short = 'V')]
    pub version: bool,
}

/// A command that has these flags and no others.
pub fn globals_only() -> Command {
    GlobalFlags::augment_args(Command::new("jfs")).disable_help_subcommand(true)
}
