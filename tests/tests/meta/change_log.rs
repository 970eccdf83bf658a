//! The change log: which entries each operation leaves.

use super::faults::copy;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_meta::{LockRange, NewNode, SetAttr, SetTime, SetXattr};
use jfs_tests::volume::{root, setting, slice};
use jfs_tests::{Client, Kind, Volume, on_every_engine};
use jfs_types::*;
use std::time::Duration;

on_every_engine! {
    entries_of_names, entries_of_content, entries_of_attributes, entries_of_the_trash,
}

pub(super) async fn logged_volume(kind: Kind, trash_days: i64) -> (Volume, Client) {
    let format = Format {
        trash_days,
        change_log: true,
        enable_acl: true,
        ..setting()
    };
    let v = Volume::with_format(kind, format).await;
    let c = v.client().await;
    (v, c)
}

/// The whole log: version and text.
pub(super) async fn log(v: &Volume) -> Vec<(u64, String)> {
    let head = v.engine.log_head(100_000).await.unwrap();
    assert_eq!(head.entries.len() as u64, head.total);
    assert!(head.entries.is_sorted_by_key(|(version, _)| *version));
    head.entries
}

/// Entries that came since the last call, without time, session and number, and without those about counters
/// and statistics.
pub(super) struct Tail<'a> {
    pub(super) v: &'a Volume,
    pub(super) seen: u64,
}

impl Tail<'_> {
    pub(super) async fn take(&mut self) -> Vec<String> {
        let mut new = log(self.v).await;
        new.retain(|(version, _)| *version > self.seen);
        if let Some((last, _)) = new.last() {
            self.seen = *last;
        }
        let texts = new.iter().map(|(_, text)| {
            let (time, rest) = text.split_once('|').unwrap();
            let sec = time.strip_suffix(".123456789").unwrap();
            assert!(sec.parse::<i64>().unwrap() >= 1_800_000_000, "{text}");
            let (event, end) = rest.rsplit_once("|(").unwrap();
            let (sid, n) = end.strip_suffix(')').unwrap().split_once(',').unwrap();
            assert!(
                sid.parse::<u64>().is_ok() && n.parse::<u64>().unwrap() > 0,
                "{text}"
            );
            event.to_string()
        });
        let texts = texts.filter(|t| !t.starts_with("INCR_COUNTER(") && !t.starts_with("DIRSTAT("));
        texts.collect()
    }

    /// The entries of one step.
    pub(super) async fn expect(&mut self, want: &[&str]) {
        assert_eq!(self.take().await, want);
    }
}

pub(super) async fn tail(v: &Volume) -> Tail<'_> {
    let mut tail = Tail { v, seen: 0 };
    tail.take().await;
    tail
}

async fn entries_of_names(kind: Kind) {
    let (v, c) = logged_volume(kind, 0).await;
    let (me, mut log) = (root(), tail(&v).await);
    v.tick();
    let user = Caller {
        uid: 1000,
        gid: 2000,
        check_permission: false,
        ..root()
    };
    let (d, _) = c.mkdir(&user, Ino::ROOT, b"d", 0o777, 0o22).await.unwrap();
    log.expect(&["CREATE(1,d,1000,2000,2,511,18,,linux,true):2"])
        .await;
    // The times of the directory are not due again.
    let odd = "a, (b)%\"\\|\u{e9}\u{1}".as_bytes();
    let (f, _) = c.create(&me, d, odd, 0o664, 0o77).await.unwrap();
    c.close(f);
    log.expect(&["CREATE(2,a%2C %28b%29%25%22%5C|%C3%A9%01,0,0,1,436,63,,linux,false):3"])
        .await;
    v.tick();
    c.symlink(&me, d, b"l", b"to (it)").await.unwrap();
    let fifo = NewNode {
        kind: FileType::Fifo,
        mode: 0o600,
        umask: 0,
        rdev: 0,
    };
    c.mknod(&me, d, b"p", fifo).await.unwrap();
    log.expect(&[
        "CREATE(2,l,0,0,3,511,0,to %28it%29,linux,true):4",
        "CREATE(2,p,0,0,4,384,0,,linux,false):5",
    ])
    .await;
    c.link(&me, f, Ino::ROOT, b"f2").await.unwrap();
    c.rename(&me, (d, odd), (d, b"f"), 0).await.unwrap();
    c.rename(&me, (d, b"l"), (Ino::ROOT, b"l"), 1)
        .await
        .unwrap();
    c.rename(&me, (d, b"p"), (Ino::ROOT, b"f2"), 2)
        .await
        .unwrap();
    c.rename(&me, (Ino::ROOT, b"l"), (Ino::ROOT, b"f2"), 0)
        .await
        .unwrap();
    log.expect(&[
        "LINK(3,1,f2,true):2",
        "MOVE(2,a%2C %28b%29%25%22%5C|%C3%A9%01,2,f,0,0,0):3",
        "MOVE(2,l,1,l,1,0,0):4",
        "MOVE(2,p,1,f2,2,3,0):5",
        "MOVE(1,l,1,f2,0,5,0):4",
    ])
    .await;
    // Nothing to do, and nothing done.
    c.link(&me, f, d, b"same").await.unwrap();
    log.take().await;
    c.rename(&me, (d, b"same"), (d, b"f"), 0).await.unwrap();
    assert!(c.unlink(&me, d, b"nothing").await.is_err());
    log.expect(&[]).await;
    v.tick();
    c.unlink(&me, d, b"same").await.unwrap();
    c.unlink(&me, d, b"f").await.unwrap();
    c.rmdir(&me, d, b"x").await.unwrap_err();
    log.expect(&[
        "UNLINK(2,same,0,false,true):3",
        "UNLINK(2,f,0,false,false):3",
    ])
    .await;
    c.unlink(&me, d, b"p").await.unwrap();
    c.rmdir(&me, Ino::ROOT, b"d").await.unwrap();
    log.expect(&["UNLINK(2,p,0,false,false):3", "RMDIR(1,d,0):2"])
        .await;
    c.do_work().await;
    v.verify().await;
}

async fn entries_of_content(kind: Kind) {
    let (v, c) = logged_volume(kind, 0).await;
    let (me, mut log) = (root(), tail(&v).await);
    // Redis cannot tell the number of records.
    let records = |n: u32| if kind == Kind::Redis { 0 } else { n };
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    log.take().await;
    let mtime = Time { sec: 5, nsec: 6 };
    let new = |id, index, pos, len| jfs_meta::ops::NewSlice {
        index,
        record: slice(id, pos, len),
        mtime,
        append: false,
    };
    let slices = [new(7, 0, 0, 100), new(8, 1, 10, 20), new(9, 0, 100, 50)];
    c.write_slices(f, &slices).await.unwrap();
    log.expect(&[
        &format!("WRITE({f},0,0,7,100,5,6):{}", records(1)),
        &format!("WRITE({f},1,10,8,20,5,6):{}", records(1)),
        &format!("WRITE({f},0,100,9,50,5,6):{}", records(2)),
    ])
    .await;
    let length = (64 << 20) + 30;
    c.truncate(&me, f, 120).await.unwrap();
    c.fallocate(&me, f, 0, 0, 5000).await.unwrap();
    c.fallocate(&me, f, 3, 10, 20).await.unwrap();
    log.expect(&[
        &format!("TRUNCATE({f},{length},120,0)"),
        &format!("FALLOCATE({f},0,5000,0)"),
        &format!("FALLOCATE({f},10,20,3)"),
    ])
    .await;
    // An equal length changes the times alone.
    let attr = c.truncate(&me, f, 5000).await.unwrap();
    let sec = attr.mtime.sec;
    log.expect(&[&format!(
        "SETATTR({f},32,0,0,0,420,0,{},{sec},123456789,123456789,{sec},123456789,0)",
        attr.atime.sec
    )])
    .await;
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    log.take().await;
    c.copy_file_range(copy(f, 10, g, 20, 1_000_000))
        .await
        .unwrap();
    log.expect(&[&format!("COPYFILERANGE({f},10,{g},20,4990):5010")])
        .await;
    let plan = c.plan_compaction(f, 0).await.unwrap().unwrap();
    c.commit_compaction(&plan, 99).await.unwrap();
    let (merged, size) = (plan.merged(), plan.size());
    log.expect(&[&format!(
        "COMPACTCHUNK({f},0,0,{merged},{},99,{size})",
        plan.pos
    )])
    .await;
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    c.unlink(&me, Ino::ROOT, b"g").await.unwrap();
    log.take().await;
    c.do_work().await;
    let mut done = log.take().await;
    done.sort_unstable();
    let mut want = vec![
        format!("DELCHUNK({f},0)"),
        format!("DELCHUNK({f},1)"),
        format!("DELCHUNK({g},0)"),
        "DELETESLICE(7,100)".to_string(),
        "DELETESLICE(8,20)".to_string(),
        "DELETESLICE(9,50)".to_string(),
        format!("DELETESLICE(99,{size})"),
    ];
    if kind == Kind::Redis {
        // The list of a chunk that was cut off before stays, until it is collected.
        want.retain(|t| !t.ends_with(",1)") && !t.contains("(8,"));
    }
    assert_eq!(done, want);
    v.verify().await;
}

async fn entries_of_attributes(kind: Kind) {
    let (v, c) = logged_volume(kind, 0).await;
    let (me, mut log) = (root(), tail(&v).await);
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let born = c.getattr(f).await.unwrap().ctime.sec;
    log.take().await;
    v.tick();
    let now = v.clock_now().sec;
    let set = SetAttr {
        uid: Some(7),
        gid: Some(8),
        mode: Some(0o4711),
        ..SetAttr::default()
    };
    c.setattr(&me, f, &set).await.unwrap();
    let flags = SetAttr {
        flags: Some(attr::flags::SKIP_TRASH),
        atime: Some(SetTime::Now),
        mtime: Some(SetTime::At(Time { sec: 3, nsec: 4 })),
        ..SetAttr::default()
    };
    c.setattr(&me, f, &flags).await.unwrap();
    let n = 123_456_789;
    log.expect(&[
        &format!("SETATTR({f},7,0,7,8,2505,0,{born},{born},{n},{n},{now},{n},0)"),
        &format!("SETATTR({f},8368,0,7,8,2505,32,{now},3,{n},4,{now},{n},0)"),
    ])
    .await;
    c.setattr(&me, f, &SetAttr::default()).await.unwrap();
    log.expect(&[]).await;
    let any = |how| c.set_xattr(f, b"user.a", b"v,\xff|", how);
    any(SetXattr::Any).await.unwrap();
    any(SetXattr::Create).await.unwrap_err();
    any(SetXattr::Replace).await.unwrap();
    c.remove_xattr(f, b"user.a").await.unwrap();
    log.expect(&[
        &format!("SETXATTR({f},user.a,v%2C%FF|,0)"),
        &format!("SETXATTR({f},user.a,v%2C%FF|,2)"),
        &format!("REMOVEXATTR({f},user.a)"),
    ])
    .await;
    let rule = AclRule {
        named_users: vec![AclEntry { id: 1000, perm: 6 }],
        mask: 6,
        ..AclRule::empty()
    };
    c.set_acl(&me, f, AclKind::Access, &rule).await.unwrap();
    c.set_acl(&me, f, AclKind::Access, &AclRule::empty())
        .await
        .unwrap();
    let none = "%FF%FF";
    log.expect(&[
        &format!(
            "SETFACL({f},1,{none}{none}%00%06{none}%00%00%00%01%00%00%03%E8%00%06%00%00%00%00)"
        ),
        &format!("SETFACL({f},1,{none}{none}{none}{none}%00%00%00%00%00%00%00%00)"),
    ])
    .await;
    let lock = |kind, start, end| LockRange {
        owner: u64::MAX,
        record: LockRecord {
            kind,
            pid: 9,
            start,
            end,
        },
    };
    c.flock(f, 5, LockType::Read).await.unwrap();
    c.flock(f, 6, LockType::Write).await.unwrap_err();
    c.flock(f, 5, LockType::Unlock).await.unwrap();
    c.setlk(f, lock(LockType::Write, 0, 9)).await.unwrap();
    c.setlk(f, lock(LockType::Unlock, 0, 3)).await.unwrap();
    log.expect(&[
        &format!("FLOCK({f},5,R)"),
        &format!("FLOCK({f},5,U)"),
        &format!("SETLK({f},18446744073709551615,W,0,9,9)"),
        &format!("SETLK({f},18446744073709551615,U,0,3,0)"),
    ])
    .await;
    // A stranger's write takes setuid away, and says so.
    c.setattr(
        &me,
        f,
        &SetAttr {
            mode: Some(0o4777),
            ..SetAttr::default()
        },
    )
    .await
    .unwrap();
    log.take().await;
    let user = Caller {
        uid: 1000,
        gid: 1000,
        ..Caller::user(1000, 1000)
    };
    c.truncate(&user, f, 10).await.unwrap();
    let found = log.take().await;
    assert_eq!(found[0], format!("TRUNCATE({f},0,10,0)"));
    assert!(
        found[1].starts_with(&format!("SETATTR({f},1,0,7,8,511,")),
        "{found:?}"
    );
    assert_eq!(found.len(), 2);
    v.verify().await;
}

async fn entries_of_the_trash(kind: Kind) {
    let (v, c) = logged_volume(kind, 1).await;
    let (me, mut log) = (root(), tail(&v).await);
    let d = c.dir(Ino::ROOT, b"d").await;
    let f = c.touch(d, b"f").await.unwrap();
    v.tick();
    log.take().await;
    c.unlink(&me, d, b"f").await.unwrap();
    let hour = Ino(Ino::TRASH.0 + 1);
    log.expect(&[
        &format!(
            "CREATE({},2027-01-15-08,0,0,2,365,0,,linux,false):{hour}",
            Ino::TRASH
        ),
        &format!("UNLINK({d},f,{hour},false,true):{f}"),
    ])
    .await;
    let g = c.touch(d, b"g").await.unwrap();
    let h = c.touch(d, b"h").await.unwrap();
    log.take().await;
    c.rename(&me, (d, b"g"), (d, b"h"), 0).await.unwrap();
    log.expect(&[&format!("MOVE({d},g,{d},h,0,{h},{hour}):{g}")])
        .await;
    let name = format!("{d}-{f}-f");
    c.restore(hour, &Name::new(name.as_bytes()).unwrap())
        .await
        .unwrap();
    log.expect(&[&format!("MOVE({hour},{name},{d},f,33,0,{hour}):{f}")])
        .await;
    c.unlink(&me, d, b"f").await.unwrap();
    c.unlink(&me, d, b"h").await.unwrap();
    c.rmdir(&me, Ino::ROOT, b"d").await.unwrap();
    let removed = log.take().await;
    assert_eq!(removed[2], format!("RMDIR(1,d,{hour}):{d}"));
    v.clock.advance(Duration::from_secs(27 * 3600));
    for expired in c.expired_trash_hours().await.unwrap() {
        assert_eq!(c.empty_trash_hour(&expired).await.unwrap(), 4);
    }
    let removed = log.take().await;
    let want = [
        format!("RMDIR({hour},1-{d}-d,0):{d}"),
        format!("UNLINK({hour},{d}-{f}-f,0,false,false):{f}"),
        format!("UNLINK({hour},{d}-{g}-h,0,false,false):{g}"),
        format!("UNLINK({hour},{d}-{h}-h,0,false,false):{h}"),
        format!("RMDIR({},2027-01-15-08,0):{hour}", Ino::TRASH),
    ];
    assert_eq!(removed, want);
    c.do_work().await;
    v.verify().await;
}
