//! Rows that older, newer or broken clients left.

use crate::scratch_volume::*;
use jfs_meta::engine::*;
use jfs_meta::{Engine, EngineError};
use jfs_types::*;

#[tokio::test]
async fn nulls_are_zeros() {
    let bed = Bed::new().await;
    write(&bed.engine, &[new_node(5)]).await;
    let sql = "UPDATE jfs_node SET rdev = NULL, parent = NULL, access_acl_id = NULL, default_acl_id = NULL, \
        tier_id = NULL WHERE inode = 5";
    bed.raw().execute(sql, []).unwrap();
    let read = attr(&bed.engine, 5).await.unwrap();
    assert_eq!(
        read,
        Attr {
            parent: Ino(0),
            ..file()
        }
    );
    // The commit compares what it reads again with what it saw: NULLs are no change.
    write(&bed.another(), &[new_node(6)]).await;
    let put = Write::PutAttr {
        ino: Ino(5),
        attr: read,
    };
    attempt(&bed.engine, &[own(Key::Attr(Ino(5)))], &[put])
        .await
        .unwrap();
}

#[tokio::test]
async fn columns_of_a_later_client_survive() {
    let bed = Bed::new().await;
    write(&bed.engine, &[new_node(5), new_entry(Ino::ROOT, "a", 5)]).await;
    bed.raw()
        .execute_batch(
            "ALTER TABLE jfs_node ADD later TEXT; ALTER TABLE jfs_edge ADD later TEXT; \
             UPDATE jfs_node SET later = 'n'; UPDATE jfs_edge SET later = 'e'",
        )
        .unwrap();
    let entry = Entry {
        kind: FileType::Regular,
        ino: Ino(5),
    };
    let writes = [
        Write::PutAttr {
            ino: Ino(5),
            attr: Attr { nlink: 2, ..file() },
        },
        Write::ReplaceEntry {
            dir: Ino::ROOT,
            name: name("a"),
            entry,
        },
        new_node(6),
    ];
    write(&bed.engine, &writes).await;
    let text = |sql: &str| {
        bed.raw()
            .query_row(sql, [], |r| r.get::<_, Option<String>>(0))
            .unwrap()
    };
    assert_eq!(
        text("SELECT later FROM jfs_node WHERE inode = 5").as_deref(),
        Some("n")
    );
    assert_eq!(
        text("SELECT later FROM jfs_edge WHERE inode = 5").as_deref(),
        Some("e")
    );
    assert_eq!(text("SELECT later FROM jfs_node WHERE inode = 6"), None);
}

/// A volume of an old client: columns and tables are missing until the first writer adds them.
#[tokio::test]
async fn old_volumes_are_completed() {
    let bed = Bed::new().await;
    let before = schema(&bed);
    bed.raw()
        .execute_batch(
            "ALTER TABLE jfs_node DROP COLUMN tier_id; ALTER TABLE jfs_node DROP COLUMN default_acl_id; \
             ALTER TABLE jfs_node DROP COLUMN ctimensec; DROP TABLE jfs_change_log; DROP TABLE jfs_acl; \
             DROP INDEX IDX_jfs_edge_inode; CREATE TABLE jfs_session (sid INTEGER, heartbeat INTEGER, info BLOB)",
        )
        .unwrap();
    let engine = bed.another();
    engine.prepare_writes().await.unwrap();
    assert_eq!(
        attr(&engine, 1).await,
        Some(Attr {
            ctime: Time {
                nsec: 123_456_000,
                ..NOW
            },
            ..directory()
        })
    );
    let after = schema(&bed);
    for (name, sql) in &before {
        let now = after
            .iter()
            .find(|(n, _)| n == name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        // The order of the node's columns is another one now.
        assert!(name == "jfs_node" || now.1 == *sql, "{now:?}");
    }
    engine.trips().enable(true);
    engine.prepare_writes().await.unwrap();
    let trips = engine.trips().take();
    assert!(
        trips.iter().all(|t| t.what.starts_with("SELECT")),
        "nothing left to do: {trips:?}"
    );
}

pub(crate) fn schema(bed: &Bed) -> Vec<(String, Option<String>)> {
    let c = bed.raw();
    let mut s = c
        .prepare("SELECT name, sql FROM sqlite_master ORDER BY name")
        .unwrap();
    let rows = s.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn broken_rows_are_named_and_never_panic() {
    let bed = Bed::new().await;
    let record = SliceRecord {
        pos: 0,
        id: SliceId(1),
        size: 1,
        off: 0,
        len: 1,
    };
    let writes = [
        new_node(5),
        new_entry(Ino::ROOT, "a", 5),
        Write::AppendSlice {
            ino: Ino(5),
            index: 0,
            record,
        },
        Write::NewSlice { id: 3, size: 1 },
        Write::NewDirStat { dir: Ino(5) },
    ];
    write(&bed.engine, &writes).await;
    let edge = || Key::Entry(Ino::ROOT, name("a"));
    for (break_it, mend, key, named) in [
        (
            "UPDATE jfs_node SET type = 99",
            "UPDATE jfs_node SET type = 1",
            Key::Attr(Ino(5)),
            "node 5",
        ),
        (
            "UPDATE jfs_node SET flags = 300",
            "UPDATE jfs_node SET flags = 0",
            Key::Attr(Ino(5)),
            "node 5",
        ),
        (
            "UPDATE jfs_node SET uid = -1",
            "UPDATE jfs_node SET uid = 0",
            Key::Attr(Ino(5)),
            "node 5",
        ),
        (
            "UPDATE jfs_node SET mtime = 'x'",
            "UPDATE jfs_node SET mtime = 0",
            Key::Attr(Ino(5)),
            "node 5",
        ),
        (
            "UPDATE jfs_edge SET type = 0",
            "UPDATE jfs_edge SET type = 1",
            edge(),
            "edge \"a\" in 1",
        ),
        (
            "UPDATE jfs_edge SET inode = x'00'",
            "UPDATE jfs_edge SET inode = 5",
            edge(),
            "edge \"a\" in 1",
        ),
        (
            "UPDATE jfs_chunk SET slices = 5",
            "SELECT 1",
            Key::Chunk(Ino(5), 0),
            "chunk 0 of 5",
        ),
        (
            "UPDATE jfs_chunk_ref SET refs = 'x'",
            "SELECT 1",
            Key::SliceUsers(3, 1),
            "chunk_ref 3",
        ),
        (
            "UPDATE jfs_dir_stats SET used_space = 'x'",
            "SELECT 1",
            Key::DirStat(Ino(5)),
            "dir_stats 5",
        ),
        (
            "UPDATE jfs_counter SET value = 'x'",
            "SELECT 1",
            Key::Counter(Counter::UsedSpace),
            "counter usedSpace",
        ),
    ] {
        bed.raw().execute_batch(break_it).unwrap();
        match bed.engine.fetch(&[key]).await {
            Err(EngineError::Corrupt { record, .. }) => assert_eq!(record, named),
            other => panic!("{break_it}: {other:?}"),
        }
        bed.raw().execute_batch(mend).unwrap();
    }
    bed.raw()
        .execute_batch("UPDATE jfs_edge SET type = 77")
        .unwrap();
    // A listing shows the name, and nothing behind it.
    let start = DirCursor::Start;
    let page = bed.engine.list_dir(Ino::ROOT, &start, true).await.unwrap();
    assert_eq!(page.entries, [DirEntry::unreadable(name("a"))]);
    for result in [
        bed.engine.lookup(Ino::ROOT, &name("a")).await.map(|_| ()),
        attempt(&bed.engine, &[hold(edge())], &[new_node(8)])
            .await
            .map(|_| ()),
    ] {
        assert!(
            matches!(result, Err(EngineError::Corrupt { .. })),
            "{result:?}"
        );
    }
}

/// A scan names rows that do not decode, and finds the others.
#[tokio::test]
async fn scans_name_odd_rows() {
    let bed = Bed::new().await;
    let entry = |name, ino| new_entry(Ino::ROOT, name, ino);
    write(
        &bed.engine,
        &[new_node(5), new_node(6), entry("a", 5), entry("b", 6)],
    )
    .await;
    bed.raw()
        .execute_batch(
            "UPDATE jfs_node SET type = 99 WHERE inode = 5; UPDATE jfs_edge SET type = 0 WHERE inode = 5; \
             UPDATE jfs_edge SET name = CAST(name AS TEXT) WHERE inode = 6; \
             INSERT INTO jfs_chunk_ref (chunkid, size, refs) VALUES (7, -1, 1), (8, 1, 1)",
        )
        .unwrap();
    let scan = async |kind| {
        let page = bed.engine.scan(&ScanCursor::start(kind)).await.unwrap();
        assert_eq!(page.next, None);
        let unreadable = page.unreadable.into_iter().map(|u| u.record);
        (page.records, unreadable.collect::<Vec<_>>())
    };
    let (inodes, unreadable) = scan(ScanKind::Inodes).await;
    // The root, the trash and inode 6.
    assert_eq!((inodes.len(), unreadable), (3, vec!["node 5".to_string()]));
    let (entries, unreadable) = scan(ScanKind::Entries).await;
    assert_eq!(unreadable, ["edge 1"]);
    let found = Record::Entry {
        dir: Ino::ROOT,
        name: name("b"),
        entry: Entry {
            kind: FileType::Regular,
            ino: Ino(6),
        },
    };
    assert_eq!(entries, [found]);
    let (slices, unreadable) = scan(ScanKind::SliceUsers).await;
    assert_eq!(
        (slices.len(), unreadable),
        (1, vec!["chunk_ref 7".to_string()])
    );
}
