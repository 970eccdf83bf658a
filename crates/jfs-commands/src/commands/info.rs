//! `info`.

use crate::globals::GlobalFlags;
use clap::{Parser, ValueHint};

/// Show what a mount knows about files: inode, sizes, paths, objects, locks.
///
/// Asks the mount, so each path must lie in a mounted volume.
#[derive(Parser, Clone, Debug)]
#[command(name = "info", after_help = EXAMPLES)]
pub struct InfoCommand {
    /// Paths, or inode numbers with --inode.
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<String>,
    /// Take each argument for an inode number. The working directory says of which volume.
    #[arg(long, short)]
    pub inode: bool,
    /// Add up whole trees below directories, from statistics that may lag behind.
    #[arg(long, short)]
    pub recursive: bool,
    /// Count trees entry by entry instead: exact, and slow where there are many.
    #[arg(long)]
    pub strict: bool,
    /// List slices instead of objects.
    #[arg(long)]
    pub raw: bool,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}

const EXAMPLES: &str = "\
Examples:
  jfs info /mnt/jfs/foo
  An inode of the volume in which the shell is
    cd /mnt/jfs && jfs info -i 100";
