//! setattr and open: what is allowed, what changes.

use jfs_meta::{SetAttr, SetTime};
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! { modes_and_owners, times, opening, a_read_only_client, statfs_counts }

fn chmod(mode: u16) -> SetAttr {
    SetAttr {
        mode: Some(mode),
        ..SetAttr::default()
    }
}

fn chown(uid: Option<u32>, gid: Option<u32>) -> SetAttr {
    SetAttr {
        uid,
        gid,
        ..SetAttr::default()
    }
}

async fn modes_and_owners(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let owner = Caller {
        groups: vec![30],
        ..Caller::user(10, 20)
    };
    let stranger = Caller::user(11, 20);
    let (f, _) = c.create(&owner, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    v.tick();
    let attr = c.setattr(&owner, f, &chmod(0o4711)).await.unwrap();
    assert_eq!((attr.mode, attr.ctime), (0o4711, c.now()));
    assert!(attr.mtime < c.now());
    assert_eq!(
        c.setattr(&stranger, f, &chmod(0o777)).await.map(|_| ()),
        Err(Errno::EPERM)
    );
    assert_eq!(
        c.setattr(&owner, f, &chown(Some(11), None))
            .await
            .map(|_| ()),
        Err(Errno::EPERM)
    );
    assert_eq!(
        c.setattr(&owner, f, &chown(None, Some(99)))
            .await
            .map(|_| ()),
        Err(Errno::EPERM)
    );
    let attr = c.setattr(&owner, f, &chown(None, Some(30))).await.unwrap();
    assert_eq!((attr.gid, attr.mode), (30, 0o711));
    // Columns of SQL servers hold 31 bits.
    let (uid, gid) = match kind.is_sql_server() {
        true => (i32::MAX as u32, i32::MAX as u32 - 1),
        false => (u32::MAX - 1, u32::MAX - 2),
    };
    let owner = chown(Some(uid), Some(gid));
    let attr = c.setattr(&Caller::root(), f, &owner).await.unwrap();
    assert_eq!((attr.uid, attr.gid), (uid, gid));
    assert_eq!(c.getattr(f).await.unwrap(), attr);
    if kind.is_sql_server() {
        let refused = c
            .setattr(&Caller::root(), f, &chown(Some(uid + 1), None))
            .await;
        assert_eq!(refused.map(drop), Err(Errno::EIO));
        assert_eq!(c.getattr(f).await.unwrap(), attr);
    }
    assert_eq!(
        c.setattr(&root(), Ino(999_999), &chmod(0))
            .await
            .map(|_| ()),
        Err(Errno::ENOENT)
    );
    // The mode that it has already: a change all the same.
    v.tick();
    let attr = c.setattr(&root(), f, &chmod(attr.mode)).await.unwrap();
    assert_eq!(attr.ctime, c.now());
    // Nothing to set changes nothing.
    v.tick();
    assert_eq!(
        c.setattr(&stranger, f, &SetAttr::default()).await.unwrap(),
        attr
    );
    assert_eq!(c.getattr(f).await.unwrap(), attr);
    c.setattr(&root(), Ino::ROOT, &chmod(0o1777)).await.unwrap();
    assert_eq!(c.getattr(Ino::ROOT).await.unwrap().mode, 0o1777);
    v.verify().await;
}

async fn times(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let owner = Caller::user(10, 20);
    let writer = Caller::user(11, 20);
    let (f, _) = c.create(&owner, Ino::ROOT, b"f", 0o664, 0).await.unwrap();
    let set = |atime, mtime| SetAttr {
        atime,
        mtime,
        ..SetAttr::default()
    };
    for t in [
        Time { sec: 0, nsec: 0 },
        Time { sec: 1, nsec: 1 },
        Time {
            sec: 1_700_000_000,
            nsec: 999_999_999,
        },
        Time {
            sec: 4_102_444_800,
            nsec: 1_000,
        },
        Time {
            sec: -1,
            nsec: 999_999_999,
        },
        Time {
            sec: -2_000_000_000,
            nsec: 1,
        },
    ] {
        let attr = c
            .setattr(&owner, f, &set(Some(SetTime::At(t)), None))
            .await
            .unwrap();
        assert_eq!(attr.atime, t);
        c.setattr(&owner, f, &set(None, Some(SetTime::At(t))))
            .await
            .unwrap();
        let attr = c.getattr(f).await.unwrap();
        assert_eq!(
            (attr.atime, attr.mtime, attr.ctime),
            (t, t, c.now()),
            "as stored"
        );
    }
    let at = set(None, Some(SetTime::At(Time::default())));
    assert_eq!(
        c.setattr(&writer, f, &at).await.map(|_| ()),
        Err(Errno::EPERM)
    );
    v.tick();
    let attr = c
        .setattr(&writer, f, &set(Some(SetTime::Now), Some(SetTime::Now)))
        .await
        .unwrap();
    assert_eq!(
        (attr.atime, attr.mtime, attr.ctime),
        (c.now(), c.now(), c.now())
    );
    let stranger = Caller::user(12, 21);
    let now = set(Some(SetTime::Now), None);
    assert_eq!(
        c.setattr(&stranger, f, &now).await.map(|_| ()),
        Err(Errno::EACCES)
    );
    v.verify().await;
}

async fn opening(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let (c, other) = (v.client().await, v.client().await);
    let (rdonly, wronly, rdwr, trunc) = (0, 1, 2, 0o1000);
    let (f, _) = c
        .create(&Caller::user(10, 20), Ino::ROOT, b"f", 0o640, 0)
        .await
        .unwrap();
    c.close(f);
    let member = Caller::user(11, 20);
    c.open(&member, f, rdonly).await.unwrap();
    assert_eq!(
        c.open(&member, f, rdwr).await.map(|_| ()),
        Err(Errno::EACCES)
    );
    assert_eq!(
        c.open(&member, f, rdonly | trunc).await.map(|_| ()),
        Err(Errno::EACCES)
    );
    assert_eq!(
        c.open(&Caller::user(1, 1), f, rdonly).await.map(|_| ()),
        Err(Errno::EACCES)
    );
    assert_eq!(
        c.open(&root(), Ino(999_999), rdonly).await.map(|_| ()),
        Err(Errno::ENOENT)
    );
    assert_eq!(
        c.open(&root(), Ino::ROOT, wronly).await.map(|_| ()),
        Err(Errno::EISDIR)
    );
    c.close(f);
    // Pages of the same content stay good, those of another one do not: close-to-open.
    c.open(&root(), f, rdonly).await.unwrap();
    c.close(f);
    assert!(c.open(&root(), f, rdonly).await.unwrap().keep_cache);
    c.close(f);
    v.tick();
    other.put_slice(f, 0, 0, 5).await.unwrap();
    let opened = c.open(&root(), f, rdonly).await.unwrap();
    assert!(!opened.keep_cache);
    assert_eq!(opened.attr.length, 5);
    c.close(f);
    // What lies in the trash is for reading.
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    c.open(&root(), f, rdonly).await.unwrap();
    assert_eq!(
        c.open(&root(), f, rdwr).await.map(|_| ()),
        Err(Errno::EPERM)
    );
    c.close(f);
    v.verify().await;
}

async fn a_read_only_client(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let config = jfs_meta::MetaConfig {
        read_only: true,
        ..Default::default()
    };
    let reader = v.client_without_session(v.db.connect().await, config);
    let before = v.verify().await.text();
    let me = root();
    let erofs = Err(Errno::EROFS);
    assert_eq!(
        reader.create(&me, Ino::ROOT, b"x", 0, 0).await.map(|_| ()),
        erofs
    );
    assert_eq!(
        reader.mkdir(&me, Ino::ROOT, b"x", 0, 0).await.map(|_| ()),
        erofs
    );
    assert_eq!(
        reader.symlink(&me, Ino::ROOT, b"x", b"t").await.map(|_| ()),
        erofs
    );
    assert_eq!(
        reader.link(&me, f, Ino::ROOT, b"x").await.map(|_| ()),
        erofs
    );
    assert_eq!(reader.unlink(&me, Ino::ROOT, b"f").await, erofs);
    assert_eq!(reader.rmdir(&me, Ino::ROOT, b"d").await, erofs);
    assert_eq!(
        reader
            .rename(&me, (Ino::ROOT, b"f"), (Ino::ROOT, b"g"), 0)
            .await
            .map(|_| ()),
        erofs
    );
    assert_eq!(reader.setattr(&me, f, &chmod(0)).await.map(|_| ()), erofs);
    assert_eq!(reader.truncate(&me, f, 1).await.map(|_| ()), erofs);
    assert_eq!(reader.open(&me, f, 2).await.map(|_| ()), erofs);
    reader.open(&me, f, 0).await.unwrap();
    assert_eq!(reader.names(Ino::ROOT).await, [b"f"]);
    assert_eq!(v.verify().await.text(), before);
}

async fn statfs_counts(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.put_slice(f, 0, 0, 10_000).await.unwrap();
    // Before and after the flush of an engine that counts outside of its transactions.
    for _ in 0..2 {
        let s = c.statfs().await.unwrap();
        assert_eq!(
            (s.total_space, s.avail_space),
            (1 << 50, (1 << 50) - 12_288)
        );
        assert_eq!((s.used_inodes, s.avail_inodes), (1, 10 << 20));
        v.flush().await;
    }
    v.verify().await;
}
