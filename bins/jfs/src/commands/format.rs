//! `format`: creates a volume, or changes settings of an existing one.

use crate::volume;
use crate::waiting_line::WaitingLine;
use anyhow::{Context, bail};
use jfs::admin::{FormatOptions, NewSecrets};
use jfs_commands::Parsed;
use jfs_commands::address::{check_path, data_address, file_bucket, here, warn_without_classes};
use jfs_commands::commands::FormatCommand;
use jfs_telemetry::scripted;
use jfs_types::Format;
use jfs_types::format::META_VERSION;
use serde_json::json;

/// Smallest and largest block, bytes.
const BLOCK_MIN: u64 = 64 << 10;
const BLOCK_MAX: u64 = 16 << 20;
/// Most buckets.
const SHARDS_MAX: i64 = 256;

pub(crate) fn run(args: &Parsed<FormatCommand>) -> anyhow::Result<()> {
    let flags = &args.flags;
    let url = volume::announce(&flags.meta_url)?;
    let name = flags.name.as_str();
    if !is_valid_name(name) {
        bail!(
            "\"{name}\" is no name for a volume: 3 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
        );
    }
    check_values(args)?;
    let existing = volume::load_format(&url).context("load setting")?;
    if existing.is_some() && flags.no_update {
        return Ok(());
    }
    if let Some(old) = &existing
        && flags.force
    {
        let old = volume::to_pretty_json(&old.without_secrets())?;
        tracing::warn!("the volume that is there is given up: {old}");
    }
    let format = match existing {
        Some(old) => update(old, args)?,
        None => create(flags)?,
    };
    warn_without_classes(&format);
    let address = data_address(&format, jfs::shown_bucket);
    tracing::info!("{}", scripted::data_use(&address));
    let options = FormatOptions {
        force: flags.force,
        check_storage: std::env::var_os("JFS_NO_CHECK_OBJECT_STORAGE").is_none_or(|v| v.is_empty()),
    };
    let stored = {
        let _waiting = WaitingLine::shown("formatting, with a test of the object storage");
        volume::format(&url, format, options).context("format")?
    };
    let setting = volume::to_pretty_json(&stored.without_secrets())?;
    tracing::info!("{}", scripted::formatted(&setting));
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

fn check_values(args: &Parsed<FormatCommand>) -> anyhow::Result<()> {
    let layout = &args.flags.layout;
    if compression(&layout.compress).is_none() {
        bail!(
            "--compress \"{}\" is unknown: none, lz4 or zstd",
            layout.compress
        );
    }
    jfs::admin::check_encrypt_algo(&layout.encrypt_algo)?;
    if args.given("encrypt-algo") && !args.given("encrypt-rsa-key") {
        tracing::warn!("encrypt-algo without encrypt-rsa-key: data is not encrypted");
    }
    check_trash_days(args.flags.management.trash_days)?;
    let shards = layout.shards;
    if shards > SHARDS_MAX {
        bail!("--shards {shards} is too many: {SHARDS_MAX} at most");
    }
    if shards < 0 {
        bail!("--shards {shards}: a number of buckets is needed");
    }
    Ok(())
}

pub(super) fn check_trash_days(days: i64) -> anyhow::Result<()> {
    if days < 0 {
        bail!("--trash-days {days}: a number of days is needed, 0 for no trash");
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
pub(super) fn bucket(given: &str, storage: &str) -> anyhow::Result<String> {
    if storage != "file" {
        return Ok(given.to_string());
    }
    let path = match given.split_once("://") {
        Some((scheme, path)) if scheme.eq_ignore_ascii_case("file") => path,
        Some(_) => bail!(
            "--bucket {}: file storage needs a directory; an address needs --storage as well",
            jfs_telemetry::mask_url(given)
        ),
        None => given,
    };
    let cwd = here();
    check_path(path, &cwd)?;
    Ok(file_bucket(path, &cwd))
}

/// The text of the private key.
fn private_key(path: &str) -> anyhow::Result<String> {
    match path {
        "" => Ok(String::new()),
        path => std::fs::read_to_string(path)
            .with_context(|| format!("--encrypt-rsa-key \"{path}\" cannot be read")),
    }
}

/// A key of the object storage: the flag, else the environment. File storage needs none; what the
/// environment holds is not stored then, and silence would suggest that it is.
fn storage_key(given: &str, variable: &str, storage: &str) -> String {
    if !given.is_empty() {
        return given.to_string();
    }
    let found = std::env::var(variable).unwrap_or_default();
    if storage == "file" && !found.is_empty() {
        tracing::warn!("{variable} in the environment is not used: file storage needs no keys");
        return String::new();
    }
    found
}

/// The setting of a new volume.
fn create(flags: &FormatCommand) -> anyhow::Result<Format> {
    let (of_storage, layout, management) = (&flags.storage, &flags.layout, &flags.management);
    let class = of_storage.storage_class.clone();
    let tiers = json!({ "0": { "ID": 0, "StorageClass": class, "Tag": "" } });
    let storage = of_storage.storage.to_lowercase();
    let key = |given, variable| storage_key(given, variable, &storage);
    Ok(Format {
        name: flags.name.clone(),
        uuid: uuid::Uuid::new_v4().to_string(),
        storage_class: class,
        tiers: tiers.as_object().cloned(),
        bucket: bucket(&of_storage.bucket, &storage)?,
        access_key: key(&of_storage.access_key, "ACCESS_KEY"),
        secret_key: key(&of_storage.secret_key, "SECRET_KEY"),
        session_token: key(&of_storage.session_token, "SESSION_TOKEN"),
        encrypt_key: private_key(&layout.encrypt_rsa_key)?,
        hash_prefix: layout.hash_prefix,
        shards: layout.shards,
        block_size: block_size_kib(layout.block_size),
        compression: compression(&layout.compress).unwrap_or("none").to_string(),
        capacity: management.capacity,
        inodes: management.inodes,
        encrypt_algo: layout.encrypt_algo.clone(),
        trash_days: management.trash_days,
        meta_version: META_VERSION,
        // What a plain volume of today needs of a client; ACLs came later.
        min_client_version: if management.enable_acl {
            "1.2.0-A".to_string()
        } else {
            "1.1.0-A".to_string()
        },
        enable_acl: management.enable_acl,
        dir_stats: true,
        storage,
        ..Format::default()
    })
}

/// The setting of an existing volume with what was given on the command line, and only that.
/// Whether a change is possible is judged where it is stored.
fn update(old: Format, args: &Parsed<FormatCommand>) -> anyhow::Result<Format> {
    let flags = &args.flags;
    let (of_storage, layout, management) = (&flags.storage, &flags.layout, &flags.management);
    let mut format = Format {
        name: flags.name.clone(),
        ..old
    };
    if args.given("storage") {
        format.storage = of_storage.storage.to_lowercase();
    }
    if args.given("bucket") {
        format.bucket = bucket(&of_storage.bucket, &format.storage_kind())?;
    }
    if args.given("access-key") {
        format.access_key = of_storage.access_key.clone();
    }
    let secret = |flag, value: &String| args.given(flag).then(|| value.clone());
    let secrets = NewSecrets {
        secret_key: secret("secret-key", &of_storage.secret_key),
        session_token: secret("session-token", &of_storage.session_token),
    };
    format = volume::with_secrets(&format, secrets)?;
    if args.given("block-size") {
        format.block_size = block_size_kib(layout.block_size);
    }
    if args.given("compress") {
        format.compression = compression(&layout.compress).unwrap_or("none").to_string();
    }
    if args.given("hash-prefix") {
        format.hash_prefix = layout.hash_prefix;
    }
    if args.given("shards") {
        format.shards = layout.shards;
    }
    if args.given("capacity") {
        format.capacity = management.capacity;
    }
    if args.given("inodes") {
        format.inodes = management.inodes;
    }
    if args.given("trash-days") {
        format.trash_days = management.trash_days;
    }
    for flag in ["encrypt-rsa-key", "encrypt-algo"] {
        if args.given(flag) {
            tracing::warn!("--{flag} changes nothing: the encryption of a volume stays as it is");
        }
    }
    if args.given("storage-class") && of_storage.storage_class != format.storage_class {
        tracing::warn!("--storage-class changes nothing here: use `jfs config`");
    }
    match (management.enable_acl, format.enable_acl) {
        (true, false) => {
            tracing::warn!("--enable-acl changes nothing here: use `jfs config`");
        }
        (false, true) if args.given("enable-acl") => {
            bail!("the volume keeps POSIX ACLs, which cannot be undone")
        }
        _ => {}
    }
    Ok(format)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn file_storage_takes_no_address() {
        let refused = bucket("http://u:hush@h/b?sig=hush", "file").unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("http://u:****@h/b?sig=****"), "{said}");
        assert!(said.contains("needs a directory"), "{said}");
        assert_eq!(bucket("file:///x/y", "file").unwrap(), "/x/y/");
        assert_eq!(bucket("/x/y", "file").unwrap(), "/x/y/");
        assert_eq!(bucket("http://h/b", "s3").unwrap(), "http://h/b");
    }
}
