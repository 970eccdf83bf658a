//! Chunks: appended slices, truncate, shared and delayed slices.

use jfs_meta::engine::{Key, Write, own};
use jfs_meta::ops::NewSlice;
use jfs_meta::wire::{decode_records, encode_record};
use jfs_meta::{FORGET_MAX, Work};
use jfs_tests::volume::{root, slice};
use jfs_tests::{Client, Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! {
    appended_slices, appended_at_the_end, truncate_appends_these_records, truncate_errors, views_follow_changes,
    shared_slices_live_as_long_as_their_users, delayed_slices, write_errors, bookkeeping_of_slices_goes_together,
}

const C: u64 = CHUNK_SIZE;

/// The stored bytes of a chunk list.
async fn stored(v: &Volume, ino: Ino, index: u32) -> Option<Vec<u8>> {
    let answers = v.engine.fetch(&[Key::Chunk(ino, index)]).await.unwrap();
    answers
        .into_iter()
        .next()
        .unwrap()
        .into_bytes()
        .unwrap()
        .map(|b| b.to_vec())
}

async fn appended_slices(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    v.tick();
    let mtime = Time {
        sec: 1_800_000_003,
        nsec: 77,
    };
    let attr = c
        .write_chunk(f, 0, slice(0x0102_0304_0506, 10, 20), mtime)
        .await
        .unwrap();
    assert_eq!((attr.length, attr.mtime, attr.ctime), (30, mtime, c.now()));
    #[rustfmt::skip]
    let bytes = [0, 0, 0, 10,  0, 0, 1, 2, 3, 4, 5, 6,  0, 0, 0, 20,  0, 0, 0, 0,  0, 0, 0, 20];
    assert_eq!(stored(&v, f, 0).await.unwrap(), bytes);
    // Inside the file: the length stays.
    assert_eq!(
        c.write_chunk(f, 0, slice(2, 0, 5), c.now())
            .await
            .unwrap()
            .length,
        30
    );
    assert_eq!(stored(&v, f, 0).await.unwrap().len(), 48);
    // Far away: a hole needs no list.
    let attr = c.write_chunk(f, 3, slice(3, 7, 5), c.now()).await.unwrap();
    assert_eq!(attr.length, 3 * C + 12);
    assert_eq!(stored(&v, f, 1).await, None);
    let census = v.verify().await;
    assert_eq!(census.counters[0], align(3 * C + 12));
    assert_eq!(census.dir_stats[&Ino::ROOT].length, (3 * C + 12) as i64);
}

/// Slices that append follow the end of the file, which another client has moved: in two parts where a
/// chunk ends, with one user each.
async fn appended_at_the_end(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (c, other) = (v.client().await, v.client().await);
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let append = |id: u64, len: u32| NewSlice {
        index: 0,
        record: slice(id, 0, len),
        mtime: c.now(),
        append: true,
    };
    c.write_slices(f, &[append(1, 100)]).await.unwrap();
    other.truncate(&root(), f, C - 40).await.unwrap();
    let written = c
        .write_slices(f, &[append(2, 70), append(3, 5)])
        .await
        .unwrap();
    assert_eq!(written.moved_from, Some(0));
    let attr = written.attr;
    assert_eq!(attr.length, C + 35);
    let records = async |index| {
        let bytes = stored(&v, f, index).await.unwrap();
        let records = decode_records(&bytes).unwrap();
        let shown = records.iter().map(|r| (r.pos, r.id.0, r.off, r.len));
        shown.collect::<Vec<_>>()
    };
    let first = records(0).await;
    assert_eq!(first.last(), Some(&(C as u32 - 40, 2, 0, 40)));
    assert_eq!(records(1).await, [(0, 2, 40, 30), (30, 3, 0, 5)]);
    v.verify().await;
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    let mut unused = Vec::new();
    for index in 0..2 {
        unused.extend(c.delete_chunk(f, index).await.unwrap());
    }
    c.finish_deleted(f, attr.length).await.unwrap();
    unused.sort_unstable();
    assert_eq!(unused, [(1, 100), (2, 70), (3, 5)]);
    v.verify().await;
    let huge = append(4, 10);
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    c.truncate(&root(), g, slice::MAX_FILE_LENGTH - 9)
        .await
        .unwrap();
    assert_eq!(c.write_slices(g, &[huge]).await.unwrap_err(), Errno::EFBIG);
}

fn align(n: u64) -> i64 {
    attr::align4k(n)
}

/// Exact records of growing and shrinking, in both directions and over chunk borders.
async fn truncate_appends_these_records(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let zeros = |pos: u64, len: u64| SliceRecord {
        pos: pos as u32,
        id: SliceId::ZERO,
        size: 0,
        off: 0,
        len: len as u32,
    };
    #[expect(
        clippy::type_complexity,
        reason = "a table: old length, new length, records"
    )]
    let cases: [(u64, u64, Vec<(u32, SliceRecord)>); 9] = [
        (0, 5, vec![(0, zeros(0, 5))]),
        (5, 0, vec![(0, zeros(0, 5))]),
        (10, C, vec![(0, zeros(10, C - 10))]),
        (C - 1, C + 1, vec![(0, zeros(C - 1, 1)), (1, zeros(0, 1))]),
        (C + 1, C - 1, vec![(0, zeros(C - 1, 1)), (1, zeros(0, 1))]),
        (C, C + 7, vec![(1, zeros(0, 7))]),
        (C + 7, C, vec![(1, zeros(0, 7))]),
        // Lists 1 and 3 exist between the borders, list 2 does not: only those get a record.
        (
            5 * C + 9,
            3,
            vec![
                (0, zeros(3, C - 3)),
                (1, zeros(0, C)),
                (3, zeros(0, C)),
                (5, zeros(0, 9)),
            ],
        ),
        (
            3,
            6 * C,
            vec![(0, zeros(3, C - 3)), (1, zeros(0, C)), (3, zeros(0, C))],
        ),
    ];
    for (n, (from, to, expected)) in cases.into_iter().enumerate() {
        let f = c
            .touch(Ino::ROOT, format!("f{n}").as_bytes())
            .await
            .unwrap();
        // Lists to start from, without touching the length by anything but the last write.
        let mut before = Vec::new();
        for index in [1, 3] {
            if from > u64::from(index) * C + 100 || to > u64::from(index) * C + 100 {
                before.push((index, c.new_slice_id().await.unwrap()));
            }
        }
        let mut attempt = v.engine.begin().await.unwrap();
        let answers = attempt.read(&[own(Key::Attr(f))]).await.unwrap();
        let mut attr = answers
            .into_iter()
            .next()
            .unwrap()
            .into_attr()
            .unwrap()
            .unwrap();
        let space = attr.space();
        attr.length = from;
        let grown = attr.space() - space;
        let mut writes = vec![Write::PutAttr { ino: f, attr }];
        for (index, id) in &before {
            writes.push(Write::AppendSlice {
                ino: f,
                index: *index,
                record: slice(*id, 0, 100),
            });
            writes.push(Write::NewSlice { id: *id, size: 100 });
        }
        attempt.commit(&writes, Time::default()).await.unwrap();
        v.engine.add_usage(grown, 0).await.unwrap();
        let stat = jfs_meta::engine::DirStat {
            length: from as i64,
            space: grown,
            inodes: 0,
        };
        v.flush().await;
        assert!(
            v.engine
                .add_dir_stats(&[(Ino::ROOT, stat)])
                .await
                .unwrap()
                .is_empty()
        );
        v.tick();
        let attr = c.truncate(&me, f, to).await.unwrap();
        assert_eq!(
            (attr.length, attr.mtime, attr.ctime),
            (to, c.now(), c.now())
        );
        for index in 0..7 {
            let mut list: Vec<u8> = Vec::new();
            for (_, id) in before.iter().filter(|(i, _)| *i == index) {
                list.extend(encode_record(&slice(*id, 0, 100)));
            }
            for (_, record) in expected.iter().filter(|(i, _)| *i == index) {
                list.extend(encode_record(record));
            }
            let got = stored(&v, f, index).await.unwrap_or_default();
            assert_eq!(
                got,
                list,
                "{from} to {to}, chunk {index}: {:?}",
                decode_records(&got)
            );
        }
        // Equal length: the times alone.
        v.tick();
        let mut same = attr;
        (same.mtime, same.ctime) = (c.now(), c.now());
        let lists = stored(&v, f, 0).await;
        assert_eq!(c.truncate(&me, f, to).await.unwrap(), same);
        assert_eq!(stored(&v, f, 0).await, lists);
    }
    v.verify().await;
}

async fn truncate_errors(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let (l, _) = c.symlink(&me, Ino::ROOT, b"l", b"t").await.unwrap();
    for (ino, length, errno) in [
        (Ino::ROOT, 5, Errno::EPERM),
        (l, 5, Errno::EPERM),
        (Ino(999_999), 5, Errno::ENOENT),
        (f, 1 << 57, Errno::EFBIG),
    ] {
        assert_eq!(
            c.truncate(&me, ino, length).await.map(|_| ()),
            Err(errno),
            "{ino:?} to {length}"
        );
    }
    assert_eq!(
        c.truncate(&Caller::user(9, 9), f, 5).await.map(|_| ()),
        Err(Errno::EACCES)
    );
    c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.truncate(&me, f, 5).await.map(|_| ()), Err(Errno::EPERM));
    v.verify().await;
}

async fn views_follow_changes(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let (a, b) = (v.client().await, v.client().await);
    let (f, _) = a.create(&root(), Ino::ROOT, b"f", 0o644, 0).await.unwrap();
    b.open(&root(), f, 0).await.unwrap();
    assert!(b.read_chunk(f, 0).await.unwrap().pieces.is_empty());
    a.put_slice(f, 0, 0, 100).await.unwrap();
    assert_eq!(a.read_chunk(f, 0).await.unwrap().pieces.len(), 1);
    assert!(a.try_read_chunk(f, 0).is_some());
    // The other client learns of it with the next attributes.
    v.tick();
    a.truncate(&root(), f, 10).await.unwrap();
    assert_eq!(a.read_chunk(f, 0).await.unwrap().pieces.len(), 2);
    b.getattr(f).await.unwrap();
    assert!(b.try_read_chunk(f, 0).is_none());
    let view = b.read_chunk(f, 0).await.unwrap();
    assert_eq!((view.pieces.len(), view.records), (2, 2));
    b.forget_chunks(f);
    assert!(b.try_read_chunk(f, 0).is_none());
    for c in [&a, &b] {
        assert_eq!(c.close(f), None);
        assert!(
            c.try_read_chunk(f, 0).is_none(),
            "views go with the last close"
        );
    }
    v.verify().await;
}

/// Another record of a slice that is in use, as copying a range makes them.
async fn share(v: &Volume, c: &Client, to: Ino, id: u64, size: u32) {
    let mut attempt = v.engine.begin().await.unwrap();
    attempt.read(&[own(Key::Attr(to))]).await.unwrap();
    let record = SliceRecord {
        pos: 0,
        id: SliceId(id),
        size,
        off: 0,
        len: 1,
    };
    let writes = [
        Write::AppendSlice {
            ino: to,
            index: 0,
            record,
        },
        Write::AddSliceUsers { id, size, delta: 1 },
    ];
    let receipt = attempt.commit(&writes, c.now()).await.unwrap();
    assert!(receipt.unused_slices.is_empty());
}

async fn shared_slices_live_as_long_as_their_users(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let g = c.touch(Ino::ROOT, b"g").await.unwrap();
    c.truncate(&root(), g, 1).await.unwrap();
    let id = c.put_slice(f, 0, 0, 5000).await.unwrap();
    let own = c.put_slice(f, 0, 100, 10).await.unwrap();
    share(&v, &c, g, id, 5000).await;
    share(&v, &c, g, id, 5000).await;
    let census = v.verify().await;
    assert_eq!(census.slice_users[&(id, 5000)], 3);
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    assert_eq!(c.do_work().await, [(own, 10)]);
    let census = v.verify().await;
    assert_eq!(census.slice_users, [((id, 5000), 2)].into());
    // Both records of one list go in one commit: the slice is reported once.
    c.unlink(&root(), Ino::ROOT, b"g").await.unwrap();
    assert_eq!(c.work(), [Work::DeleteFile { ino: g, length: 1 }]);
    assert_eq!(c.chunks_of_deleted(g, 1).await.unwrap(), [0]);
    assert_eq!(c.delete_chunk(g, 0).await.unwrap(), [(id, 5000)]);
    assert_eq!(c.unused_slices(10).await.unwrap(), [(id, 5000)]);
    c.forget_slice(id, 5000).await.unwrap();
    c.finish_deleted(g, 1).await.unwrap();
    let census = v.verify().await;
    assert!(census.unused.is_empty() && census.chunks.is_empty());
}

async fn delayed_slices(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    c.truncate(&root(), f, CHUNK_SIZE + 20).await.unwrap();
    // Slice 900 replaced slices 700 (twice) and 800, of which 800 has another user.
    let mut attempt = v.engine.begin().await.unwrap();
    attempt.read(&[own(Key::Attr(f))]).await.unwrap();
    let writes = [
        Write::NewSlice { id: 900, size: 50 },
        Write::AppendSlice {
            ino: f,
            index: 0,
            record: slice(900, 0, 50),
        },
        Write::NewSlice { id: 700, size: 10 },
        Write::AddSliceUsers {
            id: 700,
            size: 10,
            delta: 1,
        },
        Write::NewSlice { id: 800, size: 20 },
        Write::AddSliceUsers {
            id: 800,
            size: 20,
            delta: 1,
        },
        Write::AppendSlice {
            ino: f,
            index: 1,
            record: slice(800, 0, 20),
        },
    ];
    attempt.commit(&writes, c.now()).await.unwrap();
    let mut entries = Vec::new();
    for (id, size) in [(700u64, 10u32), (800, 20), (700, 10)] {
        entries.extend(id.to_be_bytes());
        entries.extend(size.to_be_bytes());
    }
    let time = c.now().sec;
    v.db.put_delayed(900, time, &entries).await;
    v.verify().await;
    assert!(
        c.expired_delayed(10).await.unwrap().is_empty(),
        "not before the trash period is over"
    );
    v.clock.advance(std::time::Duration::from_secs(24 * 3600));
    assert!(c.expired_delayed(10).await.unwrap().is_empty());
    v.tick();
    let expired = c.expired_delayed(10).await.unwrap();
    assert_eq!(expired.len(), 1);
    assert_eq!(
        (expired[0].id, expired[0].time, expired[0].entries.len()),
        (900, time, 36)
    );
    assert_eq!(c.release_delayed(&expired[0]).await.unwrap(), [(700, 10)]);
    assert_eq!(c.release_delayed(&expired[0]).await.unwrap(), []);
    c.forget_slice(700, 10).await.unwrap();
    let census = v.verify().await;
    assert!(census.delayed.is_empty());
    assert_eq!(census.slice_users, [((800, 20), 1), ((900, 50), 1)].into());
}

async fn write_errors(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let (l, _) = c.symlink(&root(), Ino::ROOT, b"l", b"t").await.unwrap();
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let write = |ino, index, pos, len| c.write_chunk(ino, index, slice(1, pos, len), c.now());
    assert_eq!(
        write(Ino(999_999), 0, 0, 1).await.map(|_| ()),
        Err(Errno::ENOENT)
    );
    assert_eq!(write(l, 0, 0, 1).await.map(|_| ()), Err(Errno::EPERM));
    assert_eq!(
        write(Ino::ROOT, 0, 0, 1).await.map(|_| ()),
        Err(Errno::EPERM)
    );
    assert_eq!(
        write(f, 0, C as u32 - 1, 2).await.map(|_| ()),
        Err(Errno::EFBIG)
    );
    assert_eq!(write(f, 1 << 31, 0, 1).await.map(|_| ()), Err(Errno::EFBIG));
    v.verify().await;
}

/// One commit for many slices, the last one for the record of the file as well; nothing stays behind.
async fn bookkeeping_of_slices_goes_together(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let slices = FORGET_MAX as u32 * 2 + 3;
    for n in 0..slices {
        c.put_slice(f, 0, n * 10, 10).await.unwrap();
    }
    c.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    let length = u64::from(slices) * 10;
    assert!(c.work().contains(&Work::DeleteFile { ino: f, length }));
    let unused = c.delete_chunk(f, 0).await.unwrap();
    assert_eq!(unused.len(), slices as usize);
    let (first, rest) = unused.split_at(1);
    c.forget_slices(first).await.unwrap();
    let left = c.unused_slices(1000).await.unwrap();
    assert_eq!(left.len(), rest.len());
    assert!(!left.contains(&first[0]));
    let before = transactions(&c);
    c.finish_deleted_files(&[(f, length)], rest).await.unwrap();
    assert_eq!(transactions(&c) - before, 3);
    let census = v.verify().await;
    assert!(census.unused.is_empty() && census.deleted.is_empty());
}

/// Transactions of a client so far.
fn transactions(c: &Client) -> u64 {
    let families = c.stats().metrics();
    let name = "transaction_durations_histogram_seconds";
    let family = families.iter().find(|f| f.name().ends_with(name)).unwrap();
    family.get_metric()[0].get_histogram().get_sample_count()
}
