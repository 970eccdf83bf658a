//! The files that a mount shows and no volume holds: ours are those of the reference.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::Mount;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{DirEntryExt, MetadataExt, symlink};
use std::process::Command;

const NAMES: [&str; 5] = [".accesslog", ".control", ".stats", ".config", ".trash"];

/// Inode, mode, owner and, where it does not depend on the mount, length.
fn look(mount: &Mount, name: &str) -> Option<(u64, u32, u32, u32, u64)> {
    let meta = std::fs::symlink_metadata(mount.at(name)).ok()?;
    let length = if name.ends_with("config") {
        0
    } else {
        meta.size()
    };
    Some((
        meta.ino(),
        meta.mode(),
        meta.uid(),
        meta.nlink() as u32,
        length,
    ))
}

/// What a mount answers to everything that somebody may try with these names.
fn tried(mount: &Mount, prefix: &str) -> Vec<(String, Option<i32>)> {
    let errno = |done: io::Result<()>| done.err().map(|e| e.raw_os_error().unwrap_or(0));
    let mut all = Vec::new();
    std::fs::write(mount.at("file"), b"x").unwrap();
    for name in NAMES {
        let name = format!("{prefix}{name}");
        let at = mount.at(&name);
        let open = |o: &mut OpenOptions| o.open(&at).map(|_| ());
        for (what, done) in [
            ("mkdir", std::fs::create_dir(&at)),
            ("symlink", symlink("x", &at)),
            ("unlink", std::fs::remove_file(&at)),
            ("rename from", std::fs::rename(&at, mount.at("other"))),
            ("rename to", std::fs::rename(mount.at("file"), &at)),
            ("link from", std::fs::hard_link(&at, mount.at("other"))),
            (
                "create",
                open(OpenOptions::new().write(true).create_new(true)),
            ),
            ("write", open(OpenOptions::new().write(true))),
            ("read", open(OpenOptions::new().read(true))),
            (
                "truncate",
                open(OpenOptions::new().write(true).truncate(true)),
            ),
        ] {
            all.push((format!("{what} {name}"), errno(done)));
        }
    }
    all
}

fn same_as_the_reference(flags: &[&str], prefix: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let theirs = volume.mount(&reference(), flags);
    std::fs::create_dir(theirs.at("dir")).unwrap();
    let mine = volume.mount(&ours(), flags);
    for name in NAMES {
        let name = format!("{prefix}{name}");
        assert_eq!(look(&mine, &name), look(&theirs, &name), "{name}");
        let below = format!("dir/{name}");
        if name == ".control" {
            // The reference finds it there, too, so that nobody can have a file of that name.
            assert_eq!(look(&mine, &below), None, "{below}");
            continue;
        }
        assert_eq!(look(&mine, &below), look(&theirs, &below), "{below}");
    }
    for everywhere in [".jfs.control", "dir/.jfs.control"] {
        let control = look(&theirs, &format!("{prefix}.control"));
        assert_eq!(look(&mine, everywhere), control, "{everywhere}");
    }
    let (expected, found) = (tried(&theirs, prefix), tried(&mine, prefix));
    assert!(expected.iter().any(|(_, e)| *e == Some(libc::EPERM)));
    assert_eq!(found, expected);
    let mut config = String::new();
    let at = mine.at(format!("{prefix}.config"));
    io::Read::read_to_string(&mut std::fs::File::open(&at).unwrap(), &mut config).unwrap();
    assert_eq!(at.metadata().unwrap().len(), config.len() as u64);
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["Format"]["Name"], "vol");
    assert_eq!(config["CommPath"], "");
    assert!(
        mine.pids()
            .contains(&(config["Pid"].as_i64().unwrap() as i32))
    );
    let listed = |mount: &Mount| -> BTreeSet<String> {
        let entries = std::fs::read_dir(mount.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.collect()
    };
    let both = (listed(&mine), listed(&theirs));
    mine.unmount().unwrap();
    theirs.unmount().unwrap();
    both
}

#[test]
fn internal_files_are_those_of_the_reference() {
    let (mine, theirs) = same_as_the_reference(&["--hide-internal=false"], "");
    assert_eq!(mine, theirs);
    assert!(
        mine.contains(".stats") && !mine.contains(".control"),
        "{mine:?}"
    );
}

#[test]
fn internal_files_with_a_prefix() {
    let (mine, theirs) =
        same_as_the_reference(&["--prefix-internal", "--hide-internal=false"], ".jfs");
    assert_eq!(mine, theirs);
    assert!(
        mine.contains(".jfs.stats") && !mine.contains(".stats"),
        "{mine:?}"
    );
}

#[test]
fn internal_files_that_are_hidden() {
    let (mine, theirs) = same_as_the_reference(&["--hide-internal"], "");
    assert_eq!(mine, theirs);
    assert!(!mine.contains(".stats"), "{mine:?}");
}

/// A walk of a whole mount ends: nothing is listed that never ends or has a number that no program of 32
/// bits takes.
#[test]
fn a_mount_can_be_walked_to_the_end() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    std::fs::write(mount.at("file"), b"x").unwrap();
    let entries = std::fs::read_dir(mount.path()).unwrap();
    let listed: Vec<_> = entries
        .map(|e| e.unwrap())
        .map(|e| (e.file_name().into_string().unwrap(), e.ino()))
        .collect();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(listed[0].0 == "file" && listed[0].1 <= u64::from(u32::MAX));
    for name in NAMES {
        assert!(look(&mount, name).is_some(), "{name}");
    }
    let copy = jfs_testkit::scratch_dir().unwrap();
    let copied = Command::new("timeout")
        .args(["20", "cp", "-a"])
        .args([mount.path(), &copy.path().join("copy")])
        .status();
    assert!(copied.unwrap().success());
    mount.unmount().unwrap();
    let mount = volume.mount(&ours(), &["--hide-internal=false"]);
    assert!(std::fs::read_dir(mount.path()).unwrap().count() > 1);
    mount.unmount().unwrap();
}

/// Below the root every name is anybody's but the one that the tools of the reference need.
#[test]
fn a_file_called_control_is_kept() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    std::fs::create_dir(mount.at("dir")).unwrap();
    for name in NAMES {
        let at = mount.at(format!("dir/{name}"));
        std::fs::write(&at, name).unwrap();
        assert_eq!(std::fs::read_to_string(&at).unwrap(), name);
        let moved = mount.at(format!("dir/moved{name}"));
        std::fs::rename(&at, &moved).unwrap();
        std::fs::create_dir(&at).unwrap();
        std::fs::remove_dir(&at).unwrap();
        std::fs::rename(&moved, &at).unwrap();
    }
    let listed = std::fs::read_dir(mount.at("dir")).unwrap().count();
    assert_eq!(listed, NAMES.len());
    for at in ["dir/.jfs.control", ".jfs.control"].map(|name| mount.at(name)) {
        let open = OpenOptions::new().read(true).write(true).open(&at);
        assert!(open.is_ok(), "{at:?}");
        let errno = |done: io::Result<()>| done.unwrap_err().raw_os_error();
        assert_eq!(errno(std::fs::create_dir(&at)), Some(libc::EEXIST));
        assert_eq!(errno(std::fs::remove_file(&at)), Some(libc::EPERM));
        let renamed = std::fs::rename(mount.at("dir/.control"), &at);
        assert_eq!(errno(renamed), Some(libc::EPERM));
    }
    mount.unmount().unwrap();
}

/// The reference's tools on a mount of ours, on paths in its root and below.
#[test]
fn tools_of_the_reference_find_control() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    std::fs::create_dir_all(mount.at("top/below")).unwrap();
    for name in ["top/file", "top/below/file", "file"] {
        std::fs::write(mount.at(name), name.repeat(1000)).unwrap();
    }
    let run = |args: &[&str]| reference().run(args).unwrap().ok().unwrap().stdout;
    let at = |name: &str| mount.at(name).display().to_string();
    for name in ["file", "top", "top/below", "top/below/file"] {
        let text = run(&["info", &at(name)]);
        assert!(text.contains(&format!("path: /{name}")), "{text}");
        let text = run(&["summary", &at(name)]);
        assert!(text.contains("PATH"), "{text}");
    }
    mount.unmount().unwrap();
}

/// Secrets are not shown.
#[test]
fn the_config_shows_no_secrets() {
    let volume = LocalVolume::new(Meta::Sqlite);
    let secret = "not-for-your-eyes";
    volume.format(&ours(), &["--access-key", "me", "--secret-key", secret]);
    let mount = volume.mount(&ours(), &[]);
    let config = std::fs::read_to_string(mount.at(".config")).unwrap();
    assert!(config.contains("\"SecretKey\": \"removed\""), "{config}");
    assert!(!config.contains(secret), "{config}");
    io::stderr().flush().unwrap();
    mount.unmount().unwrap();
}
