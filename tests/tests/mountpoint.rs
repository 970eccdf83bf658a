//! Round trips to Redis at the mountpoint: what a system call costs, the kernel's own questions
//! included. The volume is mounted in this process, so that the engine can be asked what it sent and
//! for whom; background work is left out.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs::OpenOptions;
use jfs::admin::{self, FormatOptions};
use jfs_fuse::{MountOptions, mount};
use jfs_testkit::{RedisServer, scratch_dir};
use jfs_types::Format;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Operations of a kind; the first one looks the path up again and may refill ids.
const REPEATS: usize = 20;
/// Longer than the kernel remembers anything.
const EXPIRED: Duration = Duration::from_millis(1300);

type Operation = fn(&Path, usize);

/// Kind, most round trips of one operation, what it does. `{}` of the names is the number.
const TABLE: [(&str, usize, Operation); 8] = [
    ("create + close", 4, |dir, i| {
        drop(File::create(dir.join(format!("e{i}"))).unwrap())
    }),
    ("create + write 4 KiB + close", 6, |dir, i| {
        let mut file = File::create(dir.join(format!("w{i}"))).unwrap();
        file.write_all(&[7; 4096]).unwrap();
    }),
    ("append 4 KiB + fsync", 2, |_, _| {
        unreachable!("done on one open file")
    }),
    ("stat, expired", 1, |dir, i| {
        fs::symlink_metadata(dir.join(format!("w{i}"))).unwrap();
    }),
    ("lookup of a missing name", 1, |dir, i| {
        fs::symlink_metadata(dir.join(format!("none{i}"))).unwrap_err();
    }),
    ("rename, target absent", 6, |dir, i| {
        fs::rename(dir.join(format!("w{i}")), dir.join(format!("r{i}"))).unwrap();
    }),
    ("unlink of a small file", 5, |dir, i| {
        fs::remove_file(dir.join(format!("r{i}"))).unwrap()
    }),
    ("mkdir", 4, |dir, i| {
        fs::create_dir(dir.join(format!("d{i}"))).unwrap()
    }),
];

#[test]
fn round_trips_at_the_mountpoint() {
    let server = RedisServer::start().unwrap();
    let place = scratch_dir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let url = server.url(0);
    let volume = runtime.block_on(async {
        let format = Format {
            name: "trips".into(),
            uuid: "5f6a7c1e-0000-4000-8000-000000000001".into(),
            storage: "file".into(),
            bucket: format!("{}/", place.path().display()),
            block_size: 4096,
            meta_version: 1,
            dir_stats: true,
            ..Format::default()
        };
        admin::format(&url, format, FormatOptions::default())
            .await
            .unwrap();
        jfs::open(&url, OpenOptions::default()).await.unwrap()
    });
    let point = place.path().join("mnt");
    fs::create_dir(&point).unwrap();
    let options = MountOptions {
        mountpoint: point.clone(),
        fsname: "JuiceFS:trips".into(),
        max_fuse_io: 128 << 10,
        umask: None,
        options: Vec::new(),
        read_only: false,
        allow_other: true,
        runtime: runtime.handle().clone(),
    };
    let handle = mount(volume.vfs().clone(), options).unwrap();
    let engine = volume.meta().engine().clone();
    let measured = std::thread::spawn({
        let point = point.clone();
        move || measure(&point, engine.trips())
    })
    .join();
    handle.unmount().unwrap();
    handle.wait().unwrap();
    runtime.block_on(volume.close()).unwrap();

    let over: Vec<String> = measured.unwrap();
    assert!(over.is_empty(), "above the table:\n{}", over.join("\n"));
}

/// Does everything, prints the table, and returns the lines that are above it.
fn measure(point: &Path, trips: &jfs_meta::trips::TripLog) -> Vec<String> {
    let dir = point.join("dir");
    fs::create_dir(&dir).unwrap();
    trips.enable(true);
    let mut over = Vec::new();
    for (kind, limit, operation) in TABLE {
        let mut log = (kind == "append 4 KiB + fsync").then(|| {
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(dir.join("log"))
                .unwrap()
        });
        // Not a wait for something to happen: the kernel's memory has to run out.
        std::thread::sleep(EXPIRED);
        let mut worst: Vec<String> = Vec::new();
        for i in 0..REPEATS {
            trips.take();
            match &mut log {
                Some(file) => {
                    file.write_all(&[9; 4096]).unwrap();
                    file.sync_all().unwrap();
                }
                None => operation(&dir, i),
            }
            let sent: Vec<String> = trips
                .take()
                .into_iter()
                .filter(|t| t.operation != "background")
                .map(|t| format!("{} ({})", t.operation, t.what))
                .collect();
            if i > 0 && sent.len() > worst.len() {
                worst = sent;
            }
        }
        println!(
            "| {kind} | {} of {limit} | {} |",
            worst.len(),
            worst.join("; ")
        );
        if worst.len() > limit {
            over.push(format!(
                "{kind}: {} instead of {limit}: {}",
                worst.len(),
                worst.join("; ")
            ));
        }
    }
    trips.enable(false);
    over
}
