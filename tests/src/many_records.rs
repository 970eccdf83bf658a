//! Records of every kind that can be scanned, by number: what is stored, how, and how it goes again.

use crate::volume::START;
use jfs_meta::Engine;
use jfs_meta::engine::{
    Delayed, Deleted, DirQuota, DirStat, Record, ScanKind, SessionRecord, Write,
};
use jfs_meta::wire::{encode_delayed, encode_record};
use jfs_types::{AclEntry, AclRule, Attr, Entry, FileType, Ino, Name, SliceId, SliceRecord, Time};
use std::ops::Range;

/// Writes of one commit.
const BATCH: usize = 500;
/// Numbers below this one share a directory, an inode or a session, so that it is a large one.
const SHARED: u64 = 2600;
/// Numbers of large extended attributes, which have 60,000 bytes each.
const LARGE: Range<u64> = 2600..2700;

/// The records of number `n` of `kind`. Some need records of other kinds beside them.
pub fn records(kind: ScanKind, n: u64) -> Vec<Record> {
    let entry = |ino| Entry {
        kind: FileType::Regular,
        ino,
    };
    let one = match kind {
        ScanKind::Inodes => Record::Inode {
            ino: Ino(1_000_000 + n),
            attr: attr(n),
        },
        ScanKind::Entries => Record::Entry {
            dir: Ino(if n < SHARED { 50 } else { 60 + n % 40 }),
            name: Name::stored(format!("e{n}\u{fc}").as_bytes()),
            entry: entry(Ino(1_000_000 + n)),
        },
        ScanKind::Chunks => Record::Chunk {
            ino: Ino(2_000_000 + n / 2),
            index: (n % 2 * 3) as u32,
            slices: encode_record(&slice(n)).to_vec().into(),
        },
        ScanKind::SliceUsers => Record::SliceUsers {
            id: 3_000_000 + n,
            size: 4096,
            users: 2,
        },
        ScanKind::Symlinks => Record::Symlink {
            ino: Ino(4_000_000 + n),
            target: format!("t{n}").into(),
        },
        ScanKind::Xattrs => Record::Xattr {
            ino: Ino(if n < SHARED { 5_000_000 } else { 5_000_000 + n }),
            name: format!("user.a{n}").into(),
            value: match LARGE.contains(&n) {
                true => vec![n as u8; 60_000].into(),
                false => format!("v{n}").into(),
            },
        },
        ScanKind::Parents => {
            let ino = Ino(6_000_000 + n);
            let mut attr = attr(n);
            (attr.parent, attr.nlink) = (Ino(0), 3);
            let names = [(70, "a"), (71, "b"), (71, "c")];
            let names = names.map(|(dir, name)| Record::Entry {
                dir: Ino(dir),
                name: Name::stored(format!("{name}{n}").as_bytes()),
                entry: entry(ino),
            });
            let counts = [(70, 1), (71, 2)].map(|(parent, count)| Record::Parent {
                ino,
                parent: Ino(parent),
                count,
            });
            let mut all = vec![Record::Inode { ino, attr }];
            all.extend(names);
            all.extend(counts);
            return all;
        }
        ScanKind::Sustained => Record::Sustained {
            sid: if n < SHARED { 7 } else { 8 + n },
            ino: Ino(7_000_000 + n),
        },
        ScanKind::Deleted => Record::Deleted(Deleted {
            ino: Ino(8_000_000 + n),
            length: n * 10,
            time: START.sec,
        }),
        ScanKind::Delayed => Record::Delayed(Delayed {
            id: 9_000_000 + n,
            time: 1000 + n as i64,
            entries: encode_delayed(&[(n, 1), (n + 1, 2)]).into(),
        }),
        ScanKind::Sessions => Record::Session(SessionRecord {
            sid: 100 + n,
            expire: 5000 + n as i64,
            info: format!("{{\"n\":{n}}}").into(),
        }),
        ScanKind::DirStats => Record::DirStat {
            dir: Ino(10_000_000 + n),
            stat: DirStat {
                length: n as i64,
                space: 4096,
                inodes: 1,
            },
        },
        ScanKind::Quotas => Record::Quota {
            dir: Ino(11_000_000 + n),
            quota: DirQuota {
                max_space: 1 << 40,
                max_inodes: n as i64,
                used_space: n as i64 * 2,
                used_inodes: -1,
            },
        },
        ScanKind::Acls => Record::Acl {
            id: n as u32 + 1,
            rule: AclRule {
                owner: 7,
                named_users: vec![AclEntry {
                    id: n as u32,
                    perm: 6,
                }],
                ..AclRule::empty()
            },
        },
    };
    vec![one]
}

/// Stores the records of the numbers `range` of `kind`. ACL rules get the numbers that [`records`] says when
/// they are stored first, and in order.
pub async fn store(engine: &dyn Engine, kind: ScanKind, range: Range<u64>) {
    let mut writes = Vec::new();
    let mut stats = Vec::new();
    for record in range.flat_map(|n| records(kind, n)) {
        match record {
            Record::Inode { ino, attr } => writes.push(Write::NewNode { ino, attr }),
            Record::Entry { dir, name, entry } => {
                writes.push(Write::NewEntry { dir, name, entry });
            }
            Record::Chunk { ino, index, slices } => {
                let records = jfs_meta::wire::decode_records(&slices).unwrap();
                writes.extend(records.into_iter().map(|record| Write::AppendSlice {
                    ino,
                    index,
                    record,
                }));
            }
            Record::SliceUsers { id, size, users } => {
                let delta = users - 1;
                writes.push(Write::NewSlice { id, size });
                writes.push(Write::AddSliceUsers { id, size, delta });
            }
            Record::Symlink { ino, target } => {
                let target = target.to_vec();
                writes.push(Write::NewSymlink { ino, target });
            }
            Record::Xattr { ino, name, value } => {
                writes.push(Write::PutXattr { ino, name, value });
            }
            Record::Parent { ino, parent, count } => writes.push(Write::AddParent {
                ino,
                parent,
                delta: count,
            }),
            Record::Sustained { sid, ino } => writes.push(Write::Sustain { sid, ino }),
            Record::Deleted(Deleted { ino, length, .. }) => {
                writes.push(Write::MarkDeleted { ino, length });
            }
            Record::Delayed(Delayed { id, time, entries }) => {
                writes.push(Write::Delay { id, time, entries });
            }
            Record::DirStat { dir, stat } => {
                writes.push(Write::NewDirStat { dir });
                stats.push((dir, stat));
            }
            Record::Session(SessionRecord { sid, expire, info }) => {
                let info = String::from_utf8(info).unwrap();
                engine.refresh_session(sid, expire, &info).await.unwrap();
            }
            Record::Quota { dir, quota } => engine.put_quota(dir, quota).await.unwrap(),
            Record::Acl { id, rule } => assert_eq!(engine.add_acl(&rule, &[]).await.unwrap(), id),
        }
    }
    commit(engine, &writes).await;
    for stats in stats.chunks(BATCH) {
        assert_eq!(engine.add_dir_stats(stats).await.unwrap(), []);
    }
}

/// Removes what [`store`] has stored, ACL rules excepted.
pub async fn remove(engine: &dyn Engine, kind: ScanKind, range: Range<u64>) {
    let gone = |record| match record {
        Record::Inode { ino, .. } => Some(Write::DelNode { ino }),
        Record::Entry { dir, name, .. } => Some(Write::DelEntry { dir, name }),
        Record::Chunk { ino, index, .. } => Some(Write::DelChunk { ino, index }),
        Record::SliceUsers { id, size, .. } => Some(Write::ForgetSlice { id, size }),
        Record::Symlink { ino, .. } => Some(Write::DelSymlink { ino }),
        Record::Xattr { ino, name, .. } => Some(Write::DelXattr { ino, name }),
        Record::Parent { ino, .. } => Some(Write::DelParents { ino }),
        Record::Sustained { sid, ino } => Some(Write::Unsustain { sid, ino }),
        Record::Deleted(Deleted { ino, length, .. }) => Some(Write::ClearDeleted { ino, length }),
        Record::Delayed(Delayed { id, time, .. }) => Some(Write::DelDelayed { id, time }),
        Record::Session(SessionRecord { sid, .. }) => Some(Write::DelSession { sid }),
        Record::DirStat { dir, .. } | Record::Quota { dir, .. } => Some(Write::DelDirStat { dir }),
        Record::Acl { .. } => None,
    };
    let writes: Vec<Write> = range
        .flat_map(|n| records(kind, n))
        .filter_map(gone)
        .collect();
    commit(engine, &writes).await;
}

async fn commit(engine: &dyn Engine, writes: &[Write]) {
    for writes in writes.chunks(BATCH) {
        let attempt = engine.begin().await.unwrap();
        attempt.commit(writes, START).await.unwrap();
    }
}

fn attr(n: u64) -> Attr {
    let mut attr = Attr::new(FileType::Regular);
    (attr.mode, attr.nlink, attr.length) = (0o640, 1, n);
    attr.parent = Ino(50);
    attr.mtime = Time {
        sec: START.sec,
        nsec: n as u32,
    };
    attr
}

fn slice(n: u64) -> SliceRecord {
    SliceRecord {
        pos: 0,
        id: SliceId(3_500_000 + n),
        size: 4096,
        off: 0,
        len: 4096,
    }
}
