//! Lookups and directory pages.

use crate::scratch_volume::*;
use jfs_meta::Engine;
use jfs_meta::engine::*;
use jfs_types::*;
use std::collections::BTreeSet;

#[tokio::test]
async fn lookups() {
    let bed = Bed::new().await;
    let odd = [0xff, 0xfe, b'\n', b'%'];
    write(
        &bed.engine,
        &[
            new_node(5),
            new_entry(Ino::ROOT, odd, 5),
            new_entry(Ino::ROOT, "nowhere", 6),
        ],
    )
    .await;
    let (entry, attr) = bed
        .engine
        .lookup(Ino::ROOT, &name(odd))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (entry.ino, entry.kind, attr),
        (Ino(5), FileType::Regular, Some(file()))
    );
    let (entry, attr) = bed
        .engine
        .lookup(Ino::ROOT, &name("nowhere"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((entry.ino, attr), (Ino(6), None));
    assert_eq!(
        bed.engine
            .lookup(Ino::ROOT, &name("missing"))
            .await
            .unwrap(),
        None
    );
    assert_eq!(bed.engine.lookup(Ino(5), &name(odd)).await.unwrap(), None);
    let class: String = bed
        .raw()
        .query_row("SELECT typeof(name) FROM jfs_edge", [], |r| r.get(0))
        .unwrap();
    assert_eq!(
        class, "blob",
        "the reference client finds no name stored as text"
    );
}

/// More names than a page has, some removed and some added while the listing goes on.
#[tokio::test]
async fn pages_name_everything_that_stays() {
    const N: u64 = 4500;
    let bed = Bed::new().await;
    let dir = Ino(77);
    let mut writes: Vec<Write> = (0..N)
        .map(|n| new_entry(dir, format!("n{n:05}"), 1000 + n))
        .collect();
    writes.extend((0..N).filter(|n| n % 3 == 0).map(|n| new_node(1000 + n)));
    write(&bed.engine, &writes).await;
    for with_attrs in [false, true] {
        let mut names = Vec::new();
        let mut cursor = DirCursor::Start;
        let mut pages = 0;
        loop {
            let page = bed.engine.list_dir(dir, &cursor, with_attrs).await.unwrap();
            pages += 1;
            for e in page.entries {
                let n = e.entry.ino.0 - 1000;
                assert_eq!(e.name, name(format!("n{n:05}")));
                assert_eq!(e.attr.is_some(), with_attrs && n % 3 == 0);
                names.push(e.name);
            }
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
            // The name where the next page begins after goes away.
            if let (DirCursor::After(name), true) = (&cursor, with_attrs) {
                write(
                    &bed.engine,
                    &[Write::DelEntry {
                        dir,
                        name: name.clone(),
                    }],
                )
                .await;
            }
        }
        assert!(
            pages > 2 && names.len() == N as usize,
            "{pages} pages, {} names",
            names.len()
        );
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
    let empty = bed
        .engine
        .list_dir(Ino(78), &DirCursor::Start, true)
        .await
        .unwrap();
    assert!(empty.entries.is_empty() && empty.next.is_none());
    assert!(
        bed.engine
            .list_dir(dir, &DirCursor::Token(5), true)
            .await
            .is_err()
    );
}
