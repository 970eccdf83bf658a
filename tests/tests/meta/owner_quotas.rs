//! Usage and limits of users and groups.

use super::faults::copy;
use jfs_meta::SetAttr;
use jfs_meta::engine::{DirQuota, QuotaOwner};
use jfs_tests::volume::{root, setting};
use jfs_tests::{Client, Kind, Volume, on_every_engine};
use jfs_types::*;
use std::collections::BTreeMap;
use std::time::Duration;

on_every_engine! {
    owners_of_names_and_content, owners_change, owners_of_what_has_no_name, limits_of_owners, owners_are_counted_anew,
}

async fn counting_volume(kind: Kind, trash_days: i64) -> (Volume, Client) {
    let format = Format {
        trash_days,
        user_group_quota: true,
        ..setting()
    };
    let v = Volume::with_format(kind, format).await;
    let c = v.client().await;
    (v, c)
}

fn user(uid: u32, gid: u32) -> Caller {
    Caller {
        uid,
        gid,
        check_permission: false,
        ..root()
    }
}

fn chown(uid: u32, gid: u32) -> SetAttr {
    SetAttr {
        uid: Some(uid),
        gid: Some(gid),
        ..SetAttr::default()
    }
}

/// What is stored: users, then groups, as (id, bytes, inodes).
type Used = (Vec<(u32, i64, i64)>, Vec<(u32, i64, i64)>);

async fn used(v: &Volume) -> Used {
    v.flush().await;
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    for (owner, q) in v.engine.list_owner_quotas().await.unwrap() {
        let of = match owner {
            QuotaOwner::User(_) => &mut users,
            QuotaOwner::Group(_) => &mut groups,
        };
        of.push((owner.id(), q.used_space, q.used_inodes));
    }
    users.sort_unstable();
    groups.sort_unstable();
    (users, groups)
}

async fn owners_of_names_and_content(kind: Kind) {
    let (v, c) = counting_volume(kind, 0).await;
    let (me, u) = (root(), user(1000, 2000));
    assert_eq!(used(&v).await, (vec![], vec![]));
    let d = c.dir(Ino::ROOT, b"d").await;
    let (f, _) = c.create(&u, d, b"f", 0o644, 0).await.unwrap();
    c.close(f);
    assert_eq!(
        used(&v).await,
        (
            vec![(0, 4096, 1), (1000, 4096, 1)],
            vec![(0, 4096, 1), (2000, 4096, 1)]
        )
    );
    let limits: Vec<_> = v.engine.list_owner_quotas().await.unwrap();
    assert!(
        limits
            .iter()
            .all(|(_, q)| (q.max_space, q.max_inodes) == (-1, -1))
    );
    // Whoever writes, the owner uses the space.
    c.put_slice(f, 0, 0, 10_000).await.unwrap();
    c.fallocate(&me, f, 0, 0, 20_000).await.unwrap();
    c.copy_file_range(copy(f, 0, f, 30_000, 1000))
        .await
        .unwrap();
    let of_user = async |v: &Volume| used(v).await.0[1];
    assert_eq!(of_user(&v).await, (1000, 32_768, 1));
    c.truncate(&me, f, 5000).await.unwrap();
    assert_eq!(of_user(&v).await, (1000, 8192, 1));
    // A file counts once, however many names it has.
    c.link(&me, f, d, b"g").await.unwrap();
    c.symlink(&u, d, b"l", b"t").await.unwrap();
    assert_eq!(of_user(&v).await, (1000, 12_288, 2));
    c.unlink(&me, d, b"f").await.unwrap();
    assert_eq!(of_user(&v).await, (1000, 12_288, 2));
    c.rename(&me, (d, b"g"), (d, b"l"), 0).await.unwrap();
    assert_eq!(of_user(&v).await, (1000, 8192, 1));
    c.unlink(&me, d, b"l").await.unwrap();
    c.rmdir(&me, Ino::ROOT, b"d").await.unwrap();
    // The records stay.
    assert_eq!(
        used(&v).await,
        (vec![(0, 0, 0), (1000, 0, 0)], vec![(0, 0, 0), (2000, 0, 0)])
    );
    // Below a directory with the setgid bit the group is the directory's.
    let (s, _) = c
        .mkdir(&user(5, 50), Ino::ROOT, b"s", 0o2777, 0)
        .await
        .unwrap();
    let (inner, _) = c.mkdir(&u, s, b"inner", 0o755, 0).await.unwrap();
    assert_eq!(c.getattr(inner).await.unwrap().gid, 50);
    let (users, groups) = used(&v).await;
    assert_eq!(users[1..], [(5, 4096, 1), (1000, 4096, 1)]);
    assert_eq!(groups[1..], [(50, 8192, 2), (2000, 0, 0)]);
    c.do_work().await;
    v.verify().await;
}

async fn owners_change(kind: Kind) {
    let (v, c) = counting_volume(kind, 0).await;
    let (me, u) = (root(), user(7, 70));
    let (d, _) = c.mkdir(&u, Ino::ROOT, b"d", 0o755, 0).await.unwrap();
    let (f, _) = c.create(&u, d, b"f", 0o644, 0).await.unwrap();
    c.close(f);
    c.put_slice(f, 0, 0, 5000).await.unwrap();
    let (l, _) = c.symlink(&u, d, b"l", b"t").await.unwrap();
    assert_eq!(
        used(&v).await,
        (vec![(7, 16_384, 3)], vec![(70, 16_384, 3)])
    );
    c.setattr(&me, f, &chown(8, 70)).await.unwrap();
    assert_eq!(
        used(&v).await,
        (vec![(7, 8192, 2), (8, 8192, 1)], vec![(70, 16_384, 3)])
    );
    c.setattr(&me, d, &chown(8, 80)).await.unwrap();
    let after = (
        vec![(7, 4096, 1), (8, 12_288, 2)],
        vec![(70, 12_288, 2), (80, 4096, 1)],
    );
    assert_eq!(used(&v).await, after);
    // The reference leaves links and special files with their first owner, and takes them from the last.
    c.setattr(&me, l, &chown(9, 90)).await.unwrap();
    assert_eq!(used(&v).await, after);
    c.unlink(&me, d, b"l").await.unwrap();
    let (users, groups) = used(&v).await;
    assert_eq!((users[0], users[2]), ((7, 4096, 1), (9, -4096, -1)));
    assert_eq!((groups[0], groups[2]), ((70, 12_288, 2), (90, -4096, -1)));
    // Nothing changes hands.
    let mode = SetAttr {
        mode: Some(0o700),
        ..chown(8, 70)
    };
    c.setattr(&me, f, &mode).await.unwrap();
    assert_eq!(used(&v).await, (users, groups));
}

/// The trash, and files without a name.
async fn owners_of_what_has_no_name(kind: Kind) {
    let (v, c) = counting_volume(kind, 1).await;
    let (me, u) = (root(), user(7, 70));
    let (f, _) = c.create(&u, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    c.close(f);
    // The hour directory is the super-user's.
    let before = (
        vec![(0, 4096, 1), (7, 4096, 1)],
        vec![(0, 4096, 1), (70, 4096, 1)],
    );
    assert_eq!(used(&v).await, before);
    v.clock.advance(Duration::from_secs(27 * 3600));
    for hour in c.expired_trash_hours().await.unwrap() {
        c.empty_trash_hour(&hour).await.unwrap();
    }
    let none = (vec![(0, 0, 0), (7, 0, 0)], vec![(0, 0, 0), (70, 0, 0)]);
    assert_eq!(used(&v).await, none);

    let (v, c) = counting_volume(kind, 0).await;
    let (f, _) = c.create(&u, Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    c.put_slice(f, 0, 0, 5000).await.unwrap();
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(used(&v).await, (vec![(7, 8192, 1)], vec![(70, 8192, 1)]));
    let last = c.close(f).unwrap();
    c.delete_sustained(last).await.unwrap();
    assert_eq!(used(&v).await, (vec![(7, 0, 0)], vec![(70, 0, 0)]));
}

async fn limits_of_owners(kind: Kind) {
    let (v, c) = counting_volume(kind, 0).await;
    let (me, u) = (root(), user(7, 70));
    let limited = |max_space, max_inodes| DirQuota {
        max_space,
        max_inodes,
        ..DirQuota::default()
    };
    let limits = [
        (QuotaOwner::User(7), limited(20_480, 3)),
        (QuotaOwner::Group(80), limited(-1, 1)),
    ];
    v.engine.replace_owner_quotas(&limits, &[]).await.unwrap();
    c.load_quotas().await.unwrap();
    let (a, _) = c.create(&u, Ino::ROOT, b"a", 0o644, 0).await.unwrap();
    let (b, _) = c.create(&u, Ino::ROOT, b"b", 0o644, 0).await.unwrap();
    c.close(a);
    c.close(b);
    // Bytes: 8192 are used. Another client's flushes count after a heartbeat.
    assert_eq!(c.put_slice(a, 0, 0, 16_385).await, Err(Errno::EDQUOT));
    c.put_slice(a, 0, 0, 16_384).await.unwrap();
    assert_eq!(c.truncate(&me, b, 4097).await.map(drop), Err(Errno::EDQUOT));
    let grown = c.fallocate(&me, b, 0, 0, 8192).await;
    assert_eq!(grown.map(drop), Err(Errno::EDQUOT));
    let copied = c.copy_file_range(copy(a, 0, b, 0, 8192)).await;
    assert_eq!(copied.map(drop), Err(Errno::EDQUOT));
    // What does not grow passes.
    c.truncate(&me, b, 4096).await.unwrap();
    c.truncate(&me, a, 0).await.unwrap();
    let made = c.mkdir(&u, Ino::ROOT, b"c", 0o755, 0).await.map(drop);
    assert_eq!(made, Ok(()));
    let made = c.symlink(&u, Ino::ROOT, b"d", b"t").await.map(drop);
    assert_eq!(made, Err(Errno::EDQUOT), "the inodes are used up");
    // The limits of users come before those of the volume.
    c.set_format(Format {
        inodes: 1,
        ..v.format.clone()
    });
    let made = c.symlink(&u, Ino::ROOT, b"d", b"t").await.map(drop);
    assert_eq!(made, Err(Errno::EDQUOT));
    let made = c.symlink(&user(8, 70), Ino::ROOT, b"d", b"t").await;
    assert_eq!(made.map(drop), Err(Errno::ENOSPC));
    c.set_format(v.format.clone());
    // Others are free, and so is a change of hands.
    c.mkdir(&user(8, 70), Ino::ROOT, b"d", 0o755, 0)
        .await
        .unwrap();
    c.setattr(&me, a, &chown(7, 80)).await.unwrap();
    c.setattr(&me, b, &chown(8, 80)).await.unwrap();
    // The limit of a group, here by the setgid bit of the directory.
    let (s, _) = c.mkdir(&me, Ino::ROOT, b"s", 0o2777, 0).await.unwrap();
    c.setattr(&me, s, &chown(0, 80)).await.unwrap();
    c.setattr(
        &me,
        s,
        &SetAttr {
            mode: Some(0o2777),
            ..SetAttr::default()
        },
    )
    .await
    .unwrap();
    let made = c.mkdir(&user(9, 90), s, b"x", 0o755, 0).await.map(drop);
    assert_eq!(made, Err(Errno::EDQUOT));
    // Another client knows of the usage after its next heartbeat.
    v.flush().await;
    let other = v.client().await;
    let made = other.mkdir(&user(8, 80), Ino::ROOT, b"y", 0o755, 0).await;
    assert_eq!(made.map(drop), Err(Errno::EDQUOT));
    let kept = v.engine.list_owner_quotas().await.unwrap();
    let kept: BTreeMap<_, _> = kept.into_iter().collect();
    assert_eq!(kept[&QuotaOwner::User(7)].max_space, 20_480);
    assert_eq!(kept[&QuotaOwner::Group(80)].max_inodes, 1);
}

/// The count when a volume begins to count.
async fn owners_are_counted_anew(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let (me, u) = (root(), user(7, 70));
    let (d, _) = c.mkdir(&u, Ino::ROOT, b"d", 0o755, 0).await.unwrap();
    let (f, _) = c.create(&u, d, b"f", 0o644, 0).await.unwrap();
    c.put_slice(f, 0, 0, 5000).await.unwrap();
    c.close(f);
    c.link(&me, f, d, b"f2").await.unwrap();
    c.symlink(&user(9, 90), d, b"l", b"t").await.unwrap();
    let g = c.touch(d, b"g").await.unwrap();
    c.setattr(&me, g, &chown(8, 0)).await.unwrap();
    c.unlink(&me, d, b"g").await.unwrap();
    assert_eq!(used(&v).await, (vec![], vec![]), "nothing is counted yet");
    let old = [(
        QuotaOwner::User(33),
        DirQuota {
            max_space: 5,
            ..DirQuota::NO_LIMITS
        },
    )];
    v.engine.replace_owner_quotas(&old, &[]).await.unwrap();
    c.count_owners().await.unwrap();
    assert_eq!(
        used(&v).await,
        (
            vec![(0, 4096, 1), (7, 12_288, 2), (8, 4096, 1), (9, 0, 0)],
            vec![(0, 8192, 2), (70, 12_288, 2), (90, 0, 0)]
        )
    );
    let limits = v.engine.list_owner_quotas().await.unwrap();
    assert!(
        limits
            .iter()
            .all(|(_, q)| (q.max_space, q.max_inodes) == (-1, -1))
    );
    // From the next setting on it is counted.
    let mut on = v.format.clone();
    on.user_group_quota = true;
    let (before, after) = (v.format.to_json(), on.to_json());
    let stored = v.engine.store_setting(before.as_bytes(), after.as_bytes());
    stored.await.unwrap();
    c.mkdir(&u, d, b"e", 0o755, 0).await.unwrap();
    assert_eq!(used(&v).await.0[1], (7, 16_384, 3));
}
