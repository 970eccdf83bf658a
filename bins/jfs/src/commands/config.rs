//! `config`: shows the setting of a volume, or changes what is given on the command line.

mod change;
mod flags;

pub(crate) use flags::SPEC;

use crate::patience::Waiting;
use crate::volume;
use anyhow::{Context, bail};
use change::Change;
use jfs_args::Parsed;
use jfs_args::address::warn_without_classes;
use jfs_types::Format;
use jfs_types::version::{ACTS_AS, Version};
use std::io::{BufRead, IsTerminal, Write};

pub(crate) fn run(args: &Parsed) -> anyhow::Result<()> {
    let url = volume::announce(args.arg(0))?;
    let before = volume::load_format(&url)?.ok_or_else(jfs::Error::not_formatted)?;
    if !SPEC.flags.iter().any(|flag| args.given(flag.name())) {
        jfs_telemetry::say!("{}", volume::to_pretty_json(&before.without_secrets())?);
        return Ok(());
    }
    let change = change::read(&before, args)?;
    if change.lines.is_empty() {
        jfs_telemetry::say!("Nothing changed.");
        return Ok(());
    }
    let force = args.bool("force");
    if !force {
        check(&url, &before, &change, args.bool("yes"))?;
    }
    let test_storage = change.storage && !force;
    if change.storage {
        warn_without_classes(&change.after);
    }
    {
        let _waiting = Waiting::shown("changing the setting");
        volume::change_setting(&url, &before, &change.after, test_storage).context("config")?;
    }
    for line in &change.lines {
        jfs_telemetry::say!("{}", jfs_telemetry::mask_text(line));
    }
    Ok(())
}

/// What `--force` leaves out. Asks before what cannot be undone, unless `yes`.
fn check(url: &str, before: &Format, change: &Change, yes: bool) -> anyhow::Result<()> {
    let after = &change.after;
    if (after.capacity, after.inodes) != (before.capacity, before.inodes) {
        let status = volume::status(url, false).context("get usage")?;
        let (space, inodes) = (status.used_space, status.stat.used_inodes);
        let full = |used: u64, limit: u64| limit > 0 && used >= limit;
        if full(space, after.capacity) || full(inodes, after.inodes) {
            let text = format!(
                "New quota is too small (used / quota): {space} / {} bytes, {inodes} / {} inodes.",
                after.capacity, after.inodes
            );
            confirm(&text, yes)?;
        }
    }
    if after.trash_days == 0 && before.trash_days != 0 {
        confirm(
            "The current trash will be emptied and future removed files will purged immediately.",
            yes,
        )?;
    }
    if before.dir_stats && !after.dir_stats {
        // Quotas are not kept without the statistics; the reference means to refuse this as well.
        let paths = volume::quota_paths(url).context("list quotas")?;
        if !paths.is_empty() {
            bail!(
                "cannot disable dir stats when there are still {} dir quotas: [{}]",
                paths.len(),
                paths.join(" ")
            );
        }
    }
    if change.versions && after.check_version(ACTS_AS).is_err() {
        confirm(&rejected(after), yes)?;
    }
    Ok(())
}

/// Who is shut out by the limits, when this client is.
fn rejected(after: &Format) -> String {
    let own = Version::parse(ACTS_AS);
    let too_old = Version::parse(&after.min_client_version) > own;
    let (side, version) = match too_old {
        true => ("below", &after.min_client_version),
        false => ("above", &after.max_client_version),
    };
    format!("Clients {side} version {version} will be rejected after modification.")
}

/// Warns, and goes on only with a yes.
fn confirm(warning: &str, yes: bool) -> anyhow::Result<()> {
    jfs_telemetry::say!("{}: {warning}", warning_mark());
    if yes || answered_yes(&mut std::io::stdin().lock())? {
        return Ok(());
    }
    bail!("Aborted.")
}

/// The word before a warning, in colour for people.
fn warning_mark() -> &'static str {
    match std::io::stdout().is_terminal() {
        true => "\x1b[1;33mWARNING\x1b[0m",
        false => "WARNING",
    }
}

/// Reads the answer; the end of the input is a no.
fn answered_yes(input: &mut dyn BufRead) -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    let mut ask = |text: &str| write!(out, "{text}").and_then(|()| out.flush());
    ask("Proceed anyway? [y/N]: ")?;
    let mut line = String::new();
    while input.read_line(&mut line).context("read the answer")? > 0 {
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => ask("Please input y(yes) or n(no): ")?,
        }
        line.clear();
    }
    Ok(false)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (typed, want) in [
            ("y\n", true),
            ("what\nYES\n", true),
            ("\n", false),
            ("no\ny\n", false),
            ("", false),
            ("maybe", false),
        ] {
            assert_eq!(
                answered_yes(&mut typed.as_bytes()).unwrap(),
                want,
                "{typed:?}"
            );
        }
    }

    #[test]
    fn who_is_shut_out_is_named() {
        let limits = |min: &str, max: &str| Format {
            min_client_version: min.into(),
            max_client_version: max.into(),
            ..Format::default()
        };
        let text = |min, max| rejected(&limits(min, max));
        assert!(text("9.9", "").starts_with("Clients below version 9.9 will"));
        assert!(text("1.1.0-A", "1.0").starts_with("Clients above version 1.0 will"));
    }
}
