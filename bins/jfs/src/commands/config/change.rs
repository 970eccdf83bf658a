//! What a command line changes of a setting, and the lines that say so.

use crate::commands::format::{bucket, check_trash_days};
use crate::volume;
use anyhow::bail;
use jfs::admin::NewSecrets;
use jfs_commands::commands::ConfigCommand;
use jfs_telemetry::{mask_url, scripted};
use jfs_types::version::Version;
use jfs_types::{Format, duration};
use std::time::Duration;

/// The version that a volume with ACLs needs of a client.
const ACL_VERSION: &str = "1.2.0-A";

/// Seconds for which a change log keeps an entry when it is switched on without a value.
const CHANGE_LOG_AGE_SEC: i64 = 7200;

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
            self.lines.push(scripted::changed(flag, old, new));
        }
        changed
    }
}

/// Reads the change that `args` ask for; flags that ask for what is there already change nothing.
pub(super) fn read(before: &Format, args: &ConfigCommand) -> anyhow::Result<Change> {
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
    counts_and_logs(&mut change, args);
    let acl = enable_acl(&mut change, args)?;
    max_version(&mut change, args)?;
    secrets(&mut change, args)?;
    storage_class(&mut change, args);
    trash_days(&mut change, args)?;
    min_version(&mut change, args, acl)?;
    change
        .lines
        .sort_by_key(|line| (line.starts_with("min-"), flag_of(line).to_string()));
    Ok(change)
}

/// The flag that a line is about.
fn flag_of(line: &str) -> &str {
    let flag = line.split(':').next();
    flag.unwrap_or_default().trim_start()
}

/// What this version cannot do may be asked for only where it changes nothing.
fn refuse_unsupported(before: &Format, args: &ConfigCommand) -> anyhow::Result<()> {
    let tag = before.tiers.as_ref().and_then(|tiers| tiers.get("0"));
    let tag = tag
        .and_then(|tier| tier["Tag"].as_str())
        .unwrap_or_default();
    let (of_storage, management) = (&args.storage, &args.management);
    for (flag, given, off) in [
        ("tag", &of_storage.tag, tag.is_empty()),
        (
            "upload-limit",
            &of_storage.upload_limit,
            before.upload_limit == 0,
        ),
        (
            "download-limit",
            &of_storage.download_limit,
            before.download_limit == 0,
        ),
        (
            "ranger-rest-url",
            &management.ranger_rest_url,
            before.ranger_rest_url.is_empty(),
        ),
        (
            "ranger-service",
            &management.ranger_service,
            before.ranger_service.is_empty(),
        ),
        (
            "kerberos-config-file",
            &management.kerberos_config_file,
            before.kerb_conf.is_empty(),
        ),
    ] {
        if given.is_some() && !off {
            bail!("--{flag} is not supported yet: the volume has it on, and it stays on");
        }
    }
    Ok(())
}

/// Kind, place and access key of the object storage.
fn storage_address(change: &mut Change, args: &ConfigCommand) -> anyhow::Result<()> {
    let before = change.after.clone();
    if let Some(new) = &args.storage.access_key {
        change.storage |= change.note("access-key", &before.access_key, new);
        change.after.access_key = new.clone();
    }
    if let Some(new) = &args.storage.storage {
        let new = new.to_lowercase();
        change.storage |= change.note("storage", &before.storage, &new);
        change.after.storage = new;
    }
    if let Some(given) = &args.storage.bucket {
        let new = bucket(given, &change.after.storage.to_lowercase())?;
        if new != before.bucket {
            let (old, new) = (mask_url(&before.bucket), mask_url(&new));
            change.lines.push(scripted::changed("bucket", &old, &new));
            change.storage = true;
        }
        change.after.bucket = new;
    }
    Ok(())
}

fn storage_class(change: &mut Change, args: &ConfigCommand) {
    if let Some(new) = &args.storage.storage_class {
        let old = change.after.class_of_new_objects().to_string();
        if change.note("storage-class", &old, new) {
            change.storage = true;
            change.after.set_class_of_new_objects(new);
        }
    }
}

/// Secrets are always set anew; they are not shown, nor compared.
fn secrets(change: &mut Change, args: &ConfigCommand) -> anyhow::Result<()> {
    let mut given = |flag: &str, value: &Option<String>| {
        if value.is_some() {
            change.lines.push(format!("{flag:>10}: updated"));
            change.storage = true;
        }
        value.clone()
    };
    let new = NewSecrets {
        secret_key: given("secret-key", &args.storage.secret_key),
        session_token: given("session-token", &args.storage.session_token),
    };
    if new.secret_key.is_some() || new.session_token.is_some() {
        change.after = volume::with_secrets(&change.after, new)?;
    }
    Ok(())
}

/// Capacity, inodes and directory statistics.
fn limits(change: &mut Change, args: &ConfigCommand) {
    if let Some(new) = args.management.capacity {
        let old = change.after.capacity;
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
    if let Some(new) = args.management.inodes {
        let old = change.after.inodes;
        change.note("inodes", &old.to_string(), &new.to_string());
        change.after.inodes = new;
    }
    if let Some(new) = args.management.dir_stats {
        let old = change.after.dir_stats;
        change.note("dir-stats", &old.to_string(), &new.to_string());
        change.after.dir_stats = new;
    }
}

/// Usage of users and groups, and the change log with its limits.
fn counts_and_logs(change: &mut Change, args: &ConfigCommand) {
    let (given, before) = (&args.management, change.after.clone());
    let switch = |change: &mut Change, flag: &str, old: bool, new: Option<bool>| {
        let new = new.unwrap_or(old);
        change.note(flag, &old.to_string(), &new.to_string());
        new
    };
    change.after.user_group_quota = switch(
        change,
        "user-group-quota",
        before.user_group_quota,
        given.user_group_quota,
    );
    change.after.change_log = switch(change, "changelog", before.change_log, given.changelog);
    let shown = |sec: i64| duration::text(Duration::from_secs(sec.max(0).unsigned_abs()));
    let old = before.change_log_max_age;
    let begins = change.after.change_log && !before.change_log;
    if let Some(new) = given.changelog_max_age {
        let new = new.as_secs() as i64;
        change.note("changelog-max-age", &shown(old), &shown(new));
        change.after.change_log_max_age = new;
    } else if begins && old == 0 {
        let new = CHANGE_LOG_AGE_SEC;
        let text = format!("{} (default)", shown(new));
        change.note("changelog-max-age", &shown(old), &text);
        change.after.change_log_max_age = new;
    }
    if let Some(new) = given.changelog_max_lines {
        let old = before.change_log_max_lines.to_string();
        change.note("changelog-max-lines", &old, &new.to_string());
        change.after.change_log_max_lines = i64::try_from(new).unwrap_or(i64::MAX);
    }
}

fn trash_days(change: &mut Change, args: &ConfigCommand) -> anyhow::Result<()> {
    if let Some(new) = args.management.trash_days {
        let old = change.after.trash_days;
        check_trash_days(new)?;
        change.note("trash-days", &old.to_string(), &new.to_string());
        change.after.trash_days = new;
    }
    Ok(())
}

/// Answers whether ACLs are new.
fn enable_acl(change: &mut Change, args: &ConfigCommand) -> anyhow::Result<bool> {
    match (args.management.enable_acl, change.after.enable_acl) {
        (Some(true), false) => {
            change.after.enable_acl = true;
            Ok(change.note("enable-acl", "false", "true"))
        }
        (Some(false), true) => {
            bail!("--enable-acl=false: the volume keeps POSIX ACLs, which cannot be undone")
        }
        _ => Ok(false),
    }
}

fn max_version(change: &mut Change, args: &ConfigCommand) -> anyhow::Result<()> {
    if let Some(new) = &args.management.max_client_version {
        let old = change.after.max_client_version.clone();
        if old != *new {
            version(new)?;
            change.versions = true;
            change.note("max-client-version", &old, new);
            change.after.max_client_version = new.clone();
        }
    }
    Ok(())
}

/// The oldest client that may use the volume. The limit only goes up: data may be there that older clients do
/// not know. ACLs raise it as well.
fn min_version(change: &mut Change, args: &ConfigCommand, acl: bool) -> anyhow::Result<()> {
    let old = change.after.min_client_version.clone();
    let mut new = old.clone();
    let given = args.management.min_client_version.as_ref();
    if let Some(given) = given.filter(|given| **given != old) {
        if Some(version(given)?) < Version::parse(&old) {
            bail!("--min-client-version only goes up: {old} cannot become {given}");
        }
        change.versions = true;
        new = given.clone();
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
        None => bail!("\"{text}\" is no version, like 1.2.0"),
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
    use super::*;
    use jfs_commands::{Invocation, parse};

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
        match parse::<ConfigCommand>(&argv) {
            Ok(Invocation::Run(args)) => read(before, &args.flags),
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
            (
                "--changelog --user-group-quota",
                " changelog: false -> true|changelog-max-age: 0s -> 2h0m0s (default)|\
                 user-group-quota: false -> true",
            ),
            (
                "--changelog --changelog-max-age 90s --changelog-max-lines 10",
                " changelog: false -> true|changelog-max-age: 0s -> 1m30s|changelog-max-lines: 0 -> 10",
            ),
            ("--changelog-max-age 0 --changelog-max-lines 0", ""),
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
            (
                "--trash-days -1",
                "--trash-days -1: a number of days is needed, 0 for no trash",
            ),
            (
                "--enable-acl=false",
                "--enable-acl=false: the volume keeps POSIX ACLs, which cannot be undone",
            ),
            (
                "--min-client-version bad",
                "\"bad\" is no version, like 1.2.0",
            ),
            ("--max-client-version=", ""),
            (
                "--min-client-version 1.0",
                "--min-client-version only goes up: 1.1.0-A cannot become 1.0",
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
