//! How long metadata is believed without asking the engine.

use crate::values;
use clap::Args;
use std::time::Duration;

/// Flags about caches of metadata. Longer times mean fewer questions, and later sight of what other clients
/// have changed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Metadata cache")]
pub struct MetadataCacheFlags {
    /// Time for which the kernel keeps attributes.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1.0s")]
    pub attr_cache: Duration,
    /// Time for which the kernel keeps names of files.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1.0s")]
    pub entry_cache: Duration,
    /// Time for which the kernel keeps names of directories.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "1.0s")]
    pub dir_entry_cache: Duration,
    /// Time for which the kernel remembers that a name is missing. Helps programs that search many
    /// directories.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "0")]
    pub negative_entry_cache: Duration,
    /// Let the kernel keep listings of directories, for as long as --attr-cache says.
    #[arg(long)]
    pub readdir_cache: bool,
    /// Time for which an open relies on what an earlier open has read. 0 asks at every open; more may show
    /// old data after another client has closed the file.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "0s")]
    pub open_cache: Duration,
    /// Files that --open-cache remembers. 0 means as many as there are, 65536 at most.
    #[arg(long, value_name = "N", value_parser = values::count, default_value = "10000")]
    pub open_cache_limit: u64,
}
