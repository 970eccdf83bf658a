//! `config`: shows the setting of a volume, or changes what is given on the command line.

mod change;

use crate::volume;
use crate::waiting_line::WaitingLine;
use anyhow::{Context, bail};
use change::Change;
use jfs_commands::Parsed;
use jfs_commands::address::warn_without_classes;
use jfs_commands::commands::ConfigCommand;
use jfs_types::Format;
use jfs_types::version::{ACTS_AS, Version};
use std::io::{BufRead, IsTerminal, Write};

pub(crate) fn run(args: &Parsed<ConfigCommand>) -> anyhow::Result<()> {
    let url = volume::announce(&args.flags.meta_url)?;
    let before = volume::load_format(&url)?.ok_or_else(jfs::Error::not_formatted)?;
    if !args.own_flag_given() {
        jfs_telemetry::say!("{}", volume::to_pretty_json(&before.without_secrets())?);
        return Ok(());
    }
    let change = change::read(&before, &args.flags)?;
    if change.lines.is_empty() {
        jfs_telemetry::say!("The setting is like that already.");
        return Ok(());
    }
    let force = args.flags.force;
    if !force {
        check(&url, &before, &change, args.flags.yes)?;
    }
    let test_storage = change.storage && !force;
    if change.storage {
        warn_without_classes(&change.after);
    }
    {
        let _waiting = WaitingLine::shown("changing the setting");
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
                "The volume holds more than the new limits: {space} of {} bytes, {inodes} of {} inodes.",
                after.capacity, after.inodes
            );
            confirm(&text, yes)?;
        }
    }
    if after.trash_days == 0 && before.trash_days != 0 {
        confirm(
            "The trash is going to be emptied, and removed files are gone at once from then on.",
            yes,
        )?;
    }
    if before.dir_stats && !after.dir_stats {
        // Quotas are not kept without the statistics; the reference means to refuse this as well.
        let paths = volume::quota_paths(url).context("list quotas")?;
        if !paths.is_empty() {
            bail!(
                "{} directory quotas need the statistics of directories: [{}]",
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
    format!("Clients {side} version {version}, this one among them, are going to be shut out.")
}

/// Warns, and goes on only with a yes.
fn confirm(warning: &str, yes: bool) -> anyhow::Result<()> {
    jfs_telemetry::say!("{}: {warning}", warning_mark());
    if yes || answered_yes(&mut std::io::stdin().lock())? {
        return Ok(());
    }
    bail!("given up: the setting stays as it is")
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
    ask("Go on? [y/N]: ")?;
    let mut line = String::new();
    while input.read_line(&mut line).context("read the answer")? > 0 {
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => ask("y for yes, n for no: ")?,
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
        assert!(text("9.9", "").starts_with("Clients below version 9.9,"));
        assert!(text("1.1.0-A", "1.0").starts_with("Clients above version 1.0,"));
    }
}
