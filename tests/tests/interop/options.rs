//! Options of a mount that change what the kernel keeps and who may do what.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::{Client, Mount, wait_until};
use nix::unistd::AccessFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const PATIENCE: Duration = Duration::from_secs(20);

fn exists(mount: &Mount, name: &str) -> bool {
    fs::symlink_metadata(mount.at(name)).is_ok()
}

/// `--negative-entry-cache`: the kernel does not ask again for a name that was missing, unless this
/// mount made it.
#[test]
fn missing_names_are_remembered() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let other = volume.mount(&ours(), &[]);
    let mount = volume.mount(&ours(), &["--negative-entry-cache", "600s"]);
    for name in ["theirs", "own", "moved"] {
        assert!(!exists(&mount, name));
    }
    fs::write(other.at("theirs"), b"x").unwrap();
    assert!(
        !exists(&mount, "theirs"),
        "the kernel was told to remember it"
    );
    fs::write(mount.at("own"), b"x").unwrap();
    fs::rename(mount.at("own"), mount.at("moved")).unwrap();
    assert!(exists(&mount, "moved") && !exists(&mount, "own"));
    fs::write(mount.at("own"), b"y").unwrap();
    assert!(exists(&mount, "own"));
    mount.unmount().unwrap();
    // By default every lookup is asked for.
    assert!(!exists(&other, "later"));
    let mount = volume.mount(&ours(), &[]);
    fs::write(mount.at("later"), b"x").unwrap();
    assert!(exists(&other, "later"));
    mount.unmount().unwrap();
    let short = volume.mount(&ours(), &["--negative-entry-cache", "50ms"]);
    assert!(!exists(&short, "last"));
    fs::write(other.at("last"), b"x").unwrap();
    wait_until("the name to show", PATIENCE, || {
        Ok(exists(&short, "last").then_some(()))
    })
    .unwrap();
    short.unmount().unwrap();
    other.unmount().unwrap();
}

fn list(mount: &Mount, dir: &str) -> Vec<String> {
    let entries = fs::read_dir(mount.at(dir)).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Requests to list a directory that have arrived so far.
fn listings(mount: &Mount) -> u64 {
    let stats = fs::read_to_string(mount.at(".stats")).unwrap();
    let line = stats
        .lines()
        .find_map(|l| l.strip_prefix("juicefs_fuse_ops_total_readdir "));
    line.map_or(0, |n| n.trim().parse::<f64>().unwrap() as u64)
}

/// `--readdir-cache`: a second listing is the kernel's, until something changes, here or elsewhere.
#[test]
fn listings_are_kept_until_something_changes() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let other = volume.mount(&ours(), &[]);
    fs::create_dir(other.at("d")).unwrap();
    let mut names: Vec<String> = (0..300).map(|n| format!("name-{n:04}")).collect();
    for name in &names {
        File::create(other.at("d").join(name)).unwrap();
    }
    let rest = |mount: &Mount| {
        #[expect(
            clippy::disallowed_methods,
            reason = "the mount compares times with the clock of the machine"
        )]
        let now = SystemTime::now();
        let past = now - Duration::from_secs(100);
        File::open(mount.at("d"))
            .unwrap()
            .set_modified(past)
            .unwrap();
    };
    rest(&other);
    let flags = [
        "--readdir-cache",
        "--attr-cache",
        "0",
        "--dir-entry-cache",
        "0",
    ];
    let mount = volume.mount(&ours(), &flags);
    assert_eq!(list(&mount, "d"), names);
    let before = listings(&mount);
    assert!(before > 0);
    for _ in 0..3 {
        assert_eq!(list(&mount, "d"), names);
    }
    assert_eq!(listings(&mount), before, "the kernel has it");
    // An own change.
    File::create(mount.at("d/own")).unwrap();
    names.push("own".into());
    names.sort();
    assert_eq!(list(&mount, "d"), names);
    assert!(listings(&mount) > before);
    // Shortly after a change nothing is kept: the next one may leave the mtime as it is.
    for n in 0..20 {
        let name = format!("other-{n:02}");
        File::create(other.at("d").join(&name)).unwrap();
        names.push(name);
        names.sort();
        assert_eq!(list(&mount, "d"), names);
    }
    rest(&other);
    assert_eq!(list(&mount, "d"), names);
    let before = listings(&mount);
    assert_eq!(list(&mount, "d"), names);
    assert_eq!(listings(&mount), before, "kept again");
    fs::remove_file(other.at("d/own")).unwrap();
    names.retain(|n| n != "own");
    assert_eq!(list(&mount, "d"), names);
    mount.unmount().unwrap();
    other.unmount().unwrap();
}

/// Removing a tree of more than a page while it is listed, from what the kernel keeps of it too.
#[test]
fn big_directories_are_removed_while_they_are_listed() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "0"]);
    let mount = volume.mount(&ours(), &["--readdir-cache"]);
    fs::create_dir(mount.at("d")).unwrap();
    for n in 0..2100 {
        File::create(mount.at(format!("d/name-{n:05}"))).unwrap();
    }
    assert_eq!(list(&mount, "d").len(), 2100);
    let removed = Command::new("rm").arg("-r").arg(mount.at("d")).output();
    let removed = removed.unwrap();
    assert!(removed.status.success(), "{removed:?}");
    assert!(!exists(&mount, "d"));
    mount.unmount().unwrap();
}

/// Names are listed in the order of their bytes, on an engine that has another one too.
#[test]
fn listings_in_order() {
    let volume = LocalVolume::new(Meta::Redis);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &["--sort-dir", "--hide-internal"]);
    let names = ["10", "9", "B", "a", "b.c", "b0", "z", "é"];
    for name in names.iter().rev() {
        File::create(mount.at(name)).unwrap();
    }
    let listed: Vec<String> = fs::read_dir(mount.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(listed, names);
    mount.unmount().unwrap();
}

const SQUASHED: (u32, u32) = (1234, 5678);
const SOMEBODY: u32 = 65533;

/// What a shell command as a user says, in short.
fn as_user(uid: u32, script: &str, dir: &Path) -> String {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).current_dir("/").env("D", dir);
    if uid != nix::unistd::geteuid().as_raw() {
        command.uid(uid).gid(uid);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    format!("{}:{text}", output.status.success())
}

/// Prepares files of several owners through a plain mount.
fn owned_files(plain: &Mount) {
    let dir = plain.at("p");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
    for (name, owner, mode) in [
        ("root", (0, 0), 0o600),
        ("body", (SOMEBODY, SOMEBODY), 0o600),
        ("squashed", SQUASHED, 0o600),
        ("group", (1, SQUASHED.1), 0o060),
    ] {
        let path = dir.join(name);
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, Some(owner.0), Some(owner.1)).unwrap();
        let sub = dir.join(format!("{name}.d"));
        fs::create_dir(&sub).unwrap();
        File::create(sub.join("x")).unwrap();
        chown(&sub, Some(owner.0), Some(owner.1)).unwrap();
        fs::set_permissions(&sub, fs::Permissions::from_mode(mode | mode >> 2 & 0o111)).unwrap();
    }
}

/// What root and somebody get when they try all kinds of things on files of several owners.
fn tried(client: &Client, flags: &[&str]) -> Vec<String> {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "0"]);
    let plain = volume.mount(&ours(), &[]);
    owned_files(&plain);
    plain.unmount().unwrap();
    let mount = volume.mount(client, flags);
    let mut all = Vec::new();
    for uid in [0, SOMEBODY] {
        for name in ["root", "body", "squashed", "group"] {
            for script in [
                "cat $D/F",
                "echo more >> $D/F",
                "chmod 640 $D/F",
                "truncate -s 3 $D/F",
                "ls $D/F.d",
                "stat -c %n $D/F.d/x > /dev/null",
                "touch $D/F.d/new",
                "rm -f $D/F.d/x",
                "chown 7:7 $D/F",
            ] {
                let script = format!("{} 2>/dev/null", script.replace('F', name));
                let got = as_user(uid, &script, &mount.at("p"));
                all.push(format!("{uid} {script}: {got}"));
            }
        }
        for script in [
            "touch $D/new-U && stat -c %u:%g $D/new-U",
            "mkdir $D/dir-U && stat -c %u:%g $D/dir-U",
            "ln -s x $D/link-U && stat -c %u:%g $D/link-U",
            "mkfifo $D/fifo-U && stat -c %u:%g $D/fifo-U",
            "chgrp 5678 $D/new-U",
            "mv $D/new-U $D/root.d/",
            "touch -d 2001-01-01 $D/new-U",
        ] {
            let script = format!("{} 2>/dev/null", script.replace('U', &uid.to_string()));
            let got = as_user(uid, &script, &mount.at("p"));
            all.push(format!("{uid} {script}: {got}"));
        }
    }
    mount.unmount().unwrap();
    all
}

/// `--root-squash`, `--all-squash` and `--non-default-permission` allow and refuse what the reference
/// does.
#[test]
fn squashing_is_that_of_the_reference() {
    if !nix::unistd::geteuid().is_root() {
        // Nobody else can give files away; `everybody_is_one_user` holds for all.
        return;
    }
    for (flags, root_makes, somebody_makes) in [
        (
            &["--root-squash", "1234:5678"][..],
            "1234:5678",
            "65533:65533",
        ),
        (&["--all-squash", "1234:5678"], "1234:5678", "1234:5678"),
        (
            &["--all-squash", "3", "--root-squash", "1:2"],
            "3:65534",
            "3:65534",
        ),
        (&["--non-default-permission"], "0:0", "65533:65533"),
    ] {
        let [mine, theirs] = [tried(&ours(), flags), tried(&reference(), flags)];
        for (mine, theirs) in mine.iter().zip(&theirs) {
            assert_eq!(mine, theirs, "{flags:?}");
        }
        let made = |uid: u32, owner: &str| {
            let start = format!("{uid} touch $D/new-");
            let line = mine.iter().find(|l| l.starts_with(&start)).unwrap();
            assert!(
                line.ends_with(&format!("true:{owner}")),
                "{flags:?}: {line}"
            );
        };
        made(0, root_makes);
        made(SOMEBODY, somebody_makes);
        assert!(
            mine.iter().any(|l| l.ends_with(": false:")),
            "something is refused"
        );
    }
}

/// Supplementary groups count, and extended attributes follow the mode, where the kernel checks nothing.
#[test]
fn groups_and_attributes_are_checked() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let plain = volume.mount(&ours(), &[]);
    owned_files(&plain);
    plain.unmount().unwrap();
    let mount = volume.mount(&ours(), &["--non-default-permission", "--enable-xattr"]);
    let with_group = |groups: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65533", "--regid", "65533", groups]);
        let output = command
            .arg("cat")
            .arg(mount.at("p/group"))
            .output()
            .unwrap();
        output.status.success()
    };
    assert!(with_group("--groups=4,5678"));
    assert!(!with_group("--clear-groups"));
    let set = "setfattr -n user.a -v b $D/F 2>/dev/null";
    let get = "getfattr --only-values -n user.a $D/F 2>/dev/null";
    let on =
        |script: &str, file: &str| as_user(SOMEBODY, &script.replace('F', file), &mount.at("p"));
    assert_eq!(on(set, "body"), "true:");
    assert_eq!(on(get, "body"), "true:b");
    assert_eq!(on(set, "root"), "false:");
    let root = |script: &str| as_user(0, &script.replace('F', "root"), &mount.at("p"));
    assert_eq!(root(set), "true:");
    assert_eq!(on(get, "root"), "false:");
    assert_eq!(root(get), "true:b");
    mount.unmount().unwrap();
}

#[test]
fn everybody_is_one_user() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let plain = volume.mount(&ours(), &[]);
    fs::create_dir(plain.at("d")).unwrap();
    fs::set_permissions(plain.at("d"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(plain.at("locked")).unwrap();
    plain.unmount().unwrap();
    let mount = volume.mount(&ours(), &["--all-squash", "1234:5678"]);
    let table = fs::read_to_string("/proc/self/mounts").unwrap();
    let line = table
        .lines()
        .find(|l| l.contains(mount.path().to_str().unwrap()));
    assert!(!line.unwrap().contains("default_permissions"), "{line:?}");
    let owner = |path: &str| {
        let meta = fs::symlink_metadata(mount.at(path)).unwrap();
        (meta.uid(), meta.gid())
    };
    File::create(mount.at("d/f")).unwrap();
    fs::create_dir(mount.at("d/sub")).unwrap();
    symlink("x", mount.at("d/l")).unwrap();
    for path in ["d/f", "d/sub", "d/l"] {
        assert_eq!(owner(path), SQUASHED, "{path}");
    }
    // What was opened for writing stays writable.
    let open = OpenOptions::new()
        .write(true)
        .open(mount.at("d/f"))
        .unwrap();
    fs::set_permissions(mount.at("d/f"), fs::Permissions::from_mode(0o400)).unwrap();
    open.set_len(100).unwrap();
    assert_eq!(open.metadata().unwrap().len(), 100);
    let refused = |done: io::Result<()>| done.err().and_then(|e| e.raw_os_error());
    let write = OpenOptions::new().write(true).open(mount.at("d/f"));
    assert_eq!(refused(write.map(|_| ())), Some(libc::EACCES));
    let made = File::create(mount.at("locked/f"));
    assert_eq!(refused(made.map(|_| ())), Some(libc::EACCES));
    // access(2) says the same; with the reference everything is allowed there.
    let may = |mode| nix::unistd::access(&mount.at("d/f"), mode);
    assert_eq!(may(AccessFlags::R_OK), Ok(()));
    assert_eq!(may(AccessFlags::W_OK), Err(nix::errno::Errno::EACCES));
    let mut text = String::new();
    let config = File::open(mount.at(".config"));
    config.unwrap().read_to_string(&mut text).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        config["AllSquash"],
        serde_json::json!({ "Uid": 1234, "Gid": 5678 })
    );
    drop(open);
    mount.unmount().unwrap();
}
