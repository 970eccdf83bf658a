//! `bench`.

use crate::globals::GlobalFlags;
use crate::values;
use clap::{Parser, ValueHint};

/// Measure the speed of a path.
///
/// Writes and reads big and small files in a new directory below PATH, looks at their attributes, and removes
/// them again. PATH may be in a mounted volume or anywhere else. On a terminal a value is green when it is
/// usual, yellow when it is low and red when something is likely to be set up wrongly.
#[derive(Parser, Clone, Debug)]
#[command(name = "bench", after_help = EXAMPLES)]
pub struct BenchCommand {
    /// Directory to measure.
    #[arg(value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub path: String,
    /// Bytes of one read or write. A bare number counts MiB.
    #[arg(long, value_name = "SIZE", value_parser = values::mib, default_value = "1M")]
    pub block_size: u64,
    /// Size of the big file of each thread; 0 leaves big files out. A bare number counts MiB.
    #[arg(long, value_name = "SIZE", value_parser = values::mib, default_value = "1G")]
    pub big_file_size: u64,
    /// Size of a small file; 0 leaves small files out. A bare number counts KiB.
    #[arg(long, value_name = "SIZE", value_parser = values::kib, default_value = "128K")]
    pub small_file_size: u64,
    /// Small files of each thread; 0 leaves small files out.
    #[arg(long, value_name = "N", value_parser = values::count, default_value = "100")]
    pub small_file_count: u64,
    /// Threads that work at the same time.
    #[arg(long, short = 'p', value_name = "N", value_parser = values::count, default_value = "1")]
    pub threads: u64,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}

const EXAMPLES: &str = "\
Examples:
  Four threads
    jfs bench /mnt/jfs -p 4
  Small files only
    jfs bench /mnt/jfs --big-file-size 0";
