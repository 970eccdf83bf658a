//! Buffers in memory and the block cache.

use crate::commands::mount::of_user;
use crate::not_yet::{self, NotYet};
use crate::values;
use clap::{ArgAction, Args, ValueHint};
use std::time::Duration;

/// Flags about buffers and the block cache.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data cache")]
pub struct DataCacheFlags {
    /// Memory for written data and for data read ahead, 32M at least. A bare number counts MiB.
    #[arg(long, value_name = "SIZE", value_parser = values::mib, default_value = "300M")]
    pub buffer_size: u64,
    /// Most bytes that are read ahead for one reader; 0 means 16M. A bare number counts MiB.
    #[arg(long, value_name = "SIZE", value_parser = values::mib, default_value = "0")]
    pub max_readahead: u64,
    /// Blocks that a random read fetches along with its own, into the cache.
    #[arg(long, value_name = "N", value_parser = values::integer, default_value = "1")]
    pub prefetch: i64,
    /// Keep written blocks on the local disk and upload them later.
    #[arg(long, action = ArgAction::SetTrue, value_parser = not_yet::off)]
    pub writeback: NotYet,
    /// Blocks below this size go to the local disk first.
    #[arg(long, value_name = "SIZE", value_parser = not_yet::no_bytes, default_value = "0")]
    pub writeback_threshold_size: NotYet,
    /// Time for which a staged block waits.
    #[arg(long, value_name = "TIME", value_parser = not_yet::no_time, default_value = "0s")]
    pub upload_delay: NotYet,
    /// Hours of the day in which staged blocks go out, FIRST-LAST.
    #[arg(
        long, value_name = "HOURS", value_parser = not_yet::no_text,
        default_value = "", hide_default_value = true
    )]
    pub upload_hours: NotYet,
    /// Directories of the cache, with colons between; * in the last part of one stands for several. "memory"
    /// keeps blocks in memory only. Default: /var/jfsCache for root, $HOME/.juicefs/cache for other users.
    #[arg(
        long, value_name = "DIRS", value_hint = ValueHint::DirPath, hide_default_value = true,
        default_value_t = of_user("/var/jfsCache", ".juicefs/cache")
    )]
    pub cache_dir: String,
    /// Permissions of cached blocks in octal. Other users who mount with the same cache need more.
    #[arg(long, value_name = "MODE", default_value = "0600")]
    pub cache_mode: String,
    /// Room of the cache over all its directories; 0 turns it off. A bare number counts MiB.
    #[arg(long, value_name = "SIZE", value_parser = values::mib, default_value = "100G")]
    pub cache_size: u64,
    /// Most blocks in the cache. 0 means as many as fit.
    #[arg(long, value_name = "N", value_parser = values::count, default_value = "0")]
    pub cache_items: u64,
    /// Share of each disk, from 0 to 1, that the cache leaves free.
    #[arg(long, value_name = "SHARE", value_parser = values::ratio, default_value = "0.1")]
    pub free_space_ratio: f64,
    /// Cache blocks of which only a part was read, and no others. For volumes where large files are read
    /// once.
    #[arg(long)]
    pub cache_partial_only: bool,
    /// Cache full blocks when they are written, for files that are read soon after.
    #[arg(long)]
    pub cache_large_write: bool,
    /// When a cached block is compared with its checksum: none (never), full (whole blocks), shrink (the part
    /// that was asked for, where whole pieces are checked), extend (the part, grown to whole pieces).
    #[arg(
        long, value_name = "LEVEL", value_parser = ["none", "full", "shrink", "extend"],
        hide_possible_values = true, default_value = "extend"
    )]
    pub verify_cache_checksum: String,
    /// Which block makes room for a new one: the older of two picked at random (2-random), the one unused for
    /// longest (lru), or none: new blocks are not cached then.
    #[arg(
        long, value_name = "POLICY", value_parser = ["none", "2-random", "lru"],
        hide_possible_values = true, default_value = "2-random"
    )]
    pub cache_eviction: String,
    /// Time between looks at what other processes have stored in the directories or removed. 0 looks at the
    /// start only.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1h")]
    pub cache_scan_interval: Duration,
    /// Time after which a block that was not read is dropped. 0 keeps blocks as long as there is room.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "0s")]
    pub cache_expire: Duration,
}
