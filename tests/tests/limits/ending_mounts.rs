//! Mounts that end, or stop writing, because of what happened to their volume, their store or their engine.

use super::damaged_volume::{Bed, ended};
use super::engine_away::Deaf;
use jfs_testkit::{Jfs, Mount, MountArgs, wait_until};
use jfs_tests::Kind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// How long a mount may take to notice something at its heartbeats of one second.
const NOTICE: Duration = Duration::from_secs(20);

fn pid(mount: &Mount) -> Pid {
    Pid::from_raw(mount.pids()[0])
}

/// The log of a mount that ends by itself, and how long that took.
fn wait_for_end(mount: &Mount, limit: Duration) -> (String, Duration) {
    let since = Instant::now();
    wait_until("the mount to end", limit, || {
        Ok(mount.pids().is_empty().then_some(()))
    })
    .unwrap_or_else(|e| panic!("{e}: {}", mount.log()));
    (mount.log(), since.elapsed())
}

/// Another volume on the server of `bed`, ready in a database of its own. Returns the number of that.
fn prepare_another(bed: &Bed) -> u32 {
    let redis = bed.redis.as_ref().unwrap();
    let jfs = Jfs::find().unwrap();
    jfs.format(&redis.url(2), "another", &bed.path("another"), &[])
        .unwrap();
    2
}

/// All keys of the volume in database `db` with their values, but for statistics of the server.
fn dump(bed: &Bed, db: u32) -> Vec<u8> {
    let script = b"local all = {} \
        for _, k in ipairs(redis.call('keys', '*')) do all[#all + 1] = k .. '=' .. redis.sha1hex(redis.call('dump', k)) end \
        table.sort(all) return table.concat(all, '\\n')";
    let redis = bed.redis.as_ref().unwrap();
    redis.command(db, &[b"EVAL", script, b"0"]).unwrap()
}

/// A mount with a file that has bytes which are not stored. The file keeps them for a second.
fn with_pending_bytes(bed: &Bed, name: &str) -> (Mount, File) {
    let mount = bed.mount(&["--heartbeat", "1s"]);
    let mut file = File::create(mount.at(name)).unwrap();
    file.write_all(b"kept").unwrap();
    file.sync_all().unwrap();
    file.write_all(&[b'x'; 10_000]).unwrap();
    (mount, file)
}

#[test]
fn a_volume_that_is_swapped_under_a_mount() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    let other = prepare_another(&bed);
    let (mount, file) = with_pending_bytes(&bed, "file");
    let before = dump(&bed, other);
    bed.redis(&[b"SWAPDB", b"1", b"2"]);
    // The heartbeat may take a second; this does not wait for it.
    assert!(file.sync_all().is_err());
    let (log, _) = wait_for_end(&mount, NOTICE);
    assert!(
        log.contains("another volume has taken the place of this one"),
        "{log}"
    );
    assert!(!log.contains("exit successfully"), "{log}");
    assert_eq!(dump(&bed, 1), before);
}

/// Nothing is written, so only the heartbeat tells; what waits is named and lost.
#[test]
fn a_volume_that_is_flushed_under_a_mount() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    let (mount, _file) = with_pending_bytes(&bed, "file");
    bed.redis(&[b"FLUSHDB"]);
    let (log, _) = wait_for_end(&mount, NOTICE);
    assert!(log.contains("the volume's setting is gone"), "{log}");
    assert_eq!(bed.redis(&[b"DBSIZE"]), b":0\r\n", "{log}");
}

#[test]
fn a_database_file_that_is_replaced_under_a_mount() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let other = bed.path("other.db");
    let url = format!("sqlite3://{}", other.display());
    let jfs = Jfs::find().unwrap();
    jfs.format(&url, "another", &bed.path("another"), &[])
        .unwrap();
    let (mount, file) = with_pending_bytes(&bed, "file");
    let stored = fs::read(&other).unwrap();
    for rest in ["meta.db-wal", "meta.db-shm"] {
        fs::remove_file(bed.path(rest)).unwrap();
    }
    // A file that belongs to the new database.
    fs::rename(&other, bed.path("meta.db")).unwrap();
    fs::write(bed.path("meta.db-wal"), b"").unwrap();
    assert!(file.sync_all().is_err());
    let (log, _) = wait_for_end(&mount, NOTICE);
    assert!(log.contains("was replaced by another one"), "{log}");
    assert!(fs::read(bed.path("meta.db")).unwrap() == stored);
    assert!(
        bed.path("meta.db-wal").exists(),
        "the log of the new database is not ours"
    );
}

/// The setting gets Apache Ranger, which this client does not ask.
fn switch_ranger_on(bed: &Bed) {
    bed.sql(
        "UPDATE jfs_setting SET value = replace(value, '\"TrashDays\"', '\"RangerService\": \"r\", \"TrashDays\"')",
    );
}

#[test]
fn a_mount_turns_read_only() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let (mount, file) = with_pending_bytes(&bed, "file");
    switch_ranger_on(&bed);
    // At once, not at the heartbeat.
    let refused = fs::create_dir(mount.at("dir")).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
    assert_eq!(
        file.sync_all().unwrap_err().raw_os_error(),
        Some(libc::EROFS)
    );
    let more = file.write_at(b"more", 0).unwrap_err();
    assert_eq!(more.raw_os_error(), Some(libc::EROFS));
    let opened = File::options().write(true).open(mount.at("file"));
    assert_eq!(opened.unwrap_err().raw_os_error(), Some(libc::EROFS));
    assert_eq!(fs::read(mount.at("file")).unwrap(), b"kept");
    drop(file);
    let sessions = || bed.sql_text("SELECT expire FROM jfs_session2");
    let before = sessions();
    wait_until("a heartbeat", NOTICE, || {
        Ok((sessions() != before).then_some(()))
    })
    .unwrap();
    let log = mount.unmount().unwrap();
    assert_eq!(log.matches("read-only from now on").count(), 1, "{log}");
    assert!(log.contains("Apache Ranger"), "{log}");
    assert_eq!(sessions().len(), 1, "left to one that can write the volume");
}

/// Open files without a name outlive an engine that stood still for longer than a session lives.
#[test]
fn sessions_outlive_an_engine_that_stands_still() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    let redis = bed.redis.as_ref().unwrap();
    let flags = ["--heartbeat", "1s", "--cache-size", "0"];
    let mounts: Vec<Mount> = (0..2)
        .map(|_| bed.mount_with(MountArgs::new(redis.url(1)).flags(flags)))
        .collect();
    let files = mounts.iter().enumerate().map(|(n, mount)| {
        let path = mount.at(format!("f{n}"));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.write_all_at(b"without a name", 0).unwrap();
        file.sync_all().unwrap();
        fs::remove_file(path).unwrap();
        file
    });
    let files: Vec<File> = files.collect();
    let server = Pid::from_raw(redis.pid().cast_signed());
    kill(server, Signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_secs(7));
    kill(server, Signal::SIGCONT).unwrap();
    // One life, in which they would clean each other up.
    std::thread::sleep(Duration::from_secs(6));
    for file in files {
        file.write_all_at(b"more", 14).unwrap();
        file.sync_all().unwrap();
    }
    let log: String = mounts.iter().map(Mount::log).collect();
    assert!(!log.contains("stale session"), "{log}");
}

/// A mount whose bucket answers nothing, with bytes of two files that are not stored.
fn with_a_deaf_store(bed: &Bed) -> (Mount, [File; 2], Deaf) {
    let deaf = Deaf::new();
    let bucket = format!("http://{}/bucket", deaf.address());
    let mount = bed.mount_with(
        MountArgs::new(bed.url())
            .flags(["--storage", "minio", "--bucket", &bucket])
            .env("AWS_ACCESS_KEY_ID", "user")
            .env("AWS_SECRET_ACCESS_KEY", "password"),
    );
    let files = ["a", "b"].map(|name| {
        let mut file = File::create(mount.at(name)).unwrap();
        file.write_all(b"not stored").unwrap();
        file
    });
    (mount, files, deaf)
}

#[test]
fn a_store_that_hangs_does_not_hold_up_the_end() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let (mount, files, _deaf) = with_a_deaf_store(&bed);
    kill(pid(&mount), Signal::SIGTERM).unwrap();
    let (log, took) = wait_for_end(&mount, Duration::from_secs(55));
    assert!(took >= Duration::from_secs(25), "{took:?}: {log}");
    assert!(log.contains("20 bytes of 2 files are lost"), "{log}");
    assert!(log.contains("/a (10 bytes), /b (10 bytes)"), "{log}");
    assert!(!log.contains("exit successfully"), "{log}");
    drop(files);
    // The metadata engine was there: the session is closed.
    assert_eq!(bed.sql_text("SELECT sid FROM jfs_session2").len(), 0);
}

#[test]
fn a_second_signal_ends_a_mount_at_once() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let (mount, files, _deaf) = with_a_deaf_store(&bed);
    kill(pid(&mount), Signal::SIGTERM).unwrap();
    wait_until("the first signal to be heard", NOTICE, || {
        Ok(mount.log().contains("Received signal").then_some(()))
    })
    .unwrap();
    kill(pid(&mount), Signal::SIGINT).unwrap();
    let (log, took) = wait_for_end(&mount, Duration::from_secs(15));
    assert!(
        log.contains("20 bytes of 2 files are lost"),
        "{took:?}: {log}"
    );
    let failed = ended("the end".into(), move || mount.terminate()).unwrap_err();
    assert!(failed.to_string().contains("exit status: 1"), "{failed}");
    drop(files);
}
