//! readdir: every name once or more, over page borders, while the directory changes.

use jfs_meta::engine::DirCursor;
use jfs_tests::volume::root;
use jfs_tests::{Client, Kind, Volume, on_every_engine};
use jfs_types::*;
use std::collections::BTreeMap;

on_every_engine! { pages, listing_errors, removal_while_listing }

/// Sizes around the pages of the engine in memory (100) and of SQLite (2000).
const SIZES: [usize; 10] = [0, 1, 99, 100, 101, 199, 200, 1999, 2000, 2001];

async fn fill(c: &Client, dir: Ino, from: usize, to: usize) {
    // Several at a time: the engines with a server wait less.
    let mut tasks = Vec::new();
    for n in from..to {
        let meta = c.meta.clone();
        tasks.push(tokio::spawn(async move {
            let name = format!("name-{n:06}");
            let (ino, _) = meta
                .create(&root(), dir, name.as_bytes(), 0o600, 0)
                .await
                .unwrap();
            meta.close(ino);
        }));
        if tasks.len() == 16 {
            for task in tasks.drain(..) {
                task.await.unwrap();
            }
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

async fn pages(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let d = c.dir(Ino::ROOT, b"d").await;
    let mut have = 0;
    for size in SIZES {
        fill(&c, d, have, size).await;
        have = size;
        let expected: Vec<Vec<u8>> = (0..size)
            .map(|n| format!("name-{n:06}").into_bytes())
            .collect();
        let mut names = c.names(d).await;
        names.dedup();
        assert_eq!(names, expected, "{size} names");
    }
    // With attributes, each with its own.
    let mut seen: BTreeMap<Vec<u8>, Ino> = BTreeMap::new();
    let mut cursor = DirCursor::Start;
    loop {
        let page = c.readdir(&root(), d, &cursor, true).await.unwrap();
        if let Some(DirCursor::After(last)) = &page.next {
            assert!(page.entries.is_sorted_by(|a, b| a.name < b.name));
            assert_eq!(page.entries.last().map(|e| &e.name), Some(last));
        }
        for e in page.entries {
            let attr = e.attr.unwrap();
            assert_eq!(
                (attr.kind, attr.mode, attr.parent),
                (e.entry.kind, 0o600, d)
            );
            seen.insert(e.name.as_bytes().to_vec(), e.entry.ino);
        }
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(seen.len(), have);
    for n in [0, 1, 500, 1999] {
        let name = format!("name-{n:06}").into_bytes();
        assert_eq!(c.lookup(&root(), d, &name).await.unwrap().0, seen[&name]);
    }
    let (some, none) = (seen.values().next().copied().unwrap(), Ino(999_999));
    let attrs = c.getattrs(&[none, some, d]).await.unwrap();
    let kinds: Vec<_> = attrs.iter().map(|a| a.as_ref().map(|a| a.kind)).collect();
    let (file, dir) = (FileType::Regular, FileType::Directory);
    assert_eq!(kinds, [None, Some(file), Some(dir)]);
    v.verify().await;
}

async fn listing_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let (d, _) = c
        .mkdir(&Caller::user(1, 1), Ino::ROOT, b"d", 0o311, 0)
        .await
        .unwrap();
    let list = |caller: Caller, dir| {
        let meta = c.meta.clone();
        async move {
            meta.readdir(&caller, dir, &DirCursor::Start, false)
                .await
                .map(|p| p.entries.len())
        }
    };
    assert_eq!(list(Caller::root(), f).await, Err(Errno::ENOTDIR));
    assert_eq!(list(Caller::root(), Ino(999_999)).await, Err(Errno::ENOENT));
    assert_eq!(list(Caller::user(2, 2), d).await, Err(Errno::EACCES));
    assert_eq!(list(Caller::root(), d).await, Ok(0));
    assert_eq!(list(Caller::root(), Ino::ROOT).await, Ok(2));
    v.verify().await;
}

/// rm -r while it lists: names that stay are seen, all are gone in the end.
async fn removal_while_listing(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let d = c.dir(Ino::ROOT, b"d").await;
    fill(&c, d, 0, 350).await;
    let mut cursor = DirCursor::Start;
    let mut kept = Vec::new();
    loop {
        let page = c.readdir(&root(), d, &cursor, false).await.unwrap();
        for e in &page.entries {
            if e.entry.ino.0 % 3 == 0 {
                kept.push(e.name.as_bytes().to_vec());
            } else {
                match c.unlink(&root(), d, e.name.as_bytes()).await {
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(e) => panic!("{e}"),
                }
            }
        }
        match page.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    kept.sort();
    kept.dedup();
    assert_eq!(c.names(d).await, kept);
    assert!((100..=130).contains(&kept.len()), "{}", kept.len());
    c.do_work().await;
    v.verify().await;
}
