//! create, mkdir, symlink, link, lookup: what they leave, and every error.

use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! {
    a_new_file, a_new_directory, a_new_symlink, names_of_every_shape, creation_errors, permissions_of_creation,
    sgid_directories, hard_links, link_errors, lookups, ids_come_in_batches, volume_limits,
}

async fn a_new_file(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let user = Caller {
        groups: vec![7],
        ..Caller::user(1000, 100)
    };
    let (ino, attr) = c
        .create(&user, Ino::ROOT, b"f", 0o6777, 0o027)
        .await
        .unwrap();
    let now = c.now();
    assert!(ino.0 >= 2, "{ino:?}");
    assert_eq!(
        (attr.kind, attr.mode, attr.nlink, attr.length),
        (FileType::Regular, 0o6750, 1, 0)
    );
    assert_eq!((attr.uid, attr.gid, attr.parent), (1000, 100, Ino::ROOT));
    assert_eq!((attr.atime, attr.mtime, attr.ctime), (now, now, now));
    assert_eq!(c.getattr(ino).await.unwrap(), attr);
    assert_eq!(
        c.lookup(&root(), Ino::ROOT, b"f").await.unwrap(),
        (ino, attr)
    );
    let dir = c.getattr(Ino::ROOT).await.unwrap();
    assert_eq!((dir.mtime, dir.ctime, dir.nlink), (now, now, 2));
    c.close(ino);
    let census = v.verify().await;
    assert_eq!(census.counters[..2], [4096, 1]);
}

async fn a_new_directory(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let (ino, attr) = c
        .mkdir(&root(), Ino::ROOT, b"d", 0o1777, 0o022)
        .await
        .unwrap();
    assert_eq!(
        (attr.kind, attr.mode, attr.nlink, attr.length),
        (FileType::Directory, 0o1755, 2, 4096)
    );
    assert_eq!(c.getattr(Ino::ROOT).await.unwrap().nlink, 3);
    // The link count moves even while the times are not due.
    let (below, _) = c.mkdir(&root(), ino, b"e", 0o755, 0).await.unwrap();
    assert_eq!(c.getattr(ino).await.unwrap().nlink, 3);
    assert_eq!(c.lookup(&root(), below, b"..").await.unwrap().0, ino);
    assert_eq!(c.lookup(&root(), below, b".").await.unwrap().0, below);
    assert_eq!(
        c.lookup(&root(), Ino::ROOT, b"..").await.unwrap().0,
        Ino::ROOT
    );
    v.verify().await;
}

async fn a_new_symlink(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let long = vec![b'x'; 4095];
    for (name, target) in [
        (&b"a"[..], &b"../t"[..]),
        (b"raw", b"\xff\xfe not utf8"),
        (b"long", &long),
    ] {
        let (ino, attr) = c.symlink(&root(), Ino::ROOT, name, target).await.unwrap();
        assert_eq!(
            (attr.mode, attr.length, attr.nlink),
            (0o777, target.len() as u64, 1)
        );
        assert_eq!(c.readlink(ino).await.unwrap(), target);
    }
    for (target, errno) in [
        (&b""[..], Errno::EINVAL),
        (b"a\0b", Errno::EINVAL),
        (&[b'x'; 4097], Errno::ENAMETOOLONG),
    ] {
        assert_eq!(
            c.symlink(&root(), Ino::ROOT, b"no", target).await,
            Err(errno)
        );
    }
    assert_eq!(c.readlink(Ino::ROOT).await, Err(Errno::EINVAL));
    assert_eq!(c.readlink(Ino(999_999)).await, Err(Errno::ENOENT));
    c.unlink(&root(), Ino::ROOT, b"a").await.unwrap();
    let census = v.verify().await;
    assert_eq!(census.symlinks.len(), 2);
    assert_eq!(census.counters[..2], [8192, 2]);
}

async fn names_of_every_shape(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let mut names: Vec<Vec<u8>> = vec![
        vec![b'n'; 255],
        "é".repeat(127).into_bytes(),
        vec![0xff; 255],
        b"\xff\xfe\xc3".to_vec(),
        b" leading and trailing ".to_vec(),
        b"new\nline".to_vec(),
        b"quote'\"\\%_*?".to_vec(),
        b"Case".to_vec(),
        b"case".to_vec(),
        b"...".to_vec(),
        b".hidden".to_vec(),
        b"1".to_vec(),
        b"-1".to_vec(),
        (1..=255).filter(|b| *b != b'/').collect(),
    ];
    let mut inodes = Vec::new();
    for name in &names {
        inodes.push(c.touch(Ino::ROOT, name).await.unwrap());
    }
    for (name, ino) in names.iter().zip(&inodes) {
        assert_eq!(
            c.lookup(&root(), Ino::ROOT, name).await.unwrap().0,
            *ino,
            "{name:?}"
        );
    }
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(c.names(Ino::ROOT).await, sorted);
    for name in names.drain(..) {
        let mut moved = name.clone();
        moved[0] ^= 1;
        if matches!(moved[0], 0 | b'/') || c.lookup(&root(), Ino::ROOT, &moved).await.is_ok() {
            moved = b"moved".to_vec();
        }
        c.rename(&root(), (Ino::ROOT, &name), (Ino::ROOT, &moved), 0)
            .await
            .unwrap();
        c.unlink(&root(), Ino::ROOT, &moved).await.unwrap();
    }
    assert!(c.names(Ino::ROOT).await.is_empty());
    v.verify().await;
}

async fn creation_errors(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    for (parent, name, errno) in [
        (Ino::ROOT, &b"f"[..], Errno::EEXIST),
        (Ino::ROOT, b".", Errno::EEXIST),
        (Ino::ROOT, b"..", Errno::EEXIST),
        (Ino::ROOT, b"", Errno::ENOENT),
        (Ino::ROOT, b"a/b", Errno::EINVAL),
        (Ino::ROOT, b"a\0", Errno::EINVAL),
        (Ino::ROOT, &[b'n'; 256], Errno::ENAMETOOLONG),
        (Ino::ROOT, b".trash", Errno::EPERM),
        (Ino::TRASH, b"x", Errno::EPERM),
        (Ino(Ino::TRASH.0 + 1), b"x", Errno::EPERM),
        (f, b"x", Errno::ENOTDIR),
        (Ino(999_999), b"x", Errno::ENOENT),
    ] {
        let text = String::from_utf8_lossy(name);
        assert_eq!(
            c.create(&me, parent, name, 0o644, 0).await.map(|_| ()),
            Err(errno),
            "create {text}"
        );
        assert_eq!(
            c.mkdir(&me, parent, name, 0o755, 0).await.map(|_| ()),
            Err(errno),
            "mkdir {text}"
        );
        assert_eq!(
            c.symlink(&me, parent, name, b"t").await.map(|_| ()),
            Err(errno),
            "symlink {text}"
        );
        if (parent, name) != (Ino::ROOT, b"f") {
            assert_eq!(
                c.link(&me, f, parent, name).await.map(|_| ()),
                Err(errno),
                "link {text}"
            );
        }
    }
    v.verify().await;
}

async fn permissions_of_creation(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let (d, _) = c
        .mkdir(&Caller::user(10, 20), Ino::ROOT, b"d", 0o730, 0)
        .await
        .unwrap();
    let member = Caller {
        groups: vec![5, 20],
        ..Caller::user(11, 21)
    };
    let stranger = Caller::user(12, 22);
    c.create(&member, d, b"by-member", 0o644, 0).await.unwrap();
    assert_eq!(
        c.create(&stranger, d, b"x", 0o644, 0).await.map(|_| ()),
        Err(Errno::EACCES)
    );
    assert_eq!(
        c.mkdir(&stranger, d, b"x", 0o644, 0).await.map(|_| ()),
        Err(Errno::EACCES)
    );
    assert_eq!(
        c.lookup(&stranger, d, b"by-member").await.map(|_| ()),
        Err(Errno::EACCES)
    );
    assert_eq!(
        c.unlink(&stranger, d, b"by-member").await,
        Err(Errno::EACCES)
    );
    // A kernel that checks permissions itself has let the request through.
    let checked = Caller {
        check_permission: false,
        ..stranger.clone()
    };
    c.create(&checked, d, b"checked", 0o644, 0).await.unwrap();
    for (caller, mask, answer) in [
        (&member, 2, Ok(())),
        (&member, 4, Err(Errno::EACCES)),
        (&stranger, 1, Err(Errno::EACCES)),
        (&Caller::user(10, 1), 7, Ok(())),
        (&Caller::root(), 7, Ok(())),
    ] {
        assert_eq!(c.access(caller, d, mask).await, answer);
    }
    v.verify().await;
}

async fn sgid_directories(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let (d, _) = c
        .mkdir(&Caller::user(1, 50), Ino::ROOT, b"d", 0o2777, 0)
        .await
        .unwrap();
    let user = Caller::user(5, 6);
    let (_, sub) = c.mkdir(&user, d, b"sub", 0o755, 0).await.unwrap();
    assert_eq!((sub.mode, sub.gid), (0o2755, 50));
    let (_, file) = c.create(&user, d, b"f", 0o2775, 0).await.unwrap();
    assert_eq!((file.mode, file.gid), (0o775, 50));
    let member = Caller {
        groups: vec![50],
        ..user
    };
    let (_, file) = c.create(&member, d, b"g", 0o2775, 0).await.unwrap();
    assert_eq!((file.mode, file.gid), (0o2775, 50));
    let (_, link) = c.symlink(&member, d, b"l", b"t").await.unwrap();
    assert_eq!(link.gid, 50);
    v.verify().await;
}

async fn hard_links(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let (a, b) = (c.dir(Ino::ROOT, b"a").await, c.dir(Ino::ROOT, b"b").await);
    let f = c.touch(a, b"1").await.unwrap();
    assert_eq!(c.getattr(f).await.unwrap().parent, a);
    v.tick();
    let attr = c.link(&me, f, a, b"2").await.unwrap();
    assert_eq!((attr.nlink, attr.parent, attr.ctime), (2, Ino(0), c.now()));
    c.link(&me, f, b, b"3").await.unwrap();
    let census = v.verify().await;
    assert_eq!(census.parents[&f], [(a, 2), (b, 1)]);
    // Growth counts in every directory, once per name.
    c.put_slice(f, 0, 0, 10_000).await.unwrap();
    let census = v.verify().await;
    assert_eq!(
        (census.dir_stats[&a].length, census.dir_stats[&b].length),
        (20_000, 10_000)
    );
    c.truncate(&me, f, 1).await.unwrap();
    v.verify().await;
    // Moving names between directories and inside one.
    c.rename(&me, (a, b"2"), (b, b"2"), 0).await.unwrap();
    c.rename(&me, (b, b"2"), (b, b"4"), 0).await.unwrap();
    let census = v.verify().await;
    assert_eq!(census.parents[&f], [(a, 1), (b, 2)]);
    // Back to one name: the parent stays in records.
    c.unlink(&me, b, b"3").await.unwrap();
    c.unlink(&me, b, b"4").await.unwrap();
    let attr = c.getattr(f).await.unwrap();
    assert_eq!((attr.nlink, attr.parent), (1, Ino(0)));
    v.verify().await;
    c.put_slice(f, 0, 0, 5000).await.unwrap();
    v.verify().await;
    c.unlink(&me, a, b"1").await.unwrap();
    assert_eq!(c.getattr(f).await, Err(Errno::ENOENT));
    c.do_work().await;
    let census = v.verify().await;
    assert_eq!(census.chunks.len(), 0);
    assert_eq!(census.counters[..2], [8192, 2]);
    // A symbolic link has hard links too.
    let (l, _) = c.symlink(&me, a, b"l", b"t").await.unwrap();
    c.link(&me, l, b, b"l").await.unwrap();
    c.unlink(&me, a, b"l").await.unwrap();
    assert_eq!(c.readlink(l).await.unwrap(), &b"t"[..]);
    v.verify().await;
}

async fn link_errors(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    assert_eq!(
        c.link(&me, f, Ino::ROOT, b"f").await.map(|_| ()),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        c.link(&me, d, Ino::ROOT, b"x").await.map(|_| ()),
        Err(Errno::EPERM)
    );
    assert_eq!(
        c.link(&me, Ino(999_999), Ino::ROOT, b"x").await.map(|_| ()),
        Err(Errno::ENOENT)
    );
    assert_eq!(
        c.link(&Caller::user(5, 5), f, d, b"x").await.map(|_| ()),
        Err(Errno::EACCES)
    );
    assert_eq!(
        c.link(&me, f, Ino::ROOT, b".trash").await.map(|_| ()),
        Err(Errno::EPERM)
    );
    // Neither a file in the trash nor one that lost its last name gets another one.
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(
        c.link(&me, f, Ino::ROOT, b"x").await.map(|_| ()),
        Err(Errno::EPERM)
    );
    v.verify().await;
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let (f, _) = c.create(&me, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(
        c.link(&me, f, Ino::ROOT, b"x").await.map(|_| ()),
        Err(Errno::ENOENT)
    );
    v.verify().await;
}

async fn lookups(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    for (parent, name, errno) in [
        (Ino::ROOT, &b"missing"[..], Errno::ENOENT),
        (Ino(999_999), b"x", Errno::ENOENT),
        (Ino::ROOT, &[b'n'; 256], Errno::ENAMETOOLONG),
        (f, b"x", Errno::ENOTDIR),
    ] {
        let found = c.lookup(&Caller::root(), parent, name).await.map(|_| ());
        assert_eq!(found, Err(errno), "{:?}", String::from_utf8_lossy(name));
    }
    let (trash, attr) = c.lookup(&root(), Ino::ROOT, b".trash").await.unwrap();
    assert_eq!((trash, attr.mode, attr.nlink), (Ino::TRASH, 0o555, 2));
    assert_eq!(
        c.lookup(&root(), Ino::TRASH, b"..").await.unwrap().0,
        Ino::ROOT
    );
    assert_eq!(c.getattr(Ino(999_999)).await, Err(Errno::ENOENT));
    v.verify().await;
}

/// Two clients hand out more numbers than one batch holds: all different, none special.
async fn ids_come_in_batches(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let mut slices = std::collections::BTreeSet::new();
    for _ in 0..5000 {
        assert!(slices.insert(a.new_slice_id().await.unwrap()));
        assert!(slices.insert(b.new_slice_id().await.unwrap()));
    }
    assert!(!slices.contains(&0));
    let d = a.dir(Ino::ROOT, b"d").await;
    let mut inodes = std::collections::BTreeSet::new();
    for n in 0..600 {
        assert!(inodes.insert(a.touch(d, format!("a{n}").as_bytes()).await.unwrap()));
        assert!(inodes.insert(b.touch(d, format!("b{n}").as_bytes()).await.unwrap()));
    }
    for n in 600..1100 {
        assert!(inodes.insert(a.touch(d, format!("a{n}").as_bytes()).await.unwrap()));
    }
    assert!(
        inodes
            .iter()
            .all(|i| *i > Ino::ROOT && *i < Ino::VIRTUAL_BASE)
    );
    v.verify().await;
}

async fn volume_limits(kind: Kind) {
    let format = Format {
        capacity: 5 * 4096,
        inodes: 4,
        ..jfs_tests::volume::setting()
    };
    let v = Volume::with_format(kind, format).await;
    let c = v.client().await;
    let me = root();
    let f = c.touch(Ino::ROOT, b"1").await.unwrap();
    c.dir(Ino::ROOT, b"2").await;
    c.put_slice(f, 0, 0, 4096).await.unwrap();
    assert_eq!(c.put_slice(f, 0, 4096, 4 * 4096).await, Err(Errno::ENOSPC));
    assert_eq!(
        c.truncate(&me, f, 5 * 4096).await.map(|_| ()),
        Err(Errno::ENOSPC)
    );
    // An overwrite and a growth inside the last 4 KiB cost nothing.
    c.put_slice(f, 0, 0, 4000).await.unwrap();
    c.touch(Ino::ROOT, b"3").await.unwrap();
    c.touch(Ino::ROOT, b"4").await.unwrap();
    assert_eq!(c.touch(Ino::ROOT, b"5").await, Err(Errno::ENOSPC));
    assert_eq!(
        c.mkdir(&me, Ino::ROOT, b"5", 0o755, 0).await.map(|_| ()),
        Err(Errno::ENOSPC)
    );
    let s = c.statfs().await.unwrap();
    assert_eq!(
        (s.total_space, s.avail_space, s.used_inodes, s.avail_inodes),
        (5 * 4096, 4096, 4, 0)
    );
    c.unlink(&me, Ino::ROOT, b"4").await.unwrap();
    c.touch(Ino::ROOT, b"5").await.unwrap();
    // What another client wrote counts as soon as the counters were read again.
    let other = v.client().await;
    v.flush().await;
    other.statfs().await.unwrap();
    assert_eq!(other.touch(Ino::ROOT, b"6").await, Err(Errno::ENOSPC));
    v.verify().await;
}
