//! fallocate and copy_file_range: the content of the file, its counts, and the users of its slices.

use super::faults::copy;
use jfs_meta::Meta;
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::slice::Piece;
use jfs_types::*;

on_every_engine! {
    growing, keeping_the_size, holes, zeros_over_chunk_borders, fallocate_errors,
    copying, copies_over_chunk_borders, copies_inside_a_file, copy_errors, copies_outlive_their_source,
    sparse_files, files_with_many_lists,
}

/// What a file shows, piece by piece: position, slice, offset in it, length. Zeros left out.
pub(super) async fn shown(c: &Meta, ino: Ino) -> Vec<(u64, u64, u32, u32)> {
    let length = c.getattr(ino).await.unwrap().length;
    let mut all = Vec::new();
    for index in 0..length.div_ceil(CHUNK_SIZE) {
        let view = c.read_chunk(ino, index as u32).await.unwrap();
        let data = view.pieces.iter().filter(|p| p.id != SliceId::ZERO);
        let place = |p: &Piece| (index * CHUNK_SIZE + u64::from(p.pos), p.id.0, p.off, p.len);
        all.extend(data.map(place));
    }
    all
}

async fn growing(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let id = c.put_slice(f, 0, 0, 100).await.unwrap();
    v.tick();
    let after = c.fallocate(&root(), f, 0, 50, 10_000).await.unwrap();
    assert_eq!(
        (after.length, after.mtime, after.ctime),
        (10_050, v.clock_now(), v.clock_now())
    );
    // Inside the length only the times change.
    let again = c.fallocate(&root(), f, 0, 0, 10).await.unwrap();
    assert_eq!(again.length, 10_050);
    assert_eq!(shown(&c, f).await, [(0, id, 0, 100)]);
    let census = v.verify().await;
    assert_eq!(census.counters[..2], [12_288, 1]);
    assert_eq!(census.chunks.len(), 1);
}

async fn keeping_the_size(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let after = c.fallocate(&root(), f, 1, 0, 1 << 30).await.unwrap();
    assert_eq!(after.length, 0);
    assert!(v.verify().await.chunks.is_empty());
}

async fn holes(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let id = c.put_slice(f, 0, 0, 1000).await.unwrap();
    let after = c.fallocate(&root(), f, 3, 100, 200).await.unwrap();
    assert_eq!(after.length, 1000);
    assert_eq!(shown(&c, f).await, [(0, id, 0, 100), (300, id, 300, 700)]);
    // Beyond the length there is nothing to punch.
    c.fallocate(&root(), f, 3, 2000, 200).await.unwrap();
    assert_eq!(v.verify().await.chunks[&(f, 0)].len(), 2);
    // Zeros may make the file longer, unless they must not.
    c.fallocate(&root(), f, 0x11, 900, 200).await.unwrap();
    assert_eq!(c.getattr(f).await.unwrap().length, 1000);
    c.fallocate(&root(), f, 0x10, 900, 200).await.unwrap();
    assert_eq!(c.getattr(f).await.unwrap().length, 1100);
    assert_eq!(shown(&c, f).await, [(0, id, 0, 100), (300, id, 300, 600)]);
    v.verify().await;
}

async fn zeros_over_chunk_borders(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let big = CHUNK_SIZE as u32;
    for index in 0..3 {
        c.put_slice(f, index, 0, big).await.unwrap();
    }
    c.fallocate(&root(), f, 3, CHUNK_SIZE - 10, CHUNK_SIZE + 20)
        .await
        .unwrap();
    let census = v.verify().await;
    let zero = |index: u32| {
        let r = census.chunks[&(f, index)].last().copied().unwrap();
        (r.pos, r.id.0, r.size, r.off, r.len)
    };
    assert_eq!(zero(0), (big - 10, 0, 0, 0, 10));
    assert_eq!(zero(1), (0, 0, 0, 0, big));
    assert_eq!(zero(2), (0, 0, 0, 0, 10));
}

async fn fallocate_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let fifo = jfs_meta::NewNode {
        kind: FileType::Fifo,
        mode: 0o644,
        umask: 0,
        rdev: 0,
    };
    let (fifo, _) = c.mknod(&root(), Ino::ROOT, b"fifo", fifo).await.unwrap();
    for (ino, mode, off, size, errno) in [
        (f, 2, 0, 10, Errno::EINVAL),
        (f, 8, 0, 10, Errno::ENOTSUP),
        (f, 0x20, 0, 10, Errno::ENOTSUP),
        (f, 0, 0, 0, Errno::EINVAL),
        (f, 0, 1 << 57, 10, Errno::EFBIG),
        (f, 0, u64::MAX, 10, Errno::EFBIG),
        (Ino(999), 0, 0, 10, Errno::ENOENT),
        (Ino::ROOT, 0, 0, 10, Errno::EPERM),
        (fifo, 0, 0, 10, Errno::EPIPE),
    ] {
        let got = c.fallocate(&root(), ino, mode, off, size).await;
        assert_eq!(got.map(|_| ()), Err(errno), "{ino:?} {mode} {off} {size}");
    }
    let user = Caller::user(5, 6);
    let got = c.fallocate(&user, f, 0, 0, 10).await;
    assert_eq!(got.map(|_| ()), Err(Errno::EACCES));
    v.verify().await;
}

async fn copying(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    let a = c.put_slice(f, 0, 0, 1000).await.unwrap();
    let b = c.put_slice(f, 0, 400, 200).await.unwrap();
    let old = c.put_slice(g, 0, 0, 5000).await.unwrap();
    c.put_slice(f, 0, 3000, 1000).await.unwrap();
    v.tick();
    let (n, after) = c.copy_file_range(copy(f, 100, g, 50, 800)).await.unwrap();
    assert_eq!((n, after.length, after.mtime), (800, 5000, v.clock_now()));
    assert_eq!(
        shown(&c, g).await,
        [
            (0, old, 0, 50),
            (50, a, 100, 300),
            (350, b, 0, 200),
            (550, a, 600, 300),
            (850, old, 850, 4150),
        ]
    );
    let census = v.verify().await;
    assert_eq!(census.slice_users[&(a, 1000)], 3);
    assert_eq!(census.slice_users[&(b, 200)], 2);
    // A hole hides what was there.
    c.copy_file_range(copy(f, 2000, g, 0, 100)).await.unwrap();
    assert_eq!(shown(&c, g).await[0], (100, a, 150, 250));
    // At the end of the source.
    let (n, after) = c
        .copy_file_range(copy(f, 3900, g, 6000, 9999))
        .await
        .unwrap();
    assert_eq!((n, after.length), (100, 6100));
    let (n, _) = c.copy_file_range(copy(f, 4000, g, 0, 10)).await.unwrap();
    assert_eq!(n, 0);
    v.verify().await;
}

async fn copies_over_chunk_borders(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    let big = CHUNK_SIZE as u32;
    let a = c.put_slice(f, 0, 0, big).await.unwrap();
    let b = c.put_slice(f, 1, 0, big).await.unwrap();
    let half = CHUNK_SIZE / 2;
    let (n, _) = c
        .copy_file_range(copy(f, 10, g, half, 2 * CHUNK_SIZE - 10))
        .await
        .unwrap();
    assert_eq!(n, 2 * CHUNK_SIZE - 10);
    let h = half as u32;
    assert_eq!(
        shown(&c, g).await,
        [
            (half, a, 10, h),
            (CHUNK_SIZE, a, h + 10, h - 10),
            (CHUNK_SIZE + half - 10, b, 0, h + 10),
            (2 * CHUNK_SIZE, b, h + 10, h - 10),
        ]
    );
    let census = v.verify().await;
    assert_eq!(census.slice_users[&(a, big)], 3);
}

async fn copies_inside_a_file(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let a = c.put_slice(f, 0, 0, 1000).await.unwrap();
    c.copy_file_range(copy(f, 0, f, 1000, 1000)).await.unwrap();
    c.copy_file_range(copy(f, 500, f, 3000, 1000))
        .await
        .unwrap();
    assert_eq!(
        shown(&c, f).await,
        [
            (0, a, 0, 1000),
            (1000, a, 0, 1000),
            (3000, a, 500, 500),
            (3500, a, 0, 500),
        ]
    );
    assert_eq!(v.verify().await.slice_users[&(a, 1000)], 4);
    for (from, to, size) in [(0, 0, 10), (0, 5, 10), (5, 0, 10)] {
        let got = c.copy_file_range(copy(f, from, f, to, size)).await;
        assert_eq!(got.map(|_| ()), Err(Errno::EINVAL), "{from} {to}");
    }
}

async fn copy_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let d = c.dir(Ino::ROOT, b"d").await;
    c.put_slice(f, 0, 0, 100).await.unwrap();
    for (range, errno) in [
        (copy(d, 0, f, 0, 10), Errno::EINVAL),
        (copy(f, 0, d, 0, 10), Errno::EINVAL),
        (copy(Ino(999), 0, f, 0, 10), Errno::ENOENT),
        (copy(f, 0, Ino(999), 0, 10), Errno::ENOENT),
        (copy(f, 0, f, 1 << 57, 10), Errno::EFBIG),
        (copy(f, u64::MAX, f, 0, 10), Errno::EFBIG),
    ] {
        let got = c.copy_file_range(range).await;
        assert_eq!(got.map(|_| ()), Err(errno), "{range:?}");
    }
    v.verify().await;
}

/// The source goes, and with it one user of the slice; the copy keeps its own.
async fn copies_outlive_their_source(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    let a = c.put_slice(f, 0, 0, 1000).await.unwrap();
    c.copy_file_range(copy(f, 0, g, 0, 10)).await.unwrap();
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.do_work().await, []);
    assert_eq!(v.verify().await.slice_users[&(a, 1000)], 1);
    c.unlink(&root(), Ino::ROOT, b"g").await.unwrap();
    assert_eq!(c.do_work().await, [(a, 1000)]);
    v.verify().await;
}

/// A file of 2^20 chunks with data in a few: only those get records, whatever covers the others.
async fn sparse_files(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    const ALL: u64 = 1 << 46;
    c.truncate(&root(), f, ALL).await.unwrap();
    for index in [0, 5, 6, 700_000] {
        c.put_slice(f, index, 0, 100).await.unwrap();
    }
    let lists = async || -> Vec<(u32, usize)> {
        let census = v.verify().await;
        let own = census.chunks.iter().filter(|((ino, _), _)| *ino == f);
        own.map(|((_, index), list)| (*index, list.len())).collect()
    };
    // The first one has a record of the growth, too.
    assert_eq!(lists().await, [(0, 2), (5, 1), (6, 1), (700_000, 1)]);
    let hole = async |off, size| c.fallocate(&root(), f, 3, off, size).await.unwrap();
    c.engine().trips().enable(true);
    hole(CHUNK_SIZE, ALL).await;
    // Redis has fewer keys than the file has chunks.
    assert!(c.engine().trips().take().len() < 12);
    c.engine().trips().enable(false);
    assert_eq!(lists().await, [(0, 2), (5, 2), (6, 2), (700_000, 2)]);
    let seen = async |index| {
        let view = c.read_chunk(f, index).await.unwrap();
        view.pieces.iter().any(|p| p.id != SliceId::ZERO)
    };
    assert!(seen(0).await);
    for index in [5, 6, 700_000] {
        assert!(!seen(index).await, "chunk {index}");
    }
    // Parts of chunks without a list, a short range, a range that has to be looked up.
    hole(10 * CHUNK_SIZE + 5, 10).await;
    hole(10 * CHUNK_SIZE + 5, CHUNK_SIZE).await;
    hole(0, 1000 * CHUNK_SIZE).await;
    hole(0, 300_000 * CHUNK_SIZE).await;
    assert_eq!(lists().await, [(0, 4), (5, 4), (6, 4), (700_000, 2)]);
    c.put_slice(f, 700_001, 0, 100).await.unwrap();
    c.truncate(&root(), f, CHUNK_SIZE * 6).await.unwrap();
    c.truncate(&root(), f, ALL).await.unwrap();
    assert!(!seen(700_001).await);
    let all = lists().await;
    assert_eq!(all.len(), 5);
    // A copy of holes makes no lists, and hides what the target has.
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    c.put_slice(g, 3, 0, 1000).await.unwrap();
    let part = copy(f, 8 * CHUNK_SIZE, g, 0, 20 * CHUNK_SIZE);
    let (copied, _) = c.copy_file_range(part).await.unwrap();
    assert_eq!(copied, 20 * CHUNK_SIZE);
    assert_eq!(shown(&c, g).await, []);
    let census = v.verify().await;
    let made: Vec<_> = census.chunks.keys().filter(|(ino, _)| *ino == g).collect();
    assert_eq!(made, [&(g, 3)]);
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    c.do_work().await;
    assert_eq!(lists().await, []);
}

/// More lists than one commit appends to: the work is done in steps.
async fn files_with_many_lists(kind: Kind) {
    if kind != Kind::Memory {
        return; // the steps are the same everywhere
    }
    const MANY: u32 = jfs_meta::engine::EXISTING_MAX + 50;
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    for index in 0..MANY {
        c.put_slice(f, index * 2, 0, 100).await.unwrap();
    }
    let length = c.getattr(f).await.unwrap().length;
    let records = async |index: u32| {
        let census = v.verify().await;
        let all = (0..MANY).map(|i| census.chunks[&(f, i * 2)].len());
        (all.sum::<usize>(), census.chunks[&(f, index)].len())
    };
    let after = c.fallocate(&root(), f, 0x10, 0, length + 10).await.unwrap();
    assert_eq!(after.length, length + 10);
    assert_eq!(records((MANY - 1) * 2).await, (2 * MANY as usize, 2));
    c.truncate(&root(), f, 50).await.unwrap();
    let (all, _) = records(0).await;
    // Each step has a border, whose record may come on top.
    assert!((3 * MANY as usize..3 * MANY as usize + 3).contains(&all));
    let grown = c.truncate(&root(), f, length).await.unwrap();
    assert_eq!((grown.length, shown(&c, f).await), (length, vec![]));
}
