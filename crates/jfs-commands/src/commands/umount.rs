//! `umount`.

use crate::globals::GlobalFlags;
use clap::{Parser, ValueHint};

/// Take a mounted volume away and wait for its process to end.
///
/// The process writes its buffers out and ends its session first, for up to 50 seconds.
#[derive(Parser, Clone, Debug)]
#[command(name = "umount", after_help = EXAMPLES)]
pub struct UmountCommand {
    /// Directory on which the volume is mounted.
    #[arg(value_name = "MOUNTPOINT", value_hint = ValueHint::DirPath)]
    pub mountpoint: String,
    /// Detach the mount point although it is busy or does not answer. Programs keep their open files until
    /// they close them.
    #[arg(long, short)]
    pub force: bool,
    /// Wait up to 10 minutes until all written data is stored, and fail if it is not.
    #[arg(long)]
    pub flush: bool,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}

const EXAMPLES: &str = "\
Examples:
  jfs umount /mnt/jfs
  A mount point that hangs
    jfs umount /mnt/jfs --force";
