//! `mount`.

use crate::globals::GlobalFlags;
use crate::mount_flags::{
    DataCacheFlags, DataStorageFlags, FuseFlags, MetadataCacheFlags, MetadataFlags, MetricsFlags,
};
use crate::not_yet::{self, NotYet};
use clap::{ArgAction, Parser, ValueHint};

/// Mount a volume on a directory.
///
/// In the foreground the process serves until it is unmounted or interrupted. With -d the command returns once
/// the mount point answers.
#[derive(Parser, Clone, Debug)]
#[command(name = "mount", after_help = EXAMPLES)]
pub struct MountCommand {
    /// Address of the metadata engine: redis://HOST:PORT/DB, unix://SOCKET?db=DB, postgres://USER@HOST:PORT/DB,
    /// mysql://USER@(HOST:PORT)/DB or sqlite3://FILE.
    #[arg(value_name = "META-URL")]
    pub meta_url: String,
    /// Directory to mount on. Made if it is missing.
    #[arg(value_name = "MOUNTPOINT", value_hint = ValueHint::DirPath)]
    pub mountpoint: String,
    /// Serve in the background.
    #[arg(long, short = 'd')]
    pub background: bool,
    /// Serve in the foreground, even with -d.
    #[arg(long, short = 'f', hide = true)]
    pub foreground: bool,
    /// Keep the log of a background mount out of the system log.
    #[arg(long)]
    pub no_syslog: bool,
    /// Log file of a background mount. Default: /var/log/juicefs.log for root, $HOME/.juicefs/juicefs.log for
    /// other users.
    #[arg(
        long, value_name = "FILE", value_hint = ValueHint::FilePath, hide_default_value = true,
        default_value_t = of_user("/var/log/juicefs.log", ".juicefs/juicefs.log")
    )]
    pub log: String,
    /// Mount on top of a volume that is mounted there already.
    #[arg(long)]
    pub force: bool,
    /// Leave .trash and the internal files (.stats, .config, .accesslog) out of listings of the root. They are
    /// found by name all the same. With false they are listed, as JuiceFS does; grep -r and cp -a then hang in
    /// .accesslog.
    #[arg(
        long, value_name = "BOOL", value_parser = crate::values::switch, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true"
    )]
    pub hide_internal: bool,
    /// Keep this mount in /etc/fstab too, so that it comes back when the machine starts. Needs root, and
    /// links /sbin/mount.juicefs to this program if there is no such file.
    #[arg(long)]
    pub update_fstab: bool,
    /// Do without huge pages of memory.
    #[arg(long, action = ArgAction::SetTrue, value_parser = not_yet::off)]
    pub disable_transparent_hugepage: NotYet,
    /// The file system as programs see it.
    #[command(flatten)]
    pub fuse: FuseFlags,
    /// The metadata engine.
    #[command(flatten)]
    pub metadata: MetadataFlags,
    /// Caches of metadata.
    #[command(flatten)]
    pub metadata_cache: MetadataCacheFlags,
    /// The object storage.
    #[command(flatten)]
    pub data_storage: DataStorageFlags,
    /// Buffers and the block cache.
    #[command(flatten)]
    pub data_cache: DataCacheFlags,
    /// Numbers for monitoring.
    #[command(flatten)]
    pub metrics: MetricsFlags,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}

/// A default path: one for root, one below the home directory for other users.
pub(crate) fn of_user(root: &str, below_home: &str) -> String {
    let home = std::env::var("HOME").unwrap_or_default();
    match nix::unistd::getuid().is_root() || home.is_empty() {
        true => root.to_string(),
        false => format!("{}/{below_home}", home.trim_end_matches('/')),
    }
}

const EXAMPLES: &str = "\
Examples:
  In the foreground
    jfs mount redis://localhost/1 /mnt/jfs
  In the background; the password stays out of the process list
    META_PASSWORD=... jfs mount redis://localhost/1 /mnt/jfs -d
  One directory of the volume, read only
    jfs mount redis://localhost/1 /mnt/photos -d --subdir /photos --read-only
  Two disks for the cache, 500 GiB together
    jfs mount redis://localhost/1 /mnt/jfs -d \\
        --cache-dir /disk1/jfs:/disk2/jfs --cache-size 500G";
