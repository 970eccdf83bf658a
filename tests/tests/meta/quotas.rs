//! Quotas of directories: what they count, and what they refuse.

use super::faults::copy;
use jfs_meta::engine::DirQuota;
use jfs_tests::volume::root;
use jfs_tests::{Client, Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! { counting, counting_moves, counting_with_a_trash, limits, limits_of_moves, quotas_go_with_directories, several_clients,
    shown_by_statfs,
}

/// A volume with directory `q` of the given limits, seen by the client.
async fn with_quota(
    kind: Kind,
    trash_days: i64,
    max_space: i64,
    max_inodes: i64,
) -> (Volume, Client, Ino) {
    let v = Volume::new(kind, trash_days).await;
    let c = v.client().await;
    let q = c.dir(Ino::ROOT, b"q").await;
    let quota = DirQuota {
        max_space,
        max_inodes,
        ..DirQuota::default()
    };
    v.engine.put_quota(q, quota).await.unwrap();
    c.load_quotas().await.unwrap();
    (v, c, q)
}

async fn used(v: &Volume, dir: Ino) -> (i64, i64) {
    v.flush().await;
    let quotas = v.engine.list_quotas().await.unwrap();
    let (_, q) = quotas.into_iter().find(|(d, _)| *d == dir).unwrap();
    (q.used_space, q.used_inodes)
}

async fn counting(kind: Kind) {
    let (v, c, q) = with_quota(kind, 0, 0, -1).await;
    let me = root();
    let d = c.dir(q, b"d").await;
    let f = c.touch(d, b"f").await.unwrap();
    assert_eq!(used(&v, q).await, (8192, 2));
    c.put_slice(f, 0, 0, 10_000).await.unwrap();
    assert_eq!(used(&v, q).await, (4096 + 12_288, 2));
    c.link(&me, f, q, b"link").await.unwrap();
    assert_eq!(
        used(&v, q).await,
        (4096 + 2 * 12_288, 3),
        "links count each"
    );
    c.truncate(&me, f, 100).await.unwrap();
    c.fallocate(&me, f, 0, 0, 5000).await.unwrap();
    c.copy_file_range(copy(f, 0, f, 9000, 1000)).await.unwrap();
    assert_eq!(used(&v, q).await, (4096 + 2 * 12_288, 3));
    c.unlink(&me, q, b"link").await.unwrap();
    c.unlink(&me, d, b"f").await.unwrap();
    c.rmdir(&me, q, b"d").await.unwrap();
    assert_eq!(used(&v, q).await, (0, 0));
    // Beside it nothing counts.
    c.touch(Ino::ROOT, b"f").await.unwrap();
    assert_eq!(used(&v, q).await, (0, 0));
    c.do_work().await;
    v.verify().await;
}

async fn counting_moves(kind: Kind) {
    let (v, c, q) = with_quota(kind, 0, 0, 0).await;
    let inner = c.dir(q, b"inner").await;
    v.engine
        .put_quota(inner, DirQuota::default())
        .await
        .unwrap();
    v.engine
        .put_quota(Ino::ROOT, DirQuota::default())
        .await
        .unwrap();
    c.load_quotas().await.unwrap();
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    for name in [&b"a"[..], b"b"] {
        c.touch(d, name).await.unwrap();
    }
    let sub = c.dir(d, b"sub").await;
    c.touch(sub, b"c").await.unwrap();
    assert_eq!(used(&v, q).await, (4096, 1));
    let all = used(&v, Ino::ROOT).await;
    // The whole tree comes in, goes further down, and out again.
    c.rename(&me, (Ino::ROOT, b"d"), (q, b"d"), 0)
        .await
        .unwrap();
    assert_eq!(used(&v, q).await, (6 * 4096, 6));
    c.rename(&me, (q, b"d"), (inner, b"d"), 0).await.unwrap();
    assert_eq!(used(&v, q).await, (6 * 4096, 6));
    assert_eq!(used(&v, inner).await, (5 * 4096, 5));
    // Exchange with a file beside it.
    c.touch(Ino::ROOT, b"f").await.unwrap();
    c.rename(&me, (inner, b"d"), (Ino::ROOT, b"f"), 2)
        .await
        .unwrap();
    assert_eq!(used(&v, inner).await, (4096, 1));
    assert_eq!(used(&v, q).await, (2 * 4096, 2));
    assert_eq!(used(&v, Ino::ROOT).await, (all.0 + 4096, all.1 + 1));
    // Over a file.
    c.touch(Ino::ROOT, b"g").await.unwrap();
    c.rename(&me, (Ino::ROOT, b"g"), (inner, b"d"), 0)
        .await
        .unwrap();
    assert_eq!(used(&v, inner).await, (4096, 1));
    c.do_work().await;
    v.verify().await;
}

/// What lies in the trash does not count.
async fn counting_with_a_trash(kind: Kind) {
    let (v, c, q) = with_quota(kind, 1, 0, 0).await;
    v.engine
        .put_quota(Ino::ROOT, DirQuota::default())
        .await
        .unwrap();
    c.load_quotas().await.unwrap();
    let f = c.touch(q, b"f").await.unwrap();
    c.unlink(&root(), q, b"f").await.unwrap();
    assert_eq!(used(&v, q).await, (0, 0));
    let counted = used(&v, Ino::ROOT).await;
    assert_eq!(counted, (0, 0));
    let hours = c.trash_hours().await.unwrap();
    let name = Name::stored(format!("{q}-{f}-f").as_bytes());
    c.restore(hours[0].ino, &name).await.unwrap();
    assert_eq!(used(&v, q).await, (4096, 1));
    v.verify().await;
}

async fn limits(kind: Kind) {
    let (v, c, q) = with_quota(kind, 0, 40_960, 4).await;
    let me = root();
    let d = c.dir(q, b"d").await;
    let f = c.touch(d, b"f").await.unwrap();
    c.touch(d, b"g").await.unwrap();
    c.touch(d, b"h").await.unwrap();
    let no = Err(Errno::EDQUOT);
    assert_eq!(c.touch(d, b"i").await.map(|_| ()), no);
    assert_eq!(c.mkdir(&me, q, b"i", 0o755, 0).await.map(|_| ()), no);
    assert_eq!(c.symlink(&me, q, b"i", b"t").await.map(|_| ()), no);
    assert_eq!(c.link(&me, f, q, b"i").await.map(|_| ()), no);
    // 16 KiB are used, 24 KiB are left, 4 KiB of them counted for the file already.
    assert_eq!(c.put_slice(f, 0, 0, 28_673).await.map(|_| ()), no);
    assert_eq!(c.truncate(&me, f, 28_673).await.map(|_| ()), no);
    assert_eq!(c.fallocate(&me, f, 0, 0, 28_673).await.map(|_| ()), no);
    c.put_slice(f, 0, 0, 28_672).await.unwrap();
    let copied = c.copy_file_range(copy(f, 0, f, 28_672, 10)).await;
    assert_eq!(copied.map(|_| ()), no);
    assert_eq!(used(&v, q).await, (40_960, 4));
    // Less is always possible, and room that is given back can be used.
    c.truncate(&me, f, 0).await.unwrap();
    c.unlink(&me, d, b"g").await.unwrap();
    c.touch(d, b"i").await.unwrap();
    // Beside it there is no limit.
    for n in 0..5u8 {
        c.touch(Ino::ROOT, &[b'0' + n]).await.unwrap();
    }
    c.do_work().await;
    v.verify().await;
}

async fn limits_of_moves(kind: Kind) {
    let (v, c, q) = with_quota(kind, 0, 0, 3).await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    for n in 0..3u8 {
        c.touch(d, &[b'a' + n]).await.unwrap();
    }
    let moved = c.rename(&me, (Ino::ROOT, b"d"), (q, b"d"), 0).await;
    assert_eq!(moved.map(|_| ()), Err(Errno::EDQUOT));
    c.unlink(&me, d, b"a").await.unwrap();
    c.rename(&me, (Ino::ROOT, b"d"), (q, b"d"), 0)
        .await
        .unwrap();
    // Inside nothing grows, so it may move.
    c.rename(&me, (d, b"b"), (q, b"b"), 0).await.unwrap();
    assert_eq!(used(&v, q).await, (3 * 4096, 3));
    c.do_work().await;
    v.verify().await;
}

async fn quotas_go_with_directories(kind: Kind) {
    let (v, c, _) = with_quota(kind, 0, 0, 3).await;
    c.rmdir(&root(), Ino::ROOT, b"q").await.unwrap();
    v.flush().await;
    assert!(v.engine.list_quotas().await.unwrap().is_empty());
    v.verify().await;
}

/// Each knows what the others used after it has read the quotas again.
async fn several_clients(kind: Kind) {
    let (v, c, q) = with_quota(kind, 0, 0, 10).await;
    let other = v.client().await;
    for n in 0..5u8 {
        c.touch(q, &[b'a' + n]).await.unwrap();
        other.touch(q, &[b'k' + n]).await.unwrap();
    }
    assert_eq!(used(&v, q).await, (10 * 4096, 10));
    for client in [&c, &other] {
        client.load_quotas().await.unwrap();
        assert_eq!(client.touch(q, b"z").await, Err(Errno::EDQUOT));
    }
    v.verify().await;
}

/// statfs shows usage of the nearest quota above, and the least that any of them leaves.
async fn shown_by_statfs(kind: Kind) {
    let (v, c, q) = with_quota(kind, 1, 100 << 12, 20).await;
    let whole = c.statfs().await.unwrap();
    assert_eq!(c.statfs_at(Ino::ROOT).await.unwrap(), whole);
    let inner = c.dir(q, b"inner").await;
    let f = c.touch(inner, b"f").await.unwrap();
    let numbers = async |ino| {
        let s = c.statfs_at(ino).await.unwrap();
        let blocks = [s.total_space >> 12, s.avail_space >> 12];
        (blocks, [s.used_inodes, s.avail_inodes])
    };
    for ino in [q, inner, f] {
        assert_eq!(numbers(ino).await, ([100, 98], [2, 18]), "{ino:?}");
    }
    let limit = |max_space, max_inodes| DirQuota {
        max_space,
        max_inodes,
        used_space: 5 << 12,
        used_inodes: 3,
    };
    v.flush().await;
    // The inner one allows more than is left outside.
    v.engine
        .put_quota(inner, limit(500 << 12, 8))
        .await
        .unwrap();
    c.load_quotas().await.unwrap();
    assert_eq!(numbers(f).await, ([103, 98], [3, 5]));
    assert_eq!(numbers(q).await, ([100, 98], [2, 18]));
    // Beyond the limit nothing is left.
    v.engine.put_quota(inner, limit(4 << 12, 3)).await.unwrap();
    c.load_quotas().await.unwrap();
    assert_eq!(numbers(f).await, ([5, 0], [3, 0]));
    // No limits, but a usage.
    v.engine.put_quota(inner, limit(0, -1)).await.unwrap();
    c.load_quotas().await.unwrap();
    assert_eq!(numbers(f).await, ([103, 98], [3, 18]));
    // Elsewhere, at a file with several links and in the trash the volume shows.
    c.link(&root(), f, Ino::ROOT, b"second").await.unwrap();
    let removed = c.dir(q, b"removed").await;
    c.rmdir(&root(), q, b"removed").await.unwrap();
    let whole = c.statfs().await.unwrap();
    for ino in [f, Ino::ROOT, removed, Ino::TRASH] {
        assert_eq!(c.statfs_at(ino).await.unwrap(), whole, "{ino:?}");
    }
    v.engine
        .put_quota(Ino::ROOT, limit(1 << 30, 99))
        .await
        .unwrap();
    c.load_quotas().await.unwrap();
    for ino in [Ino::ROOT, removed, Ino::TRASH] {
        assert_eq!(numbers(ino).await.1, [3, 96], "{ino:?}");
    }
    assert_eq!(numbers(q).await.0, [100, 98]);
}
