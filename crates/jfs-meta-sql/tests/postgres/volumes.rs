//! Volumes: several in one database, older ones, and damaged ones.

use crate::server::*;
use jfs_meta::EngineError;
use jfs_meta::engine::*;
use jfs_types::*;

#[tokio::test]
async fn volumes_with_prefixes_share_a_database() {
    let (db, plain) = volume("").await;
    let other = open(&db, "&table_prefix=Ab_1").await;
    assert_eq!(other.load_setting().await.unwrap(), None);
    create(&*other).await;
    attempt(&*other, &[], &[new_node(10)]).await.unwrap();
    assert_eq!(attr(&*plain, 10).await, None);
    let found = server()
        .query(&db, "SELECT count(*) FROM \"jfs_Ab_1_node\"")
        .unwrap();
    assert_eq!(found, [["3"]]);
    let again = open(&db, "&table_prefix=Ab_1").await;
    assert_eq!(attr(&*again, 10).await, Some(file()));
}

/// A volume as an older client leaves it: read as far as it goes, and completed before the first write.
#[tokio::test]
async fn an_older_volume_is_completed() {
    let (db, engine) = volume("").await;
    let older = "ALTER TABLE jfs_node DROP COLUMN tier_id, DROP COLUMN atimensec; \
        DROP TABLE jfs_dir_quota; DROP TABLE jfs_acl; DROP INDEX \"IDX_jfs_edge_inode\"";
    server().execute(&db, older).unwrap();
    drop(engine);
    let engine = open(&db, "").await;
    assert!(engine.load_setting().await.unwrap().is_some());
    assert_eq!(engine.list_quotas().await.unwrap(), []);
    let early = engine.fetch(&[Key::Attr(Ino::ROOT)]).await.unwrap_err();
    assert!(early.to_string().contains("older version"), "{early}");
    let (a, b) = (open(&db, "").await, open(&db, "").await);
    let (a, b, c) = tokio::join!(
        a.prepare_writes(),
        b.prepare_writes(),
        engine.prepare_writes()
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok(), "{a:?} {b:?} {c:?}");
    assert!(attr(&*engine, 1).await.is_some());
    let index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'IDX_jfs_edge_inode'";
    assert_eq!(server().query(&db, index).unwrap(), [["1"]]);
    server().execute(&db, "DROP TABLE jfs_chunk").unwrap();
    let damaged = open(&db, "").await.load_setting().await.unwrap_err();
    assert!(
        damaged.to_string().contains("jfs_chunk is missing"),
        "{damaged}"
    );
}

#[tokio::test]
async fn a_volume_is_made_once() {
    let db = database();
    let (a, b) = (open(&db, "").await, open(&db, "").await);
    let root = directory();
    let (one, two) = tokio::join!(
        a.create_volume(b"{\"a\":1}", &root, None, false),
        b.create_volume(b"{\"b\":1}", &root, None, false)
    );
    let conflicts = [&one, &two]
        .into_iter()
        .filter(|r| matches!(r, Err(EngineError::Conflict)));
    assert_eq!(conflicts.count(), 1, "{one:?} {two:?}");
    let setting = a.load_setting().await.unwrap().unwrap();
    assert_eq!(setting.starts_with(b"{\"a\""), one.is_ok());
    b.create_volume(b"{\"c\":1}", &root, Some(&root), true)
        .await
        .unwrap();
    assert_eq!(
        a.load_setting().await.unwrap().as_deref(),
        Some(&b"{\"c\":1}"[..])
    );
    assert!(matches!(
        a.store_setting(b"{}", b"{\"d\":1}").await,
        Err(EngineError::Conflict)
    ));
    a.store_setting(b"{\"c\":1}", b"{\"d\":1}").await.unwrap();
}
