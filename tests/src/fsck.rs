//! The reference's `fsck` as a judge of a volume that nothing has mounted.

use jfs_testkit::{Client, RedisServer};
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
    objects(reference, url);
    let path = ["--path", "/", "-r", "--sync-dir-stat"];
    let checked = check(reference, url, &path);
    assert!(checked.contains("Checked "), "{checked}");
    let before = usage();
    check(reference, url, &[&path[..], &["--repair"]].concat());
    assert_eq!(usage(), before, "the repair counted differently");
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
