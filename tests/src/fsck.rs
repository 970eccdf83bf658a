//! The reference's `fsck` as a judge of a volume that nothing has mounted.

use crate::SqlDatabase;
use jfs_testkit::{Client, RedisServer};
use jfs_types::Ino;
use std::path::Path;

/// Counters of usage: bytes, inodes.
const COUNTERS: [&str; 2] = ["usedSpace", "totalInodes"];
/// Said at every start, about nothing that is stored in the volume.
const USUAL: [&str; 3] = [
    "Set storage tier: not supported",
    "AOF is not enabled",
    "latency to database is too high",
];

/// The reference finds every object. Holds after a kill as well, unlike the statistics.
pub fn objects(reference: &Client, url: &str) {
    let all = check(reference, url, &[]);
    assert!(all.contains("blocks ("), "{all}");
}

/// The reference finds no missing object, no wrong link count and no wrong statistics, and a repair
/// leaves `usage` as it is.
pub fn everything(reference: &Client, url: &str, usage: impl Fn() -> [i64; 2]) {
    tree(reference, url);
    let before = usage();
    check(reference, url, &[&TREE[..], &["--repair"]].concat());
    assert_eq!(usage(), before, "the repair counted differently");
}

/// As [`everything`] for a volume on PostgreSQL, where the reference's repair of statistics fails whenever a
/// directory has some already (it inserts them, and the server then refuses the rest of the transaction).
pub fn on_postgres(reference: &Client, url: &str, database: &SqlDatabase) {
    tree(reference, url);
    let nodes = format!(
        "SELECT sum(CASE WHEN type = 1 THEN (greatest(length, 1) + 4095) / 4096 * 4096 ELSE 4096 END), count(*)
         FROM jfs_node WHERE inode NOT IN (1, {})",
        Ino::TRASH.0
    );
    let counted = database.query(&nodes).remove(0);
    let counted = counted.iter().map(|n| n.parse().unwrap_or(0));
    let usage = usage_in_sql(database);
    assert_eq!(usage[..], counted.collect::<Vec<i64>>(), "usage");
}

/// A check of everything in the volume.
const TREE: [&str; 4] = ["--path", "/", "-r", "--sync-dir-stat"];

fn tree(reference: &Client, url: &str) {
    objects(reference, url);
    let checked = check(reference, url, &TREE);
    assert!(checked.contains("Checked "), "{checked}");
}

/// Used space and inodes of the volume in database `db`, as the counters say.
pub fn usage_in_redis(redis: &RedisServer, db: u32) -> [i64; 2] {
    COUNTERS.map(|name| {
        let reply = redis.command(db, &[b"GET", name.as_bytes()]).unwrap();
        let text = String::from_utf8(reply).unwrap();
        text.lines().nth(1).unwrap_or("0").trim().parse().unwrap()
    })
}

/// Used space and inodes of the volume in this file, as the counters say.
pub fn usage_in_sqlite(file: &Path) -> [i64; 2] {
    COUNTERS.map(|name| {
        let db = rusqlite::Connection::open(file).unwrap();
        let query = "SELECT value FROM jfs_counter WHERE name = ?1";
        db.query_row(query, [name], |row| row.get(0)).unwrap()
    })
}

/// Used space and inodes of the volume in this database, as the counters say.
pub fn usage_in_sql(database: &SqlDatabase) -> [i64; 2] {
    COUNTERS.map(|name| {
        let query = format!("SELECT value FROM jfs_counter WHERE name = '{name}'");
        database.query(&query)[0][0].parse().unwrap()
    })
}

fn check(reference: &Client, url: &str, flags: &[&str]) -> String {
    let arguments = [&["fsck", url], flags].concat();
    let text = reference.run(&arguments).unwrap().ok().unwrap().text();
    let bad = ["<WARNING>", "<ERROR>", "<FATAL>"];
    let odd: Vec<&str> = text
        .lines()
        .filter(|line| bad.iter().any(|level| line.contains(level)))
        .filter(|line| !USUAL.iter().any(|known| line.contains(known)))
        .collect();
    assert!(odd.is_empty(), "{arguments:?}: {odd:#?}");
    text
}
