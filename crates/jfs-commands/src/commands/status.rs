//! `status`.

use crate::globals::GlobalFlags;
use crate::values;
use clap::Parser;

/// Show the setting, the clients and the usage of a volume.
///
/// Prints JSON. A client that mounts read-only keeps no session, so the list of clients leaves it out.
#[derive(Parser, Clone, Debug)]
#[command(name = "status", after_help = EXAMPLES)]
pub struct StatusCommand {
    /// Address of the metadata engine.
    #[arg(value_name = "META-URL")]
    pub meta_url: String,
    /// Show one client by the number of its session, with its locks and the removed files it has open. 0 shows
    /// the volume.
    #[arg(long, short, value_name = "SID", value_parser = values::count, default_value = "0")]
    pub session: u64,
    /// Count the trash and the data that waits for deletion too. Reads all of their records.
    #[arg(long, short)]
    pub more: bool,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}

const EXAMPLES: &str = "\
Examples:
  jfs status redis://localhost/1
  jfs status redis://localhost/1 --session 7";
