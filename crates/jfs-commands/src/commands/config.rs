//! `config`. A flag that is not given leaves its part of the setting as it is, so none has a default.

use crate::globals::GlobalFlags;
use crate::not_yet::{self, NotYet};
use crate::values;
use clap::{ArgAction, Args, Parser};
use std::time::Duration;

/// Show the setting of a volume, or change parts of it.
///
/// Without flags the setting is printed as JSON. With flags those parts are changed, and each change is
/// printed. Clients follow at their next heartbeat.
#[derive(Parser, Clone, Debug)]
#[command(name = "config", after_help = EXAMPLES)]
pub struct ConfigCommand {
    /// Address of the metadata engine.
    #[arg(value_name = "META-URL")]
    pub meta_url: String,
    /// Take every question for answered with yes.
    #[arg(long, short)]
    pub yes: bool,
    /// Change the setting without questions, and without a test of the object storage.
    #[arg(long)]
    pub force: bool,
    /// Where the data is.
    #[command(flatten)]
    pub storage: StorageChange,
    /// Limits and rights.
    #[command(flatten)]
    pub management: ManagementChange,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}

/// Changes of the object storage. Data that is stored stays where it is.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data storage")]
pub struct StorageChange {
    /// Kind of object storage: file (a directory), s3, minio, cos or oss.
    #[arg(long, value_name = "KIND")]
    pub storage: Option<String>,
    /// URL of the bucket, or the directory for file. The objects must be there already.
    #[arg(long, value_name = "BUCKET")]
    pub bucket: Option<String>,
    /// New access key of the bucket.
    #[arg(long, value_name = "KEY")]
    pub access_key: Option<String>,
    /// New secret key of the bucket.
    #[arg(long, value_name = "KEY")]
    pub secret_key: Option<String>,
    /// New token that temporary keys need.
    #[arg(long, value_name = "TOKEN")]
    pub session_token: Option<String>,
    /// Storage class of objects from now on.
    #[arg(long, value_name = "CLASS")]
    pub storage_class: Option<String>,
    /// Tag of objects from now on, KEY=VALUE.
    #[arg(long, value_name = "TAG", value_parser = not_yet::no_text)]
    pub tag: Option<NotYet>,
    /// Most megabits per second that each client uploads.
    #[arg(long, value_name = "MBPS", value_parser = not_yet::zero)]
    pub upload_limit: Option<NotYet>,
    /// Most megabits per second that each client downloads.
    #[arg(long, value_name = "MBPS", value_parser = not_yet::zero)]
    pub download_limit: Option<NotYet>,
}

/// Changes of limits and rights.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Management")]
pub struct ManagementChange {
    /// Most bytes that the volume may hold, 0 for no limit. A bare number counts GiB.
    #[arg(long, value_name = "SIZE", value_parser = values::gib)]
    pub capacity: Option<u64>,
    /// Most files and directories that the volume may hold, 0 for no limit.
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub inodes: Option<u64>,
    /// Days for which removed files stay in the trash. 0 turns the trash off and empties it.
    #[arg(long, value_name = "N", value_parser = values::integer)]
    pub trash_days: Option<i64>,
    /// Keep POSIX ACLs. Cannot be undone, and shuts clients before 1.2 out.
    #[arg(
        long, value_name = "BOOL", value_parser = values::switch, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    pub enable_acl: Option<bool>,
    /// Address of a Ranger server.
    #[arg(long, value_name = "URL", value_parser = not_yet::no_text)]
    pub ranger_rest_url: Option<NotYet>,
    /// Service of this volume in Ranger.
    #[arg(long, value_name = "NAME", value_parser = not_yet::no_text)]
    pub ranger_service: Option<NotYet>,
    /// Configuration of Kerberos.
    #[arg(long, value_name = "FILE", value_parser = not_yet::no_text)]
    pub kerberos_config_file: Option<NotYet>,
    /// Encrypt keys that the setting holds in the clear.
    #[arg(long, action = ArgAction::SetTrue, value_parser = not_yet::off)]
    pub encrypt_secret: NotYet,
    /// Oldest client that may use the volume. Only goes up.
    #[arg(long, value_name = "VERSION")]
    pub min_client_version: Option<String>,
    /// Newest client that may use the volume. Empty for no limit.
    #[arg(long, value_name = "VERSION")]
    pub max_client_version: Option<String>,
    /// Count bytes and entries of each directory. Directory quotas and quick summaries need that.
    #[arg(
        long, value_name = "BOOL", value_parser = values::switch, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    pub dir_stats: Option<bool>,
    /// Count usage by user and group. Switching it on counts all files once and drops limits that users and
    /// groups had.
    #[arg(
        long, value_name = "BOOL", value_parser = values::switch, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    pub user_group_quota: Option<bool>,
    /// Keep a log of all changes in the metadata, for programs that follow them.
    #[arg(
        long, value_name = "BOOL", value_parser = values::switch, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    pub changelog: Option<bool>,
    /// Time for which the log keeps an entry; 0 for ever. A log that is switched on without it keeps 2 hours.
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub changelog_max_age: Option<Duration>,
    /// Entries that the log may hold; 0 for no limit.
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub changelog_max_lines: Option<u64>,
    /// Tier that --storage-class is for.
    #[arg(long, value_name = "N", value_parser = not_yet::zero, default_value = "0")]
    pub tier: NotYet,
}

const EXAMPLES: &str = "\
Examples:
  jfs config redis://localhost/1
  More room
    jfs config redis://localhost/1 --capacity 2T --inodes 20000000
  Other keys of the bucket
    jfs config redis://localhost/1 --access-key ID --secret-key KEY
  Clients of two versions only
    jfs config redis://localhost/1 \\
        --min-client-version 1.2.0 --max-client-version 1.5.0";
