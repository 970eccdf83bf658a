//! Making a volume, and its setting.

use crate::scratch_volume::*;
use jfs_meta::engine::*;
use jfs_meta::{Engine, EngineError};
use jfs_types::*;

#[tokio::test]
async fn looking_makes_no_file() {
    let bed = Bed::empty();
    assert_eq!(bed.engine.load_setting().await.unwrap(), None);
    let text = bed
        .engine
        .fetch(&[Key::Attr(Ino::ROOT)])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("meta.db") && text.contains("jfs format"),
        "{text}"
    );
    let text = attempt(&bed.engine, &[], &[new_node(5)])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("meta.db") && text.contains("jfs format"),
        "{text}"
    );
    assert!(!bed.path().exists());
}

#[tokio::test]
async fn a_file_that_is_something_else() {
    let bed = Bed::empty();
    std::fs::write(bed.path(), b"").unwrap();
    assert_eq!(bed.engine.load_setting().await.unwrap(), None);
    std::fs::write(bed.path(), [b'x'; 5000]).unwrap();
    let e = bed.another().load_setting().await.unwrap_err();
    assert!(
        matches!(&e, EngineError::Fatal(text) if text.contains("no SQLite database")),
        "{e}"
    );
}

#[tokio::test]
async fn a_volume_is_made_once() {
    let bed = Bed::new().await;
    write(&bed.engine, &[new_node(5), new_entry(Ino::ROOT, "a", 5)]).await;
    let again = bed
        .engine
        .create_volume(b"{\"n\":2}", &directory(), None, false)
        .await;
    assert!(is_conflict(&again));
    assert_eq!(bed.engine.load_setting().await.unwrap().unwrap(), b"{}");
    assert!(attr(&bed.engine, 5).await.is_some());

    // Tables of other programs stay, with any name.
    bed.raw()
        .execute_batch("CREATE TABLE jfs_P_node (a); INSERT INTO jfs_P_node VALUES (1)")
        .unwrap();
    bed.engine
        .create_volume(b"{\"n\":2}", &directory(), None, true)
        .await
        .unwrap();
    assert_eq!(
        bed.engine.load_setting().await.unwrap().unwrap(),
        b"{\"n\":2}"
    );
    assert_eq!(attr(&bed.engine, 5).await, None);
    assert_eq!(attr(&bed.engine, Ino::TRASH.0).await, None);
    assert_eq!(attr(&bed.engine, 1).await, Some(directory()));
    assert_eq!(
        bed.engine.lookup(Ino::ROOT, &name("a")).await.unwrap(),
        None
    );
    assert_eq!(
        bed.engine.reserve_ids(IdKind::Inode, 1, &[]).await.unwrap(),
        2..3
    );
    let theirs: i64 = bed
        .raw()
        .query_row("SELECT COUNT(*) FROM jfs_P_node", [], |r| r.get(0))
        .unwrap();
    assert_eq!(theirs, 1);
}

#[tokio::test]
async fn the_setting_is_replaced_by_comparing() {
    let bed = Bed::new().await;
    let json = "{\"Name\":\"ä\"}".as_bytes();
    bed.engine.store_setting(b"{}", json).await.unwrap();
    assert_eq!(bed.another().load_setting().await.unwrap().unwrap(), json);
    assert!(is_conflict(
        &bed.engine.store_setting(b"{}", b"{\"x\":1}").await
    ));
    assert_eq!(bed.engine.load_setting().await.unwrap().unwrap(), json);
    assert!(bed.engine.store_setting(json, &[0xff]).await.is_err());
}

/// A database in another journal mode is switched, as the reference client does.
#[tokio::test]
async fn the_log_is_switched_on() {
    let bed = Bed::new().await;
    bed.engine.shutdown().await.unwrap();
    bed.raw()
        .execute_batch("PRAGMA journal_mode = DELETE")
        .unwrap();
    let engine = bed.another();
    assert!(attr(&engine, 1).await.is_some());
    write(&engine, &[new_node(5)]).await;
    let mode: String = bed
        .raw()
        .query_row("PRAGMA journal_mode", [], |r| r.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}
