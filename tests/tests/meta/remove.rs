//! unlink, rmdir, open files that lose their last name.

use jfs_meta::Work;
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! {
    unlink_and_its_errors, rmdir_and_its_errors, the_sticky_bit, open_files_outlive_their_name,
    sustained_files_stay_writable, two_handles_one_nameless_file, immutable_and_append_only,
    directory_times_follow_the_rule,
}

async fn unlink_and_its_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let (l, _) = c.symlink(&me, d, b"l", b"t").await.unwrap();
    for (parent, name, errno) in [
        (Ino::ROOT, &b"d"[..], Errno::EPERM),
        (Ino::ROOT, b"missing", Errno::ENOENT),
        (Ino::ROOT, b".", Errno::EISDIR),
        (Ino::ROOT, b".trash", Errno::EPERM),
        (Ino(999_999), b"x", Errno::ENOENT),
        (Ino::ROOT, &[b'n'; 256], Errno::ENAMETOOLONG),
    ] {
        assert_eq!(
            c.unlink(&me, parent, name).await,
            Err(errno),
            "{:?}",
            String::from_utf8_lossy(name)
        );
    }
    assert_eq!(
        c.unlink(&Caller::user(9, 9), d, b"l").await,
        Err(Errno::EACCES)
    );
    c.unlink(&me, d, b"l").await.unwrap();
    assert_eq!(c.readlink(l).await, Err(Errno::ENOENT));
    assert!(c.work().is_empty(), "a symlink leaves no data to delete");
    c.put_slice(f, 0, 0, 100).await.unwrap();
    let second = c.put_slice(f, 1, 0, 200).await.unwrap();
    let length = CHUNK_SIZE + 200;
    v.tick();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.getattr(f).await, Err(Errno::ENOENT));
    let census = v.verify().await;
    assert_eq!(census.deleted.len(), 1);
    assert_eq!(
        (
            census.deleted[0].ino,
            census.deleted[0].length,
            census.deleted[0].time
        ),
        (f, length, c.now().sec)
    );
    // Half done and done again: every step is safe to repeat.
    assert_eq!(c.work(), [Work::DeleteFile { ino: f, length }]);
    assert_eq!(c.chunks_of_deleted(f, length).await.unwrap(), [0, 1]);
    assert_eq!(c.delete_chunk(f, 1).await.unwrap(), [(second, 200)]);
    assert_eq!(c.unused_slices(10).await.unwrap(), [(second, 200)]);
    assert_eq!(c.delete_chunk(f, 1).await.unwrap(), []);
    let rest = c.delete_chunk(f, 0).await.unwrap();
    c.finish_deleted(f, length).await.unwrap();
    c.finish_deleted(f, length).await.unwrap();
    for (id, size) in rest.into_iter().chain([(second, 200)]) {
        c.forget_slice(id, size).await.unwrap();
    }
    let census = v.verify().await;
    assert_eq!(
        (
            census.deleted.len(),
            census.unused.len(),
            census.chunks.len()
        ),
        (0, 0, 0)
    );
}

async fn rmdir_and_its_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let e = c.dir(d, b"e").await;
    c.touch(Ino::ROOT, b"f").await.unwrap();
    for (parent, name, errno) in [
        (Ino::ROOT, &b"d"[..], Errno::ENOTEMPTY),
        (Ino::ROOT, b"f", Errno::ENOTDIR),
        (Ino::ROOT, b"missing", Errno::ENOENT),
        (Ino::ROOT, b".", Errno::EINVAL),
        (Ino::ROOT, b"..", Errno::ENOTEMPTY),
        (Ino::ROOT, b".trash", Errno::EPERM),
        (Ino(999_999), b"x", Errno::ENOENT),
    ] {
        assert_eq!(
            c.rmdir(&me, parent, name).await,
            Err(errno),
            "{:?}",
            String::from_utf8_lossy(name)
        );
    }
    assert_eq!(
        c.rmdir(&Caller::user(9, 9), d, b"e").await,
        Err(Errno::EACCES)
    );
    c.rmdir(&me, d, b"e").await.unwrap();
    assert_eq!(c.getattr(e).await, Err(Errno::ENOENT));
    assert_eq!(c.getattr(d).await.unwrap().nlink, 2);
    assert_eq!(
        c.create(&me, e, b"x", 0o644, 0).await.map(|_| ()),
        Err(Errno::ENOENT)
    );
    c.rmdir(&me, Ino::ROOT, b"d").await.unwrap();
    assert_eq!(c.getattr(Ino::ROOT).await.unwrap().nlink, 2);
    let census = v.verify().await;
    assert_eq!(census.counters[..2], [4096, 1]);
}

async fn the_sticky_bit(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let (owner, writer, other) = (Caller::user(1, 1), Caller::user(2, 2), Caller::user(3, 3));
    let (d, _) = c.mkdir(&owner, Ino::ROOT, b"d", 0o1777, 0).await.unwrap();
    for name in [&b"a"[..], b"b", b"c", b"r"] {
        let (ino, _) = c.create(&writer, d, name, 0o666, 0).await.unwrap();
        c.close(ino);
    }
    c.mkdir(&writer, d, b"sub", 0o777, 0).await.unwrap();
    // The kernel does not know the owner of the entry: the rule holds for checked callers as well.
    for who in [
        &other,
        &Caller {
            check_permission: false,
            ..other.clone()
        },
    ] {
        assert_eq!(c.unlink(who, d, b"a").await, Err(Errno::EACCES));
        assert_eq!(c.rmdir(who, d, b"sub").await, Err(Errno::EACCES));
        assert_eq!(
            c.rename(who, (d, b"a"), (Ino::ROOT, b"a"), 0)
                .await
                .map(|_| ()),
            Err(Errno::EACCES)
        );
    }
    let (mine, _) = c.create(&other, d, b"mine", 0o666, 0).await.unwrap();
    c.close(mine);
    assert_eq!(
        c.rename(&other, (d, b"mine"), (d, b"a"), 0)
            .await
            .map(|_| ()),
        Err(Errno::EACCES)
    );
    c.unlink(&writer, d, b"a").await.unwrap();
    c.unlink(&owner, d, b"b").await.unwrap();
    c.unlink(&Caller::root(), d, b"c").await.unwrap();
    c.rename(&writer, (d, b"r"), (d, b"r2"), 0).await.unwrap();
    v.verify().await;
}

async fn open_files_outlive_their_name(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    // By unlink, and by a rename over it.
    for how in ["unlink", "rename"] {
        let (f, _) = c.create(&me, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
        c.put_slice(f, 0, 0, 9000).await.unwrap();
        if how == "unlink" {
            c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
        } else {
            c.touch(Ino::ROOT, b"g").await.unwrap();
            c.rename(&me, (Ino::ROOT, b"g"), (Ino::ROOT, b"f"), 0)
                .await
                .unwrap();
            c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
        }
        let attr = c.getattr(f).await.unwrap();
        assert_eq!((attr.nlink, attr.length), (0, 9000));
        assert_eq!(c.read_chunk(f, 0).await.unwrap().pieces.len(), 1);
        assert!(
            !c.work()
                .iter()
                .any(|w| matches!(w, Work::DeleteFile { ino, .. } if *ino == f))
        );
        let census = v.verify().await;
        assert_eq!(
            census.sustained,
            [(c.session_id().unwrap(), vec![f])].into()
        );
        assert_eq!(
            census.counters[1], 1,
            "usage is given back only when the file is closed"
        );
        assert_eq!(c.close(f), Some(f));
        c.delete_sustained(f).await.unwrap();
        assert_eq!(c.getattr(f).await, Err(Errno::ENOENT));
        c.delete_sustained(f).await.unwrap();
        assert_eq!(c.do_work().await.len(), 1);
        let census = v.verify().await;
        assert_eq!(census.counters[..2], [0, 0]);
        assert!(census.sustained.is_empty());
    }
}

async fn sustained_files_stay_writable(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let (f, _) = c.create(&me, d, b"f", 0o644, 0).await.unwrap();
    c.put_slice(f, 0, 0, 5000).await.unwrap();
    c.unlink(&me, d, b"f").await.unwrap();
    c.put_slice(f, 0, 5000, 50_000).await.unwrap();
    v.verify().await;
    c.truncate(&me, f, 123).await.unwrap();
    v.verify().await;
    c.setattr(
        &me,
        f,
        &jfs_meta::SetAttr {
            mode: Some(0),
            ..Default::default()
        },
    )
    .await
    .unwrap();
    let (l, _) = c.create(&me, d, b"l", 0o644, 0).await.unwrap();
    c.link(&me, l, Ino::ROOT, b"l2").await.unwrap();
    c.unlink(&me, d, b"l").await.unwrap();
    c.unlink(&me, Ino::ROOT, b"l2").await.unwrap();
    c.put_slice(l, 0, 0, 5000).await.unwrap();
    v.verify().await;
    for ino in [f, l] {
        assert_eq!(c.close(ino), Some(ino));
        c.delete_sustained(ino).await.unwrap();
    }
    assert_eq!(c.do_work().await.len(), 3);
    let census = v.verify().await;
    assert_eq!(census.counters[..2], [4096, 1]);
}

async fn two_handles_one_nameless_file(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let (f, _) = c.create(&me, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    c.open(&me, f, libc_rdwr()).await.unwrap();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.close(f), None);
    c.getattr(f).await.unwrap();
    assert_eq!(c.close(f), Some(f));
    c.delete_sustained(f).await.unwrap();
    v.verify().await;
    // Another client's handles are not known here: the file goes at once.
    let other = v.client().await;
    let (f, _) = c.create(&me, Ino::ROOT, b"g", 0o644, 0).await.unwrap();
    other.unlink(&me, Ino::ROOT, b"g").await.unwrap();
    assert_eq!(c.getattr(f).await, Err(Errno::ENOENT));
    assert_eq!(c.put_slice(f, 0, 0, 1).await, Err(Errno::ENOENT));
    assert_eq!(c.close(f), None);
    other.do_work().await;
    v.verify().await;
}

fn libc_rdwr() -> i32 {
    2
}

/// Flags that another client set are obeyed, although nothing here sets them yet.
async fn immutable_and_append_only(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let dir = c.dir(Ino::ROOT, b"dir").await;
    let sub = c.dir(dir, b"sub").await;
    let f = c.touch(dir, b"f").await.unwrap();
    let eperm = Err(Errno::EPERM);
    for flag in [attr::flags::IMMUTABLE, attr::flags::APPEND] {
        set_flags(&v, f, flag).await;
        assert_eq!(c.unlink(&me, dir, b"f").await, eperm);
        assert_eq!(c.link(&me, f, Ino::ROOT, b"x").await.map(|_| ()), eperm);
        assert_eq!(
            c.rename(&me, (dir, b"f"), (dir, b"g"), 0).await.map(|_| ()),
            eperm
        );
        assert_eq!(c.truncate(&me, f, 7).await.map(|_| ()), eperm);
        assert_eq!(c.open(&me, f, 1).await.map(|_| ()), eperm);
        let chmod = jfs_meta::SetAttr {
            mode: Some(0o600),
            ..Default::default()
        };
        assert_eq!(c.setattr(&me, f, &chmod).await.map(|_| ()), eperm);
    }
    c.put_slice(f, 0, 0, 10).await.unwrap();
    c.open(&me, f, 0o2001).await.unwrap();
    c.close(f);
    set_flags(&v, f, attr::flags::IMMUTABLE).await;
    assert_eq!(c.put_slice(f, 0, 0, 10).await.map(|_| ()), eperm);
    set_flags(&v, f, 0).await;
    // On a directory: no removal below it, with the immutable flag no creation either.
    set_flags(&v, dir, attr::flags::APPEND).await;
    assert_eq!(c.unlink(&me, dir, b"f").await, eperm);
    assert_eq!(c.rmdir(&me, dir, b"sub").await, eperm);
    assert_eq!(
        c.rename(&me, (dir, b"f"), (Ino::ROOT, b"f"), 0)
            .await
            .map(|_| ()),
        eperm
    );
    c.touch(dir, b"new").await.unwrap();
    set_flags(&v, dir, attr::flags::IMMUTABLE).await;
    assert_eq!(c.touch(dir, b"new2").await, Err(Errno::EPERM));
    assert_eq!(c.unlink(&me, dir, b"f").await, eperm);
    c.touch(sub, b"below").await.unwrap();
    // Skip-trash is inherited.
    set_flags(&v, sub, attr::flags::SKIP_TRASH).await;
    let (_, child) = c.mkdir(&me, sub, b"child", 0o755, 0).await.unwrap();
    assert_eq!(child.flags, attr::flags::SKIP_TRASH);
    v.verify().await;
}

async fn set_flags(v: &Volume, ino: Ino, flags: u8) {
    use jfs_meta::engine::{Key, Write, own};
    let mut attempt = v.engine.begin().await.unwrap();
    let answers = attempt.read(&[own(Key::Attr(ino))]).await.unwrap();
    let mut attr = answers
        .into_iter()
        .next()
        .unwrap()
        .into_attr()
        .unwrap()
        .unwrap();
    attr.flags = flags;
    attempt
        .commit(&[Write::PutAttr { ino, attr }], Time::default())
        .await
        .unwrap();
}

/// Times of a directory change with its names, at most once in `skip-dir-mtime`; always when a
/// subdirectory comes or goes.
async fn directory_times_follow_the_rule(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    v.tick();
    c.touch(d, b"1").await.unwrap();
    let first = c.now();
    assert_eq!(c.getattr(d).await.unwrap().mtime, first);
    v.clock.advance(std::time::Duration::from_millis(99));
    c.touch(d, b"2").await.unwrap();
    c.unlink(&me, d, b"1").await.unwrap();
    assert_eq!(c.getattr(d).await.unwrap().mtime, first);
    c.dir(d, b"sub").await;
    let attr = c.getattr(d).await.unwrap();
    assert_eq!((attr.mtime, attr.ctime, attr.nlink), (c.now(), c.now(), 3));
    v.clock.advance(std::time::Duration::from_millis(100));
    c.rename(&me, (d, b"2"), (d, b"3"), 0).await.unwrap();
    assert_eq!(c.getattr(d).await.unwrap().mtime, c.now());
    v.verify().await;
}
