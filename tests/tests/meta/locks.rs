//! flock and POSIX record locks between clients.

use jfs_meta::engine::LockKind;
use jfs_meta::wire::{LockRecord, LockType, decode_locks, encode_locks};
use jfs_meta::{LOCK_END_MAX, LOCK_RECORDS_MAX, LockHolder, LockRange, LockReply, Meta};
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! { flocks, posix_locks, finding_locks, sessions_let_go, lock_errors, one_holder, listing_locks, replies, ends_of_ranges, many_records }

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
    a.flock(f, 1, Read).await.unwrap();
    a.flock(f, 2, Read).await.unwrap();
    // The owner number alone does not make two clients one.
    b.flock(f, 1, Read).await.unwrap();
    assert_eq!(b.flock(f, 1, Write).await, no);
    a.flock(f, 1, Unlock).await.unwrap();
    a.flock(f, 2, Unlock).await.unwrap();
    b.flock(f, 1, Write).await.unwrap();
    b.flock(f, 1, Write).await.unwrap();
    assert_eq!(a.flock(f, 1, Read).await, no);
    assert_eq!(b.flock(f, 2, Read).await, no);
    let census = v.verify().await;
    let rows = &census.locks[&(f, LockKind::Flock)];
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].sid, rows[0].owner, &rows[0].value[..]),
        (2, 1, &b"W"[..])
    );
    // To a shared one without letting go.
    b.flock(f, 1, Read).await.unwrap();
    a.flock(f, 1, Read).await.unwrap();
    for (c, owner) in [(&a, 1), (&b, 1), (&b, 7)] {
        c.flock(f, owner, Unlock).await.unwrap();
    }
    assert!(v.verify().await.locks.is_empty());
}

async fn posix_locks(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    let no = Err(Errno::EAGAIN);
    a.setlk(f, range(1, Write, 10, 19)).await.unwrap();
    assert_eq!(b.setlk(f, range(1, Read, 19, 30)).await, no);
    assert_eq!(a.setlk(f, range(2, Read, 0, 10)).await, no);
    b.setlk(f, range(1, Write, 20, u64::MAX)).await.unwrap();
    // The middle of the own one becomes shared, its end goes.
    a.setlk(f, range(1, Read, 13, 15)).await.unwrap();
    a.setlk(f, range(1, Unlock, 18, 18)).await.unwrap();
    b.setlk(f, range(3, Read, 14, 14)).await.unwrap();
    b.setlk(f, range(3, Write, 18, 18)).await.unwrap();
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
        c.setlk(f, range(owner, Unlock, 0, u64::MAX)).await.unwrap();
    }
    assert!(v.verify().await.locks.is_empty());
}

async fn finding_locks(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    a.setlk(f, range(1, Read, 10, 19)).await.unwrap();
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

/// At its end, and when it is found dead.
async fn sessions_let_go(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    let g = a.touch(Ino::ROOT, b"g").await.unwrap();
    for ino in [f, g] {
        for owner in [1, 2] {
            b.flock(ino, owner, Read).await.unwrap();
            b.setlk(ino, range(owner, Read, 0, 9)).await.unwrap();
        }
    }
    // One owner of two lets go: the session still holds a lock there.
    b.flock(f, 1, Unlock).await.unwrap();
    assert_eq!(a.flock(f, 1, Write).await, Err(Errno::EAGAIN));
    b.close_session().await.unwrap();
    a.flock(f, 1, Write).await.unwrap();
    a.setlk(g, range(1, Write, 0, 9)).await.unwrap();
    let c = v.client().await;
    assert!(v.live_on(&c).await > 0);
    assert!(v.verify().await.locks.is_empty());
    c.flock(f, 1, Write).await.unwrap();
}

async fn lock_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    assert_eq!(c.flock(Ino(999), 1, Read).await, Err(Errno::ENOENT));
    c.flock(Ino(999), 1, Unlock).await.unwrap();
    let r = range(1, Write, 0, 9);
    assert_eq!(c.setlk(Ino(999), r).await, Err(Errno::ENOENT));
    let backwards = range(1, Write, 9, 0);
    assert_eq!(c.setlk(Ino::ROOT, backwards).await, Err(Errno::EINVAL));
    let engine = v.db.connect().await;
    let nobody = v.client_without_session(engine, jfs_meta::MetaConfig::default());
    assert_eq!(nobody.flock(Ino::ROOT, 1, Read).await, Err(Errno::ENOLCK));
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
                let owner = if k % 2 == 0 { n } else { 0 };
                while meta.flock(f, owner, Write).await == Err(Errno::EAGAIN) {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                let count = meta.get_xattr(f, b"count").await.unwrap();
                let count: u64 = std::str::from_utf8(&count).unwrap().parse().unwrap();
                tokio::task::yield_now().await;
                let next = (count + 1).to_string();
                meta.set_xattr(f, b"count", next.as_bytes(), set)
                    .await
                    .unwrap();
                meta.flock(f, owner, Unlock).await.unwrap();
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
    a.flock(f, 1, Read).await.unwrap();
    b.flock(f, 1, Read).await.unwrap();
    a.setlk(g, range(7, Write, 10, 19)).await.unwrap();
    b.setlk(g, range(8, Read, 30, 30)).await.unwrap();
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

/// What a request answers besides: the locks before it, the holders in the way, and whether a lock was lost.
async fn replies(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    let holder = |sid, owner| LockHolder { sid, owner };
    a.flock(f, 1, Read).await.unwrap();
    b.flock(f, 7, Read).await.unwrap();
    let whole = LockRecord {
        kind: Read,
        pid: 0,
        start: 0,
        end: LOCK_END_MAX,
    };
    let before = vec![whole];
    let holds = true;
    let same = a.request_flock(f, 1, Read).await.unwrap();
    assert_eq!(same, LockReply::Granted { before, holds });
    // The shared lock goes before the exclusive one is asked for.
    let (by, lost) = (vec![holder(2, 7)], true);
    let refused = a.request_flock(f, 1, Write).await.unwrap();
    assert_eq!(refused, LockReply::Blocked { by, lost });
    let rows = &v.verify().await.locks[&(f, LockKind::Flock)];
    assert_eq!(rows.iter().map(|r| r.sid).collect::<Vec<_>>(), [2]);
    b.flock(f, 7, Write).await.unwrap();

    // A record lock stays, and holders are named once.
    a.setlk(f, range(1, Read, 0, 99)).await.unwrap();
    for start in [10, 30] {
        b.setlk(f, range(7, Read, start, start)).await.unwrap();
    }
    a.setlk(f, range(2, Read, 50, 50)).await.unwrap();
    let (by, lost) = (vec![holder(1, 2), holder(2, 7)], false);
    let refused = a.request_setlk(f, range(1, Write, 0, 99)).await.unwrap();
    assert_eq!(refused, LockReply::Blocked { by, lost });
    let part = a.request_setlk(f, range(1, Unlock, 0, 9)).await.unwrap();
    let before = vec![range(1, Read, 0, 99).record];
    let holds = true;
    assert_eq!(part, LockReply::Granted { before, holds });
    let rest = a.request_setlk(f, range(1, Unlock, 10, 99)).await.unwrap();
    let before = vec![range(1, Read, 10, 99).record];
    let holds = false;
    assert_eq!(rest, LockReply::Granted { before, holds });
    v.verify().await;
}

/// Locks end at the largest offset of a kernel, where mounts end them, and what others stored beyond goes too.
async fn ends_of_ranges(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let f = a.touch(Ino::ROOT, b"f").await.unwrap();
    let stored = async || -> Vec<(u64, u64)> {
        let census = v.verify().await;
        let rows = census.locks.get(&(f, LockKind::Posix));
        let records = rows.into_iter().flatten();
        let records = records.flat_map(|row| decode_locks(&row.value).unwrap());
        records.map(|l| (l.start, l.end)).collect()
    };
    a.setlk(f, range(1, Write, 10, u64::MAX)).await.unwrap();
    assert_eq!(stored().await, [(10, LOCK_END_MAX)]);
    let found = b.getlk(f, range(1, Read, LOCK_END_MAX, u64::MAX)).await;
    let found = found.unwrap().unwrap();
    assert_eq!((found.start, found.end), (10, LOCK_END_MAX));
    let last = range(1, Unlock, LOCK_END_MAX, LOCK_END_MAX);
    a.setlk(f, last).await.unwrap();
    assert_eq!(stored().await, [(10, LOCK_END_MAX - 1)]);
    b.setlk(f, range(1, Write, LOCK_END_MAX, LOCK_END_MAX))
        .await
        .unwrap();
    let behind = range(1, Write, LOCK_END_MAX + 1, u64::MAX);
    assert_eq!(a.setlk(f, behind).await, Err(Errno::EINVAL));
    a.setlk(f, range(1, Unlock, 0, LOCK_END_MAX)).await.unwrap();
    b.setlk(f, range(1, Unlock, 0, LOCK_END_MAX)).await.unwrap();
    assert_eq!(stored().await, []);

    // A client that stored a larger end.
    let value = encode_locks(&[range(1, Write, 5, u64::MAX).record]);
    let put = jfs_meta::engine::Write::PutLock {
        ino: f,
        kind: LockKind::Posix,
        sid: a.session_id().unwrap(),
        owner: 1,
        value: value.into(),
    };
    let mut attempt = v.engine.begin().await.unwrap();
    attempt.read(&[]).await.unwrap();
    attempt.commit(&[put], v.clock_now()).await.unwrap();
    let found = b.getlk(f, range(1, Read, 0, 9)).await.unwrap().unwrap();
    assert_eq!((found.start, found.end), (5, LOCK_END_MAX));
    a.setlk(f, range(1, Unlock, 0, LOCK_END_MAX)).await.unwrap();
    assert_eq!(stored().await, []);
}

/// The records of one owner fit a column of every database.
async fn many_records(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let value: Vec<LockRecord> = (0..LOCK_RECORDS_MAX as u64)
        .map(|n| range(1, Write, 10 * n, 10 * n + 4).record)
        .collect();
    // One at a time would take long.
    let put = jfs_meta::engine::Write::PutLock {
        ino: f,
        kind: LockKind::Posix,
        sid: c.session_id().unwrap(),
        owner: 1,
        value: encode_locks(&value).into(),
    };
    let mut attempt = v.engine.begin().await.unwrap();
    attempt.read(&[]).await.unwrap();
    attempt.commit(&[put], v.clock_now()).await.unwrap();
    for one_more in [range(1, Unlock, 2, 2), range(1, Read, 7, 7)] {
        assert_eq!(c.setlk(f, one_more).await, Err(Errno::ENOLCK));
    }
    c.setlk(f, range(1, Write, 2, 12)).await.unwrap();
    c.setlk(f, range(1, Read, 27, 27)).await.unwrap();
    c.setlk(f, range(2, Read, 7000 * 10, 7000 * 10))
        .await
        .unwrap();
    c.setlk(f, range(1, Unlock, 0, u64::MAX)).await.unwrap();
    v.verify().await;
}
