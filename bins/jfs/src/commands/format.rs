//! `format`: creates a volume, or changes settings of an existing one.

use crate::patience::Waiting;
use crate::volume;
use anyhow::{Context, bail};
use jfs::admin::{FormatOptions, NewSecrets};
use jfs_args::address::{check_path, data_address, file_bucket, here, warn_without_classes};
use jfs_args::{CommandSpec, FlagSpec, Kind, Parsed};
use jfs_types::Format;
use jfs_types::format::META_VERSION;
use serde_json::json;

const STORAGE: &str = "DATA STORAGE";
const FORMAT: &str = "DATA FORMAT";
const MANAGEMENT: &str = "MANAGEMENT";

pub(crate) const SPEC: CommandSpec = CommandSpec {
    name: "format",
    category: "ADMIN",
    summary: "Format a volume",
    arguments: "META-URL NAME",
    min_args: 2,
    max_args: Some(2),
    description: "Create a new volume. Here META-URL is used to set up the metadata engine (Redis, SQLite),\n\
        and NAME is the prefix of all objects in data storage.\n\n\
        On an existing volume the settings that are given are changed, unless --no-update.\n\n\
        Examples:\n\
        # Create a simple test volume (data will be stored in a local directory)\n\
        $ juicefs format sqlite3://myjfs.db myjfs\n\n\
        # Create a volume with Redis\n\
        $ juicefs format redis://localhost myjfs --storage s3 --bucket https://mybucket.s3.us-east-2.amazonaws.com\n\
        # A safer alternative where a password is needed\n\
        $ META_PASSWORD=mypassword juicefs format redis://localhost myjfs\n\n\
        # Create a volume with \"quota\" enabled\n\
        $ juicefs format sqlite3://myjfs.db myjfs --inodes 1000000 --capacity 102400\n\n\
        # Create a volume with \"trash\" disabled\n\
        $ juicefs format sqlite3://myjfs.db myjfs --trash-days 0",
    flags: &[
        FlagSpec::switch(&["force"], "overwrite existing format"),
        FlagSpec::switch(&["no-update"], "don't update existing volume"),
        FlagSpec::new(
            &["storage"],
            Kind::Text,
            "file",
            "object storage type (file, s3, minio, cos, oss)",
        )
        .group(STORAGE),
        FlagSpec::new(
            &["bucket"],
            Kind::Text,
            "",
            "the bucket URL of object storage to store data, a directory for file",
        )
        .default_path("/var/jfs", ".juicefs/local")
        .group(STORAGE),
        FlagSpec::new(
            &["access-key"],
            Kind::Secret,
            "",
            "access key for object storage",
        )
        .group(STORAGE),
        FlagSpec::new(
            &["secret-key"],
            Kind::Secret,
            "",
            "secret key for object storage",
        )
        .group(STORAGE),
        FlagSpec::new(
            &["session-token"],
            Kind::Secret,
            "",
            "session token for object storage",
        )
        .group(STORAGE),
        FlagSpec::new(
            &["storage-class"],
            Kind::Text,
            "",
            "the default storage class",
        )
        .group(STORAGE),
        FlagSpec::new(
            &["tag"],
            Kind::Text,
            "",
            "custom tag when uploading object storage",
        )
        .off_only(&[""])
        .group(STORAGE),
        FlagSpec::new(
            &["block-size"],
            Kind::Size('K'),
            "4M",
            "size of block in KiB",
        )
        .group(FORMAT),
        FlagSpec::new(
            &["compress"],
            Kind::Text,
            "none",
            "compression algorithm (lz4, zstd, none)",
        )
        .group(FORMAT),
        FlagSpec::new(
            &["encrypt-rsa-key"],
            Kind::Text,
            "",
            "a path to RSA private key (PEM)",
        )
        .group(FORMAT),
        FlagSpec::new(
            &["encrypt-algo"],
            Kind::Text,
            "aes256gcm-rsa",
            "encrypt algorithm (aes256gcm-rsa, chacha20-rsa, sm4gcm)",
        )
        .group(FORMAT),
        FlagSpec::switch(&["hash-prefix"], "add a hash prefix to name of objects").group(FORMAT),
        FlagSpec::new(
            &["shards"],
            Kind::Int,
            "0",
            "store the blocks into N buckets by hash of key; %d in --bucket stands for the number of each",
        )
        .group(FORMAT),
        FlagSpec::new(
            &["capacity"],
            Kind::Size('G'),
            "",
            "hard quota of the volume limiting its usage of space in GiB (0: unlimited)",
        )
        .group(MANAGEMENT),
        FlagSpec::new(
            &["inodes"],
            Kind::Uint,
            "0",
            "hard quota of the volume limiting its number of inodes (0: unlimited)",
        )
        .group(MANAGEMENT),
        FlagSpec::new(
            &["trash-days"],
            Kind::Int,
            "1",
            "number of days after which removed files will be permanently deleted (0: at once)",
        )
        .group(MANAGEMENT),
        FlagSpec::switch(&["enable-acl"], "enable POSIX ACL").group(MANAGEMENT),
        FlagSpec::new(
            &["ranger-rest-url"],
            Kind::Text,
            "",
            "URL of the RangerAdmin",
        )
        .off_only(&[""])
        .group(MANAGEMENT),
        FlagSpec::new(
            &["ranger-service"],
            Kind::Text,
            "",
            "name of the Ranger service",
        )
        .off_only(&[""])
        .group(MANAGEMENT),
        FlagSpec::new(
            &["kerberos-config-file"],
            Kind::Text,
            "",
            "path to Kerberos configuration file",
        )
        .off_only(&[""])
        .group(MANAGEMENT),
    ],
};

/// Smallest and largest block, bytes.
const BLOCK_MIN: u64 = 64 << 10;
const BLOCK_MAX: u64 = 16 << 20;
/// Most buckets.
const SHARDS_MAX: i64 = 256;

pub(crate) fn run(args: &Parsed) -> anyhow::Result<()> {
    let url = volume::announce(args.arg(0))?;
    let name = args.arg(1);
    if !is_valid_name(name) {
        bail!(
            "invalid name: \"{name}\", only alphabet, number and - are allowed, and the length \
             should be 3 to 63 characters."
        );
    }
    check_values(args)?;
    let existing = volume::load_format(&url).context("load setting")?;
    if existing.is_some() && args.bool("no-update") {
        return Ok(());
    }
    if let Some(old) = &existing
        && args.bool("force")
    {
        let old = volume::to_pretty_json(&old.without_secrets())?;
        tracing::warn!("Existing volume will be overwrited: {old}");
    }
    let format = match existing {
        Some(old) => update(old, name, args)?,
        None => create(name, args)?,
    };
    warn_without_classes(&format);
    tracing::info!("Data use {}", data_address(&format, jfs::shown_bucket));
    let options = FormatOptions {
        force: args.bool("force"),
        check_storage: std::env::var_os("JFS_NO_CHECK_OBJECT_STORAGE").is_none_or(|v| v.is_empty()),
    };
    let stored = {
        let _waiting = Waiting::shown("formatting, with a test of the object storage");
        volume::format(&url, format, options).context("format")?
    };
    tracing::info!(
        "Volume is formatted as {}",
        volume::to_pretty_json(&stored.without_secrets())?
    );
    Ok(())
}

/// Lower-case letters, digits and dashes, 3 to 63 of them, no dash at either end.
fn is_valid_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| plain(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| plain(*b))
        && bytes.last().is_some_and(|b| plain(*b))
}

fn check_values(args: &Parsed) -> anyhow::Result<()> {
    let compress = args.text("compress");
    if compression(&compress).is_none() {
        bail!("Unsupported compress algorithm: \"{compress}\"");
    }
    jfs::admin::check_encrypt_algo(&args.text("encrypt-algo"))?;
    if args.given("encrypt-algo") && !args.given("encrypt-rsa-key") {
        tracing::warn!("encrypt-algo without encrypt-rsa-key: data is not encrypted");
    }
    check_trash_days(args.int("trash-days"))?;
    let shards = args.int("shards");
    if shards > SHARDS_MAX {
        bail!("too many shards: {shards}");
    }
    if shards < 0 {
        bail!("Invalid shards: {shards}");
    }
    Ok(())
}

pub(super) fn check_trash_days(days: i64) -> anyhow::Result<()> {
    if days < 0 {
        bail!("Invalid trash days: {days}");
    }
    Ok(())
}

/// The stored name of a compression; an empty one means none.
fn compression(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "" | "none" => Some("none"),
        "lz4" => Some("lz4"),
        "zstd" => Some("zstd"),
        _ => None,
    }
}

/// A power of two within the limits, KiB. Says so when it is not what was asked for.
fn block_size_kib(bytes: u64) -> u32 {
    let fits = match bytes {
        0 => BLOCK_MIN,
        n => (1_u64 << n.ilog2()).clamp(BLOCK_MIN, BLOCK_MAX),
    };
    if fits != bytes {
        tracing::warn!(
            "block size {bytes} bytes is not a power of two from 64 KiB to 16 MiB, use {} KiB instead",
            fits >> 10
        );
    }
    // At most 16384.
    (fits >> 10) as u32
}

/// The bucket as the setting holds it.
pub(super) fn bucket(args: &Parsed, storage: &str) -> anyhow::Result<String> {
    let given = args.text("bucket");
    if storage != "file" {
        return Ok(given);
    }
    let cwd = here();
    check_path(&given, &cwd)?;
    Ok(file_bucket(&given, &cwd))
}

/// The text of the private key.
fn private_key(args: &Parsed) -> anyhow::Result<String> {
    match args.text("encrypt-rsa-key").as_str() {
        "" => Ok(String::new()),
        path => {
            std::fs::read_to_string(path).with_context(|| format!("load RSA key from \"{path}\""))
        }
    }
}

/// A key of the object storage: the flag, else the environment. File storage needs none; what the
/// environment holds is not stored then, and silence would suggest that it is.
fn storage_key(args: &Parsed, flag: &str, variable: &str, storage: &str) -> String {
    let given = args.text(flag);
    if !given.is_empty() {
        return given;
    }
    let found = std::env::var(variable).unwrap_or_default();
    if storage == "file" && !found.is_empty() {
        tracing::warn!("{variable} in the environment is not used: file storage needs no keys");
        return String::new();
    }
    found
}

/// The setting of a new volume.
fn create(name: &str, args: &Parsed) -> anyhow::Result<Format> {
    let class = args.text("storage-class");
    let tiers = json!({ "0": { "ID": 0, "StorageClass": class, "Tag": "" } });
    let storage = args.text("storage").to_lowercase();
    let key = |flag, variable| storage_key(args, flag, variable, &storage);
    Ok(Format {
        name: name.to_string(),
        uuid: uuid::Uuid::new_v4().to_string(),
        storage_class: class,
        tiers: tiers.as_object().cloned(),
        bucket: bucket(args, &storage)?,
        access_key: key("access-key", "ACCESS_KEY"),
        secret_key: key("secret-key", "SECRET_KEY"),
        session_token: key("session-token", "SESSION_TOKEN"),
        encrypt_key: private_key(args)?,
        hash_prefix: args.bool("hash-prefix"),
        shards: args.int("shards"),
        block_size: block_size_kib(args.bytes("block-size")),
        compression: compression(&args.text("compress"))
            .unwrap_or("none")
            .to_string(),
        capacity: args.bytes("capacity"),
        inodes: args.uint("inodes"),
        encrypt_algo: args.text("encrypt-algo"),
        trash_days: args.int("trash-days"),
        meta_version: META_VERSION,
        // What a plain volume of today needs of a client; ACLs came later.
        min_client_version: if args.bool("enable-acl") {
            "1.2.0-A".to_string()
        } else {
            "1.1.0-A".to_string()
        },
        enable_acl: args.bool("enable-acl"),
        dir_stats: true,
        storage,
        ..Format::default()
    })
}

/// The setting of an existing volume with what was given on the command line, and only that.
/// Whether a change is possible is judged where it is stored.
fn update(old: Format, name: &str, args: &Parsed) -> anyhow::Result<Format> {
    let mut format = Format {
        name: name.to_string(),
        ..old
    };
    if args.given("storage") {
        format.storage = args.text("storage").to_lowercase();
    }
    if args.given("bucket") {
        format.bucket = bucket(args, &format.storage)?;
    }
    if args.given("access-key") {
        format.access_key = args.text("access-key");
    }
    let secret = |flag| args.given(flag).then(|| args.text(flag));
    let secrets = NewSecrets {
        secret_key: secret("secret-key"),
        session_token: secret("session-token"),
    };
    format = volume::with_secrets(&format, secrets)?;
    if args.given("block-size") {
        format.block_size = block_size_kib(args.bytes("block-size"));
    }
    if args.given("compress") {
        format.compression = compression(&args.text("compress"))
            .unwrap_or("none")
            .to_string();
    }
    if args.given("hash-prefix") {
        format.hash_prefix = args.bool("hash-prefix");
    }
    if args.given("shards") {
        format.shards = args.int("shards");
    }
    if args.given("capacity") {
        format.capacity = args.bytes("capacity");
    }
    if args.given("inodes") {
        format.inodes = args.uint("inodes");
    }
    if args.given("trash-days") {
        format.trash_days = args.int("trash-days");
    }
    for flag in ["encrypt-rsa-key", "encrypt-algo"] {
        if args.given(flag) {
            tracing::warn!("Flag \"{flag}\" is ignored since it cannot be updated");
        }
    }
    if args.given("storage-class") && args.text("storage-class") != format.storage_class {
        tracing::warn!("Flag \"storage-class\" is ignored here, use `juicefs config`");
    }
    match (args.bool("enable-acl"), format.enable_acl) {
        (true, false) => {
            tracing::warn!("Flag \"enable-acl\" is ignored here, use `juicefs config`");
        }
        (false, true) if args.given("enable-acl") => {
            bail!("the volume's POSIX ACL is enabled, which cannot be undone")
        }
        _ => {}
    }
    Ok(format)
}
