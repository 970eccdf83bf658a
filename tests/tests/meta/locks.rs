//! flock and POSIX record locks between clients.

use jfs_meta::engine::LockKind;
use jfs_meta::wire::{LockRecord, LockType, decode_locks};
use jfs_meta::{LockRange, Meta};
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;
use std::time::Duration;

on_every_engine! { flocks, posix_locks, finding_locks, waiting, sessions_let_go, lock_errors, one_holder, listing_locks }

use LockType::{Read, Unlock, Write};

fn range(owner: u64, kind: LockType, start: u64, end: u64) -> LockRange {
    let record = LockRecord {
        kind,
        pid: 100 + owner as u32,
        start,
        end,
    };
    LockRange { owner, record }
}

async fn flocks(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    let no = Err(Errno::EAGAIN);
    a.flock(f, 1, Read, false).await.unwrap();
    a.flock(f, 2, Read, false).await.unwrap();
    // The owner number alone does not make two clients one.
    b.flock(f, 1, Read, false).await.unwrap();
    assert_eq!(b.flock(f, 1, Write, false).await, no);
    a.flock(f, 1, Unlock, false).await.unwrap();
    a.flock(f, 2, Unlock, false).await.unwrap();
    b.flock(f, 1, Write, false).await.unwrap();
    b.flock(f, 1, Write, false).await.unwrap();
    assert_eq!(a.flock(f, 1, Read, false).await, no);
    assert_eq!(b.flock(f, 2, Read, false).await, no);
    let census = v.verify().await;
    let rows = &census.locks[&(f, LockKind::Flock)];
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].sid, rows[0].owner, &rows[0].value[..]),
        (2, 1, &b"W"[..])
    );
    // To a shared one without letting go.
    b.flock(f, 1, Read, false).await.unwrap();
    a.flock(f, 1, Read, false).await.unwrap();
    for (c, owner) in [(&a, 1), (&b, 1), (&b, 7)] {
        c.flock(f, owner, Unlock, false).await.unwrap();
    }
    assert!(v.verify().await.locks.is_empty());
}

async fn posix_locks(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    let no = Err(Errno::EAGAIN);
    a.setlk(f, range(1, Write, 10, 19), false).await.unwrap();
    assert_eq!(b.setlk(f, range(1, Read, 19, 30), false).await, no);
    assert_eq!(a.setlk(f, range(2, Read, 0, 10), false).await, no);
    b.setlk(f, range(1, Write, 20, u64::MAX), false)
        .await
        .unwrap();
    // The middle of the own one becomes shared, its end goes.
    a.setlk(f, range(1, Read, 13, 15), false).await.unwrap();
    a.setlk(f, range(1, Unlock, 18, 18), false).await.unwrap();
    b.setlk(f, range(3, Read, 14, 14), false).await.unwrap();
    b.setlk(f, range(3, Write, 18, 18), false).await.unwrap();
    let census = v.verify().await;
    let rows = &census.locks[&(f, LockKind::Posix)];
    let mine = rows.iter().find(|r| (r.sid, r.owner) == (1, 1)).unwrap();
    let locks = decode_locks(&mine.value).unwrap();
    let brief: Vec<_> = locks
        .iter()
        .map(|l| (l.kind, l.pid, l.start, l.end))
        .collect();
    assert_eq!(
        brief,
        [
            (Write, 101, 10, 12),
            (Read, 101, 13, 15),
            (Write, 101, 16, 17),
            (Write, 101, 19, 19),
        ]
    );
    for (c, owner) in [(&a, 1), (&b, 1), (&b, 3)] {
        c.setlk(f, range(owner, Unlock, 0, u64::MAX), false)
            .await
            .unwrap();
    }
    assert!(v.verify().await.locks.is_empty());
}

async fn finding_locks(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    a.setlk(f, range(1, Read, 10, 19), false).await.unwrap();
    let found = |r: Option<LockRecord>| r.map(|l| (l.kind, l.pid, l.start, l.end));
    let of = async |c: &Meta, r| found(c.getlk(f, r).await.unwrap());
    assert_eq!(
        of(&a, range(1, Write, 0, 99)).await,
        None,
        "one's own is not in the way"
    );
    assert_eq!(
        of(&a, range(2, Write, 0, 99)).await,
        Some((Read, 101, 10, 19))
    );
    assert_eq!(
        of(&b, range(1, Write, 0, 99)).await,
        Some((Read, 0, 10, 19)),
        "no process of others"
    );
    assert_eq!(of(&b, range(1, Read, 0, 99)).await, None);
    assert_eq!(of(&b, range(1, Write, 0, 9)).await, None);
    assert_eq!(of(&b, range(1, Unlock, 0, 99)).await, None);
    v.verify().await;
}

async fn waiting(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    a.flock(f, 1, Write, false).await.unwrap();
    a.setlk(f, range(1, Write, 0, 9), false).await.unwrap();
    let meta = b.meta.clone();
    let waiter = tokio::spawn(async move {
        meta.flock(f, 1, Read, true).await.unwrap();
        meta.setlk(f, range(1, Write, 5, 20), true).await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!waiter.is_finished());
    a.flock(f, 1, Unlock, false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!waiter.is_finished());
    a.setlk(f, range(1, Unlock, 0, 9), false).await.unwrap();
    waiter.await.unwrap();
    // A request that gives up waiting holds no lock.
    let wait = a.flock(f, 1, Write, true);
    assert!(
        tokio::time::timeout(Duration::from_millis(30), wait)
            .await
            .is_err()
    );
    let census = v.verify().await;
    assert_eq!(census.locks[&(f, LockKind::Flock)].len(), 1);
}

/// At its end, and when it is found dead.
async fn sessions_let_go(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    let g = a.touch(Ino::ROOT, b"g").await.unwrap();
    for ino in [f, g] {
        for owner in [1, 2] {
            b.flock(ino, owner, Read, false).await.unwrap();
            b.setlk(ino, range(owner, Read, 0, 9), false).await.unwrap();
        }
    }
    // One owner of two lets go: the session still holds a lock there.
    b.flock(f, 1, Unlock, false).await.unwrap();
    assert_eq!(a.flock(f, 1, Write, false).await, Err(Errno::EAGAIN));
    b.close_session().await.unwrap();
    a.flock(f, 1, Write, false).await.unwrap();
    a.setlk(g, range(1, Write, 0, 9), false).await.unwrap();
    let c = v.client().await;
    assert!(v.live_on(&c).await > 0);
    assert!(v.verify().await.locks.is_empty());
    c.flock(f, 1, Write, false).await.unwrap();
}

async fn lock_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    assert_eq!(c.flock(Ino(999), 1, Read, false).await, Err(Errno::ENOENT));
    c.flock(Ino(999), 1, Unlock, false).await.unwrap();
    let r = range(1, Write, 0, 9);
    assert_eq!(c.setlk(Ino(999), r, false).await, Err(Errno::ENOENT));
    let backwards = range(1, Write, 9, 0);
    assert_eq!(
        c.setlk(Ino::ROOT, backwards, false).await,
        Err(Errno::EINVAL)
    );
    let engine = v.db.connect().await;
    let nobody = v.client_without_session(engine, jfs_meta::MetaConfig::default());
    assert_eq!(
        nobody.flock(Ino::ROOT, 1, Read, false).await,
        Err(Errno::ENOLCK)
    );
    assert_eq!(c.readlink(Ino(999)).await, Err(Errno::ENOENT));
    let _ = root();
    v.verify().await;
}

/// Clients that count in a file under an exclusive lock count right.
async fn one_holder(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let clients = [v.client().await, v.client().await, v.client().await];
    let f = clients[0].touch(Ino::ROOT, b"f").await.unwrap();
    let set = jfs_meta::SetXattr::Any;
    clients[0].set_xattr(f, b"count", b"0", set).await.unwrap();
    let mut tasks = Vec::new();
    for (k, c) in clients.iter().enumerate() {
        let meta = c.meta.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..10u64 {
                if k % 2 == 0 {
                    meta.flock(f, n, Write, true).await.unwrap();
                } else {
                    meta.flock(f, 0, Write, true).await.unwrap();
                }
                let count = meta.get_xattr(f, b"count").await.unwrap();
                let count: u64 = std::str::from_utf8(&count).unwrap().parse().unwrap();
                tokio::task::yield_now().await;
                let next = (count + 1).to_string();
                meta.set_xattr(f, b"count", next.as_bytes(), set)
                    .await
                    .unwrap();
                let owner = if k % 2 == 0 { n } else { 0 };
                meta.flock(f, owner, Unlock, false).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(clients[0].get_xattr(f, b"count").await.unwrap(), &b"30"[..]);
    assert!(v.verify().await.locks.is_empty());
}

/// A session's locks and no others, by inode and kind; the same by inode.
async fn listing_locks(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    let g = a.touch(Ino::ROOT, b"g").await.unwrap();
    a.flock(f, 1, Read, false).await.unwrap();
    b.flock(f, 1, Read, false).await.unwrap();
    a.setlk(g, range(7, Write, 10, 19), false).await.unwrap();
    b.setlk(g, range(8, Read, 30, 30), false).await.unwrap();
    for (sid, owner, start) in [(1, 7, 10), (2, 8, 30)] {
        let mut found = v.engine.list_locks(sid).await.unwrap();
        found.sort_by_key(|(ino, ..)| *ino);
        let [
            (ino, LockKind::Flock, flock),
            (other, LockKind::Posix, posix),
        ] = &found[..]
        else {
            panic!("{found:?}");
        };
        assert_eq!((*ino, *other), (f, g));
        assert_eq!((flock.sid, flock.owner, posix.owner), (sid, 1, owner));
        let ranges = decode_locks(&posix.value).unwrap();
        assert_eq!(ranges[0].start, start);
    }
    assert_eq!(v.engine.list_locks(3).await.unwrap(), []);
    let on_g = a.locks_on(g).await.unwrap();
    assert_eq!((on_g.flocks.len(), on_g.posix.len()), (0, 2));
    assert_eq!(a.locks_on(f).await.unwrap().flocks.len(), 2);
}
