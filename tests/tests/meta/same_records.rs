//! The same operations leave the same records on every engine, times and numbers included.

use super::operations::rule_for;
use jfs_meta::engine::{DirQuota, RECORDS_LEAST};
use jfs_meta::ops::NewSlice;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_meta::{CopyRange, LockRange, NewNode, SetAttr, SetTime, SetXattr};
use jfs_tests::volume::{root, slice};
use jfs_tests::{Client, Kind, Rng, Volume};
use jfs_types::attr::flags;
use jfs_types::*;
use std::time::Duration;

#[test]
fn one_script_one_state() {
    compare(1);
}

#[test]
fn one_script_one_state_without_a_trash() {
    compare(0);
}

/// Records of a commit: of etcd, and the fewest that an engine may take.
const SMALL: [usize; 2] = [128, RECORDS_LEAST];

fn compare(trash_days: i64) {
    let mut states: Vec<(String, String)> = Vec::new();
    let small = SMALL.map(|most| (Kind::Memory, Some(most)));
    let kinds = Kind::ALL.map(|kind| (kind, None));
    for (kind, records_max) in kinds.into_iter().chain(small) {
        jfs_tests::run(kind, async |kind| {
            let text = script(kind, records_max, trash_days).await;
            assert!(
                text.lines().count() > 300,
                "the script leaves something to compare"
            );
            let name = format!("{kind:?}, commits of {records_max:?} records");
            for (other, state) in &states {
                assert_eq!(*state, text, "{other} and {name} differ");
            }
            states.push((name, text));
        });
    }
}

/// 1200 random operations of one client that dies, and what is left of it without the work that a
/// background would do; then that work, done by another client: its session is cleaned, removed files
/// lose their data, the trash and delayed slices expire.
async fn script(kind: Kind, records_max: Option<usize>, trash_days: i64) -> String {
    let v = Volume::new(kind, trash_days).await;
    let client = async || match records_max {
        Some(most) => v.client_over(v.db.connect_with_small_commits(most)).await,
        None => v.client().await,
    };
    let c = client().await;
    let mut rng = Rng::new(0x5eed);
    let mut dirs = vec![Ino::ROOT];
    let mut files: Vec<Ino> = Vec::new();
    let names: [&[u8]; 7] = [
        b"a",
        b"b",
        b"c",
        b"\xff\xfe",
        b"name with space",
        &[b'L'; 255],
        b"z'\"\\",
    ];
    let mut answers = String::new();
    for n in 0..1200 {
        if rng.below(3) == 0 {
            v.tick();
        }
        if n == 100 {
            let (max_space, max_inodes) = (40 << 20, 60);
            let quota = DirQuota {
                max_space,
                max_inodes,
                ..DirQuota::default()
            };
            v.engine.put_quota(dirs[1], quota).await.unwrap();
            c.load_quotas().await.unwrap();
        }
        let dir = *rng.pick(&dirs);
        let name = *rng.pick(&names);
        let answer = step(&c, &mut rng, dir, name, &mut dirs, &mut files, &names).await;
        answers += &format!("{n} {answer}\n");
    }
    let census = v.verify().await;
    answers += &census.text();
    answers += &format!("{:?}\n", v.engine.list_quotas().await.unwrap());

    let heir = client().await;
    v.clock.advance(Duration::from_secs(5 * 24 * 3600));
    answers += &format!("stale {:?}\n", v.live_on(&heir).await);
    for hour in heir.expired_trash_hours().await.unwrap() {
        answers += &format!("emptied {:?}\n", heir.empty_trash_hour(&hour).await);
    }
    v.tick(); // what has just been removed counts as old
    for deleted in heir.deleted_files(0, 10_000).await.unwrap() {
        let (ino, length) = (deleted.ino, deleted.length);
        // Lists beyond the length, which a shrunk file leaves, are left to gc on Redis.
        for index in 0..=8 {
            heir.delete_chunk(ino, index).await.unwrap();
        }
        heir.finish_deleted(ino, length).await.unwrap();
    }
    for delayed in heir.expired_delayed(10_000).await.unwrap() {
        heir.release_delayed(&delayed).await.unwrap();
    }
    for (id, size) in heir.unused_slices(10_000).await.unwrap() {
        heir.forget_slice(id, size).await.unwrap();
    }
    let census = v.verify().await;
    assert!(census.deleted.is_empty() && census.delayed.is_empty() && census.unused.is_empty());
    assert!(census.sustained.is_empty() && census.locks.is_empty());
    answers + &census.text() + &format!("{:?}\n", v.engine.list_quotas().await.unwrap())
}

/// Gives all ranges back.
fn everything(owner: u64) -> LockRange {
    let record = LockRecord {
        kind: LockType::Unlock,
        pid: 1,
        start: 0,
        end: u64::MAX,
    };
    LockRange { owner, record }
}

async fn step(
    c: &Client,
    rng: &mut Rng,
    dir: Ino,
    name: &[u8],
    dirs: &mut Vec<Ino>,
    files: &mut Vec<Ino>,
    names: &[&[u8]],
) -> String {
    let me = root();
    let file = if files.is_empty() {
        Ino(999_999)
    } else {
        *rng.pick(files)
    };
    match rng.below(33) {
        24 => {
            // A frozen directory would leave little to do.
            let (ino, flags) = match rng.below(3) {
                0 => (dir, *rng.pick(&[0, flags::SKIP_TRASH])),
                _ => (file, *rng.pick(&[0, flags::IMMUTABLE, flags::APPEND])),
            };
            let set = SetAttr {
                flags: Some(flags),
                ..SetAttr::default()
            };
            format!("flags {:?}", c.setattr(&me, ino, &set).await)
        }
        25 | 26 => {
            // Opened and, most likely, never closed: its last name sustains it.
            let opened = c.open(&me, file, libc::O_RDWR).await;
            format!("open {:?}", opened.map(|o| o.attr))
        }
        27 => match c.close(file) {
            Some(ino) => format!("close {:?}", c.delete_sustained(ino).await),
            None => "close".into(),
        },
        28 => {
            let mut slices = Vec::new();
            for n in 0..1 + rng.below(5) {
                let id = c.new_slice_id().await.unwrap();
                let record = slice(id, rng.below(1 << 20) as u32, 1 + rng.below(9000) as u32);
                slices.push(NewSlice {
                    index: (n % 2) as u32,
                    record,
                    mtime: c.now(),
                    append: rng.below(3) == 0,
                });
            }
            format!("writes {:?}", c.write_slices(file, &slices).await)
        }
        29 => {
            let at = Time {
                sec: rng.below(1 << 31) as i64 - (1 << 30),
                nsec: rng.below(1_000_000_000) as u32,
            };
            let set = SetAttr {
                atime: Some(SetTime::At(at)),
                mtime: Some(*rng.pick(&[SetTime::Now, SetTime::At(at)])),
                ..SetAttr::default()
            };
            format!("utimes {:?}", c.setattr(&me, file, &set).await)
        }
        30 => {
            // Back from the trash, under another name.
            let Some(hour) = c.trash_hours().await.unwrap().into_iter().next() else {
                return "no trash".into();
            };
            let inside = c.names(hour.ino).await;
            if inside.is_empty() {
                return "nothing in the trash".into();
            }
            let from = (hour.ino, &rng.pick(&inside)[..]);
            let done = c.rename(&me, from, (dir, name), 1).await;
            format!("restore {from:?} {done:?}")
        }
        31 => {
            let id = c.setlk(file, everything(rng.below(3))).await;
            format!("unlocked {id:?}")
        }
        32 => format!(
            "lookup {:?} {:?}",
            c.lookup(&me, dir, name).await,
            c.readlink(file).await
        ),
        0..=2 => {
            let made = c.touch(dir, name).await;
            files.extend(made);
            format!("create {made:?}")
        }
        3 | 4 => {
            let made = c.mkdir(&me, dir, name, 0o755, 0).await.map(|(ino, _)| ino);
            dirs.extend(made);
            format!("mkdir {made:?}")
        }
        5 => format!("symlink {:?}", c.symlink(&me, dir, name, name).await),
        6 => format!("link {:?}", c.link(&me, file, dir, name).await),
        7 => format!("unlink {:?}", c.unlink(&me, dir, name).await),
        8 => format!("rmdir {:?}", c.rmdir(&me, dir, name).await),
        9 | 10 => {
            let to = (*rng.pick(dirs), *rng.pick(names));
            let flags = rng.below(3) as u32;
            format!("rename {:?}", c.rename(&me, (dir, name), to, flags).await)
        }
        11 => {
            let (index, pos, len) = (
                rng.below(3) as u32,
                rng.below(1 << 20) as u32,
                1 + rng.below(1 << 20) as u32,
            );
            format!("write {:?}", c.put_slice(file, index, pos, len).await)
        }
        12 => format!(
            "truncate {:?}",
            c.truncate(&me, file, rng.below(3 * CHUNK_SIZE)).await
        ),
        13 => {
            let node = NewNode {
                kind: *rng.pick(&[FileType::Fifo, FileType::Socket, FileType::BlockDevice]),
                mode: 0o644,
                umask: 0o022,
                // More does not fit the columns of SQL servers.
                rdev: rng.below(1 << 31) as u32,
            };
            format!("mknod {:?}", c.mknod(&me, dir, name, node).await)
        }
        // PostgreSQL stores names of attributes as text.
        14..=16 if std::str::from_utf8(name).is_err() => "no attribute of this name".to_string(),
        14 | 15 => {
            let how = *rng.pick(&[SetXattr::Any, SetXattr::Create, SetXattr::Replace]);
            let value = *rng.pick(&[&b""[..], b"v", b"\0\xff"]);
            format!("setxattr {:?}", c.set_xattr(file, name, value, how).await)
        }
        16 => format!(
            "removexattr {:?}, left {:?}",
            c.remove_xattr(file, name).await,
            c.list_xattrs(file).await
        ),
        17 => {
            let mode = *rng.pick(&[0, 1, 3, 0x10, 0x11]);
            let (off, size) = (rng.below(2 * CHUNK_SIZE), 1 + rng.below(CHUNK_SIZE));
            let done = c.fallocate(&me, file, mode, off, size).await;
            format!("fallocate {done:?}")
        }
        18 => {
            let range = CopyRange {
                from: *rng.pick(files.get(..).filter(|f| !f.is_empty()).unwrap_or(&[Ino(9)])),
                from_off: rng.below(CHUNK_SIZE),
                to: file,
                to_off: rng.below(2 * CHUNK_SIZE),
                size: rng.below(2 * CHUNK_SIZE),
            };
            format!("copy {:?}", c.copy_file_range(range).await)
        }
        19 => {
            let kind = *rng.pick(&[AclKind::Access, AclKind::Default]);
            let (ino, rule) = (*rng.pick(&[dir, file]), rule_for(rng.below(4) as u16));
            format!("setfacl {:?}", c.set_acl(&me, ino, kind, &rule).await)
        }
        20 => {
            let kind = *rng.pick(&[LockType::Read, LockType::Write, LockType::Unlock]);
            let flock = c.flock(file, rng.below(3), kind).await;
            let start = rng.below(50);
            let record = LockRecord {
                kind,
                pid: 1,
                start,
                end: start + rng.below(20),
            };
            let range = LockRange {
                owner: rng.below(3),
                record,
            };
            format!("locks {flock:?} {:?}", c.setlk(file, range).await)
        }
        21 | 22 => {
            let Ok(Some(plan)) = c.plan_compaction(file, 0).await else {
                return "nothing to compact".into();
            };
            let id = c.new_slice_id().await.unwrap();
            format!("compact {:?}", c.commit_compaction(&plan, id).await)
        }
        _ => {
            let set = SetAttr {
                mode: Some(rng.below(0o10000) as u16),
                uid: Some(rng.below(9) as u32),
                ..SetAttr::default()
            };
            format!("setattr {:?}", c.setattr(&me, file, &set).await)
        }
    }
}
