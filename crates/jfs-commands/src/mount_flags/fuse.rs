//! The file system as programs on the machine see it.

use crate::not_yet::{self, NotYet};
use crate::values;
use clap::{ArgAction, Args};

/// Flags about the edge between the kernel and the mount.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "FUSE")]
pub struct FuseFlags {
    /// Let programs keep extended attributes. A volume with ACLs has them anyway.
    #[arg(long)]
    pub enable_xattr: bool,
    /// Let programs keep file capabilities (security.capability).
    #[arg(long, action = ArgAction::SetTrue, value_parser = not_yet::off)]
    pub enable_cap: NotYet,
    /// Let SELinux keep its labels (security.selinux).
    #[arg(long, action = ArgAction::SetTrue, value_parser = not_yet::off)]
    pub enable_selinux: NotYet,
    /// Let lsattr and chattr read and set the flags of files.
    #[arg(long)]
    pub enable_ioctl: bool,
    /// Treat root's requests as those of this user and group. What is left out of UID:GID is 65534.
    #[arg(
        long,
        value_name = "UID:GID",
        default_value = "",
        hide_default_value = true
    )]
    pub root_squash: String,
    /// Treat the requests of all users as those of this one and this group. What is left out is 65534.
    #[arg(
        long,
        value_name = "UID:GID",
        default_value = "",
        hide_default_value = true
    )]
    pub all_squash: String,
    /// Put .jfs in front of the names of internal files: .jfs.stats instead of .stats.
    #[arg(long)]
    pub prefix_internal: bool,
    /// Check permissions in the mount process, not in the kernel.
    #[arg(long, hide = true)]
    pub non_default_permission: bool,
    /// Most bytes that the kernel asks for or hands over at once, from 4K to 1M. A bare number counts bytes.
    /// More is better for large sequential files.
    #[arg(long, value_name = "SIZE", value_parser = values::bytes, default_value = "128K")]
    pub max_fuse_io: u64,
    /// Umask of new files and directories in octal, in place of the calling program's.
    #[arg(long, value_name = "MASK")]
    pub umask: Option<String>,
    /// Mount options for FUSE, with commas between: -o allow_root,noatime.
    #[arg(
        short = 'o',
        value_name = "OPTIONS",
        default_value = "",
        hide_default_value = true
    )]
    pub options: String,
}
