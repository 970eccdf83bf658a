//! How the metadata engine is used.

use crate::not_yet::{self, NotYet};
use crate::values;
use clap::{ArgAction, Args};
use std::time::Duration;

/// Flags about the metadata engine.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Metadata")]
pub struct MetadataFlags {
    /// Directory of the volume that becomes the root of the mount.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "",
        hide_default_value = true
    )]
    pub subdir: String,
    /// Time between backups of the metadata to the object storage.
    #[arg(long, value_name = "TIME", value_parser = not_yet::no_time, default_value = "0")]
    pub backup_meta: NotYet,
    /// Leave the trash out of those backups.
    #[arg(long, action = ArgAction::SetTrue, value_parser = not_yet::off)]
    pub backup_skip_trash: NotYet,
    /// Time between two signs of life, from 1s to 10m; also the time after which a changed setting is
    /// followed. Use one value for all clients of a volume. 0 sends none.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "12s")]
    pub heartbeat: Duration,
    /// Refuse all changes. Such a mount keeps no session, so `jfs status` does not list it.
    #[arg(long)]
    pub read_only: bool,
    /// Leave the work of the background (removed data, trash, compaction) to other clients of the volume.
    #[arg(long)]
    pub no_bgjob: bool,
    /// When reading a file changes its time of access. noatime: never.
    #[arg(long, value_name = "MODE", value_parser = not_yet::noatime, default_value = "noatime")]
    pub atime_mode: NotYet,
    /// Conflicts after which the link count of a directory is left as it is.
    #[arg(long, value_name = "N", value_parser = not_yet::zero, default_value = "0")]
    pub skip_dir_nlink: NotYet,
    /// Least difference for which the times of a directory are written. More means fewer writes where many
    /// files are made in one directory. 0 writes them every time.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "100ms")]
    pub skip_dir_mtime: Duration,
    /// List directories in the order of names. Takes up to 64 MiB of memory where the engine does not sort.
    #[arg(long)]
    pub sort_dir: bool,
    /// Answer df from counters of this client, without asking the metadata engine.
    #[arg(long)]
    pub fast_statfs: bool,
    /// Network interfaces whose addresses go into the session's record. All do.
    #[arg(
        long, value_name = "LIST", value_parser = not_yet::no_text,
        default_value = "", hide_default_value = true
    )]
    pub network_interfaces: NotYet,
}
