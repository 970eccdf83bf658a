//! What a command line changes of a setting, and the lines that say so.

use crate::commands::format::{bucket, check_trash_days};
use crate::volume;
use anyhow::bail;
use jfs::admin::NewSecrets;
use jfs_args::Parsed;
use jfs_telemetry::mask_url;
use jfs_types::Format;
use jfs_types::version::Version;

/// The version that a volume with ACLs needs of a client.
const ACL_VERSION: &str = "1.2.0-A";

/// A changed setting.
pub(super) struct Change {
    pub(super) after: Format,
    /// One for each change, as the reference words and orders them. Empty: nothing changes.
    pub(super) lines: Vec<String>,
    /// The object storage, or how to reach it, is another one.
    pub(super) storage: bool,
    /// Limits of client versions were given.
    pub(super) versions: bool,
}

impl Change {
    /// Notes a change when `old` and `new` differ.
    fn note(&mut self, flag: &str, old: &str, new: &str) -> bool {
        let changed = old != new;
        if changed {
            self.lines.push(format!("{flag:>10}: {old} -> {new}"));
        }
        changed
    }
}

/// Reads the change that `args` ask for; flags that ask for what is there already change nothing.
pub(super) fn read(before: &Format, args: &Parsed) -> anyhow::Result<Change> {
    refuse_unsupported(before, args)?;
    let mut change = Change {
        after: before.clone(),
        lines: Vec::new(),
        storage: false,
        versions: false,
    };
    // By name, as the reference does; the version that others raise comes last.
    storage_address(&mut change, args)?;
    limits(&mut change, args);
    let acl = enable_acl(&mut change, args)?;
    max_version(&mut change, args)?;
    secrets(&mut change, args)?;
    storage_class(&mut change, args);
    trash_days(&mut change, args)?;
    min_version(&mut change, args, acl)?;
    change
        .lines
        .sort_by_key(|line| (line.starts_with("min-"), line.trim_start().to_string()));
    Ok(change)
}

/// What this version cannot do may be asked for only where it changes nothing.
fn refuse_unsupported(before: &Format, args: &Parsed) -> anyhow::Result<()> {
    let tag = before.tiers.as_ref().and_then(|tiers| tiers.get("0"));
    let tag = tag
        .and_then(|tier| tier["Tag"].as_str())
        .unwrap_or_default();
    for (flag, off) in [
        ("tag", tag.is_empty()),
        ("upload-limit", before.upload_limit == 0),
        ("download-limit", before.download_limit == 0),
        ("ranger-rest-url", before.ranger_rest_url.is_empty()),
        ("ranger-service", before.ranger_service.is_empty()),
        ("kerberos-config-file", before.kerb_conf.is_empty()),
        ("user-group-quota", !before.user_group_quota),
        ("changelog", !before.change_log),
        ("changelog-max-lines", before.change_log_max_lines == 0),
    ] {
        if args.given(flag) && !off {
            bail!("--{flag} is not supported yet: the volume has it on, and it stays on");
        }
    }
    Ok(())
}

/// Kind, place and access key of the object storage.
fn storage_address(change: &mut Change, args: &Parsed) -> anyhow::Result<()> {
    let before = change.after.clone();
    if args.given("access-key") {
        let new = args.text("access-key");
        change.storage |= change.note("access-key", &before.access_key, &new);
        change.after.access_key = new;
    }
    if args.given("storage") {
        let new = args.text("storage").to_lowercase();
        change.storage |= change.note("storage", &before.storage, &new);
        change.after.storage = new;
    }
    if args.given("bucket") {
        let new = bucket(args, &change.after.storage.to_lowercase())?;
        if new != before.bucket {
            let (old, new) = (mask_url(&before.bucket), mask_url(&new));
            change
                .lines
                .push(format!("{:>10}: {old} -> {new}", "bucket"));
            change.storage = true;
        }
        change.after.bucket = new;
    }
    Ok(())
}

fn storage_class(change: &mut Change, args: &Parsed) {
    if args.given("storage-class") {
        let (old, new) = (
            change.after.class_of_new_objects().to_string(),
            args.text("storage-class"),
        );
        if change.note("storage-class", &old, &new) {
            change.storage = true;
            change.after.set_class_of_new_objects(&new);
        }
    }
}

/// Secrets are always set anew; they are not shown, nor compared.
fn secrets(change: &mut Change, args: &Parsed) -> anyhow::Result<()> {
    let mut given = |flag: &str| {
        args.given(flag).then(|| {
            change.lines.push(format!("{flag:>10}: updated"));
            change.storage = true;
            args.text(flag)
        })
    };
    let new = NewSecrets {
        secret_key: given("secret-key"),
        session_token: given("session-token"),
    };
    if new.secret_key.is_some() || new.session_token.is_some() {
        change.after = volume::with_secrets(&change.after, new)?;
    }
    Ok(())
}

/// Capacity, inodes and directory statistics.
fn limits(change: &mut Change, args: &Parsed) {
    if args.given("capacity") {
        let (old, new) = (change.after.capacity, args.bytes("capacity"));
        if old != new {
            let (mut from, mut to) = (binary_size(old), binary_size(new));
            // Too small a difference for round numbers.
            if from == to {
                (from, to) = (format!("{old} B"), format!("{new} B"));
            }
            change.note("capacity", &from, &to);
            change.after.capacity = new;
        }
    }
    if args.given("inodes") {
        let (old, new) = (change.after.inodes, args.uint("inodes"));
        change.note("inodes", &old.to_string(), &new.to_string());
        change.after.inodes = new;
    }
    if args.given("dir-stats") {
        let (old, new) = (change.after.dir_stats, args.bool("dir-stats"));
        change.note("dir-stats", &old.to_string(), &new.to_string());
        change.after.dir_stats = new;
    }
}

fn trash_days(change: &mut Change, args: &Parsed) -> anyhow::Result<()> {
    if args.given("trash-days") {
        let (old, new) = (change.after.trash_days, args.int("trash-days"));
        check_trash_days(new)?;
        change.note("trash-days", &old.to_string(), &new.to_string());
        change.after.trash_days = new;
    }
    Ok(())
}

/// Answers whether ACLs are new.
fn enable_acl(change: &mut Change, args: &Parsed) -> anyhow::Result<bool> {
    if !args.given("enable-acl") || args.bool("enable-acl") == change.after.enable_acl {
        return Ok(false);
    }
    if change.after.enable_acl {
        bail!("cannot disable acl");
    }
    change.after.enable_acl = true;
    Ok(change.note("enable-acl", "false", "true"))
}

fn max_version(change: &mut Change, args: &Parsed) -> anyhow::Result<()> {
    if args.given("max-client-version") {
        let (old, new) = (
            change.after.max_client_version.clone(),
            args.text("max-client-version"),
        );
        if old != new {
            version(&new)?;
            change.versions = true;
            change.note("max-client-version", &old, &new);
            change.after.max_client_version = new;
        }
    }
    Ok(())
}

/// It only goes up: somebody may rely on what older clients do not know. ACLs raise it as well.
fn min_version(change: &mut Change, args: &Parsed, acl: bool) -> anyhow::Result<()> {
    let old = change.after.min_client_version.clone();
    let mut new = old.clone();
    if args.given("min-client-version") && args.text("min-client-version") != old {
        let given = args.text("min-client-version");
        if Some(version(&given)?) < Version::parse(&old) {
            bail!("cannot lower min-client-version from {old} to {given}");
        }
        change.versions = true;
        new = given;
    }
    if acl && Version::parse(&new) < Version::parse(ACL_VERSION) {
        new = ACL_VERSION.to_string();
    }
    change.note("min-client-version", &old, &new);
    change.after.min_client_version = new;
    Ok(())
}

fn version(text: &str) -> anyhow::Result<Version> {
    match Version::parse(text) {
        Some(version) => Ok(version),
        None => bail!("Invalid version string: {text}"),
    }
}

/// Two digits and a binary unit: `0 B`, `1.5 GiB`, `100 GiB`, as the reference rounds.
fn binary_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let unit = (bytes.ilog2() / 10) as usize;
    let value = bytes as f64 / (1_u64 << (10 * unit)) as f64;
    let value = (value * 10.0 + 0.5).floor() / 10.0;
    let digits = usize::from(value < 10.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::SPEC;
    use super::*;
    use jfs_args::{Invocation, parse_command};

    fn volume() -> Format {
        Format {
            name: "vol".into(),
            uuid: "d2ce019c-17af-444f-bd48-be825268d364".into(),
            storage: "file".into(),
            bucket: "/b/".into(),
            trash_days: 1,
            min_client_version: "1.1.0-A".into(),
            dir_stats: true,
            ..Format::default()
        }
    }

    fn change_of(before: &Format, flags: &str) -> anyhow::Result<Change> {
        let argv: Vec<String> = format!("x {flags}")
            .split(' ')
            .map(str::to_string)
            .collect();
        match parse_command(&SPEC, &argv) {
            Ok(Invocation::Run(args)) => read(before, &args),
            other => panic!("{flags}: {other:?}"),
        }
    }

    /// The lines are those that the reference printed for the same change of the same volume.
    #[test]
    fn lines_are_the_references() {
        for (flags, want) in [
            ("--trash-days 3", "trash-days: 1 -> 3"),
            ("--capacity 1", "  capacity: 0 B -> 1.0 GiB"),
            ("--capacity 100G", "  capacity: 0 B -> 100 GiB"),
            ("--capacity 1000000", "  capacity: 0 B -> 977 TiB"),
            ("--capacity 12345M", "  capacity: 0 B -> 12 GiB"),
            ("--inodes 7", "    inodes: 0 -> 7"),
            ("--bucket /c", "    bucket: /b/ -> /c/"),
            ("--dir-stats=false", " dir-stats: true -> false"),
            (
                "--min-client-version 1.3.0 --enable-acl",
                "enable-acl: false -> true|min-client-version: 1.1.0-A -> 1.3.0",
            ),
            (
                "--max-client-version 2.0.0",
                "max-client-version:  -> 2.0.0",
            ),
            (
                "--secret-key s --session-token t",
                "secret-key: updated|session-token: updated",
            ),
            ("--storage-class AA", "storage-class:  -> AA"),
            (
                "--trash-days 5 --capacity 4G --inodes 7 --enable-acl --dir-stats=false",
                "  capacity: 0 B -> 4.0 GiB| dir-stats: true -> false|enable-acl: false -> true|    \
                 inodes: 0 -> 7|trash-days: 1 -> 5|min-client-version: 1.1.0-A -> 1.2.0-A",
            ),
            (
                "--access-key a --storage minio --bucket http://h/b",
                "access-key:  -> a|    bucket: /b/ -> http://h/b|   storage: file -> minio",
            ),
            (
                "--trash-days 1 --inodes 0 --storage FILE --dir-stats --enable-acl=false",
                "",
            ),
            (
                "--yes --force --tag= --upload-limit 0 --changelog=false",
                "",
            ),
        ] {
            let change = change_of(&volume(), flags).unwrap();
            assert_eq!(change.lines.join("|"), want, "{flags}");
            assert_eq!(change.after == volume(), want.is_empty(), "{flags}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut before = volume();
        before.enable_acl = true;
        before.upload_limit = 3;
        for (flags, want) in [
            ("--trash-days -1", "Invalid trash days: -1"),
            ("--enable-acl=false", "cannot disable acl"),
            ("--min-client-version bad", "Invalid version string: bad"),
            ("--max-client-version=", ""),
            (
                "--min-client-version 1.0",
                "cannot lower min-client-version from 1.1.0-A to 1.0",
            ),
            (
                "--upload-limit 0",
                "--upload-limit is not supported yet: the volume has it on, and it stays on",
            ),
        ] {
            let message = change_of(&before, flags).err().map(|e| e.to_string());
            assert_eq!(message.unwrap_or_default(), want, "{flags}");
        }
    }

    #[test]
    fn a_test_of_the_storage_is_due_when_it_is_another_one() {
        for (flags, want) in [
            ("--bucket /c", true),
            ("--secret-key x", true),
            ("--storage-class x", true),
            ("--bucket /b", false),
            ("--trash-days 3", false),
        ] {
            assert_eq!(
                change_of(&volume(), flags).unwrap().storage,
                want,
                "{flags}"
            );
        }
    }

    #[test]
    fn sizes_have_two_digits() {
        for (bytes, want) in [
            (0, "0 B"),
            (9, "9 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3 << 29, "1.5 GiB"),
            (10 << 40, "10 TiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(binary_size(bytes), want);
        }
    }
}
