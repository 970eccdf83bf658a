//! Scans: what is stored is found, nothing else is, a printed position goes on anywhere, and changes
//! meanwhile hide nothing that stays.

use jfs_meta::Engine;
use jfs_meta::engine::{Record, SCAN_PAGE, SCAN_PAGE_BYTES, ScanCursor, ScanKind, ScanPage, Write};
use jfs_tests::many_records::{records, remove, store};
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;
use std::collections::BTreeSet;
use std::ops::Range;

on_every_engine! {
    what_is_stored_is_found, changes_meanwhile_hide_nothing, long_lists_end_a_page,
    an_empty_volume_is_scanned, positions_of_other_kinds_are_refused,
}

/// Records of a kind: more than two pages of any engine, and pages of one directory, inode and session.
fn many(kind: ScanKind) -> Range<u64> {
    match kind {
        ScanKind::Acls => 0..150,
        ScanKind::Sessions | ScanKind::Quotas => 0..1200,
        ScanKind::Parents => 0..1100,
        _ => 0..3000,
    }
}

/// The text of each record, as an element of sets.
fn texts(records: impl IntoIterator<Item = Record>) -> Vec<String> {
    records.into_iter().map(|r| format!("{r:?}")).collect()
}

/// One page, which is as large as pages may be.
async fn page(engine: &dyn Engine, from: &ScanCursor) -> ScanPage {
    let page = engine.scan(from).await.unwrap();
    assert_eq!(page.unreadable, []);
    assert!(page.records.iter().all(|r| r.kind() == from.kind()));
    // A page is full with the answer that fills it, and an answer is no larger than a page.
    let (records, bytes) = (page.records.len(), page.bytes());
    assert!(records < 2 * SCAN_PAGE, "{from}: {records} records");
    assert!(bytes < 2 * SCAN_PAGE_BYTES, "{from}: {bytes} bytes");
    assert!(page.next.as_ref() != Some(from), "{from} stands still");
    page
}

/// All records, each page by the other one of two clients, from a printed position. Also the number of
/// pages.
async fn scan(engines: [&dyn Engine; 2], kind: ScanKind) -> (Vec<Record>, usize) {
    let mut at = ScanCursor::start(kind);
    let mut found = Vec::new();
    for pages in 1.. {
        let page = page(engines[pages % 2], &at).await;
        found.extend(page.records);
        match page.next {
            None => return (found, pages),
            Some(next) => at = next.to_string().parse().unwrap(),
        }
    }
    unreachable!()
}

async fn what_is_stored_is_found(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let other = v.db.connect().await;
    let root = v.engine.fetch(&[jfs_meta::engine::Key::Attr(Ino::ROOT)]);
    let attr = root.await.unwrap().remove(0).into_attr().unwrap().unwrap();
    let root = Record::Inode {
        ino: Ino::ROOT,
        attr,
    };
    let mut expected = vec![root];
    for of in ScanKind::ALL {
        store(&*v.engine, of, many(of)).await;
        expected.extend(many(of).flat_map(|n| records(of, n)));
    }
    // A slice with one user has a record on some engines.
    let one_user = [Write::NewSlice { id: 77, size: 5 }];
    let attempt = v.engine.begin().await.unwrap();
    attempt.commit(&one_user, v.clock_now()).await.unwrap();
    if kind != Kind::Redis {
        expected.push(Record::SliceUsers {
            id: 77,
            size: 5,
            users: 1,
        });
    }
    for of in ScanKind::ALL {
        let (found, pages) = scan([&*v.engine, &*other], of).await;
        let found = texts(found);
        let expected = texts(expected.iter().filter(|r| r.kind() == of).cloned());
        if kind != Kind::Redis {
            assert_eq!(found.len(), expected.len(), "{of:?}: each record once");
        }
        let small = of == ScanKind::Acls && kind != Kind::Memory;
        assert!(pages > 1 || small, "{of:?}: {pages} pages");
        let (found, expected) = (BTreeSet::from_iter(found), BTreeSet::from_iter(expected));
        let missing: Vec<_> = expected.difference(&found).take(3).collect();
        let strange: Vec<_> = found.difference(&expected).take(3).collect();
        assert!(
            missing.is_empty() && strange.is_empty(),
            "{of:?}: {missing:?} are missing, {strange:?} are not stored"
        );
    }
}

/// Between two pages another client stores many records and removes others, so that hash tables of the
/// server grow and shrink.
async fn changes_meanwhile_hide_nothing(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let other = v.db.connect().await;
    for of in ScanKind::ALL {
        // The first and the last records of an order come and go, and those between.
        let (before, stays, behind) = (0..300, 300..2000, 2000..2600);
        let churns = !matches!(of, ScanKind::Acls | ScanKind::Sessions | ScanKind::Quotas);
        let stays = if churns { stays } else { 0..150 };
        if churns {
            store(&*v.engine, of, before.clone()).await;
        }
        store(&*v.engine, of, stays.clone()).await;
        let mut at = ScanCursor::start(of);
        let mut found = BTreeSet::new();
        for round in 0.. {
            let page = page(&*v.engine, &at).await;
            found.extend(texts(page.records));
            let Some(next) = page.next else { break };
            at = next;
            if churns {
                match round % 4 {
                    0 => remove(&*other, of, before.clone()).await,
                    1 => store(&*other, of, behind.clone()).await,
                    2 => remove(&*other, of, behind.clone()).await,
                    _ => store(&*other, of, before.clone()).await,
                }
            }
            assert!(round < 1000, "{of:?} does not end");
        }
        let stays = stays
            .flat_map(|n| records(of, n))
            .filter(|r| r.kind() == of);
        let missing: Vec<_> = texts(stays)
            .into_iter()
            .filter(|r| !found.contains(r))
            .collect();
        assert!(
            missing.is_empty(),
            "{of:?}: {} missing, {:?}",
            missing.len(),
            missing[0]
        );
    }
}

/// Lists of three megabytes: two of them end a page.
async fn long_lists_end_a_page(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let record = jfs_tests::volume::slice(5, 0, 10);
    let (ino, records) = (Ino(9), 125_000);
    for index in 0..4 {
        for _ in 0..records / 5000 {
            let append = Write::AppendSlice { ino, index, record };
            let attempt = v.engine.begin().await.unwrap();
            let writes = vec![append; 5000];
            let committed = attempt.commit(&writes, v.clock_now()).await;
            if kind == Kind::Mariadb {
                // A list has 2,730 records there: writers wait for its compaction.
                let full = committed.unwrap_err().to_string();
                assert!(full.contains("list of slices is full"), "{full}");
                return;
            }
            committed.unwrap();
        }
    }
    let (found, pages) = scan([&*v.engine, &*v.engine], ScanKind::Chunks).await;
    let list: Vec<u8> = jfs_meta::wire::encode_record(&record).repeat(records);
    assert_eq!((found.len(), pages), (4, 2));
    for (index, found) in (0..).zip(found) {
        let slices = list.clone().into();
        assert!(found == Record::Chunk { ino, index, slices });
    }
}

async fn an_empty_volume_is_scanned(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    for of in ScanKind::ALL {
        let (found, _) = scan([&*v.engine, &*v.engine], of).await;
        assert_eq!(found.len(), usize::from(of == ScanKind::Inodes), "{of:?}");
    }
}

async fn positions_of_other_kinds_are_refused(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    for of in ScanKind::ALL {
        for position in ["x00", "x00,x00,x00", "1,x00,1"] {
            let at: ScanCursor = format!("{}:{position}", of.name()).parse().unwrap();
            let error = v.engine.scan(&at).await.unwrap_err().to_string();
            assert!(error.contains(position), "{of:?}: {error}");
        }
    }
}
