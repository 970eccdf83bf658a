//! Round trips per metadata operation, as the engines count them (on SQL: statements). The tables of
//! docs/ARCHITECTURE.md are printed by `cargo test -p jfs-tests --test meta trips -- --nocapture`.

use jfs_meta::engine::DirCursor;
use jfs_meta::trips::Trip;
use jfs_tests::volume::{root, slice};
use jfs_tests::{Client, Kind, Volume};
use jfs_types::*;

/// Operations of a kind; the first one may refill ids.
const REPEATS: usize = 20;

/// Name, most round trips to Redis, most statements on SQLite.
const LIMITS: [(&str, usize, usize); 35] = [
    ("lookup", 1, 1),
    ("lookup, missing", 1, 1),
    ("getattr", 1, 1),
    ("create", 2, 8),
    ("mkdir", 2, 10),
    ("symlink", 2, 9),
    ("link", 2, 10),
    ("setattr", 2, 5),
    ("open", 1, 1),
    ("close", 0, 0),
    ("read chunk", 1, 3),
    ("write chunk", 2, 7),
    ("truncate", 2, 6),
    ("readlink", 1, 2),
    ("readdir, 100 names", 1, 1),
    ("rename", 3, 15),
    ("rename over a file", 3, 20),
    ("rename of a directory", 3, 17),
    ("unlink", 3, 12),
    ("unlink to the trash", 3, 11),
    ("rmdir", 3, 16),
    ("statfs", 1, 2),
    ("mknod", 2, 8),
    ("setxattr", 2, 8),
    ("getxattr", 1, 1),
    ("listxattr", 1, 2),
    ("exchange", 3, 18),
    ("fallocate", 2, 6),
    ("copy_file_range", 3, 12),
    ("flock", 2, 8),
    ("compact", 3, 14),
    ("setfacl, a known rule", 2, 6),
    ("setfacl, a stored rule", 3, 8),
    ("setfacl, a new rule", 5, 12),
    ("claim a job", 2, 6),
];

#[test]
fn on_every_engine() {
    for kind in Kind::ALL {
        jfs_tests::run(kind, table);
    }
}

async fn table(kind: Kind) {
    let (mut lines, mut over) = (String::new(), Vec::new());
    for (name, redis, sqlite) in LIMITS {
        let limit = match kind {
            Kind::Memory => redis.max(sqlite),
            Kind::Sqlite => sqlite,
            Kind::Redis => redis,
            Kind::Postgres | Kind::Mariadb => redis,
        };
        let (most, what) = measure(kind, name).await;
        lines += &format!("| {name} | {most} | {} |\n", what.join(", "));
        if most > limit {
            over.push(format!(
                "{name} on {kind:?}: {most} round trips, {limit} allowed: {what:?}"
            ));
        }
    }
    println!("\n{kind:?}\n\n| operation | round trips | what is sent |\n|---|---|---|\n{lines}");
    assert!(over.is_empty(), "{over:#?}");
}

/// The most round trips that one of the operations 2 to 20 waits for, and what they are.
async fn measure(kind: Kind, name: &str) -> (usize, Vec<String>) {
    let v = Volume::new(kind, i64::from(name.contains("trash"))).await;
    let engine = v.db.connect().await;
    let c = v.client_over(engine.clone()).await;
    let dir = c.dir(Ino::ROOT, b"dir").await;
    let other = c.dir(Ino::ROOT, b"other").await;
    let inodes = prepare(&c, name, dir, other).await;
    c.new_slice_id().await.unwrap();
    v.flush().await;
    v.tick();
    let mut most: (usize, Vec<String>) = (0, Vec::new());
    for n in 0..REPEATS {
        engine.trips().enable(true);
        engine.trips().take();
        perform(&c, name, n, dir, other, &inodes).await;
        engine.trips().enable(false);
        let trips: Vec<Trip> = engine
            .trips()
            .take()
            .into_iter()
            .filter(|t| t.operation != "background")
            .collect();
        if n > 0 && (trips.len() > most.0 || most.1.is_empty()) {
            most = (trips.len(), trips.into_iter().map(|t| t.what).collect());
        }
    }
    v.verify().await;
    most
}

fn file(n: usize) -> Vec<u8> {
    format!("name-{n}").into_bytes()
}

/// The inodes that the operations need: files, or directories, or links.
async fn prepare(c: &Client, name: &str, dir: Ino, other: Ino) -> Vec<Ino> {
    let mut inodes = Vec::new();
    for n in 0..REPEATS {
        let made = match name {
            "create" | "mkdir" | "mknod" | "symlink" | "statfs" | "lookup, missing" => continue,
            "rmdir" | "rename of a directory" => c.dir(dir, &file(n)).await,
            "readlink" => c.symlink(&root(), dir, &file(n), b"t").await.unwrap().0,
            _ => c.touch(dir, &file(n)).await.unwrap(),
        };
        let data = [
            "unlink",
            "read chunk",
            "truncate",
            "fallocate",
            "copy_file_range",
            "compact",
        ];
        if data.contains(&name) {
            c.put_slice(made, 0, 0, 4096).await.unwrap();
        }
        if name == "compact" {
            c.put_slice(made, 0, 10, 4096).await.unwrap();
        }
        if name == "getxattr" {
            let how = jfs_meta::SetXattr::Any;
            c.set_xattr(made, b"user.a", b"v", how).await.unwrap();
        }
        if name == "close" {
            c.open(&root(), made, 0).await.unwrap();
        }
        if ["rename over a file", "exchange"].contains(&name) {
            c.touch(other, &file(n)).await.unwrap();
        }
        if name == "setfacl, a stored rule" {
            c.engine().add_acl(&rule(n), &[]).await.unwrap();
        }
        inodes.push(made);
    }
    if name == "readdir, 100 names" {
        for n in REPEATS..99 {
            c.touch(dir, &file(n)).await.unwrap();
        }
    }
    if name == "unlink to the trash" {
        c.touch(dir, b"first").await.unwrap();
        c.unlink(&root(), dir, b"first").await.unwrap();
    }
    inodes
}

/// A rule of its own for each number.
fn rule(n: usize) -> AclRule {
    let mut rule = super::operations::rule_for(7);
    rule.named_users[0].id = n as u32;
    rule
}

async fn set_rule(c: &Client, ino: Ino, rule: &AclRule) {
    let kind = AclKind::Access;
    c.set_acl(&root(), ino, kind, rule).await.unwrap();
}

async fn perform(c: &Client, name: &str, n: usize, dir: Ino, other: Ino, inodes: &[Ino]) {
    let me = root();
    let ino = inodes.get(n).copied().unwrap_or(dir);
    let file = file(n);
    match name {
        "lookup" => drop(c.lookup(&me, dir, &file).await.unwrap()),
        "lookup, missing" => assert_eq!(
            c.lookup(&me, dir, &file).await.map(|_| ()),
            Err(Errno::ENOENT)
        ),
        "getattr" => drop(c.getattr(ino).await.unwrap()),
        "create" => drop(c.create(&me, dir, &file, 0o644, 0).await.unwrap()),
        "mkdir" => drop(c.mkdir(&me, dir, &file, 0o755, 0).await.unwrap()),
        "symlink" => drop(c.symlink(&me, dir, &file, b"target").await.unwrap()),
        "link" => drop(
            c.link(&me, ino, dir, format!("link-{n}").as_bytes())
                .await
                .unwrap(),
        ),
        "setattr" => {
            let set = jfs_meta::SetAttr {
                mode: Some(0o600),
                ..Default::default()
            };
            c.setattr(&me, ino, &set).await.unwrap();
        }
        "open" => drop(c.open(&me, ino, 0).await.unwrap()),
        "close" => assert_eq!(c.close(ino), None),
        "read chunk" => drop(c.read_chunk(ino, 0).await.unwrap()),
        "write chunk" => drop(
            c.write_chunk(ino, 0, slice(5000 + n as u64, 0, 4096), c.now())
                .await
                .unwrap(),
        ),
        "truncate" => drop(c.truncate(&me, ino, 10).await.unwrap()),
        "readlink" => drop(c.readlink(ino).await.unwrap()),
        "readdir, 100 names" => {
            let page = c.readdir(&me, dir, &DirCursor::Start, true).await.unwrap();
            assert_eq!((page.entries.len(), page.next), (99, None));
        }
        "rename" | "rename over a file" | "rename of a directory" => {
            c.rename(&me, (dir, &file), (other, &file), 0)
                .await
                .unwrap();
        }
        "unlink" | "unlink to the trash" => c.unlink(&me, dir, &file).await.unwrap(),
        "rmdir" => c.rmdir(&me, dir, &file).await.unwrap(),
        "mknod" => {
            let node = jfs_meta::NewNode {
                kind: FileType::Fifo,
                mode: 0o644,
                umask: 0,
                rdev: 0,
            };
            c.mknod(&me, dir, &file, node).await.unwrap();
        }
        "setxattr" => c
            .set_xattr(ino, b"user.a", b"v", jfs_meta::SetXattr::Any)
            .await
            .unwrap(),
        "getxattr" => drop(c.get_xattr(ino, b"user.a").await.unwrap()),
        "listxattr" => drop(c.list_xattrs(ino).await.unwrap()),
        "exchange" => drop(
            c.rename(&me, (dir, &file), (other, &file), 2)
                .await
                .unwrap(),
        ),
        "fallocate" => drop(c.fallocate(&me, ino, 3, 10, 100).await.unwrap()),
        "copy_file_range" => {
            let range = super::faults::copy(ino, 0, inodes[0], 100_000, 4096);
            c.copy_file_range(range).await.unwrap();
        }
        "flock" => c
            .flock(ino, 1, jfs_meta::wire::LockType::Write, false)
            .await
            .unwrap(),
        "compact" => {
            let plan = c.plan_compaction(ino, 0).await.unwrap().unwrap();
            c.commit_compaction(&plan, 7000 + n as u64).await.unwrap();
        }
        "setfacl, a known rule" => set_rule(c, ino, &rule(0)).await,
        "setfacl, a stored rule" | "setfacl, a new rule" => set_rule(c, ino, &rule(n)).await,
        "claim a job" => {
            let slot = jfs_meta::engine::JobSlot::Trash;
            assert!(c.claim_job(slot, 0).await.unwrap());
        }
        "statfs" => drop(c.statfs().await.unwrap()),
        other => panic!("no such operation: {other}"),
    }
}
