//! The reference's tools on our mount, and ours on the reference's: both say the same of one volume.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::{Client, Mount, content, wait_until};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::{FileExt, symlink};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Statistics are flushed once a second.
const FLUSHED: Duration = Duration::from_millis(1500);

/// A tree with everything that the tools show in a way of its own.
fn plant(mount: &Mount) {
    std::fs::create_dir_all(mount.at("top/mid/low")).unwrap();
    for n in 0..4u64 {
        let name = format!("top/f{n}");
        std::fs::write(mount.at(name), content(n, 70_000 * (n as usize + 1))).unwrap();
    }
    std::fs::hard_link(mount.at("top/f1"), mount.at("top/mid/again")).unwrap();
    std::fs::write(mount.at("top/mid/low/deep"), b"deep").unwrap();
    std::fs::write(mount.at("top/mid/empty"), b"").unwrap();
    symlink("top/f1", mount.at("link")).unwrap();
    nix::unistd::mkfifo(&mount.at("top/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Holes, overwrites and two chunks.
    let file = File::create(mount.at("top/sparse")).unwrap();
    file.write_all_at(&content(9, 200_000), 1000).unwrap();
    file.sync_all().unwrap();
    file.write_all_at(b"over", 70_000).unwrap();
    file.write_all_at(b"far", (64 << 20) + 10).unwrap();
    file.sync_all().unwrap();
    // No two neighbours are of one size: the order of equals is nobody's promise.
    file.set_len((64 << 20) + 100_000).unwrap();
}

/// What a tool prints about a mount, with the mount point taken out.
fn said(by: &Client, mount: &Mount, arguments: &[&str]) -> String {
    let place = mount.path().display().to_string();
    let arguments: Vec<String> = arguments.iter().map(|a| a.replace('@', &place)).collect();
    let output = by.run(&arguments).unwrap().ok().unwrap();
    let text = output.stdout.replace(&place, "@");
    let mut lines: Vec<&str> = text.lines().collect();
    // The reference names the paths of one inode in any order.
    for paths in lines.chunk_by_mut(|a, b| a.starts_with('\t') && b.starts_with('\t')) {
        paths.sort_unstable();
    }
    lines.join("\n")
}

fn info_and_summary_say_the_same(meta: Meta, flags: &[&str]) {
    let volume = LocalVolume::new(meta);
    volume.format(&ours(), &["--block-size", "64K"]);
    let planter = volume.mount(&ours(), flags);
    plant(&planter);
    planter.unmount().unwrap();
    let theirs = volume.mount(&reference(), flags);
    let mine = volume.mount(&ours(), flags);
    // Locks of the reference are records that everybody sees.
    let locked = File::open(theirs.at("top/f0")).unwrap();
    locked.lock().unwrap();
    std::thread::sleep(FLUSHED);
    let mut lines = 0;
    for arguments in [
        &["info", "@/top/f0", "@/top/f1", "@/top/sparse"][..],
        &["info", "--raw", "@/top/f3", "@/top/sparse"],
        &[
            "info",
            "@",
            "@/top",
            "@/top/fifo",
            "@/link",
            "@/top/mid/empty",
        ],
        &["info", "-r", "@", "@/top/mid"],
        &["info", "--recursive", "--strict", "@/top"],
        &["info", "@/nothing/here", "@/top/mid/low/deep"],
        &["summary", "@"],
        &[
            "summary",
            "--strict",
            "--csv",
            "--depth",
            "4",
            "--entries",
            "3",
            "@",
        ],
        &["summary", "--depth", "0", "@/top"],
    ] {
        let expected = said(&reference(), &theirs, arguments);
        lines += expected.lines().count();
        assert_eq!(
            said(&reference(), &mine, arguments),
            expected,
            "{arguments:?}"
        );
        if arguments.first() == Some(&"info") {
            assert_eq!(said(&ours(), &mine, arguments), expected, "{arguments:?}");
            assert_eq!(said(&ours(), &theirs, arguments), expected, "{arguments:?}");
        }
    }
    assert!(lines > 100, "{lines} lines are not much");
    drop(locked);
    mine.unmount().unwrap();
    theirs.unmount().unwrap();
}

#[test]
fn info_and_summary_say_the_same_on_sqlite() {
    info_and_summary_say_the_same(Meta::Sqlite, &[]);
}

#[test]
fn info_and_summary_say_the_same_on_redis() {
    info_and_summary_say_the_same(Meta::Redis, &[]);
}

#[test]
fn info_and_summary_say_the_same_below_a_directory() {
    let flags = ["--subdir", "/a/b", "--prefix-internal"];
    info_and_summary_say_the_same(Meta::Sqlite, &flags);
}

/// `info -i` finds the mount by the current directory.
#[test]
fn info_by_inode() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    std::fs::create_dir(mount.at("dir")).unwrap();
    std::fs::write(mount.at("dir/file"), b"12345").unwrap();
    let mut outputs = BTreeSet::new();
    for client in [ours(), reference()] {
        let mut command = Command::new(client.program());
        command.args(["info", "-i", "2", "3"]);
        command.current_dir(mount.at("dir"));
        let output = command.output().unwrap();
        assert!(output.status.success());
        outputs.insert(String::from_utf8(output.stdout).unwrap());
    }
    assert_eq!(outputs.len(), 1, "{outputs:#?}");
    assert!(outputs.first().unwrap().contains("path: /dir/file"));
    mount.unmount().unwrap();
}

fn status_of_sessions_and_more_is_the_same(meta: Meta) {
    let volume = LocalVolume::new(meta);
    volume.format(&ours(), &["--block-size", "64K"]);
    let theirs = volume.mount(&reference(), &[]);
    let mine = volume.mount(&ours(), &[]);
    std::fs::create_dir(mine.at("dir")).unwrap();
    for name in ["locked", "ranges", "dir/gone"] {
        std::fs::write(mine.at(name), content(1, 100_000)).unwrap();
    }
    symlink("locked", mine.at("dir/link")).unwrap();
    std::fs::remove_dir_all(mine.at("dir")).unwrap();
    let locked = File::open(theirs.at("locked")).unwrap();
    locked.lock_shared().unwrap();
    let ranges = File::options()
        .read(true)
        .write(true)
        .open(theirs.at("ranges"))
        .unwrap();
    for (kind, start, len) in [(libc::F_WRLCK, 0, 10), (libc::F_RDLCK, 20, 0)] {
        let lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: start,
            l_len: len,
            l_pid: 0,
        };
        nix::fcntl::fcntl(&ranges, nix::fcntl::FcntlArg::F_SETLK(&lock)).unwrap();
    }
    std::thread::sleep(FLUSHED);
    let url = volume.url();
    let status = |by: &Client, flags: &[&str]| {
        let arguments = [&["status", &url], flags].concat();
        by.run(&arguments).unwrap().ok().unwrap().stdout
    };
    // Heartbeats move the time of expiry.
    let same = |flags: &[&str]| {
        wait_until("both to say the same", Duration::from_secs(20), || {
            let expected = status(&reference(), flags);
            Ok((status(&ours(), flags) == expected).then_some(expected))
        })
        .unwrap()
    };
    let first = same(&["--session", "1"]);
    assert!(
        first.contains("\"Flocks\"") && first.contains("\"Plocks\""),
        "{first}"
    );
    same(&["--session", "2"]);
    let more = same(&["--more"]);
    assert!(more.contains("\"TrashFileCount\": 3"), "{more}");
    assert!(more.contains("\"TrashFileSize\": 100000"), "{more}");
    for client in [ours(), reference()] {
        let output = client.run(&["status", &url, "--session", "77"]).unwrap();
        let output = output.exit(1).unwrap();
        assert!(
            output.stderr.contains("get session: session not found: 77"),
            "{output:?}"
        );
    }
    drop((locked, ranges));
    mine.unmount().unwrap();
    theirs.unmount().unwrap();
}

#[test]
fn status_of_sessions_and_more_is_the_same_on_sqlite() {
    status_of_sessions_and_more_is_the_same(Meta::Sqlite);
}

#[test]
fn status_of_sessions_and_more_is_the_same_on_redis() {
    status_of_sessions_and_more_is_the_same(Meta::Redis);
}

/// `stats` shows what was done in between; the names in `.stats` are names of the reference.
#[test]
fn stats_of_the_reference_counts_on_our_mount() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--block-size", "64K"]);
    let theirs = volume.mount(&reference(), &[]);
    let mine = volume.mount(&ours(), &[]);
    let work = |mount: &Mount| {
        for n in 0..20u64 {
            let path = mount.at(format!("w{n}"));
            std::fs::write(&path, content(n, 100_000)).unwrap();
            assert!(std::fs::read(&path).unwrap() == content(n, 100_000));
            std::fs::remove_file(path).unwrap();
        }
        assert!(std::fs::metadata(mount.at("nothing")).is_err());
    };
    let path = mine.path().display().to_string();
    let table = std::thread::scope(|scope| {
        let table = scope.spawn(|| {
            let arguments = ["stats", &path, "--schema", "fmo", "-l", "1", "-c", "3"];
            reference().run(&arguments).unwrap().ok().unwrap().stdout
        });
        std::thread::sleep(Duration::from_millis(500));
        work(&mine);
        table.join().unwrap()
    });
    let busy = table.lines().any(|line| {
        let groups: Vec<&str> = line.split('|').collect();
        let first = |at: usize| {
            groups
                .get(at)?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        };
        first(0) > Some(50) && first(1) > Some(20)
    });
    assert!(busy, "{table}");

    work(&theirs);
    let names = |mount: &Mount| -> BTreeSet<String> {
        let text = std::fs::read_to_string(mount.at(".stats")).unwrap();
        let lines = text.lines().map(|line| {
            let (name, value) = line.split_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok_and(|v| v >= 0.0), "{line}");
            name.to_string()
        });
        lines.collect()
    };
    let (known, shown) = (names(&theirs), names(&mine));
    // Shown by the reference only after one; and methods of ours that the work above did not reach.
    let odd: Vec<_> = shown
        .difference(&known)
        .filter(|name| *name != "juicefs_transaction_restart")
        .filter(|name| !name.starts_with("juicefs_meta_ops_"))
        .filter(|name| !name.starts_with("juicefs_fuse_ops_"))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    for needed in [
        "juicefs_cpu_usage",
        "juicefs_memory",
        "juicefs_used_buffer_size_bytes",
        "juicefs_fuse_ops_durations_histogram_seconds_total",
        "juicefs_fuse_read_size_bytes_sum",
        "juicefs_fuse_written_size_bytes_sum",
        "juicefs_fuse_ops_total_create",
        "juicefs_fuse_ops_io_errors_ENOENT",
        "juicefs_meta_ops_durations_histogram_seconds_sum",
        "juicefs_meta_ops_total_Lookup",
        "juicefs_transaction_durations_histogram_seconds_total",
        "juicefs_blockcache_hit_bytes",
        "juicefs_object_request_data_bytes_PUT",
        "juicefs_object_request_durations_histogram_seconds_PUT_total",
    ] {
        assert!(shown.contains(needed), "{needed} is missing in {shown:#?}");
    }
    let value = |name: &str| -> f64 {
        let text = std::fs::read_to_string(mine.at(".stats")).unwrap();
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    };
    assert_eq!(value("juicefs_fuse_written_size_bytes_sum"), 2_000_000.0);
    assert_eq!(value("juicefs_object_request_data_bytes_PUT"), 2_000_000.0);
    assert_eq!(value("juicefs_fuse_ops_total_create"), 20.0);
    assert_eq!(value("juicefs_fuse_ops_total_unlink"), 20.0);
    mine.unmount().unwrap();
    theirs.unmount().unwrap();
}

/// `profile` reads our access log, live and from a file.
#[test]
fn profile_of_the_reference_reads_our_log() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let mut command = Command::new(reference().program());
    command
        .arg("profile")
        .arg(mount.path())
        .args(["--interval", "1"]);
    let mut profile = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    for n in 0..30 {
        std::fs::write(mount.at(format!("p{n}")), b"x").unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    profile.kill().unwrap();
    let output = profile.wait_with_output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for operation in ["create", "write", "flush", "release"] {
        assert!(
            table
                .lines()
                .any(|line| line.split(' ').next() == Some(operation)),
            "no {operation} in {table}"
        );
    }
    mount.unmount().unwrap();
}
