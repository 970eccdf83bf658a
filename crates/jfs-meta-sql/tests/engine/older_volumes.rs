//! Volumes of older clients, opened by one that only reads.

use crate::scratch_volume::*;
use jfs_meta::Engine;
use jfs_meta::engine::*;
use jfs_types::*;

/// The missing parts of old volumes: columns of nodes, whole tables, an index.
const OLDER: &str = "ALTER TABLE jfs_node DROP COLUMN tier_id; \
    ALTER TABLE jfs_node DROP COLUMN access_acl_id; ALTER TABLE jfs_node DROP COLUMN default_acl_id; \
    ALTER TABLE jfs_node DROP COLUMN atimensec; ALTER TABLE jfs_node DROP COLUMN mtimensec; \
    ALTER TABLE jfs_node DROP COLUMN ctimensec; DROP TABLE jfs_change_log; DROP TABLE jfs_acl; \
    DROP TABLE jfs_dir_stats; DROP TABLE jfs_dir_quota; DROP TABLE jfs_session2; DROP INDEX IDX_jfs_edge_inode";

/// Nothing is added to the database by reading, and nothing is missed.
#[tokio::test]
async fn old_volumes_can_be_read_as_they_are() {
    let bed = Bed::new().await;
    write(&bed.engine, &[new_node(5), new_entry(Ino::ROOT, "a", 5)]).await;
    bed.engine.shutdown().await.unwrap();
    bed.raw().execute_batch(OLDER).unwrap();
    let before = crate::odd_rows::schema(&bed);

    let reader = bed.another();
    let micros = Time {
        nsec: 123_456_000,
        ..NOW
    };
    let old = Attr {
        atime: micros,
        mtime: micros,
        ctime: micros,
        ..file()
    };
    assert_eq!(reader.load_setting().await.unwrap().unwrap(), b"{}");
    assert_eq!(attr(&reader, 5).await.as_ref(), Some(&old));
    let found = reader.lookup(Ino::ROOT, &name("a")).await.unwrap();
    assert_eq!(found.unwrap().1.as_ref(), Some(&old));
    let page = reader.list_dir(Ino::ROOT, &DirCursor::Start, true).await;
    assert_eq!(page.unwrap().entries[0].attr.as_ref(), Some(&old));
    let stat = get(&reader, Key::DirStat(Ino::ROOT)).await;
    assert_eq!(stat, Answer::Stat(None));
    assert_eq!(get(&reader, Key::Acl(1)).await, Answer::Acl(None));
    assert_eq!(reader.list_quotas().await.unwrap(), []);
    assert_eq!(reader.list_sessions().await.unwrap(), []);
    assert_eq!(crate::odd_rows::schema(&bed), before);

    // Another client brings the volume up to date, and this one sees what it stores.
    let writer = bed.another();
    writer.prepare_writes().await.unwrap();
    let read = own(Key::Attr(Ino(5)));
    let new = Attr { tier: 2, ..file() };
    let (ino, put) = (Ino(5), new.clone());
    attempt(&writer, &[read], &[Write::PutAttr { ino, attr: put }])
        .await
        .unwrap();
    assert_eq!(attr(&reader, 5).await, Some(new));
    // And a client that has read before may begin to write.
    reader.prepare_writes().await.unwrap();
    let (dir, stat) = (Ino::ROOT, DirStat::default());
    reader.put_dir_stat(dir, stat, &[]).await.unwrap();
    let kept = get(&reader, Key::DirStat(dir)).await;
    assert_eq!(kept, Answer::Stat(Some(stat)));
}
