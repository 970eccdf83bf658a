//! Round trips at the mountpoint: what the kernel's own requests add is in the figures.
//!
//! The set-up is that of the table the figures are compared with: no trash, default mount options, one
//! caller, 20 operations of a kind on different names in one directory, back to back, after a pause in
//! which everything the kernel remembers expires. The first operation re-validates the path and may
//! refill ids; each of the others is held to the table.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs::types::Format;
use jfs_fuse::{MountHandle, MountOptions};
use jfs_meta::Engine;
use jfs_testkit::{content, scratch_dir};
use jfs_tests::{Db, Kind};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Attributes and entries are kept for a second.
const PAUSE: Duration = Duration::from_millis(1300);
/// Operations of a kind.
const REPEATS: usize = 20;

/// The waits of an operation: round trips to a server, statements on SQLite.
#[derive(Clone, Copy)]
struct Limit {
    /// The middle one of the operations takes no more.
    typical: usize,
    /// None takes more: times that are due and reads that are checked again included.
    most: usize,
}

const fn limit(typical: usize, most: usize) -> Limit {
    Limit { typical, most }
}

/// A kind of operations with its limits.
struct Row {
    kind: &'static str,
    redis: Limit,
    sqlite: Limit,
    /// PostgreSQL and MariaDB.
    server: Limit,
}

const fn row(kind: &'static str, redis: Limit, sqlite: Limit, server: Limit) -> Row {
    Row {
        kind,
        redis,
        sqlite,
        server,
    }
}

const TABLE: [Row; 8] = [
    row(
        "create + close of an empty file",
        limit(3, 4),
        limit(7, 11),
        limit(3, 4),
    ),
    row(
        "create + write 4 KiB + close",
        limit(5, 6),
        limit(14, 18),
        limit(5, 6),
    ),
    row(
        "append 4 KiB + fsync",
        limit(2, 2),
        limit(7, 11),
        limit(2, 2),
    ),
    // The data of the last file is deleted meanwhile: what was read may have to be checked again.
    row(
        "unlink of a small file",
        limit(3, 5),
        limit(12, 18),
        limit(3, 5),
    ),
    row(
        "rename, target absent",
        limit(4, 6),
        limit(13, 17),
        limit(4, 6),
    ),
    row("mkdir", limit(3, 4), limit(9, 13), limit(3, 4)),
    row("stat, expired", limit(1, 1), limit(1, 1), limit(1, 1)),
    row(
        "lookup of a missing name",
        limit(1, 1),
        limit(1, 1),
        limit(1, 1),
    ),
];

/// Operations of the background, for which no request waits.
const BACKGROUND: [&str; 4] = [
    "background",
    "delete_chunk",
    "forget_slices",
    "delete_sustained",
];

#[test]
fn round_trips_to_redis() {
    hold_to_the_table(Kind::Redis, |row| row.redis);
}

/// The same on SQLite, where each statement counts.
#[test]
fn statements_on_sqlite() {
    hold_to_the_table(Kind::Sqlite, |row| row.sqlite);
}

#[test]
fn round_trips_to_postgres() {
    hold_to_the_table(Kind::Postgres, |row| row.server);
}

#[test]
fn round_trips_to_mariadb() {
    hold_to_the_table(Kind::Mariadb, |row| row.server);
}

fn hold_to_the_table(engine: Kind, limit: fn(&Row) -> Limit) {
    let mount = Mounted::new(engine);
    let (mut lines, mut over) = (String::new(), Vec::new());
    for row in &TABLE {
        let (kind, limit) = (row.kind, limit(row));
        let counts = mount.measure(kind);
        let mut counts: Vec<&Vec<String>> = counts[1..].iter().collect();
        counts.sort_by_key(|trips| trips.len());
        let (typical, most) = (counts[counts.len() / 2], counts[counts.len() - 1]);
        lines += &format!(
            "| {kind} | {} | {} | {} | {} |\n",
            typical.len(),
            limit.typical,
            most.len(),
            limit.most
        );
        assert!(!typical.is_empty(), "{kind}: nothing was counted");
        for (what, trips, allowed) in [
            ("typically", typical, limit.typical),
            ("at most", most, limit.most),
        ] {
            if trips.len() > allowed {
                over.push(format!(
                    "{kind}: {what} {} round trips, {allowed} allowed: {trips:#?}",
                    trips.len()
                ));
            }
        }
    }
    mount.end();
    println!(
        "\n{engine:?}\n\n| operation | typical | allowed | most | allowed |\n|---|---|---|---|---|\n{lines}"
    );
    assert!(over.is_empty(), "{}", over.join("\n"));
}

/// A volume mounted by this process, so that its engine can be asked.
struct Mounted {
    engine: Arc<dyn Engine>,
    runtime: Runtime,
    volume: jfs::Volume,
    handle: MountHandle,
    top: PathBuf,
    _dir: TempDir,
    _db: Db,
}

impl Mounted {
    fn new(kind: Kind) -> Mounted {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let dir = scratch_dir().unwrap();
        let top = dir.path().join("mnt");
        std::fs::create_dir(&top).unwrap();
        let format = Format {
            storage: "file".into(),
            bucket: format!("{}/", dir.path().display()),
            trash_days: 0,
            ..jfs_tests::volume::setting()
        };
        let (db, engine, volume, handle) = runtime.block_on(async {
            let db = Db::new(kind).await;
            let options = jfs::admin::FormatOptions::default();
            jfs::admin::format(&db.url(), format, options)
                .await
                .unwrap();
            let engine = db.connect().await;
            let volume = jfs::open_engine(engine.clone(), jfs::OpenOptions::default())
                .await
                .unwrap();
            let options = MountOptions {
                xattr: false,
                acl: false,
                ioctl: false,
                mountpoint: top.clone(),
                fsname: "JuiceFS:test".into(),
                max_fuse_io: 128 << 10,
                umask: None,
                options: Vec::new(),
                root_squash: None,
                all_squash: None,
                default_permissions: true,
                read_only: false,
                allow_other: true,
                runtime: tokio::runtime::Handle::current(),
            };
            let handle = jfs_fuse::mount(volume.view().clone(), options).unwrap();
            (db, engine, volume, handle)
        });
        Mounted {
            engine,
            runtime,
            volume,
            handle,
            top,
            _dir: dir,
            _db: db,
        }
    }

    fn end(self) {
        self.handle.unmount().unwrap();
        self.handle.wait().unwrap();
        self.runtime.block_on(self.volume.close()).unwrap();
    }

    /// For each operation the round trips from its start to the start of the next one.
    fn measure(&self, kind: &str) -> Vec<Vec<String>> {
        let dir = self.top.join(kind.replace(' ', "-"));
        std::fs::create_dir(&dir).unwrap();
        let open: Vec<File> = (0..REPEATS)
            .filter_map(|n| prepare(kind, &dir, n))
            .collect();
        std::thread::sleep(PAUSE);
        let trips = self.engine.trips();
        trips.enable(true);
        let mut counts = Vec::new();
        for n in 0..REPEATS {
            trips.take();
            perform(kind, &dir, n, &open);
            let waited = trips
                .take()
                .into_iter()
                .filter(|t| !BACKGROUND.contains(&t.operation));
            counts.push(
                waited
                    .map(|t| format!("{}: {}", t.operation, t.what))
                    .collect(),
            );
        }
        trips.enable(false);
        counts
    }
}

fn name(dir: &Path, n: usize) -> PathBuf {
    dir.join(format!("name-{n}"))
}

/// The preparation of an operation, long before it.
fn prepare(kind: &str, dir: &Path, n: usize) -> Option<File> {
    match kind {
        "append 4 KiB + fsync" => Some(
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(name(dir, n))
                .unwrap(),
        ),
        "unlink of a small file" | "rename, target absent" | "stat, expired" => {
            std::fs::write(name(dir, n), content(1, 4096)).unwrap();
            None
        }
        _ => None,
    }
}

fn perform(kind: &str, dir: &Path, n: usize, open: &[File]) {
    let path = name(dir, n);
    match kind {
        "create + close of an empty file" => drop(File::create_new(path).unwrap()),
        "create + write 4 KiB + close" => {
            let mut file = File::create_new(path).unwrap();
            file.write_all(&content(2, 4096)).unwrap();
        }
        "append 4 KiB + fsync" => {
            (&open[n]).write_all(&content(3, 4096)).unwrap();
            open[n].sync_all().unwrap();
        }
        "unlink of a small file" => std::fs::remove_file(path).unwrap(),
        "rename, target absent" => std::fs::rename(path, dir.join(format!("moved-{n}"))).unwrap(),
        "mkdir" => std::fs::create_dir(path).unwrap(),
        "stat, expired" => assert_eq!(path.symlink_metadata().unwrap().len(), 4096),
        "lookup of a missing name" => assert!(path.symlink_metadata().is_err()),
        other => panic!("no such operation: {other}"),
    }
}
