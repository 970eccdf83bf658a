//! The operations over the engine in memory, end to end: a first net under everything else.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_meta::memory::MemoryEngine;
use jfs_meta::{Engine, Meta, MetaConfig, SessionInfo, SetAttr, Work};
use jfs_types::*;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;

async fn client(engine: &MemoryEngine, trash_days: i64) -> (Arc<Meta>, Receiver<Work>) {
    let mut format = Format {
        name: "t".into(),
        uuid: "u".into(),
        block_size: 64,
        ..Format::default()
    };
    format.trash_days = trash_days;
    format.dir_stats = true;
    let mut root = Attr::new(FileType::Directory);
    (root.mode, root.parent) = (0o777, Ino::ROOT);
    let trash = Attr::new(FileType::Directory);
    let _ = engine
        .create_volume(format.to_json().as_bytes(), &root, Some(&trash), false)
        .await;
    let clock = Arc::new(SystemClock);
    let (meta, work) = Meta::new(
        Arc::new(engine.clone()),
        format,
        MetaConfig::default(),
        clock,
        Arc::new(SystemRand),
    );
    meta.new_session(&SessionInfo::default()).await.unwrap();
    (meta, work)
}

fn slice(id: u64, pos: u32, len: u32) -> SliceRecord {
    SliceRecord {
        pos,
        id: SliceId(id),
        size: len,
        off: 0,
        len,
    }
}

#[tokio::test]
async fn a_file_lives_and_goes() {
    let engine = MemoryEngine::new();
    let (meta, mut work) = client(&engine, 0).await;
    let me = Caller::root();
    let (ino, attr) = meta
        .create(&me, Ino::ROOT, b"f", 0o644, 0o022)
        .await
        .unwrap();
    assert_eq!((attr.mode, attr.nlink), (0o644, 1));
    assert_eq!(
        meta.create(&me, Ino::ROOT, b"f", 0o644, 0).await,
        Err(Errno::EEXIST)
    );
    let id = meta.new_slice_id().await.unwrap();
    let attr = meta
        .write_chunk(ino, 0, slice(id, 0, 5000), meta.now())
        .await
        .unwrap();
    assert_eq!(attr.length, 5000);
    assert_eq!(meta.read_chunk(ino, 0).await.unwrap().pieces.len(), 1);
    assert_eq!(meta.truncate(&me, ino, 100).await.unwrap().length, 100);
    assert_eq!(meta.read_chunk(ino, 0).await.unwrap().pieces.len(), 2);
    // Open: the inode outlives its name.
    meta.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(meta.getattr(ino).await.unwrap().nlink, 0);
    assert_eq!(meta.close(ino), Some(ino));
    meta.delete_sustained(ino).await.unwrap();
    assert_eq!(meta.getattr(ino).await, Err(Errno::ENOENT));
    assert_eq!(work.try_recv(), Ok(Work::DeleteFile { ino, length: 100 }));
    assert_eq!(meta.chunks_of_deleted(ino, 100).await.unwrap(), [0]);
    assert_eq!(meta.delete_chunk(ino, 0).await.unwrap(), [(id, 5000)]);
    assert_eq!(meta.delete_chunk(ino, 0).await.unwrap(), []);
    meta.forget_slice(id, 5000).await.unwrap();
    meta.finish_deleted(ino, 100).await.unwrap();
    let s = meta.statfs().await.unwrap();
    assert_eq!((s.used_inodes, s.avail_space), (0, 1 << 50));
}

#[tokio::test]
async fn directories_links_and_renames() {
    let engine = MemoryEngine::new();
    let (meta, _work) = client(&engine, 0).await;
    let me = Caller::root();
    let (a, _) = meta.mkdir(&me, Ino::ROOT, b"a", 0o755, 0).await.unwrap();
    let (b, _) = meta.mkdir(&me, a, b"b", 0o755, 0).await.unwrap();
    assert_eq!(meta.getattr(Ino::ROOT).await.unwrap().nlink, 3);
    assert_eq!(
        meta.rename(&me, (Ino::ROOT, b"a"), (b, b"x"), 0).await,
        Err(Errno::EINVAL)
    );
    assert_eq!(
        meta.rmdir(&me, Ino::ROOT, b"a").await,
        Err(Errno::ENOTEMPTY)
    );
    let (f, _) = meta.create(&me, b, b"f", 0o644, 0).await.unwrap();
    meta.close(f);
    let attr = meta.link(&me, f, Ino::ROOT, b"g").await.unwrap();
    assert_eq!((attr.nlink, attr.parent), (2, Ino(0)));
    meta.rename(&me, (b, b"f"), (a, b"f2"), 0).await.unwrap();
    meta.unlink(&me, Ino::ROOT, b"g").await.unwrap();
    let (found, attr) = meta.lookup(&me, a, b"f2").await.unwrap();
    assert_eq!((found, attr.nlink, attr.parent), (f, 1, Ino(0)));
    meta.rename(&me, (a, b"b"), (Ino::ROOT, b"b"), 0)
        .await
        .unwrap();
    assert_eq!(meta.getattr(b).await.unwrap().parent, Ino::ROOT);
    assert_eq!(meta.getattr(a).await.unwrap().nlink, 2);
    assert_eq!(meta.getattr(Ino::ROOT).await.unwrap().nlink, 4);
    let (l, attr) = meta.symlink(&me, a, b"l", b"../x").await.unwrap();
    assert_eq!(
        (attr.length, &meta.readlink(l).await.unwrap()[..]),
        (4, &b"../x"[..])
    );
    let page = meta
        .readdir(&me, a, &Default::default(), true)
        .await
        .unwrap();
    assert_eq!(page.entries.len(), 2);
    let set = SetAttr {
        mode: Some(0o600),
        ..SetAttr::default()
    };
    assert_eq!(meta.setattr(&me, f, &set).await.unwrap().mode, 0o600);
}

#[tokio::test]
async fn removed_things_go_to_the_trash() {
    let engine = MemoryEngine::new();
    let (meta, mut work) = client(&engine, 1).await;
    let me = Caller::root();
    let (f, _) = meta.create(&me, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    meta.close(f);
    meta.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    let (hour, attr) = {
        let page = meta
            .readdir(&me, Ino::TRASH, &Default::default(), true)
            .await
            .unwrap();
        (
            page.entries[0].entry.ino,
            page.entries[0].attr.clone().unwrap(),
        )
    };
    assert_eq!(
        (hour, attr.mode, attr.nlink),
        (Ino(Ino::TRASH.0 + 1), 0o555, 2)
    );
    let (ino, attr) = meta
        .lookup(&me, hour, format!("1-{f}-f").as_bytes())
        .await
        .unwrap();
    assert_eq!((ino, attr.parent), (f, hour));
    assert!(work.try_recv().is_err());
    assert_eq!(
        meta.create(&me, hour, b"no", 0o644, 0).await,
        Err(Errno::EPERM)
    );
    // Nothing has expired yet.
    assert!(meta.expired_trash_hours().await.unwrap().is_empty());
}
