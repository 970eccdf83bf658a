//! rename: every pair of types, flags, circles, hard links.

use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! { exchanging, exchanging_links, exchange_errors, the_matrix, flags_of_rename, rename_errors, circles, links_and_renames, times_of_renames }

const NOREPLACE: u32 = 1;

/// The inode at a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Nothing,
    File,
    Symlink,
    EmptyDir,
    FullDir,
}

use Thing::*;

/// Every source over every target, inside one directory and between two, with and without
/// NOREPLACE.
async fn the_matrix(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let things = [Nothing, File, Symlink, EmptyDir, FullDir];
    let mut n = 0;
    for from in things {
        for to in things {
            for across in [false, true] {
                for flags in [0, NOREPLACE] {
                    n += 1;
                    let base = c.dir(Ino::ROOT, format!("case{n}").as_bytes()).await;
                    let other = if across {
                        c.dir(base, b"other").await
                    } else {
                        base
                    };
                    let source = make(&c, base, b"from", from).await;
                    make(&c, other, b"to", to).await;
                    v.tick();
                    let got = c
                        .rename(&me, (base, b"from"), (other, b"to"), flags)
                        .await
                        .map(|(ino, _)| ino);
                    let case = format!("{from:?} over {to:?}, across {across}, flags {flags}");
                    let expected = expected(from, to, flags);
                    assert_eq!(got.is_ok(), expected.is_ok(), "{case}: {got:?}");
                    match expected {
                        Err(errno) => assert_eq!(got, Err(errno), "{case}"),
                        Ok(()) => {
                            assert_eq!(Some(got.unwrap()), source, "{case}");
                            assert_eq!(
                                c.lookup(&me, base, b"from").await.map(|_| ()),
                                Err(Errno::ENOENT)
                            );
                            let (ino, attr) = c.lookup(&me, other, b"to").await.unwrap();
                            assert_eq!(Some(ino), source, "{case}");
                            assert_eq!((attr.parent, attr.ctime), (other, c.now()), "{case}");
                        }
                    }
                }
            }
        }
    }
    c.do_work().await;
    v.verify().await;
}

async fn make(c: &jfs_tests::Client, dir: Ino, name: &[u8], thing: Thing) -> Option<Ino> {
    Some(match thing {
        Nothing => return None,
        File => {
            let ino = c.touch(dir, name).await.unwrap();
            c.put_slice(ino, 0, 0, 4097).await.unwrap();
            ino
        }
        Symlink => c.symlink(&root(), dir, name, b"target").await.unwrap().0,
        EmptyDir => c.dir(dir, name).await,
        FullDir => {
            let ino = c.dir(dir, name).await;
            c.dir(ino, b"child").await;
            ino
        }
    })
}

fn expected(from: Thing, to: Thing, flags: u32) -> Result<(), Errno> {
    let is_dir = |t| matches!(t, EmptyDir | FullDir);
    match (from, to) {
        (Nothing, _) => Err(Errno::ENOENT),
        (_, Nothing) => Ok(()),
        _ if flags & NOREPLACE != 0 => Err(Errno::EEXIST),
        _ if is_dir(from) && !is_dir(to) => Err(Errno::ENOTDIR),
        _ if !is_dir(from) && is_dir(to) => Err(Errno::EISDIR),
        (_, FullDir) => Err(Errno::ENOTEMPTY),
        _ => Ok(()),
    }
}

async fn flags_of_rename(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    c.touch(Ino::ROOT, b"a").await.unwrap();
    c.touch(Ino::ROOT, b"b").await.unwrap();
    for (flags, errno) in [
        (1, Errno::EEXIST),
        (3, Errno::EINVAL),
        (4, Errno::ENOTSUP),
        (5, Errno::ENOTSUP),
        (6, Errno::EINVAL),
        (8, Errno::EINVAL),
        (1 << 31, Errno::EINVAL),
    ] {
        let got = c
            .rename(&root(), (Ino::ROOT, b"a"), (Ino::ROOT, b"b"), flags)
            .await;
        assert_eq!(got.map(|_| ()), Err(errno), "flags {flags}");
    }
    v.verify().await;
}

/// Every pair of things in one directory and between two: both names lead to the other thing after.
async fn exchanging(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let things = [File, Symlink, EmptyDir, FullDir];
    for (n, (a, b)) in things
        .iter()
        .flat_map(|a| things.iter().map(move |b| (*a, *b)))
        .enumerate()
    {
        let d = c.dir(Ino::ROOT, format!("d{n}").as_bytes()).await;
        for (other, name) in [(d, &b"b"[..]), (c.dir(d, b"other").await, b"b")] {
            let _ = c.unlink(&me, d, b"a").await;
            make(&c, d, b"a", a).await;
            make(&c, other, name, b).await;
            let (ino_a, before) = c.lookup(&me, d, b"a").await.unwrap();
            let (ino_b, _) = c.lookup(&me, other, name).await.unwrap();
            v.tick();
            let got = c.rename(&me, (d, b"a"), (other, name), 2).await.unwrap();
            assert_eq!((got.0, got.1.ctime), (ino_a, v.clock_now()));
            assert_eq!(got.1.mtime, before.mtime);
            let (at_a, attr_a) = c.lookup(&me, d, b"a").await.unwrap();
            let (at_b, attr_b) = c.lookup(&me, other, name).await.unwrap();
            assert_eq!((at_a, at_b), (ino_b, ino_a), "{a:?} {b:?}");
            assert_eq!((attr_a.parent, attr_b.parent), (d, other));
            assert_eq!((attr_a.ctime, attr_b.ctime), (v.clock_now(), v.clock_now()));
            v.verify().await;
            // Room for the next pair.
            c.rename(&me, (d, b"a"), (d, format!("old-{}", at_a).as_bytes()), 0)
                .await
                .unwrap();
        }
    }
}

async fn exchanging_links(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.link(&me, f, d, b"l").await.unwrap();
    let g = c.touch(d, b"g").await.unwrap();
    c.rename(&me, (Ino::ROOT, b"f"), (d, b"g"), 2)
        .await
        .unwrap();
    let census = v.verify().await;
    assert_eq!(census.parents[&f], [(d, 2)]);
    assert_eq!(census.attrs[&g].parent, Ino::ROOT);
    // Two names of one inode: nothing happens.
    let before = v.verify().await.text();
    c.rename(&me, (d, b"l"), (d, b"g"), 2).await.unwrap();
    assert_eq!(v.verify().await.text(), before);
}

async fn exchange_errors(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let sub = c.dir(d, b"sub").await;
    c.touch(sub, b"f").await.unwrap();
    c.touch(Ino::ROOT, b"f").await.unwrap();
    let at = |dir: Ino, name: &'static [u8]| (dir, name);
    for (from, to, errno) in [
        (at(Ino::ROOT, b"f"), at(Ino::ROOT, b"none"), Errno::ENOENT),
        (at(Ino::ROOT, b"none"), at(Ino::ROOT, b"f"), Errno::ENOENT),
        (at(Ino::ROOT, b"d"), at(sub, b"f"), Errno::EINVAL),
        (at(sub, b"f"), at(Ino::ROOT, b"d"), Errno::EINVAL),
        (at(Ino::ROOT, b"f"), at(Ino::ROOT, b".trash"), Errno::EPERM),
        (at(Ino::TRASH, b"x"), at(Ino::ROOT, b"f"), Errno::EPERM),
    ] {
        let got = c.rename(&me, from, to, 2).await;
        assert_eq!(got.map(|_| ()), Err(errno), "{from:?} {to:?}");
    }
    let user = Caller::user(5, 6);
    let got = c.rename(&user, (Ino::ROOT, b"f"), (sub, b"f"), 2).await;
    assert_eq!(got.map(|_| ()), Err(Errno::EACCES));
    v.verify().await;
}

async fn rename_errors(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let at = |dir, name: &'static [u8]| (dir, name);
    for (from, to, errno) in [
        (at(Ino::ROOT, b"f"), at(f, b"x"), Errno::ENOTDIR),
        (at(Ino::ROOT, b"f"), at(Ino(999_999), b"x"), Errno::ENOENT),
        (at(Ino(999_999), b"f"), at(Ino::ROOT, b"x"), Errno::ENOENT),
        (at(Ino::ROOT, b"."), at(Ino::ROOT, b"x"), Errno::EBUSY),
        (at(Ino::ROOT, b"f"), at(Ino::ROOT, b".."), Errno::EBUSY),
        (at(Ino::ROOT, b"f"), at(Ino::ROOT, b""), Errno::ENOENT),
        (at(Ino::ROOT, b".trash"), at(Ino::ROOT, b"x"), Errno::EPERM),
        (at(Ino::ROOT, b"f"), at(Ino::ROOT, b".trash"), Errno::EPERM),
        (at(Ino::ROOT, b"f"), at(Ino::TRASH, b"x"), Errno::EPERM),
        (
            at(Ino::ROOT, b"f"),
            at(Ino(Ino::TRASH.0 + 1), b"x"),
            Errno::EPERM,
        ),
    ] {
        assert_eq!(
            c.rename(&me, from, to, 0).await.map(|_| ()),
            Err(errno),
            "{from:?} to {to:?}"
        );
    }
    let user = Caller::user(9, 9);
    assert_eq!(
        c.rename(&user, (Ino::ROOT, b"f"), (d, b"x"), 0)
            .await
            .map(|_| ()),
        Err(Errno::EACCES)
    );
    assert_eq!(
        c.rename(&user, (d, b"x"), (Ino::ROOT, b"x"), 0)
            .await
            .map(|_| ()),
        Err(Errno::ENOENT)
    );
    // A directory that he may not write keeps its `..`.
    let (open, _) = c.mkdir(&me, Ino::ROOT, b"open", 0o777, 0).await.unwrap();
    let (closed, _) = c.mkdir(&me, open, b"closed", 0o755, 0).await.unwrap();
    assert_eq!(
        c.rename(&user, (open, b"closed"), (Ino::ROOT, b"c"), 0)
            .await
            .map(|_| ()),
        Err(Errno::EACCES)
    );
    c.rename(&user, (open, b"closed"), (open, b"c"), 0)
        .await
        .unwrap();
    assert_eq!(c.getattr(closed).await.unwrap().parent, open);
    v.verify().await;
}

async fn circles(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let mut dirs = vec![Ino::ROOT];
    for _ in 0..5 {
        let last = *dirs.last().unwrap();
        dirs.push(c.dir(last, b"d").await);
    }
    for moved in 1..=5 {
        for into in moved..=5 {
            let got = c
                .rename(&me, (dirs[moved - 1], b"d"), (dirs[into], b"x"), 0)
                .await;
            assert_eq!(got.map(|_| ()), Err(Errno::EINVAL), "{moved} below {into}");
        }
    }
    // Upwards and sideways is fine.
    c.rename(&me, (dirs[3], b"d"), (dirs[1], b"e"), 0)
        .await
        .unwrap();
    c.rename(&me, (dirs[1], b"d"), (dirs[4], b"f"), 0)
        .await
        .unwrap();
    assert_eq!(c.getattr(dirs[2]).await.unwrap().parent, dirs[4]);
    v.verify().await;
    // Onto an ancestor.
    let got = c.rename(&me, (dirs[4], b"f"), (dirs[1], b"e"), 0).await;
    assert_eq!(got.map(|_| ()), Err(Errno::ENOTEMPTY));
    v.verify().await;
}

async fn links_and_renames(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(Ino::ROOT, b"a").await.unwrap();
    c.link(&me, f, d, b"b").await.unwrap();
    let before = c.getattr(f).await.unwrap();
    v.tick();
    // Two names of one inode: nothing happens, by POSIX.
    let (ino, attr) = c
        .rename(&me, (Ino::ROOT, b"a"), (d, b"b"), 0)
        .await
        .unwrap();
    assert_eq!((ino, &attr), (f, &before));
    assert_eq!(c.names(d).await, [b"b"]);
    c.rename(&me, (Ino::ROOT, b"a"), (Ino::ROOT, b"a"), 0)
        .await
        .unwrap();
    let got = c.rename(&me, (Ino::ROOT, b"a"), (d, b"b"), NOREPLACE).await;
    assert_eq!(got.map(|_| ()), Err(Errno::EEXIST));
    // Another file over one of the names: the inode keeps the other one.
    c.touch(Ino::ROOT, b"new").await.unwrap();
    c.rename(&me, (Ino::ROOT, b"new"), (d, b"b"), 0)
        .await
        .unwrap();
    assert_eq!(c.getattr(f).await.unwrap().nlink, 1);
    v.verify().await;
    // A linked file over a linked file.
    let g = c.touch(d, b"g").await.unwrap();
    c.link(&me, g, Ino::ROOT, b"g").await.unwrap();
    c.link(&me, f, d, b"f").await.unwrap();
    c.rename(&me, (Ino::ROOT, b"g"), (d, b"f"), 0)
        .await
        .unwrap();
    let census = v.verify().await;
    assert_eq!(census.parents[&g], [(d, 2)]);
    assert_eq!(census.parents[&f], [(Ino::ROOT, 1)]);
}

async fn times_of_renames(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let (a, b) = (c.dir(Ino::ROOT, b"a").await, c.dir(Ino::ROOT, b"b").await);
    let f = c.touch(a, b"f").await.unwrap();
    let sub = c.dir(a, b"sub").await;
    v.tick();
    c.rename(&root(), (a, b"f"), (b, b"f"), 0).await.unwrap();
    let now = c.now();
    for dir in [a, b] {
        let attr = c.getattr(dir).await.unwrap();
        assert_eq!((attr.mtime, attr.ctime), (now, now));
    }
    let file = c.getattr(f).await.unwrap();
    assert_eq!(file.ctime, now);
    assert!(file.mtime < now);
    v.clock.advance(std::time::Duration::from_millis(1));
    c.rename(&root(), (a, b"sub"), (b, b"sub"), 0)
        .await
        .unwrap();
    for (dir, nlink) in [(a, 2), (b, 3)] {
        let attr = c.getattr(dir).await.unwrap();
        assert_eq!(
            (attr.mtime, attr.nlink),
            (c.now(), nlink),
            "a moved directory always touches both"
        );
    }
    assert_eq!(c.getattr(sub).await.unwrap().parent, b);
    v.verify().await;
}
