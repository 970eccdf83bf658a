//! How the object storage is used.

use crate::not_yet::{self, NotYet};
use crate::values;
use clap::Args;
use std::time::Duration;

/// Flags about the object storage. The first three replace the volume's setting for this client.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data storage")]
pub struct DataStorageFlags {
    /// Kind of object storage, where it is another one than the volume's setting says.
    #[arg(
        long,
        value_name = "KIND",
        default_value = "",
        hide_default_value = true
    )]
    pub storage: String,
    /// Address of the bucket for this client: another endpoint, or the place where a directory is here.
    #[arg(
        long,
        value_name = "BUCKET",
        default_value = "",
        hide_default_value = true
    )]
    pub bucket: String,
    /// Storage class of what this client writes.
    #[arg(
        long,
        value_name = "CLASS",
        default_value = "",
        hide_default_value = true
    )]
    pub storage_class: String,
    /// Tag of new objects, KEY=VALUE.
    #[arg(
        long, value_name = "TAG", value_parser = not_yet::no_text,
        default_value = "", hide_default_value = true
    )]
    pub tag: NotYet,
    /// Time for one download, after which it is tried again.
    #[arg(long, value_name = "TIME", value_parser = values::timeout, default_value = "60s")]
    pub get_timeout: Duration,
    /// Time for one upload, after which it is tried again.
    #[arg(long, value_name = "TIME", value_parser = values::timeout, default_value = "60s")]
    pub put_timeout: Duration,
    /// Times that a failed request is repeated before the program gets an error.
    #[arg(long, value_name = "N", value_parser = values::integer, default_value = "10")]
    pub io_retries: i64,
    /// Uploads at the same time. More helps where the way to the storage is long.
    #[arg(long, value_name = "N", value_parser = values::integer, default_value = "20")]
    pub max_uploads: i64,
    /// Downloads at the same time.
    #[arg(long, value_name = "N", value_parser = values::integer, default_value = "200")]
    pub max_downloads: i64,
    /// Threads that write blocks to the stage of --writeback.
    #[arg(long, value_name = "N", value_parser = not_yet::zero, default_value = "0")]
    pub max_stage_write: NotYet,
    /// Removals of objects at the same time. 0 leaves removals to other clients.
    #[arg(long, value_name = "N", value_parser = values::integer, default_value = "10")]
    pub max_deletes: i64,
    /// Most megabits per second of all uploads.
    #[arg(long, value_name = "MBPS", value_parser = not_yet::zero, default_value = "0")]
    pub upload_limit: NotYet,
    /// Most megabits per second of all downloads.
    #[arg(long, value_name = "MBPS", value_parser = not_yet::zero, default_value = "0")]
    pub download_limit: NotYet,
    /// Write, read and remove an object first, and mount only if that works.
    #[arg(long)]
    pub check_storage: bool,
}
