//! The trash: names, hour directories, what goes there and what does not, expiry.

use jfs_meta::SetXattr;
use jfs_meta::engine::Write;
use jfs_tests::volume::root;
use jfs_tests::{Client, Kind, Volume, on_every_engine};
use jfs_types::*;
use std::time::Duration;

on_every_engine! {
    removed_things_keep_their_inode, hour_directories, hard_links_in_the_trash, long_names_are_cut,
    what_the_trash_refuses, restoring, expiry, two_clients_make_one_hour, hour_directories_stay,
    an_hour_directory_that_is_gone_is_made_again, emptying_ends_without_progress,
    what_is_open_can_be_changed_in_the_trash,
}

/// `2027-01-15-08` and later ones: the tests' clock starts there.
const HOUR: &[u8] = b"2027-01-15-08";

fn hour(n: u64) -> Ino {
    Ino(Ino::TRASH.0 + n)
}

async fn removed_things_keep_their_inode(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let (f, _) = c.create(&me, d, b"f", 0o640, 0).await.unwrap();
    c.put_slice(f, 0, 0, 9000).await.unwrap();
    let (l, _) = c.symlink(&me, d, b"l", b"t").await.unwrap();
    let over = c.touch(d, b"over").await.unwrap();
    let target = c.touch(d, b"target").await.unwrap();
    v.tick();
    let before = c.getattr(f).await.unwrap();
    c.unlink(&me, d, b"f").await.unwrap();
    c.unlink(&me, d, b"l").await.unwrap();
    c.rename(&me, (d, b"over"), (d, b"target"), 0)
        .await
        .unwrap();
    c.unlink(&me, d, b"target").await.unwrap();
    c.rmdir(&me, Ino::ROOT, b"d").await.unwrap();
    assert!(c.work().is_empty(), "nothing is deleted");
    assert_eq!(
        c.close(f),
        None,
        "an open file in the trash has its name there"
    );
    let mut names: Vec<Vec<u8>> = [
        (d, f, "f"),
        (d, l, "l"),
        (d, over, "target"),
        (d, target, "target"),
        (Ino::ROOT, d, "d"),
    ]
    .map(|(p, i, n)| format!("{p}-{i}-{n}").into_bytes())
    .into();
    names.sort();
    assert_eq!(c.names(hour(1)).await, names);
    let mut after = before.clone();
    (after.parent, after.ctime) = (hour(1), c.now());
    assert_eq!(c.getattr(f).await.unwrap(), after);
    assert_eq!(c.readlink(l).await.unwrap(), &b"t"[..]);
    assert_eq!(
        c.create(&me, d, b"x", 0o644, 0).await.map(|_| ()),
        Err(Errno::ENOENT),
        "a directory in the trash is dead"
    );
    let census = v.verify().await;
    assert_eq!(
        census.counters[..2],
        [12_288 + 5 * 4096, 6],
        "usage stays; the hour directory counts"
    );
    let hour_attr = &census.attrs[&hour(1)];
    assert_eq!(
        (
            hour_attr.mode,
            hour_attr.nlink,
            hour_attr.parent,
            hour_attr.uid
        ),
        (0o555, 2, Ino::TRASH, 0)
    );
    assert_eq!(census.attrs[&Ino::TRASH].nlink, 2);
}

async fn hour_directories(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    for _ in 0..2 {
        c.touch(Ino::ROOT, b"f").await.unwrap();
        c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    }
    assert_eq!(c.names(Ino::TRASH).await, [HOUR]);
    assert_eq!(c.names(hour(1)).await.len(), 2);
    v.clock.advance(Duration::from_secs(3600));
    c.touch(Ino::ROOT, b"f").await.unwrap();
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.names(Ino::TRASH).await, [HOUR, b"2027-01-15-09"]);
    assert_eq!(c.names(hour(2)).await.len(), 1);
    // A client that starts later uses what is there.
    let late = v.client().await;
    late.touch(Ino::ROOT, b"g").await.unwrap();
    late.unlink(&root(), Ino::ROOT, b"g").await.unwrap();
    assert_eq!(c.names(hour(2)).await.len(), 2);
    let census = v.verify().await;
    assert_eq!(census.counters[2], 2);
}

async fn hard_links_in_the_trash(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(Ino::ROOT, b"a").await.unwrap();
    c.link(&me, f, d, b"b").await.unwrap();
    c.unlink(&me, d, b"b").await.unwrap();
    let attr = c.getattr(f).await.unwrap();
    assert_eq!(
        (attr.nlink, attr.parent),
        (2, Ino(0)),
        "the name in the trash still counts"
    );
    let census = v.verify().await;
    assert_eq!(census.parents[&f], [(Ino::ROOT, 1), (hour(1), 1)]);
    // The same name again: its place in the trash is taken, so it really goes.
    c.link(&me, f, d, b"b").await.unwrap();
    assert_eq!(c.getattr(f).await.unwrap().nlink, 3);
    c.unlink(&me, d, b"b").await.unwrap();
    assert_eq!(c.getattr(f).await.unwrap().nlink, 2);
    v.verify().await;
    c.unlink(&me, Ino::ROOT, b"a").await.unwrap();
    let census = v.verify().await;
    assert_eq!(census.parents[&f], [(hour(1), 2)]);
    assert!(c.work().is_empty());
}

async fn long_names_are_cut(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let mut expected = Vec::new();
    for (n, len) in [255usize, 251, 250, 200].into_iter().enumerate() {
        let name = vec![0x80 + n as u8; len];
        let f = c.touch(Ino::ROOT, &name).await.unwrap();
        c.unlink(&me, Ino::ROOT, &name).await.unwrap();
        let mut whole = format!("1-{f}-").into_bytes();
        whole.extend(&name);
        whole.truncate(255);
        expected.push(whole);
    }
    expected.sort();
    assert_eq!(c.names(hour(1)).await, expected);
    v.verify().await;
}

async fn what_the_trash_refuses(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let user = Caller::user(5, 5);
    let (f, _) = c.create(&user, Ino::ROOT, b"f", 0o666, 0).await.unwrap();
    c.close(f);
    c.unlink(&user, Ino::ROOT, b"f").await.unwrap();
    let name = format!("1-{f}-f").into_bytes();
    let chmod = jfs_meta::SetAttr {
        mode: Some(0),
        ..Default::default()
    };
    assert_eq!(c.unlink(&user, hour(1), &name).await, Err(Errno::EPERM));
    assert_eq!(
        c.rename(&user, (hour(1), &name), (Ino::ROOT, b"f"), 0)
            .await
            .map(|_| ()),
        Err(Errno::EPERM)
    );
    assert_eq!(
        c.setattr(&me, f, &chmod).await.map(|_| ()),
        Err(Errno::EPERM)
    );
    assert_eq!(
        c.rename(&me, (hour(1), &name), (hour(1), b"x"), 0)
            .await
            .map(|_| ()),
        Err(Errno::EPERM)
    );
    // The super-user removes for good.
    c.put_slice(f, 0, 0, 10).await.unwrap();
    c.unlink(&me, hour(1), &name).await.unwrap();
    assert_eq!(c.do_work().await.len(), 1);
    let census = v.verify().await;
    assert_eq!(census.counters[..2], [4096, 1]);
    // Volumes without a trash have no hour directories.
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    c.touch(Ino::ROOT, b"f").await.unwrap();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(v.verify().await.counters[2], 0);
}

async fn restoring(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.put_slice(f, 0, 0, 10_000).await.unwrap();
    c.rmdir(&me, Ino::ROOT, b"d").await.unwrap();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    v.verify().await;
    c.rename(
        &me,
        (hour(1), format!("1-{d}-d").as_bytes()),
        (Ino::ROOT, b"d"),
        0,
    )
    .await
    .unwrap();
    c.rename(&me, (hour(1), format!("1-{f}-f").as_bytes()), (d, b"f"), 0)
        .await
        .unwrap();
    assert_eq!(c.getattr(d).await.unwrap().parent, Ino::ROOT);
    c.truncate(&me, f, 5).await.unwrap();
    let census = v.verify().await;
    assert_eq!(census.entries[&hour(1)].len(), 0);
    assert_eq!(census.counters[..2], [3 * 4096, 3]);
}

async fn removed_in_hours(v: &Volume, c: &Client, hours: u64) {
    for n in 0..hours {
        let name = format!("f{n}").into_bytes();
        let f = c.touch(Ino::ROOT, &name).await.unwrap();
        c.put_slice(f, 0, 0, 100).await.unwrap();
        c.dir(Ino::ROOT, b"d").await;
        c.unlink(&root(), Ino::ROOT, &name).await.unwrap();
        c.rmdir(&root(), Ino::ROOT, b"d").await.unwrap();
        v.clock.advance(Duration::from_secs(3600));
    }
}

async fn expiry(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    removed_in_hours(&v, &c, 3).await;
    assert!(c.expired_trash_hours().await.unwrap().is_empty());
    // Hours 8, 9 and 10 were filled, it is 11: 24 hours later hour 8 is more than 26 hours old.
    v.clock.advance(Duration::from_secs(24 * 3600));
    let expired = c.expired_trash_hours().await.unwrap();
    assert_eq!(expired.iter().map(|h| h.ino).collect::<Vec<_>>(), [hour(1)]);
    v.clock.advance(Duration::from_secs(3600));
    let expired = c.expired_trash_hours().await.unwrap();
    assert_eq!(
        expired.iter().map(|h| h.ino).collect::<Vec<_>>(),
        [hour(1), hour(2)]
    );
    assert_eq!(c.empty_trash_hour(&expired[0]).await.unwrap(), 2);
    assert_eq!(
        c.empty_trash_hour(&expired[0]).await.unwrap(),
        0,
        "safe to repeat"
    );
    assert_eq!(c.do_work().await.len(), 1);
    let census = v.verify().await;
    assert_eq!(census.entries[&Ino::TRASH].len(), 2);
    assert_eq!(census.counters[1], 6);
    v.clock.advance(Duration::from_secs(48 * 3600));
    for hour in c.expired_trash_hours().await.unwrap() {
        c.empty_trash_hour(&hour).await.unwrap();
    }
    c.do_work().await;
    let census = v.verify().await;
    assert_eq!(census.counters[..2], [0, 0]);
    removed_in_hours(&v, &c, 1).await;
    v.verify().await;
}

async fn two_clients_make_one_hour(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let clients = [v.client().await, v.client().await, v.client().await];
    for (n, c) in clients.iter().enumerate() {
        c.touch(Ino::ROOT, format!("f{n}").as_bytes())
            .await
            .unwrap();
    }
    let mut tasks = Vec::new();
    for (n, c) in clients.iter().enumerate() {
        let meta = c.meta.clone();
        let name = format!("f{n}").into_bytes();
        tasks.push(tokio::spawn(async move {
            meta.unlink(&root(), Ino::ROOT, &name).await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let census = v.verify().await;
    assert_eq!(census.entries[&Ino::TRASH].len(), 1);
}

async fn hour_directories_stay(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.touch(Ino::ROOT, b"a").await.unwrap();
    c.unlink(&me, Ino::ROOT, b"a").await.unwrap();
    let chmod = jfs_meta::SetAttr {
        mode: Some(0o777),
        ..Default::default()
    };
    let refused = [
        c.rmdir(&me, Ino::TRASH, HOUR).await,
        c.unlink(&me, Ino::TRASH, HOUR).await,
        c.rename(&me, (Ino::TRASH, HOUR), (Ino::ROOT, b"x"), 0)
            .await
            .map(|_| ()),
        c.rename(&me, (Ino::TRASH, HOUR), (d, b"x"), 1)
            .await
            .map(|_| ()),
        c.rename(&me, (Ino::TRASH, HOUR), (Ino::ROOT, b"d"), 2)
            .await
            .map(|_| ()),
        c.rename(&me, (Ino::ROOT, b"d"), (Ino::TRASH, HOUR), 2)
            .await
            .map(|_| ()),
        c.rename(&me, (Ino::ROOT, b"d"), (Ino::TRASH, HOUR), 0)
            .await
            .map(|_| ()),
        c.mkdir(&me, Ino::TRASH, b"x", 0o755, 0).await.map(|_| ()),
        c.mkdir(&me, hour(1), b"x", 0o755, 0).await.map(|_| ()),
        c.link(&me, f, hour(1), b"x").await.map(|_| ()),
        c.link(&me, f, Ino::TRASH, b"x").await.map(|_| ()),
        c.set_xattr(hour(1), b"user.a", b"v", SetXattr::Any).await,
        c.set_xattr(Ino::TRASH, b"user.a", b"v", SetXattr::Any)
            .await,
        c.remove_xattr(hour(1), b"user.a").await,
        c.setattr(&me, hour(1), &chmod).await.map(|_| ()),
        c.setattr_open_dir(&me, hour(1), &chmod).await.map(|_| ()),
    ];
    assert_eq!(refused, [Err(Errno::EPERM); 16]);
    assert_eq!(
        c.restore(Ino::TRASH, &Name::new(b"1-2-x").unwrap())
            .await
            .map(|_| ()),
        Err(Errno::EINVAL)
    );
    // An empty one stays, too: more may come within its hour.
    let name = c.names(hour(1)).await.remove(0);
    c.unlink(&me, hour(1), &name).await.unwrap();
    assert_eq!(c.rmdir(&me, Ino::TRASH, HOUR).await, Err(Errno::EPERM));
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.names(hour(1)).await.len(), 1);
    v.verify().await;
}

async fn an_hour_directory_that_is_gone_is_made_again(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let (c, other) = (v.client().await, v.client().await);
    let me = root();
    let remove_it = async || {
        for hour in other.trash_hours().await.unwrap() {
            other.empty_trash_hour(&hour).await.unwrap();
        }
    };
    for name in [&b"a"[..], b"b", b"c", b"new", b"old"] {
        c.touch(Ino::ROOT, name).await.unwrap();
    }
    let d = c.dir(Ino::ROOT, b"d").await;
    c.unlink(&me, Ino::ROOT, b"a").await.unwrap();
    remove_it().await;
    let (b, _) = c.lookup(&me, Ino::ROOT, b"b").await.unwrap();
    c.unlink(&me, Ino::ROOT, b"b").await.unwrap();
    assert_eq!(c.names(hour(2)).await, [format!("1-{b}-b").into_bytes()]);
    remove_it().await;
    c.rename(&me, (Ino::ROOT, b"new"), (Ino::ROOT, b"old"), 0)
        .await
        .unwrap();
    assert_eq!(c.names(hour(3)).await.len(), 1);
    remove_it().await;
    c.rmdir(&me, Ino::ROOT, b"d").await.unwrap();
    assert_eq!(c.names(hour(4)).await, [format!("1-{d}-d").into_bytes()]);
    c.unlink(&me, Ino::ROOT, b"c").await.unwrap();
    assert_eq!(c.names(Ino::TRASH).await, [HOUR]);
    assert_eq!(c.names(hour(4)).await.len(), 2);
    c.do_work().await;
    other.do_work().await;
    v.verify().await;
}

/// Entries below a directory without an inode: they are listed, and a removal answers ENOENT.
async fn emptying_ends_without_progress(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let lost = jfs_meta::ops::TrashHour {
        name: Name::new(HOUR).unwrap(),
        ino: hour(77),
        hour: 0,
    };
    let entries = [5, 6].map(|n| Write::NewEntry {
        dir: lost.ino,
        name: Name::new(format!("1-{n}-x").as_bytes()).unwrap(),
        entry: Entry {
            kind: FileType::Regular,
            ino: Ino(n),
        },
    });
    let attempt = c.engine().begin().await.unwrap();
    attempt.commit(&entries, c.now()).await.unwrap();
    assert_eq!(c.names(lost.ino).await.len(), 2);
    let emptied = tokio::time::timeout(Duration::from_secs(20), c.empty_trash_hour(&lost)).await;
    assert_eq!(emptied, Ok(Err(Errno::ENOENT)));
}

/// A file that is open since before it went to the trash: everything works through its handles, and the
/// stored bytes are those of any file in the trash.
async fn what_is_open_can_be_changed_in_the_trash(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let (c, other) = (v.client().await, v.client().await);
    let me = root();
    let chmod = jfs_meta::SetAttr {
        mode: Some(0o640),
        ..Default::default()
    };
    let source = c.touch(Ino::ROOT, b"source").await.unwrap();
    c.put_slice(source, 0, 0, 5000).await.unwrap();
    let copy_to = |to| jfs_meta::CopyRange {
        from: source,
        from_off: 0,
        to,
        to_off: 0,
        size: 5000,
    };
    let change = async |f: Ino| {
        [
            c.truncate(&me, f, 9000).await.map(|_| ()),
            c.fallocate(&me, f, 0, 0, 10_000).await.map(|_| ()),
            c.copy_file_range(copy_to(f)).await.map(|_| ()),
            c.setattr(&me, f, &chmod).await.map(|_| ()),
            c.open(&me, f, 2).await.map(|_| _ = c.close(f)),
        ]
    };
    for how in ["unlink", "rename"] {
        let (f, _) = c.create(&me, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
        match how {
            "unlink" => c.unlink(&me, Ino::ROOT, b"f").await.unwrap(),
            _ => {
                c.touch(Ino::ROOT, b"g").await.unwrap();
                let to = (Ino::ROOT, &b"f"[..]);
                c.rename(&me, (Ino::ROOT, b"g"), to, 0).await.unwrap();
            }
        }
        assert_eq!(change(f).await, [Ok(()); 5], "{how}");
        let no = Err(Errno::EPERM);
        let by_other = other.truncate(&me, f, 1).await.map(|_| ());
        assert_eq!(by_other, no, "not open there");
        let attr = c.getattr(f).await.unwrap();
        assert_eq!((attr.nlink, attr.parent, attr.length), (1, hour(1), 10_000));
        assert_eq!(c.links_in_trash(f, &attr), 1);
        assert_eq!(other.links_in_trash(f, &attr), 0, "not open there");
        assert_eq!(other.setattr(&me, f, &chmod).await.map(|_| ()), no);
        v.verify().await;
        c.close(f);
        // An open of the file in the trash may read.
        c.open(&me, f, 0).await.unwrap();
        assert_eq!(change(f).await, [no; 5], "{how}");
        c.close(f);
    }
    // Names in the trash and outside of it.
    let (f, _) = c.create(&me, Ino::ROOT, b"one", 0o644, 0).await.unwrap();
    c.link(&me, f, Ino::ROOT, b"two").await.unwrap();
    c.unlink(&me, Ino::ROOT, b"one").await.unwrap();
    let attr = c.getattr(f).await.unwrap();
    assert_eq!((attr.nlink, c.links_in_trash(f, &attr)), (2, 1));
    // An open finds what went there before.
    assert_eq!(other.links_in_trash(f, &attr), 0, "not open there");
    other.open(&me, f, 0).await.unwrap();
    assert_eq!(other.links_in_trash(f, &attr), 1);
    other.close(f);
    let kept = format!("1-{f}-one").into_bytes();
    c.rename(&me, (hour(1), &kept), (Ino::ROOT, b"one"), 0)
        .await
        .unwrap();
    let attr = c.getattr(f).await.unwrap();
    assert_eq!((attr.nlink, c.links_in_trash(f, &attr)), (2, 0));
    v.verify().await;
}
