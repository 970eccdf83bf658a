//! Looking into the trash, and putting back what lies there.

use jfs_meta::Restored;
use jfs_tests::volume::root;
use jfs_tests::{Client, Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! { listing_the_trash, one_entry_back, whole_trees_come_back, trees_inside_the_trash, what_cannot_come_back }

/// Removes a directory with a file and a directory with a file in it, deepest first.
async fn remove_tree(c: &Client) -> (Ino, Ino, Ino, Ino) {
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    let sub = c.dir(d, b"sub").await;
    let f = c.touch(d, b"f").await.unwrap();
    let g = c.touch(sub, b"g-with-dashes").await.unwrap();
    c.put_slice(g, 0, 0, 10_000).await.unwrap();
    c.unlink(&me, sub, b"g-with-dashes").await.unwrap();
    c.rmdir(&me, d, b"sub").await.unwrap();
    c.unlink(&me, d, b"f").await.unwrap();
    c.rmdir(&me, Ino::ROOT, b"d").await.unwrap();
    (d, sub, f, g)
}

async fn listing_the_trash(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let (d, sub, f, g) = remove_tree(&c).await;
    v.clock.advance(std::time::Duration::from_secs(3600));
    c.touch(Ino::ROOT, b"later").await.unwrap();
    c.unlink(&root(), Ino::ROOT, b"later").await.unwrap();
    let hours = c.trash_hours().await.unwrap();
    let names: Vec<&[u8]> = hours.iter().map(|h| h.name.as_bytes()).collect();
    assert_eq!(names, [&b"2027-01-15-08"[..], b"2027-01-15-09"]);
    assert_eq!(c.names(Ino::TRASH).await, names);
    let mut want = [
        format!("{sub}-{g}-g-with-dashes"),
        format!("{d}-{sub}-sub"),
        format!("{d}-{f}-f"),
        format!("1-{d}-d"),
    ]
    .map(String::into_bytes);
    want.sort();
    assert_eq!(c.names(hours[0].ino).await, want);
    // By name, as a shell would.
    let (trash, _) = c.lookup(&root(), Ino::ROOT, b".trash").await.unwrap();
    let (hour, attr) = c.lookup(&root(), trash, b"2027-01-15-08").await.unwrap();
    assert_eq!((hour, attr.mode), (hours[0].ino, 0o555));
    v.verify().await;
}

async fn one_entry_back(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    let hour = c.trash_hours().await.unwrap().remove(0).ino;
    let name = Name::stored(format!("1-{f}-f").as_bytes());
    v.tick();
    let (ino, attr) = c.restore(hour, &name).await.unwrap();
    assert_eq!(
        (ino, attr.parent, attr.ctime),
        (f, Ino::ROOT, v.clock_now())
    );
    assert_eq!(c.names(Ino::ROOT).await, [b"f"]);
    assert!(c.names(hour).await.is_empty());
    assert_eq!(c.restore(hour, &name).await.map(|_| ()), Err(Errno::ENOENT));
    v.verify().await;
}

async fn whole_trees_come_back(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let (d, sub, f, g) = remove_tree(&c).await;
    c.touch(Ino::ROOT, b"single").await.unwrap();
    c.unlink(&root(), Ino::ROOT, b"single").await.unwrap();
    let hour = c.trash_hours().await.unwrap().remove(0);
    let done = c.restore_hour(&hour, true).await.unwrap();
    let want = Restored {
        restored: 5,
        ..Restored::default()
    };
    assert_eq!(done, want);
    let at = async |dir, name: &[u8]| c.lookup(&root(), dir, name).await.unwrap().0;
    assert_eq!(at(Ino::ROOT, b"d").await, d);
    assert_eq!(at(d, b"f").await, f);
    assert_eq!(at(d, b"sub").await, sub);
    assert_eq!(at(sub, b"g-with-dashes").await, g);
    assert_eq!(c.getattr(d).await.unwrap().nlink, 3);
    let census = v.verify().await;
    assert_eq!(census.entries[&hour.ino].len(), 0);
    assert!(census.dir_stats.contains_key(&d) && census.dir_stats.contains_key(&sub));
}

/// Without putting back, trees are put together in the trash: one move then brings all of it.
async fn trees_inside_the_trash(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let (d, _, _, _) = remove_tree(&c).await;
    c.touch(Ino::ROOT, b"single").await.unwrap();
    c.unlink(&root(), Ino::ROOT, b"single").await.unwrap();
    let hour = c.trash_hours().await.unwrap().remove(0);
    let done = c.restore_hour(&hour, false).await.unwrap();
    let want = Restored {
        restored: 3,
        skipped: 2,
        failed: 0,
    };
    assert_eq!(done, want);
    assert_eq!(c.names(hour.ino).await.len(), 2);
    assert_eq!(c.names(d).await, [&b"f"[..], b"sub"]);
    let name = format!("1-{d}-d").into_bytes();
    c.rename(&root(), (hour.ino, &name), (Ino::ROOT, b"back"), 0)
        .await
        .unwrap();
    assert_eq!(c.names(Ino::ROOT).await, [b"back"]);
    v.verify().await;
}

async fn what_cannot_come_back(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    c.touch(Ino::ROOT, b"f").await.unwrap();
    let hour = c.trash_hours().await.unwrap().remove(0);
    let name = Name::stored(format!("1-{f}-f").as_bytes());
    assert_eq!(
        c.restore(hour.ino, &name).await.map(|_| ()),
        Err(Errno::EEXIST)
    );
    for (dir, name, errno) in [
        (hour.ino, &b"f"[..], Errno::EINVAL),
        (Ino::ROOT, b"1-2-f", Errno::EINVAL),
        (hour.ino, b"999-2-f", Errno::ENOENT),
        (hour.ino, b"9223372032828243969-2-f", Errno::EINVAL),
    ] {
        let got = c.restore(dir, &Name::stored(name)).await;
        assert_eq!(got.map(|_| ()), Err(errno), "{name:?}");
    }
    let done = c.restore_hour(&hour, true).await.unwrap();
    assert_eq!((done.restored, done.failed), (0, 1));
    v.verify().await;
}
