//! The change log and the usage of users and groups: both clients do the same work, each on a volume of its
//! own, and leave the same records. Then the tools of the reference look at ours.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_meta::Engine;
use jfs_meta::engine::{DirQuota, QuotaOwner};
use jfs_testkit::{Client, Mount, wait_until};
use nix::fcntl::{FallocateFlags, copy_file_range, fallocate};
use rustix::fs::{RenameFlags, Timespec, Timestamps, XattrFlags};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Usage is flushed every three seconds by the reference, and a heartbeat later every client knows it.
const FLUSHED: Duration = Duration::from_secs(20);

/// Looks at the records of a volume.
fn look<T>(volume: &LocalVolume, look: impl AsyncFnOnce(&dyn Engine) -> T) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        let engine = jfs::connect(&volume.url()).await.unwrap();
        let seen = look(&*engine).await;
        engine.shutdown().await.unwrap();
        seen
    })
}

/// Entries of the change log, oldest first.
fn change_log(volume: &LocalVolume) -> Vec<String> {
    let head = look(volume, async |e: &dyn Engine| {
        e.log_head(100_000).await.unwrap()
    });
    head.entries.into_iter().map(|(_, text)| text).collect()
}

/// Limits and usage of users and groups.
fn owner_quotas(volume: &LocalVolume) -> Vec<(QuotaOwner, DirQuota)> {
    let all = look(volume, async |e: &dyn Engine| {
        e.list_owner_quotas().await.unwrap()
    });
    let mut all = all;
    all.sort_unstable_by_key(|(owner, _)| *owner);
    all
}

/// A volume that logs and counts, switched on with the flags of `config`.
fn switched_on(meta: Meta, by: &Client, trash: &str) -> LocalVolume {
    let volume = LocalVolume::new(meta);
    volume.format(by, &["--trash-days", trash, "--enable-acl"]);
    config(&volume, by, &["--changelog", "--user-group-quota"]);
    volume
}

fn config(volume: &LocalVolume, by: &Client, flags: &[&str]) {
    let url = volume.url();
    let arguments = [&["config", &url, "--yes"], flags].concat();
    by.run(&arguments).unwrap().ok().unwrap();
}

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o640);
    options.truncate(false).open(path).unwrap()
}

/// Writes, and has the slice stored.
fn write(path: &Path, data: &[u8], at: u64) {
    let file = open(path);
    file.write_all_at(data, at).unwrap();
    file.sync_all().unwrap();
}

/// A rule for uid 1000 and gid 77 in the Linux form of an ACL.
fn acl() -> Vec<u8> {
    let mut rule = vec![2, 0, 0, 0];
    for (tag, perm, id) in [
        (1u16, 6u16, u32::MAX),
        (2, 6, 1000),
        (4, 4, u32::MAX),
        (8, 4, 77),
        (16, 6, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        rule.extend_from_slice(&tag.to_le_bytes());
        rule.extend_from_slice(&perm.to_le_bytes());
        rule.extend_from_slice(&id.to_le_bytes());
    }
    rule
}

/// Every operation that both clients have.
fn work(mount: &Mount) {
    let at = |name: &str| mount.at(name);
    fs::create_dir(at("d")).unwrap();
    fs::create_dir(at("e")).unwrap();
    drop(open(&at("d/f")));
    drop(open(&at("d/a, (b)%\"\\|\u{e9}\u{1}")));
    symlink("to (it), there", at("d/l")).unwrap();
    nix::unistd::mkfifo(&at("d/p"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    write(&at("d/f"), &[1; 5000], 0);
    write(&at("d/f"), &[2; 10], (64 << 20) - 2);
    let mut appended = OpenOptions::new().append(true).open(at("d/f")).unwrap();
    appended.write_all(b"yy").unwrap();
    appended.sync_all().unwrap();
    drop(appended);
    let file = open(&at("d/f"));
    file.set_len(100).unwrap();
    file.set_len(70 << 20).unwrap();
    file.set_len(6000).unwrap();
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(at("d/f"), mode(0o600)).unwrap();
    chown(at("d/f"), Some(1000), Some(2000)).unwrap();
    chown(at("d/f"), None, Some(2001)).unwrap();
    chown(at("e"), Some(1001), Some(2000)).unwrap();
    lchown(at("d/l"), Some(1002), Some(2002)).unwrap();
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(1_000_000_000, 123_456_789),
        last_modification: time(1_100_000_000, 987_654_321),
    };
    rustix::fs::futimens(&file, &times).unwrap();
    let flags = XattrFlags::empty();
    let set = |name: &str, value: &[u8], flags| {
        rustix::fs::setxattr(at("d/f"), name, value, flags).unwrap();
    };
    set("user.a", b"v,(\0\xff)|", flags);
    set("user.b", b"w", XattrFlags::CREATE);
    set("user.b", b"w2", XattrFlags::REPLACE);
    rustix::fs::removexattr(at("d/f"), "user.b").unwrap();
    set("system.posix_acl_access", &acl(), flags);
    fs::set_permissions(at("d/f"), mode(0o640)).unwrap();
    fs::hard_link(at("d/f"), at("e/hard")).unwrap();
    fs::remove_file(at("e/hard")).unwrap();
    fs::rename(at("d/f"), at("d/f2")).unwrap();
    fs::rename(at("d/f2"), at("e/f3")).unwrap();
    write(&at("d/v"), b"victim", 0);
    fs::rename(at("d/v"), at("e/f3")).unwrap();
    write(&at("d/w"), b"ww", 0);
    let cwd = rustix::fs::CWD;
    let exchange = RenameFlags::EXCHANGE;
    rustix::fs::renameat_with(cwd, at("d/w"), cwd, at("e/f3"), exchange).unwrap();
    let alone = RenameFlags::NOREPLACE;
    rustix::fs::renameat_with(cwd, at("d/w"), cwd, at("d/w2"), alone).unwrap();
    fs::create_dir(at("e/dd")).unwrap();
    fs::rename(at("e/dd"), at("dd")).unwrap();
    fs::remove_dir(at("dd")).unwrap();
    fs::remove_file(at("d/l")).unwrap();
    fs::remove_file(at("d/p")).unwrap();
    let nameless = open(&at("d/s"));
    nameless.write_all_at(&[3; 9000], 0).unwrap();
    nameless.sync_all().unwrap();
    fs::remove_file(at("d/s")).unwrap();
    drop(nameless);
    write(&at("d/g"), &[4; 300_000], 0);
    let file = open(&at("d/g"));
    fallocate(&file, FallocateFlags::empty(), 0, 400_000).unwrap();
    fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, 900_000).unwrap();
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&file, punch, 1000, 5000).unwrap();
    fallocate(&file, FallocateFlags::FALLOC_FL_ZERO_RANGE, 390_000, 50_000).unwrap();
    let copy = open(&at("d/h"));
    let (mut from, mut to) = (10, 20);
    let copied = copy_file_range(&file, Some(&mut from), &copy, Some(&mut to), 100_000);
    assert_eq!(copied.unwrap(), 100_000);
}

/// Events about files, without what no two runs share: times, slice ids, and whether the times of a
/// directory were due.
fn events(log: Vec<String>) -> Vec<String> {
    let of_files = log.iter().filter_map(|text| {
        let (_, rest) = text.split_once('|').unwrap();
        let (event, end) = rest.rsplit_once("|(").unwrap();
        assert!(end.ends_with(')'), "{text}");
        let (name, rest) = event.split_once('(').unwrap();
        let (arguments, result) = rest.rsplit_once(')').unwrap();
        let mut fields: Vec<&str> = arguments.split(',').collect();
        match name {
            // The background, and what has its own times.
            "INCR_COUNTER" | "SET" | "DIRSTAT" | "NEWSESSION" | "CLEANSESSION" | "DELCHUNK"
            | "DELETESLICE" | "COMPACTCHUNK" | "SETQUOTA" | "DELSUSTAINED" => return None,
            "WRITE" => {
                fields.truncate(5);
                fields.remove(3);
            }
            // Times but for those that were set; the access ACL stays.
            "SETATTR" => drop(fields.drain(7..13)),
            // The reference says whether the caller had the file open, which a follower need not know.
            "TRUNCATE" => drop(fields.pop()),
            // Nothing was replaced, so nothing went to the trash.
            "MOVE" if fields[5] == "0" || fields[4] == "2" => fields[6] = "-",
            _ => {}
        }
        fields.retain(|field| *field != "true" && *field != "false");
        Some(format!("{name}({}){result}", fields.join(",")))
    });
    of_files.collect()
}

fn both_leave_the_same(meta: Meta, trash: &str) {
    let mut left = Vec::new();
    for by in [reference(), ours()] {
        let volume = switched_on(meta, &by, trash);
        let mount = volume.mount(&by, &["--enable-xattr"]);
        work(&mount);
        mount.unmount().unwrap();
        volume.fsck();
        let quotas = owner_quotas(&volume);
        left.push((events(change_log(&volume)), quotas));
    }
    let [theirs, mine] = &left[..] else {
        unreachable!("two runs")
    };
    assert!(theirs.0.len() > 50, "{:?}", theirs.0);
    for (n, (theirs, mine)) in theirs.0.iter().zip(&mine.0).enumerate() {
        assert_eq!(mine, theirs, "entry {n}");
    }
    assert_eq!(mine.0.len(), theirs.0.len());
    assert!(!theirs.1.is_empty());
    assert_eq!(mine.1, theirs.1, "users and groups");
}

#[test]
fn both_leave_the_same_on_sqlite() {
    both_leave_the_same(Meta::Sqlite, "0");
}

#[test]
fn both_leave_the_same_on_sqlite_with_a_trash() {
    both_leave_the_same(Meta::Sqlite, "1");
}

#[test]
fn both_leave_the_same_on_redis() {
    both_leave_the_same(Meta::Redis, "0");
}

#[test]
fn both_leave_the_same_on_redis_with_a_trash() {
    both_leave_the_same(Meta::Redis, "1");
}

/// `juicefs changelog` follows our entries, and its versions are those of the records.
#[test]
fn the_reference_follows_our_log() {
    for meta in [Meta::Sqlite, Meta::Redis] {
        let volume = switched_on(meta, &ours(), "1");
        let mount = volume.mount(&ours(), &[]);
        fs::create_dir(mount.at("first")).unwrap();
        let mut tail = Command::new(reference().program())
            .args(["changelog", &volume.url(), "--from", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        fs::create_dir(mount.at("second")).unwrap();
        let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
        let mut seen = Vec::new();
        for line in lines {
            seen.push(line.unwrap());
            if seen.last().is_some_and(|line| line.contains("second")) {
                break;
            }
        }
        tail.kill().unwrap();
        tail.wait().unwrap();
        let stored = change_log(&volume);
        let shown: Vec<&str> = seen.iter().map(|l| l.split_once(": ").unwrap().1).collect();
        assert!(
            shown.iter().any(|line| line.contains("CREATE(1,first,")),
            "{seen:?}"
        );
        let from = stored.len() - shown.len().min(stored.len());
        let at = stored.iter().position(|s| s == shown[0]);
        let at =
            at.unwrap_or_else(|| panic!("{meta:?}: {} is not in {stored:?} ({from})", shown[0]));
        assert_eq!(stored[at..at + shown.len()], shown, "{meta:?}");
        mount.unmount().unwrap();
    }
}

/// The count of `config` on a volume with files, and the usage afterwards, are what `quota check` expects. Limits
/// of the reference bind our mount after a heartbeat.
#[test]
fn the_reference_checks_our_count() {
    for meta in [Meta::Sqlite, Meta::Redis] {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--trash-days", "1"]);
        let flags = ["--heartbeat", "1s"];
        let mount = volume.mount(&ours(), &flags);
        fs::create_dir(mount.at("d")).unwrap();
        let file = |name: &str, uid, gid, len| {
            write(&mount.at(name), &vec![7; len], 0);
            chown(mount.at(name), Some(uid), Some(gid)).unwrap();
        };
        file("d/a", 1000, 2000, 5000);
        fs::hard_link(mount.at("d/a"), mount.at("d/a2")).unwrap();
        file("d/b", 1001, 2000, 100_000);
        fs::remove_file(mount.at("d/b")).unwrap();
        config(&volume, &ours(), &["--user-group-quota"]);
        check_quotas(&volume);
        let theirs = volume.mount(&reference(), &flags);
        // The mounts count when they have read the setting.
        std::thread::sleep(Duration::from_millis(2500));
        file("d/c", 1000, 2001, 20_000);
        write(&theirs.at("d/t"), &[8; 9000], 0);
        chown(theirs.at("d/t"), Some(1000), Some(2001)).unwrap();
        chown(mount.at("d"), Some(1002), None).unwrap();
        fs::remove_file(mount.at("d/a2")).unwrap();
        let used = |owner| {
            let all = owner_quotas(&volume);
            let found = all.into_iter().find(|(o, _)| *o == owner);
            found.map(|(_, q)| (q.used_space, q.used_inodes))
        };
        let want = Some((8192 + 20_480 + 12_288, 3));
        wait_until("the usage", FLUSHED, || {
            Ok((used(QuotaOwner::User(1000)) == want).then_some(()))
        })
        .unwrap();
        theirs.unmount().unwrap();
        let url = volume.url();
        let set = ["quota", "set", &url, "--uid", "1000", "--inodes", "3"];
        reference().run(&set).unwrap().ok().unwrap();
        wait_until("the limit", FLUSHED, || {
            let made = as_user(1000, 2000, &["touch", "/d/more"], &mount);
            Ok((!made).then_some(()))
        })
        .unwrap();
        mount.unmount().unwrap();
        check_quotas(&volume);
        volume.fsck();
    }
}

/// Runs a program as another user; a path that begins with `/` lies in the mount. Whether it succeeded.
fn as_user(uid: u32, gid: u32, argv: &[&str], mount: &Mount) -> bool {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(argv[0]);
    for argument in &argv[1..] {
        match argument.strip_prefix('/') {
            Some(path) => command.arg(mount.at(path)),
            None => command.arg(argument),
        };
    }
    let made = command.uid(uid).gid(gid).stderr(Stdio::null()).status();
    let made = made.unwrap().success();
    if made {
        fs::remove_file(mount.at("d/more")).unwrap();
    }
    made
}

fn check_quotas(volume: &LocalVolume) {
    let url = volume.url();
    let check = ["quota", "check", &url, "--uid", "1000"];
    reference().run(&check).unwrap().ok().unwrap();
}
