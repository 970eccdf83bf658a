//! `version`.

use crate::globals::GlobalFlags;
use clap::Parser;

/// Print the version, as --version does.
#[derive(Parser, Clone, Debug)]
#[command(name = "version")]
pub struct VersionCommand {
    /// Ignored, as JuiceFS does.
    #[arg(value_name = "ANYTHING", hide = true)]
    pub ignored: Vec<String>,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}
