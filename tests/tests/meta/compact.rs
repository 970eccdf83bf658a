//! Compaction: the list, the users of its slices, and changes that come in between.

use super::copies::shown;
use super::faults::copy;
use jfs_meta::engine::{Attempt, Key, Write, hold};
use jfs_meta::{Compacted, Meta, Work};
use jfs_tests::volume::{root, slice};
use jfs_tests::{Fault, Faulty, Kind, Volume, on_every_engine};
use jfs_types::*;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

on_every_engine! {
    merging, with_a_trash, sparing_big_slices, changed_meanwhile, appended_meanwhile, changed_while_in_doubt, when_it_is_asked_for,
    copies_keep_their_slices, a_copy_under_way_sees_a_compaction, random_copies_and_compactions,
}

/// Compacts chunk 0 and returns the new slice and those that may be deleted.
async fn compact(c: &Meta, ino: Ino) -> Option<(u64, Vec<(u64, u32)>)> {
    let plan = c.plan_compaction(ino, 0).await.unwrap()?;
    let id = c.new_slice_id().await.unwrap();
    match c.commit_compaction(&plan, id).await.unwrap() {
        Compacted::Done(unused) => Some((id, unused)),
        Compacted::Changed => None,
    }
}

async fn merging(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.plan_compaction(f, 0).await, Ok(None));
    let a = c.put_slice(f, 0, 100, 1000).await.unwrap();
    assert_eq!(
        c.plan_compaction(f, 0).await,
        Ok(None),
        "one record is one already"
    );
    let b = c.put_slice(f, 0, 600, 1000).await.unwrap();
    c.truncate(&root(), f, 5000).await.unwrap();
    let before = c.getattr(f).await.unwrap();
    let (new, unused) = compact(&c, f).await.unwrap();
    assert_eq!(unused, [(a, 1000), (b, 1000)]);
    for (id, size) in unused {
        c.forget_slice(id, size).await.unwrap();
    }
    assert_eq!(shown(&c, f).await, [(100, new, 0, 1500)]);
    assert_eq!(c.getattr(f).await.unwrap(), before, "the file is as it was");
    let census = v.verify().await;
    assert_eq!(census.chunks[&(f, 0)], [slice(new, 100, 1500)]);
    assert!(census.unused.is_empty() && census.delayed.is_empty());
    assert_eq!(compact(&c, f).await, None);
}

async fn with_a_trash(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let a = c.put_slice(f, 0, 0, 1000).await.unwrap();
    c.copy_file_range(copy(f, 0, f, 2000, 500)).await.unwrap();
    c.copy_file_range(copy(f, 1000, f, 3000, 10)).await.unwrap();
    let (new, unused) = compact(&c, f).await.unwrap();
    assert_eq!(unused, []);
    let census = v.verify().await;
    // Twice the slice, and nothing for zeros.
    let entries = jfs_meta::wire::encode_delayed(&[(a, 1000), (a, 1000)]);
    assert_eq!(census.delayed.len(), 1);
    assert_eq!(
        (census.delayed[0].id, &census.delayed[0].entries[..]),
        (new, &entries[..])
    );
    v.clock.advance(Duration::from_secs(25 * 3600));
    let delayed = c.expired_delayed(10).await.unwrap();
    assert_eq!(c.release_delayed(&delayed[0]).await.unwrap(), [(a, 1000)]);
    c.forget_slice(a, 1000).await.unwrap();
    v.verify().await;
}

async fn sparing_big_slices(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let mut expected = Vec::new();
    for n in 0..3 {
        let id = c.put_slice(f, 0, n * (2 << 20), 2 << 20).await.unwrap();
        expected.push(slice(id, n * (2 << 20), 2 << 20));
    }
    for n in 0..4 {
        c.put_slice(f, 0, (6 << 20) + n * 10, 10).await.unwrap();
    }
    let (new, unused) = compact(&c, f).await.unwrap();
    assert_eq!(unused.len(), 4);
    for (id, size) in unused {
        c.forget_slice(id, size).await.unwrap();
    }
    expected.push(slice(new, 6 << 20, 40));
    assert_eq!(v.verify().await.chunks[&(f, 0)], expected);
}

/// Where an engine cannot tell, a list that was changed again may hold what the commit in doubt put there,
/// or have led to something that does: never said to be unused.
async fn changed_while_in_doubt(kind: Kind) {
    for fault in [Fault::Lost, Fault::Dropped] {
        let v = Volume::new(kind, 1).await;
        let faulty = Arc::new(Faulty::new(v.db.connect().await));
        let (c, other) = (v.client_over(faulty.clone()).await, v.client().await);
        let f = c.touch(Ino::ROOT, b"f").await.unwrap();
        c.put_slice(f, 0, 0, 10).await.unwrap();
        c.put_slice(f, 0, 5, 10).await.unwrap();
        let plan = c.plan_compaction(f, 0).await.unwrap().unwrap();
        faulty.fail_commit(1, fault);
        faulty.meanwhile(async move {
            other.put_slice(f, 0, 10, 10).await.unwrap();
            compact(&other, f).await.unwrap();
        });
        assert_eq!(c.commit_compaction(&plan, 900).await, Err(Errno::EIO));
        assert!(faulty.disarm());
        let census = v.verify().await;
        let delayed = jfs_meta::wire::decode_delayed(&census.delayed[0].entries).unwrap();
        let used = census.delayed.len() == 2 || delayed.iter().any(|(id, _)| *id == 900);
        assert_eq!(used, fault == Fault::Lost, "the trash has it");
    }
}

/// Another compaction, or the end of the file, makes the plan worthless.
async fn changed_meanwhile(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (c, other) = (v.client().await, v.client().await);
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.put_slice(f, 0, 0, 10).await.unwrap();
    c.put_slice(f, 0, 5, 10).await.unwrap();
    let plan = c.plan_compaction(f, 0).await.unwrap().unwrap();
    let (_, unused) = compact(&other, f).await.unwrap();
    for (id, size) in unused {
        other.forget_slice(id, size).await.unwrap();
    }
    assert_eq!(
        c.commit_compaction(&plan, 900).await,
        Ok(Compacted::Changed)
    );
    v.verify().await;
    c.put_slice(f, 0, 5, 10).await.unwrap();
    let plan = c.plan_compaction(f, 0).await.unwrap().unwrap();
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.do_work().await.len(), 2);
    assert_eq!(
        c.commit_compaction(&plan, 901).await,
        Ok(Compacted::Changed)
    );
    assert!(v.verify().await.chunks.is_empty());
}

/// What was appended after the plan stays, over the new slice.
async fn appended_meanwhile(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.put_slice(f, 0, 0, 10).await.unwrap();
    c.put_slice(f, 0, 5, 10).await.unwrap();
    let plan = c.plan_compaction(f, 0).await.unwrap().unwrap();
    let late = c.put_slice(f, 0, 2, 4).await.unwrap();
    let done = c.commit_compaction(&plan, 900).await.unwrap();
    let Compacted::Done(unused) = done else {
        panic!("{done:?}");
    };
    for (id, size) in unused {
        c.forget_slice(id, size).await.unwrap();
    }
    assert_eq!(
        shown(&c, f).await,
        [(0, 900, 0, 2), (2, late, 0, 4), (6, 900, 6, 9)]
    );
    v.verify().await;
}

async fn when_it_is_asked_for(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    for n in 0..99 {
        assert_eq!(c.work(), [], "{n} records");
        c.put_slice(f, 0, n * 10, 10).await.unwrap();
    }
    let wish = Work::Compact { ino: f, index: 0 };
    assert_eq!(c.work(), std::slice::from_ref(&wish));
    c.put_slice(f, 0, 0, 10).await.unwrap();
    assert_eq!(c.work(), []);
    c.read_chunk(f, 0).await.unwrap();
    assert_eq!(c.work(), [wish]);
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    for n in 0..4 {
        c.put_slice(g, 0, n * 10, 10).await.unwrap();
    }
    c.read_chunk(g, 0).await.unwrap();
    assert_eq!(c.work(), []);
}

/// The same where the copy locks the list: the compaction comes after it, and leaves the copied slice its user.
async fn a_compaction_waits_for_a_copy(v: &Volume, c: &Meta, f: Ino, copy: Box<dyn Attempt>) {
    let [(_, copied, ..), ..] = shown(c, f).await[..] else {
        panic!("no slices")
    };
    let mut compaction = Box::pin(compact(c, f));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut compaction);
    assert!(early.await.is_err(), "it does not wait");
    let used = Write::AddSliceUsers {
        id: copied,
        size: 1000,
        delta: 1,
    };
    copy.commit(&[used], v.clock_now()).await.unwrap();
    let (_, unused) = compaction.await.unwrap();
    assert!(unused.iter().all(|(id, _)| *id != copied), "{unused:?}");
}

/// The source of a copy is compacted: the slice loses one user of two and keeps its objects.
async fn copies_keep_their_slices(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    let a = c.put_slice(f, 0, 0, 1000).await.unwrap();
    let b = c.put_slice(f, 0, 500, 10).await.unwrap();
    c.copy_file_range(copy(f, 0, g, 0, 100)).await.unwrap();
    let (_, unused) = compact(&c, f).await.unwrap();
    assert_eq!(unused, [(b, 10)]);
    c.forget_slice(b, 10).await.unwrap();
    assert_eq!(shown(&c, g).await, [(0, a, 0, 100)]);
    v.verify().await;
}

/// The cause of lost data in version 1.4.2: a copy reads the list, a compaction takes the last users
/// of its slices, and the copy commits records of slices whose objects are gone. What a copy holds must
/// make that commit fail.
async fn a_copy_under_way_sees_a_compaction(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.put_slice(f, 0, 0, 1000).await.unwrap();
    c.put_slice(f, 0, 500, 10).await.unwrap();
    // The reads of a copy, as the operation does them.
    let mut attempt = v.engine.begin().await.unwrap();
    attempt
        .read(&[hold(Key::Attr(f)), hold(Key::Chunk(f, 0))])
        .await
        .unwrap();
    if kind.is_sql_server() {
        return a_compaction_waits_for_a_copy(&v, &c, f, attempt).await;
    }
    let (_, unused) = compact(&c, f).await.unwrap();
    assert_eq!(unused.len(), 2);
    let late = Write::AddSliceUsers {
        id: unused[0].0,
        size: unused[0].1,
        delta: 1,
    };
    let committed = attempt.commit(&[late], v.clock_now()).await;
    assert!(
        matches!(committed, Err(jfs_meta::EngineError::Conflict)),
        "{committed:?}"
    );
    for (id, size) in unused {
        c.forget_slice(id, size).await.unwrap();
    }
    v.verify().await;
}

/// Two clients copy, write and compact on two files; a slice that was let go is never named again, and
/// the users of all others are as many as the records.
async fn random_copies_and_compactions(kind: Kind) {
    for seed in 0..if kind == Kind::Memory { 30 } else { 6 } {
        let v = Volume::new(kind, 0).await;
        let first = v.client().await;
        let files = [
            first.touch(Ino::ROOT, b"f").await.unwrap(),
            first.touch(Ino::ROOT, b"g").await.unwrap(),
        ];
        let mut clients = vec![first];
        for _ in 0..2 {
            let engine = v.db.connect().await;
            clients.push(v.racing_client(engine).await);
        }
        let mut tasks = Vec::new();
        for (k, c) in clients.iter().enumerate() {
            let meta = c.meta.clone();
            let mut rng = jfs_tests::Rng::new(seed * 10 + k as u64);
            tasks.push(tokio::spawn(async move {
                let mut gone = Vec::new();
                for _ in 0..60 {
                    let (f, g) = (*rng.pick(&files), *rng.pick(&files));
                    match rng.below(4) {
                        0 => {
                            let id = meta.new_slice_id().await.unwrap();
                            let record = slice(id, rng.below(20_000) as u32, 1000);
                            meta.write_chunk(f, 0, record, meta.now()).await.unwrap();
                        }
                        1 | 2 => {
                            let to = 50_000 + rng.below(20_000);
                            let range = copy(f, rng.below(20_000), g, to, 5000);
                            meta.copy_file_range(range).await.unwrap();
                        }
                        _ => {
                            if let Some((_, unused)) = compact(&meta, f).await {
                                gone.extend(unused);
                            }
                        }
                    }
                }
                gone
            }));
        }
        let mut gone = HashSet::new();
        for task in tasks {
            for slice in task.await.unwrap() {
                assert!(gone.insert(slice), "{slice:?} was let go twice");
            }
        }
        let census = v.verify().await;
        for (key, users) in &census.slice_users {
            assert!(
                *users > 0 && !gone.contains(key),
                "{key:?} is used and gone"
            );
        }
        assert!(!gone.is_empty());
    }
}
