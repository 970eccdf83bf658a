//! Attributes, chunks, slices, removed files, statistics: what each write stores.

use crate::scratch_volume::*;
use bytes::Bytes;
use jfs_meta::Engine;
use jfs_meta::engine::*;
use jfs_meta::wire::encode_record;
use jfs_types::*;
use rusqlite::params;

fn record(id: u64) -> SliceRecord {
    SliceRecord {
        pos: 7,
        id: SliceId(id),
        size: 4096,
        off: 0,
        len: 4096,
    }
}

fn append(ino: u64, index: u32, id: u64) -> Write {
    Write::AppendSlice {
        ino: Ino(ino),
        index,
        record: record(id),
    }
}

#[tokio::test]
async fn attributes_keep_every_field() {
    let bed = Bed::new().await;
    let full = Attr {
        flags: 0x25,
        mode: 0o7654,
        uid: u32::MAX,
        gid: 5,
        atime: Time {
            sec: -5,
            nsec: 999_999_999,
        },
        mtime: Time { sec: 1, nsec: 1 },
        ctime: NOW,
        nlink: 3,
        length: 1 << 57,
        rdev: 0xfff0_1234,
        parent: Ino::TRASH,
        access_acl: 4,
        default_acl: 5,
        tier: 2,
        ..Attr::new(FileType::CharDevice)
    };
    write(
        &bed.engine,
        &[Write::NewNode {
            ino: Ino(5),
            attr: full.clone(),
        }],
    )
    .await;
    assert_eq!(attr(&bed.engine, 5).await, Some(full.clone()));
    let other = Attr {
        uid: 1,
        mtime: NOW,
        ..full
    };
    write(
        &bed.engine,
        &[Write::PutAttr {
            ino: Ino(5),
            attr: other.clone(),
        }],
    )
    .await;
    assert_eq!(attr(&bed.engine, 5).await, Some(other));
    let row: (i64, i64, i64) = bed
        .raw()
        .query_row(
            "SELECT mode, mtime, mtimensec FROM jfs_node WHERE inode = 5",
            [],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
        )
        .unwrap();
    assert_eq!(row, (0o7654, 1_800_000_000_123_456, 789));
}

/// Another client's create counts the same directory's links up without a lock.
#[tokio::test]
async fn link_counts_change_relatively() {
    let bed = Bed::new().await;
    let touched = Attr {
        nlink: 77,
        mtime: Time { sec: 5, nsec: 6 },
        ctime: Time { sec: 7, nsec: 8 },
        ..directory()
    };
    let touch = |nlink_delta, times| {
        [Write::TouchDir {
            ino: Ino::ROOT,
            attr: touched.clone(),
            nlink_delta,
            times,
        }]
    };
    bed.raw()
        .execute("UPDATE jfs_node SET nlink = 10 WHERE inode = 1", [])
        .unwrap();
    write(&bed.engine, &touch(1, false)).await;
    let now = attr(&bed.engine, 1).await.unwrap();
    assert_eq!((now.nlink, now.mtime, now.ctime), (11, NOW, NOW));
    write(&bed.engine, &touch(-2, true)).await;
    let now = attr(&bed.engine, 1).await.unwrap();
    assert_eq!(
        (now.nlink, now.mtime, now.ctime),
        (9, touched.mtime, touched.ctime)
    );
    assert_eq!(now.atime, NOW);
}

/// An append makes text of the value, with NULs inside; both classes are read, and counted right.
#[tokio::test]
async fn chunks_of_either_storage_class() {
    let bed = Bed::new().await;
    let key = || Key::Chunk(Ino(5), 3);
    assert_eq!(get(&bed.engine, key()).await, Answer::Bytes(None));
    for n in 1..=3 {
        assert_eq!(
            write(&bed.engine, &[append(5, 3, n)])
                .await
                .records_in_chunk,
            n
        );
    }
    let bytes: Vec<u8> = (1..=3).flat_map(|n| encode_record(&record(n))).collect();
    assert_eq!(
        get(&bed.engine, key()).await,
        Answer::Bytes(Some(Bytes::from(bytes.clone())))
    );
    for class in ["BLOB", "TEXT"] {
        let sql = format!("UPDATE jfs_chunk SET slices = CAST(? AS {class})");
        bed.raw().execute(&sql, [&bytes]).unwrap();
        let held: String = bed
            .raw()
            .query_row("SELECT typeof(slices) FROM jfs_chunk", [], |r| r.get(0))
            .unwrap();
        assert_eq!(held, class.to_lowercase());
        assert_eq!(
            get(&bed.engine, key()).await,
            Answer::Bytes(Some(Bytes::from(bytes.clone())))
        );
        assert_eq!(
            write(&bed.engine, &[append(5, 3, 4)])
                .await
                .records_in_chunk,
            4
        );
    }
}

/// One statement for each list, whatever lies between, and every list in the order of its records.
#[tokio::test]
async fn records_of_one_commit_are_appended_together() {
    let bed = Bed::new().await;
    let new = |id| Write::NewSlice { id, size: 4096 };
    let mut writes = Vec::new();
    for id in 1..=9 {
        writes.extend([append(5, id as u32 % 2, id), new(id)]);
    }
    // What is removed in between takes what came before, and no more.
    writes.push(Write::DelChunk {
        ino: Ino(5),
        index: 0,
    });
    writes.extend([append(5, 0, 10), append(5, 1, 11), append(5, 0, 12)]);
    bed.engine.trips().enable(true);
    assert_eq!(write(&bed.engine, &writes).await.records_in_chunk, 2);
    let trips = bed.engine.trips().take();
    let appends = trips.iter().filter(|t| t.what == "INSERT jfs_chunk");
    assert_eq!(appends.count(), 4);
    for (index, ids) in [(0, &[10, 12][..]), (1, &[1, 3, 5, 7, 9, 11])] {
        let bytes: Vec<u8> = ids
            .iter()
            .flat_map(|n| encode_record(&record(*n)))
            .collect();
        let list = get(&bed.engine, Key::Chunk(Ino(5), index)).await;
        assert_eq!(list, Answer::Bytes(Some(bytes.into())), "chunk {index}");
    }
}

#[tokio::test]
async fn appends_to_what_exists() {
    let bed = Bed::new().await;
    for index in [0, 2, 5, 9] {
        write(&bed.engine, &[append(5, index, 1), append(6, index, 1)]).await;
    }
    let to = Write::AppendToExisting {
        ino: Ino(5),
        from: 1,
        to: 9,
        record: record(0),
    };
    write(&bed.engine, &[to]).await;
    for (ino, index, records) in [(5, 0, 1), (5, 2, 2), (5, 5, 2), (5, 9, 1), (6, 5, 1)] {
        let Answer::Bytes(Some(bytes)) = get(&bed.engine, Key::Chunk(Ino(ino), index)).await else {
            panic!("chunk {index} of {ino} is missing");
        };
        assert_eq!(bytes.len(), 24 * records, "chunk {index} of {ino}");
    }
    assert_eq!(
        get(&bed.engine, Key::Chunk(Ino(5), 1)).await,
        Answer::Bytes(None)
    );
    assert_eq!(
        bed.engine.list_chunks(Ino(5), 0).await.unwrap(),
        [0, 2, 5, 9]
    );
    write(
        &bed.engine,
        &[Write::DelChunk {
            ino: Ino(5),
            index: 2,
        }],
    )
    .await;
    assert_eq!(bed.engine.list_chunks(Ino(5), 0).await.unwrap(), [0, 5, 9]);
}

#[tokio::test]
async fn users_of_slices() {
    let bed = Bed::new().await;
    let users = |delta| {
        [Write::AddSliceUsers {
            id: 9,
            size: 100,
            delta,
        }]
    };
    assert_eq!(
        get(&bed.engine, Key::SliceUsers(9, 100)).await,
        Answer::Number(0)
    );
    write(&bed.engine, &[Write::NewSlice { id: 9, size: 100 }]).await;
    assert_eq!(
        get(&bed.engine, Key::SliceUsers(9, 100)).await,
        Answer::Number(1)
    );
    assert_eq!(write(&bed.engine, &users(2)).await.unused_slices, []);
    assert_eq!(write(&bed.engine, &users(-2)).await.unused_slices, []);
    assert_eq!(bed.engine.list_unused_slices(10).await.unwrap(), []);
    // In use: not forgotten.
    write(&bed.engine, &[Write::ForgetSlice { id: 9, size: 100 }]).await;
    assert_eq!(
        get(&bed.engine, Key::SliceUsers(9, 100)).await,
        Answer::Number(1)
    );
    let twice = [users(-1), users(-1)].concat();
    assert_eq!(
        write(&bed.engine, &twice).await.unused_slices,
        [(9, 100)],
        "named once"
    );
    assert_eq!(bed.engine.list_unused_slices(10).await.unwrap(), [(9, 100)]);
    assert_eq!(bed.engine.list_unused_slices(0).await.unwrap(), []);
    write(&bed.engine, &[Write::ForgetSlice { id: 9, size: 100 }]).await;
    assert_eq!(bed.engine.list_unused_slices(10).await.unwrap(), []);
}

#[tokio::test]
async fn removed_files_wait_for_their_turn() {
    let bed = Bed::new().await;
    for (n, ino) in [(2, 30), (1, 31), (3, 32)] {
        let attempt = bed.engine.begin().await.unwrap();
        let at = Time {
            sec: 1000 + n,
            nsec: 5,
        };
        attempt
            .commit(
                &[Write::MarkDeleted {
                    ino: Ino(ino),
                    length: 10 * ino,
                }],
                at,
            )
            .await
            .unwrap();
    }
    let deleted = |ino: u64, time| Deleted {
        ino: Ino(ino),
        length: 10 * ino,
        time,
    };
    let all = bed.engine.list_deleted(1003, 10).await.unwrap();
    assert_eq!(all, [deleted(31, 1001), deleted(30, 1002)]);
    assert_eq!(
        bed.engine.list_deleted(1003, 1).await.unwrap(),
        [deleted(31, 1001)]
    );
    assert_eq!(
        get(&bed.engine, Key::Deleted(Ino(31), 310)).await,
        Answer::Flag(true)
    );
    assert_eq!(
        get(&bed.engine, Key::Deleted(Ino(31), 311)).await,
        Answer::Flag(false)
    );
    write(
        &bed.engine,
        &[Write::ClearDeleted {
            ino: Ino(31),
            length: 310,
        }],
    )
    .await;
    assert_eq!(
        get(&bed.engine, Key::Deleted(Ino(31), 310)).await,
        Answer::Flag(false)
    );
}

#[tokio::test]
async fn delayed_slices() {
    let bed = Bed::new().await;
    let insert = "INSERT INTO jfs_delslices (chunkid, deleted, slices) VALUES (?, ?, ?)";
    bed.raw()
        .execute(insert, params![8, 500, [1u8; 12]])
        .unwrap();
    bed.raw()
        .execute(insert, params![9, 400, [2u8; 24]])
        .unwrap();
    let all = bed.engine.list_delayed(501, 10).await.unwrap();
    assert_eq!(
        all.iter()
            .map(|d| (d.id, d.time, d.entries.len()))
            .collect::<Vec<_>>(),
        [(9, 400, 24), (8, 500, 12)]
    );
    assert_eq!(bed.engine.list_delayed(500, 10).await.unwrap().len(), 1);
    assert_eq!(
        get(&bed.engine, Key::Delayed(8, 500)).await,
        Answer::Bytes(Some(Bytes::from(vec![1; 12])))
    );
    assert_eq!(
        get(&bed.engine, Key::Delayed(8, 501)).await,
        Answer::Bytes(None)
    );
    write(&bed.engine, &[Write::DelDelayed { id: 9, time: 400 }]).await;
    assert_eq!(bed.engine.list_delayed(501, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn directory_statistics() {
    let bed = Bed::new().await;
    let d = |length, space, inodes| DirStat {
        length,
        space,
        inodes,
    };
    write(&bed.engine, &[Write::NewDirStat { dir: Ino(5) }]).await;
    assert_eq!(
        get(&bed.engine, Key::DirStat(Ino(5))).await,
        Answer::Stat(Some(d(0, 0, 0)))
    );
    let deltas = [
        (Ino(5), d(10, 4096, 1)),
        (Ino(6), d(1, 1, 1)),
        (Ino(5), d(-3, 0, 1)),
    ];
    assert_eq!(bed.engine.add_dir_stats(&deltas).await.unwrap(), [Ino(6)]);
    assert_eq!(
        get(&bed.engine, Key::DirStat(Ino(5))).await,
        Answer::Stat(Some(d(7, 4096, 2)))
    );
    bed.engine
        .put_dir_stat(Ino(6), d(1, 2, 3), &[])
        .await
        .unwrap();
    bed.engine
        .put_dir_stat(Ino(6), d(4, 5, 6), &[])
        .await
        .unwrap();
    assert_eq!(
        get(&bed.engine, Key::DirStat(Ino(6))).await,
        Answer::Stat(Some(d(4, 5, 6)))
    );
    bed.raw()
        .execute("INSERT INTO jfs_dir_quota VALUES (6, 1, 1, 1, 1)", [])
        .unwrap();
    assert_eq!(bed.engine.list_quotas().await.unwrap().len(), 1);
    write(&bed.engine, &[Write::DelDirStat { dir: Ino(6) }]).await;
    assert_eq!(
        get(&bed.engine, Key::DirStat(Ino(6))).await,
        Answer::Stat(None)
    );
    assert!(bed.engine.list_quotas().await.unwrap().is_empty());
}

#[tokio::test]
async fn links_symlinks_and_leftovers() {
    let bed = Bed::new().await;
    let engine = &bed.engine;
    for (dir, text) in [(3, "a"), (4, "b"), (3, "c")] {
        write(
            engine,
            &[
                new_entry(Ino(dir), text, 9),
                Write::AddParent {
                    ino: Ino(9),
                    parent: Ino(dir),
                    delta: 1,
                },
            ],
        )
        .await;
    }
    let parents = || get(engine, Key::Parents(Ino(9)));
    assert_eq!(
        parents().await,
        Answer::Parents(vec![(Ino(3), 2), (Ino(4), 1)])
    );
    write(
        engine,
        &[
            Write::DelEntry {
                dir: Ino(3),
                name: name("a"),
            },
            Write::DelParents { ino: Ino(8) },
        ],
    )
    .await;
    assert_eq!(
        parents().await,
        Answer::Parents(vec![(Ino(3), 1), (Ino(4), 1)])
    );
    let entry = Entry {
        kind: FileType::Fifo,
        ino: Ino(10),
    };
    write(
        engine,
        &[Write::ReplaceEntry {
            dir: Ino(3),
            name: name("c"),
            entry,
        }],
    )
    .await;
    assert_eq!(
        get(engine, Key::Entry(Ino(3), name("c"))).await,
        Answer::Entry(Some(entry))
    );
    assert_eq!(
        get(engine, Key::DirIsEmpty(Ino(3))).await,
        Answer::Flag(false)
    );
    assert_eq!(
        get(engine, Key::DirIsEmpty(Ino(9))).await,
        Answer::Flag(true)
    );

    let target = vec![0xff, b'/', 0x80];
    write(
        engine,
        &[Write::NewSymlink {
            ino: Ino(12),
            target: target.clone(),
        }],
    )
    .await;
    assert_eq!(
        get(engine, Key::Symlink(Ino(12))).await,
        Answer::Bytes(Some(target.into()))
    );
    bed.raw()
        .execute(
            "INSERT INTO jfs_xattr (inode, name, value) VALUES (12, 'user.x', x'00')",
            [],
        )
        .unwrap();
    write(
        engine,
        &[
            Write::DelSymlink { ino: Ino(12) },
            Write::DelXattrs { ino: Ino(12) },
            new_node(12),
        ],
    )
    .await;
    assert_eq!(
        get(engine, Key::Symlink(Ino(12))).await,
        Answer::Bytes(None)
    );
    let left: i64 = bed
        .raw()
        .query_row("SELECT COUNT(*) FROM jfs_xattr", [], |r| r.get(0))
        .unwrap();
    assert_eq!(left, 0);
    write(engine, &[Write::DelNode { ino: Ino(12) }]).await;
    assert_eq!(attr(engine, 12).await, None);
}

/// A directory and one of its names are read by one statement; every combination is told apart.
#[tokio::test]
async fn a_directory_and_its_entry_together() {
    let bed = Bed::new().await;
    write(
        &bed.engine,
        &[
            new_node(5),
            new_entry(Ino(5), "a", 9),
            new_entry(Ino(6), "a", 9),
        ],
    )
    .await;
    for (dir, text) in [(5, "a"), (5, "b"), (6, "a"), (6, "b")] {
        let (node, edge) = (Key::Attr(Ino(dir)), Key::Entry(Ino(dir), name(text)));
        let both = bed
            .engine
            .fetch(&[node.clone(), edge.clone()])
            .await
            .unwrap();
        let single = vec![get(&bed.engine, node).await, get(&bed.engine, edge).await];
        assert_eq!(both, single, "{dir} {text}");
    }
}
