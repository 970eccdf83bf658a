//! What the program prints and how it exits, for command lines that need no volume. Each case was
//! compared with JuiceFS 1.4.2 where that has one.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

fn jfs(line: &str) -> Output {
    run(env!("CARGO_BIN_EXE_jfs").as_ref(), line)
}

fn run(program: &Path, line: &str) -> Output {
    // A directory of its own, so that a mistake writes nothing that matters.
    let dir = tempfile::tempdir().unwrap();
    Command::new(program)
        .args(line.split_whitespace())
        .current_dir(dir.path())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The message of the only FATAL line on standard error.
fn fatal(output: &Output) -> String {
    let err = text(&output.stderr);
    let messages: Vec<String> = err
        .lines()
        .filter_map(|line| line.split_once(" <FATAL>: "))
        .map(|(_, rest)| rest.rsplit_once(" [").unwrap().0.to_string())
        .collect();
    assert_eq!(messages.len(), 1, "one FATAL line in {err:?}");
    messages[0].clone()
}

#[test]
fn refused_command_lines() {
    for (line, want) in [
        ("format a b --bogus", r#"unknown option: "--bogus""#),
        ("format a b -buck x", r#"unknown option: "-buck""#),
        ("format -- a b", r#"unknown option: "--""#),
        (
            "format a b --trash-days 1.5",
            r#"invalid value "1.5" for flag -trash-days: parse error (a whole number is expected)"#,
        ),
        (
            "format a b -trash-days=x",
            r#"invalid value "x" for flag -trash-days: parse error (a whole number is expected)"#,
        ),
        (
            "format a b --force=maybe",
            r#"invalid value "maybe" for flag -force: parse error (true or false is expected)"#,
        ),
        (
            "format a b --block-size 4X",
            r#"invalid value "4X" for flag -block-size: parse error (a size like 300M or 4G is expected)"#,
        ),
        ("format a b --bucket", r#"option "--bucket" needs a value"#),
        ("--nosuch", r#"unknown option: "--nosuch""#),
        (
            "completion sh",
            r#"invalid value "sh" for <SHELL> (one of bash, zsh, fish is expected)"#,
        ),
        (
            "format a b --capacity 99999999999999999999",
            r#"invalid value "99999999999999999999" for flag -capacity: parse error (a size from 0 to below 16E is expected)"#,
        ),
        (
            "--force format a b",
            "--force belongs to a command: write it behind the command's name",
        ),
        (
            "status a --log-level loud",
            r#"invalid value "loud" for flag -log-level: parse error (trace, debug, info, warn, error, fatal or panic is expected)"#,
        ),
        // Functions that are not there yet.
        (
            "format a b --tag k=v",
            r#"--tag is not supported yet (given "k=v")"#,
        ),
        (
            "status a --session x",
            r#"invalid value "x" for flag -session: parse error (a whole number that is not negative is expected)"#,
        ),
        (
            "config a --tag k=v",
            r#"--tag is not supported yet (given "k=v")"#,
        ),
        ("config a --tier 1", "--tier is not supported yet"),
        (
            "config a --trash-days x",
            r#"invalid value "x" for flag -trash-days: parse error (a whole number is expected)"#,
        ),
        (
            "status a --pyroscope http://p",
            r#"--pyroscope is not supported yet (given "http://p")"#,
        ),
        (
            "status a --no-agent=false",
            "--no-agent is not supported yet",
        ),
    ] {
        let output = jfs(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert_eq!(fatal(&output), want, "{line}");
        assert_eq!(text(&output.stdout), "", "{line}");
    }
}

/// `juicefs ... | head` ends like other programs, without a word.
#[test]
fn an_output_that_nobody_reads_ends_the_program() {
    for line in ["--help", "mount --help", "version"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_jfs"))
            .args(line.split_whitespace())
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(141), "{line}");
        assert_eq!(text(&output.stderr), "", "{line}");
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_jfs"))
        .arg("--help")
        .stdout(full.unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("No space left"));
}

#[test]
fn a_secret_is_never_shown_again() {
    for line in [
        "format redis://u:hush@h/1 Bad",
        "format a b --secret-key hush",
        "format a b --access-key hush --session-token hush",
    ] {
        let output = jfs(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        let shown = text(&output.stderr) + &text(&output.stdout);
        assert!(!shown.contains("hush"), "{line}: {shown}");
    }
}

#[test]
fn the_wrong_number_of_arguments_is_told_with_the_usage() {
    for (line, want) in [
        (
            "format",
            "META-URL is missing; usage: jfs format [OPTIONS] <META-URL> <NAME>",
        ),
        (
            "format a b c",
            r#""c" is one argument too many; usage: jfs format [OPTIONS] <META-URL> <NAME>"#,
        ),
        (
            "status -q",
            "META-URL is missing; usage: jfs status [OPTIONS] <META-URL>",
        ),
        (
            "umount",
            "MOUNTPOINT is missing; usage: jfs umount [OPTIONS] <MOUNTPOINT>",
        ),
        (
            "info -r",
            "PATH is missing; usage: jfs info [OPTIONS] <PATH>...",
        ),
    ] {
        let output = jfs(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert_eq!(fatal(&output), want, "{line}");
        assert_eq!(text(&output.stdout), "", "{line}");
    }
}

#[test]
fn an_address_where_another_word_belongs_shows_no_password() {
    for line in [
        "redis://:hush@h:1/1",
        ":hush@h:1/1",
        "status --log-id redis://:hush@h:1/1 sqlite3:///nowhere/v.db",
        "status --log-id=redis://:hush@h:1/1",
        "status tikv://h:1/p?x=hush",
        "status foo://h:1/p?hush",
        "status --log-level redis://:hush@h/1 sqlite3:///nowhere/v.db",
        "mount --log-id redis://:hush@h:1/1 /mnt",
        // What the library that reads values would repeat.
        "status a --session redis://:hush@h:1/1",
        "format a b --block-size redis://:hush@h:1/1",
        "format a b --force=redis://:hush@h:1/1",
        "format a b redis://:hush@h:1/1",
        "completion redis://:hush@h:1/1",
        "bench a --redis://:hush@h:1/1",
        "mount a b --cache-eviction redis://:hush@h:1/1",
        "mount a b --heartbeat redis://:hush@h:1/1",
        "mount a b --atime-mode redis://:hush@h:1/1",
        "mount a b --free-space-ratio=redis://:hush@h:1/1",
        "mount a b c redis://:hush@h:1/1",
        "mount a b --metrics redis://:hush@h:1/x",
    ] {
        let output = jfs(line);
        assert_ne!(output.status.code(), Some(0), "{line}");
        let said = text(&output.stderr) + &text(&output.stdout);
        assert!(!said.is_empty() && !said.contains("hush"), "{line}: {said}");
    }
}

#[test]
fn unknown_commands_exit_with_3_and_later_ones_are_refused_by_name() {
    for name in ["foo", "help", "sqlite3://a.db", "formats", "Format"] {
        let output = jfs(name);
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert_eq!(
            text(&output.stderr),
            format!("No help topic for '{name}'\n")
        );
    }
    for name in [
        "quota",
        "destroy",
        "gc",
        "fsck",
        "restore",
        "dump",
        "load",
        "tier",
        "changelog",
        "stats",
        "profile",
        "debug",
        "summary",
        "gateway",
        "webdav",
        "objbench",
        "mdtest",
        "warmup",
        "rmr",
        "sync",
        "clone",
        "compact",
    ] {
        let output = jfs(&format!("{name} --help a b"));
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(fatal(&output), format!("{name} is not supported yet"));
    }
}

#[test]
fn version_and_help() {
    let version = format!(
        "juicefs version {}\n",
        jfs_types::version::session_version()
    );
    assert!(version.starts_with("juicefs version 1.4.2+"), "{version}");
    for line in [
        "version",
        "version x y",
        "--version",
        "-V",
        "-q -V",
        "format --version",
        "--no-agent version",
    ] {
        let output = jfs(line);
        assert_eq!(
            (output.status.code(), text(&output.stdout)),
            (Some(0), version.clone()),
            "{line}"
        );
        assert_eq!(text(&output.stderr), "", "{line}");
    }
    for line in ["", "-h", "--help format", "-q"] {
        let output = jfs(line);
        let out = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{line}");
        for part in [
            "Usage: jfs",
            "\n  format ",
            "\n  mount ",
            "--verbose",
            "--debug",
            "fsck",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }
    for line in ["format --help", "format -h a", "-q format a b c -h"] {
        let out = text(&jfs(line).stdout);
        let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "Create a volume",
            "Usage: jfs format [OPTIONS] <META-URL> <NAME>",
            "--block-size <SIZE>",
            "A bare number counts KiB",
            "[default: 4M]",
            "Not supported yet",
        ] {
            assert!(out.contains(part), "{line}: {part}: {out}");
        }
    }
}

/// A path that is not UTF-8 is refused by its name, as text that can be shown.
#[test]
fn an_argument_that_is_not_utf_8_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let odd = std::ffi::OsStr::from_bytes(b"/mnt/\xff");
    let output = Command::new(env!("CARGO_BIN_EXE_jfs"))
        .args([std::ffi::OsStr::new("umount"), odd])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fatal(&output), r#"argument "/mnt/\xFF" is not UTF-8"#);
}

#[test]
fn umount_of_what_is_not_mounted_fails() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().display().to_string();
    for line in [format!("umount {path}"), format!("umount -f {path}/")] {
        let output = jfs(&line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(
            fatal(&output).ends_with(": not mounted"),
            "{line}: {}",
            fatal(&output)
        );
    }
    let output = jfs("umount /nonexistent/x");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        fatal(&output).contains("No such file or directory"),
        "{}",
        fatal(&output)
    );
}

#[test]
fn mount_is_handed_to_the_program_beside_this_one() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("bin");
    std::fs::create_dir(&place).unwrap();
    // A process of its own writes the programs: one that this process has open for writing, or another
    // test has inherited at that moment, cannot be started.
    let make = |script: &str| {
        let mut sh = Command::new("sh");
        let done = sh.args(["-ec", script]).current_dir(&place).status();
        assert!(done.unwrap().success(), "{script}");
    };
    make(concat!("cp '", env!("CARGO_BIN_EXE_jfs"), "' jfs"));
    // Called through a link named juicefs, as scripts do.
    let link = dir.path().join("juicefs");
    symlink(place.join("jfs"), &link).unwrap();
    let missing = run(&link, "mount a b");
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        fatal(&missing).contains("jfs-mount, which belongs beside jfs"),
        "{}",
        fatal(&missing)
    );

    make("printf '#!/bin/sh\\necho \"$@\"\\nexit 7\\n' > jfs-mount; chmod 755 jfs-mount");
    let output = run(&link, "--log-id x mount -d a b --writeback");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(text(&output.stdout), "--log-id x -d a b --writeback\n");
    assert_eq!(run(&link, "foo").status.code(), Some(3));
}
