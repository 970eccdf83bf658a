//! `format`.

use crate::globals::GlobalFlags;
use crate::not_yet::{self, NotYet};
use crate::values;
use clap::{Args, Parser, ValueHint};

/// Create a volume, or change settings of one.
///
/// META-URL says where names and attributes are kept, the flags say where the data goes. Of a volume that
/// exists, the flags that are given change the setting; `jfs config` does the same with more care.
#[derive(Parser, Clone, Debug)]
#[command(name = "format", after_help = EXAMPLES)]
pub struct FormatCommand {
    /// Address of the metadata engine: redis://HOST:PORT/DB, unix://SOCKET?db=DB, postgres://USER@HOST:PORT/DB,
    /// mysql://USER@(HOST:PORT)/DB or sqlite3://FILE.
    #[arg(value_name = "META-URL")]
    pub meta_url: String,
    /// Name of the volume, and first part of the name of each object: 3 to 63 of a-z, 0-9 and -.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Write the setting even where another volume is. That volume's files are lost.
    #[arg(long)]
    pub force: bool,
    /// Leave a volume that exists as it is, and succeed.
    #[arg(long)]
    pub no_update: bool,
    /// Where the data goes.
    #[command(flatten)]
    pub storage: StorageFlags,
    /// How the data is stored.
    #[command(flatten)]
    pub layout: LayoutFlags,
    /// Limits and rights.
    #[command(flatten)]
    pub management: ManagementFlags,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}

/// Flags about the object storage.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data storage")]
pub struct StorageFlags {
    /// Kind of object storage: file (a directory), s3, minio, cos or oss.
    #[arg(long, value_name = "KIND", default_value = "file")]
    pub storage: String,
    /// URL of the bucket, or the directory for file. Default: /var/jfs for root, $HOME/.juicefs/local for
    /// other users.
    #[arg(
        long, value_name = "BUCKET", hide_default_value = true,
        default_value_t = super::mount::of_user("/var/jfs", ".juicefs/local")
    )]
    pub bucket: String,
    /// Access key of the bucket. The variable ACCESS_KEY keeps it out of the process list.
    #[arg(
        long,
        value_name = "KEY",
        default_value = "",
        hide_default_value = true
    )]
    pub access_key: String,
    /// Secret key of the bucket. The variable SECRET_KEY keeps it out of the process list.
    #[arg(
        long,
        value_name = "KEY",
        default_value = "",
        hide_default_value = true
    )]
    pub secret_key: String,
    /// Token that temporary keys need. The variable SESSION_TOKEN holds it as well.
    #[arg(
        long,
        value_name = "TOKEN",
        default_value = "",
        hide_default_value = true
    )]
    pub session_token: String,
    /// Storage class of new objects. Without it the bucket decides.
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
}

/// Flags about the form of the data. They hold for the volume's whole life.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data format")]
pub struct LayoutFlags {
    /// Largest object, a power of two from 64K to 16M. A bare number counts KiB. Small blocks suit small
    /// random reads, large ones need fewer requests.
    #[arg(long, value_name = "SIZE", value_parser = values::kib, default_value = "4M")]
    pub block_size: u64,
    /// Compression of blocks: none, lz4 (fast) or zstd (smaller).
    #[arg(long, value_name = "NAME", default_value = "none")]
    pub compress: String,
    /// File with a private RSA key in PEM form; turns encryption on. Keep a copy: data without its key is
    /// lost. The variable JFS_RSA_PASSPHRASE holds its pass phrase.
    #[arg(
        long, value_name = "FILE", value_hint = ValueHint::FilePath,
        default_value = "", hide_default_value = true
    )]
    pub encrypt_rsa_key: String,
    /// Cipher of the data: aes256gcm-rsa, chacha20-rsa (for machines without AES instructions) or sm4gcm.
    #[arg(long, value_name = "NAME", default_value = "aes256gcm-rsa")]
    pub encrypt_algo: String,
    /// Begin the names of objects with a hash, for stores that slow down on names with a common beginning.
    #[arg(long)]
    pub hash_prefix: bool,
    /// Spread objects over this many buckets, 256 at most. %d in --bucket stands for the number of each. 0
    /// means one bucket.
    #[arg(long, value_name = "N", value_parser = values::integer, default_value = "0")]
    pub shards: i64,
}

/// Flags about limits and rights.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Management")]
pub struct ManagementFlags {
    /// Most bytes that the volume may hold, 0 for no limit. A bare number counts GiB.
    #[arg(long, value_name = "SIZE", value_parser = values::gib, default_value = "0")]
    pub capacity: u64,
    /// Most files and directories that the volume may hold, 0 for no limit.
    #[arg(long, value_name = "N", value_parser = values::count, default_value = "0")]
    pub inodes: u64,
    /// Days for which removed files stay in the trash. 0 turns the trash off.
    #[arg(long, value_name = "N", value_parser = values::integer, default_value = "1")]
    pub trash_days: i64,
    /// Keep POSIX ACLs. Cannot be undone.
    #[arg(long)]
    pub enable_acl: bool,
    /// Address of a Ranger server.
    #[arg(
        long, value_name = "URL", value_parser = not_yet::no_text,
        default_value = "", hide_default_value = true
    )]
    pub ranger_rest_url: NotYet,
    /// Service of this volume in Ranger.
    #[arg(
        long, value_name = "NAME", value_parser = not_yet::no_text,
        default_value = "", hide_default_value = true
    )]
    pub ranger_service: NotYet,
    /// Configuration of Kerberos.
    #[arg(
        long, value_name = "FILE", value_parser = not_yet::no_text,
        default_value = "", hide_default_value = true
    )]
    pub kerberos_config_file: NotYet,
}

const EXAMPLES: &str = "\
Examples:
  A volume for a first look: metadata in one file, data in a directory
    jfs format sqlite3://first.db first
  Metadata in Redis, data in S3; the passwords stay out of the process list
    export META_PASSWORD=... ACCESS_KEY=... SECRET_KEY=...
    jfs format redis://localhost/1 photos \\
        --storage s3 --bucket https://photos.s3.eu-central-1.amazonaws.com
  At most 100 TiB and a million files, and no trash
    jfs format redis://localhost/2 logs \\
        --capacity 100T --inodes 1000000 --trash-days 0";
