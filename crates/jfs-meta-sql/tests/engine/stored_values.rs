//! Values as the columns hold them: storage classes that the reference client depends on, and locks by
//! session.

use crate::scratch_volume::*;
use jfs_meta::Engine;
use jfs_meta::engine::*;
use jfs_types::*;

/// The reference client finds no name that is stored as text, and no extended attribute whose name is
/// stored as bytes.
#[tokio::test]
async fn storage_classes() {
    let bed = Bed::new().await;
    let ino = Ino(7);
    let writes = [
        new_entry(Ino::ROOT, "plain", 7),
        new_node(7),
        Write::NewSymlink {
            ino,
            target: b"target".to_vec(),
        },
        Write::PutXattr {
            ino,
            name: "user.a".into(),
            value: "value".into(),
        },
    ];
    write(&bed.engine, &writes).await;
    bed.engine.new_session(NOW.sec, "{}", &[]).await.unwrap();
    for (column, class) in [
        ("name FROM jfs_edge", "blob"),
        ("target FROM jfs_symlink", "blob"),
        ("name FROM jfs_xattr", "text"),
        ("value FROM jfs_xattr", "blob"),
        ("info FROM jfs_session2", "blob"),
        ("name FROM jfs_counter", "text"),
        ("value FROM jfs_setting", "text"),
    ] {
        let (column, table) = column.split_once(' ').unwrap();
        let sql = format!("SELECT typeof({column}) {table}");
        let found: String = bed.raw().query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, class, "{column} {table}");
    }
}

/// A session is told its own locks, of both kinds, and of every inode.
#[tokio::test]
async fn locks_by_session() {
    let bed = Bed::new().await;
    let lock = |ino, kind, sid, owner, value: &'static [u8]| Write::PutLock {
        ino: Ino(ino),
        kind,
        sid,
        owner,
        value: value.into(),
    };
    let writes = [
        lock(5, LockKind::Flock, 1, 10, b"W"),
        lock(6, LockKind::Flock, 1, 10, b"R"),
        lock(6, LockKind::Flock, 2, 10, b"R"),
        lock(6, LockKind::Posix, 1, u64::MAX, b"ranges"),
        lock(7, LockKind::Posix, 2, 11, b"other"),
    ];
    write(&bed.engine, &writes).await;
    let row = |sid, owner, value: &'static [u8]| LockRow {
        sid,
        owner,
        value: value.into(),
    };
    let mut found = bed.engine.list_locks(1).await.unwrap();
    found.sort();
    assert_eq!(
        found,
        [
            (Ino(5), LockKind::Flock, row(1, 10, b"W")),
            (Ino(6), LockKind::Flock, row(1, 10, b"R")),
            (Ino(6), LockKind::Posix, row(1, u64::MAX, b"ranges")),
        ]
    );
    assert_eq!(bed.engine.list_locks(9).await.unwrap(), []);
}
