//! What the program prints and how it exits, for command lines that mount nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

fn run(dir: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jfs-mount"))
        .args(line.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap()
}

fn fatal(output: &Output) -> String {
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    let messages: Vec<&str> = err
        .lines()
        .filter_map(|line| line.split_once(" <FATAL>: "))
        .map(|(_, rest)| rest.rsplit_once(" [").unwrap().0)
        .collect();
    assert_eq!(messages.len(), 1, "one FATAL line in {err:?}");
    messages[0].to_string()
}

#[test]
fn refused_command_lines() {
    let dir = tempfile::tempdir().unwrap();
    for (line, want) in [
        ("a b --bogus", r#"unknown option: "--bogus""#),
        ("a b --alias x", r#"unknown option: "--alias""#),
        (
            "a b --attr-cache abc",
            r#"invalid value "abc" for flag -attr-cache: parse error (a time like 12s, 100ms or 1h30m is expected)"#,
        ),
        (
            "a b --cache-size 1X",
            r#"invalid value "1X" for flag -cache-size: parse error (a size like 300M or 4G is expected)"#,
        ),
        (
            "a b --free-space-ratio x",
            r#"invalid value "x" for flag -free-space-ratio: parse error (a number from 0 to 1 is expected)"#,
        ),
        (
            "a b -d --umask 9",
            r#"invalid umask "9": not an octal number up to 777"#,
        ),
        (
            "a b --get-timeout 0",
            r#"invalid value "0" for flag -get-timeout: parse error (a time longer than zero, like 60s is expected)"#,
        ),
        (
            "a b --put-timeout=0ms",
            r#"invalid value "0ms" for flag -put-timeout: parse error (a time longer than zero, like 60s is expected)"#,
        ),
        (
            "a b --cache-items -1",
            r#"invalid value "-1" for flag -cache-items: parse error (a whole number that is not negative is expected)"#,
        ),
        ("a b --writeback", "--writeback is not supported yet"),
        ("a b -d --writeback", "--writeback is not supported yet"),
        ("a b --backup-meta 1h", "--backup-meta is not supported yet"),
        (
            "a b --atime-mode relatime",
            r#"--atime-mode is not supported yet (given "relatime")"#,
        ),
        (
            "a b --metrics 9567",
            r#"--metrics "9567": HOST:PORT is needed"#,
        ),
        (
            "a b --custom-labels k",
            r#"--custom-labels "k": NAME:VALUE is needed, with semicolons between several"#,
        ),
        (
            "sqlite3://a.db",
            "MOUNTPOINT is missing; usage: jfs mount [OPTIONS] <META-URL> <MOUNTPOINT>",
        ),
        (
            "a b --no-usage-report=false",
            "--no-usage-report is not supported yet",
        ),
    ] {
        let output = run(dir.path(), line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert_eq!(fatal(&output), want, "{line}");
    }
    assert!(
        std::fs::read_dir(dir.path()).unwrap().next().is_none(),
        "nothing was written"
    );
}

#[test]
fn help_and_version() {
    let dir = tempfile::tempdir().unwrap();
    let help = String::from_utf8(run(dir.path(), "--help").stdout).unwrap();
    for want in [
        "Usage: jfs mount [OPTIONS] <META-URL> <MOUNTPOINT>",
        "-d, --background\n",
        "\nMetadata cache:\n",
        "--cache-size <SIZE>\n",
        "[default: 100G]",
        "[default: 127.0.0.1:9567]",
        "Not supported yet",
    ] {
        assert!(help.contains(want), "{want} in {help}");
    }
    assert!(!help.contains("--foreground"), "{help}");
    let version = run(dir.path(), "--version");
    assert!(version.stdout.starts_with(b"juicefs version 1.4.2+jfs."));
}

/// A daemon that cannot start must say so where it was called, and must not hang.
#[test]
fn a_background_mount_of_no_volume_fails_where_it_was_called() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(
        dir.path(),
        "-d sqlite3://none.db mnt --log log --cache-dir memory",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        fatal(&output).contains("database is not formatted"),
        "{}",
        fatal(&output)
    );
    let output = run(dir.path(), "sqlite3://none.db mnt --cache-dir memory");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        fatal(&output).contains("database is not formatted"),
        "{}",
        fatal(&output)
    );
}
