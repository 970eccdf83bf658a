//! An engine that takes few records in one commit: operations with many take several commits, each of which
//! leaves a whole volume, and the others fail before anything is sent.

use super::copies::shown;
use super::faults::copy;
use jfs_meta::engine::{Key, LockRow, Read, Receipt, Write};
use jfs_meta::engine_hooks::EngineHooks;
use jfs_meta::ops::{NewSlice, fallocate};
use jfs_meta::wire::LockType;
use jfs_meta::{Attempt, Compacted, Engine, EngineError};
use jfs_tests::volume::{root, slice};
use jfs_tests::{Client, Fault, Faulty, Kind, Volume};
use jfs_types::*;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Records that a commit of etcd takes.
const SMALL: usize = 128;

/// Counts commits with writes, and the most writes of one.
#[derive(Default)]
struct Counts(Mutex<(usize, usize)>);

struct Counting(Arc<dyn Engine>, Arc<Counts>);

struct CountingAttempt(Box<dyn Attempt>, Arc<Counts>);

impl EngineHooks for Counting {
    fn inner(&self) -> &dyn Engine {
        &*self.0
    }

    fn wrap_attempt(&self, inner: Box<dyn Attempt>) -> Box<dyn Attempt> {
        Box::new(CountingAttempt(inner, self.1.clone()))
    }
}

#[async_trait::async_trait]
impl Attempt for CountingAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<jfs_meta::engine::Answer>, EngineError> {
        self.0.read(reads).await
    }

    async fn commit(self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        if !writes.is_empty() {
            let mut counts = self.1.0.lock();
            *counts = (counts.0 + 1, counts.1.max(writes.len()));
        }
        self.0.commit(writes, at).await
    }

    async fn end(self: Box<Self>) {
        self.0.end().await;
    }
}

/// A volume, a client without a limit, one with small commits, and what the latter commits.
async fn bed(trash_days: i64) -> (Volume, Client, Client, Arc<Counts>) {
    let v = Volume::new(Kind::Memory, trash_days).await;
    let counts = Arc::new(Counts::default());
    let small = v.db.connect_with_small_commits(SMALL);
    let counting = Arc::new(Counting(small, counts.clone()));
    let (large, small) = (v.client().await, v.client_over(counting).await);
    counts.take();
    (v, large, small, counts)
}

impl Counts {
    fn take(&self) -> (usize, usize) {
        std::mem::take(&mut *self.0.lock())
    }
}

/// A file whose first chunk has `n` slices side by side.
async fn with_slices(c: &Client, name: &[u8], n: usize) -> Ino {
    let f = c.touch(Ino::ROOT, name).await.unwrap();
    let mut slices = Vec::new();
    for at in 0..n {
        let id = c.new_slice_id().await.unwrap();
        slices.push(NewSlice {
            index: 0,
            record: slice(id, at as u32 * 10, 10),
            mtime: c.now(),
            append: false,
        });
    }
    for part in slices.chunks(100) {
        c.write_slices(f, part).await.unwrap();
    }
    f
}

#[test]
fn data_of_a_removed_file_goes_in_parts() {
    jfs_tests::run(Kind::Memory, async |_| {
        let (v, large, small, counts) = bed(0).await;
        let f = with_slices(&large, b"f", 1000).await;
        large.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
        let unused = small.delete_chunk(f, 0).await.unwrap();
        assert_eq!(unused.len(), 1000);
        let (commits, most) = counts.take();
        assert!((8..=9).contains(&commits), "{commits}");
        assert!(most <= SMALL, "{most}");
        let gone = v.engine.fetch(&[Key::Chunk(f, 0)]).await.unwrap();
        assert_eq!(gone[0].clone().into_bytes().unwrap(), None);
        assert_eq!(v.census().await.unused.len(), 1000);
    });
}

/// Between two parts, and when the answer to one is lost.
#[test]
fn parts_in_doubt_are_neither_left_out_nor_done_twice() {
    jfs_tests::run(Kind::Memory, async |_| {
        for fault in [Fault::Lost, Fault::Dropped, Fault::Transient] {
            for commit in 1..=3 {
                let v = Volume::new(Kind::Memory, 0).await;
                let large = v.client().await;
                let f = with_slices(&large, b"f", 300).await;
                // Each slice has a second user.
                let g = large.touch(Ino::ROOT, b"g").await.unwrap();
                large.copy_file_range(copy(f, 0, g, 0, 3000)).await.unwrap();
                large.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
                let small = v.db.connect_with_small_commits(SMALL);
                let faulty = Arc::new(Faulty::new(small));
                let small = v.client_over(faulty.clone()).await;
                faulty.fail_commit(commit, fault);
                assert_eq!(small.delete_chunk(f, 0).await, Ok(Vec::new()));
                assert!(faulty.disarm());
                small.finish_deleted(f, 3000).await.unwrap();
                // Users of slices are those that show them.
                v.verify().await;
            }
        }
    });
}

#[test]
fn delayed_slices_go_in_parts() {
    jfs_tests::run(Kind::Memory, async |_| {
        let (v, large, small, counts) = bed(1).await;
        let f = with_slices(&large, b"f", 500).await;
        let plan = large.plan_compaction(f, 0).await.unwrap().unwrap();
        let id = large.new_slice_id().await.unwrap();
        large.commit_compaction(&plan, id).await.unwrap();
        v.clock.advance(Duration::from_secs(25 * 3600));
        let delayed = small.expired_delayed(10).await.unwrap();
        assert_eq!(small.release_delayed(&delayed[0]).await.unwrap().len(), 500);
        assert!((4..=5).contains(&counts.take().0));
        assert!(v.verify().await.delayed.is_empty());
    });
}

#[test]
fn compactions_take_what_fits() {
    jfs_tests::run(Kind::Memory, async |_| {
        for trash_days in [0, 1] {
            let (v, large, small, counts) = bed(trash_days).await;
            let f = with_slices(&large, b"f", 400).await;
            let before: u32 = shown(&large, f).await.iter().map(|piece| piece.3).sum();
            for _ in 0..5 {
                let Some(plan) = small.plan_compaction(f, 0).await.unwrap() else {
                    break;
                };
                let id = small.new_slice_id().await.unwrap();
                let done = small.commit_compaction(&plan, id).await.unwrap();
                assert!(matches!(done, Compacted::Done(_)));
            }
            assert!(counts.take().0 >= 4);
            let after = shown(&large, f).await;
            assert_eq!(after.iter().map(|piece| piece.3).sum::<u32>(), before);
            assert!(after.len() < 3, "{after:?}");
            v.census().await;
        }
    });
}

#[test]
fn copies_end_where_a_commit_is_full() {
    jfs_tests::run(Kind::Memory, async |_| {
        let (v, large, small, counts) = bed(0).await;
        let f = with_slices(&large, b"f", 1000).await;
        let g = large.touch(Ino::ROOT, b"g").await.unwrap();
        let mut at = 0;
        while at < 10_000 {
            let range = copy(f, at, g, at, 10_000 - at);
            let (copied, attr) = small.copy_file_range(range).await.unwrap();
            assert!(copied > 0);
            at += copied;
            assert_eq!(attr.length, at);
        }
        let (commits, _) = counts.take();
        assert!((8..=11).contains(&commits), "{commits}");
        assert_eq!(shown(&large, g).await, shown(&large, f).await);
        v.verify().await;
        // Many chunks of the source, of which each is held.
        let long = large.touch(Ino::ROOT, b"long").await.unwrap();
        for index in 0..200 {
            large.put_slice(long, index, 5, 100).await.unwrap();
        }
        let length = large.getattr(long).await.unwrap().length;
        let h = large.touch(Ino::ROOT, b"h").await.unwrap();
        let mut at = 0;
        while at < length {
            // Another place in its chunk: pieces are cut in two.
            let range = copy(long, at, h, at + 64, length - at);
            at += small.copy_file_range(range).await.unwrap().0;
        }
        assert_eq!(large.getattr(h).await.unwrap().length, length + 64);
        v.verify().await;
    });
}

#[test]
fn zeros_over_many_chunks_come_in_steps() {
    jfs_tests::run(Kind::Memory, async |_| {
        let (v, large, small, counts) = bed(0).await;
        let files = [b"a", b"b", b"c"];
        let mut inodes = Vec::new();
        for name in files {
            let f = large.touch(Ino::ROOT, name).await.unwrap();
            for index in 0..300 {
                large.put_slice(f, index * 2, 0, 100).await.unwrap();
            }
            inodes.push(f);
        }
        small.truncate(&root(), inodes[0], 7).await.unwrap();
        assert_eq!(large.getattr(inodes[0]).await.unwrap().length, 7);
        assert!(counts.take().0 >= 3);
        let length = large.getattr(inodes[1]).await.unwrap().length;
        let mode = fallocate::mode::PUNCH_HOLE | fallocate::mode::KEEP_SIZE;
        small
            .fallocate(&root(), inodes[1], mode, 50, length)
            .await
            .unwrap();
        assert!(counts.take().0 >= 3);
        // A range of few chunks is one commit.
        small
            .fallocate(&root(), inodes[2], mode, 50, 64 << 20)
            .await
            .unwrap();
        let (commits, most) = counts.take();
        assert!(commits == 1 && most <= SMALL, "{commits} {most}");
        for f in &inodes[..2] {
            for index in 1..300 {
                let view = large.read_chunk(*f, index * 2).await.unwrap();
                assert!(view.pieces.iter().all(|p| p.id == SliceId::ZERO));
            }
        }
        v.verify().await;
    });
}

#[test]
fn slices_of_a_flush_are_told_how_many() {
    jfs_tests::run(Kind::Memory, async |_| {
        let (v, large, small, counts) = bed(0).await;
        assert_eq!(large.slices_per_commit(), 100);
        let most = small.slices_per_commit();
        let f = large.touch(Ino::ROOT, b"f").await.unwrap();
        let mut slices = Vec::new();
        // Each begins in one chunk and ends in the next.
        let (len, chunk) = (CHUNK_SIZE as u32, CHUNK_SIZE);
        large.put_slice(f, 0, 0, len / 2).await.unwrap();
        for _ in 0..=most {
            let id = small.new_slice_id().await.unwrap();
            slices.push(NewSlice {
                index: 0,
                record: slice(id, 0, len),
                mtime: small.now(),
                append: true,
            });
        }
        counts.take();
        assert_eq!(small.write_slices(f, &slices).await, Err(Errno::EINVAL));
        let stored = small.write_slices(f, &slices[1..]).await.unwrap();
        assert_eq!(stored.attr.length, chunk / 2 + most as u64 * chunk);
        let (commits, writes) = counts.take();
        assert!(commits == 1 && writes <= SMALL, "{commits} {writes}");
        v.verify().await;
    });
}

#[test]
fn a_session_with_many_locks_is_dropped_in_parts() {
    jfs_tests::run(Kind::Memory, async |_| {
        let (v, large, small, counts) = bed(0).await;
        let mut inodes = Vec::new();
        for n in 0..100 {
            let name = format!("f{n}");
            inodes.push(large.touch(Ino::ROOT, name.as_bytes()).await.unwrap());
        }
        for ino in &inodes {
            for owner in 1..4 {
                large
                    .flock(*ino, owner, LockType::Read, false)
                    .await
                    .unwrap();
            }
        }
        assert_eq!(v.live_on(&small).await, 1);
        assert!((3..=8).contains(&counts.take().0));
        assert_eq!(
            v.engine.list_locks(1).await.unwrap(),
            Vec::<(_, _, LockRow)>::new()
        );
        let census = v.verify().await;
        let sessions: BTreeSet<u64> = census.sessions.iter().map(|s| s.sid).collect();
        assert_eq!(sessions, BTreeSet::from([2]));
    });
}

/// An operation that needs more records than the engine takes fails, and nothing is changed.
#[test]
fn what_does_not_fit_is_not_sent() {
    jfs_tests::run(Kind::Memory, async |_| {
        let v = Volume::new(Kind::Memory, 0).await;
        let counts = Arc::new(Counts::default());
        let tiny = v.db.connect_with_small_commits(5);
        let counting = Arc::new(Counting(tiny, counts.clone()));
        let c = v.client_over(counting).await;
        c.names(Ino::ROOT).await;
        v.census().await;
        counts.take();
        let before = v.census().await.text();
        let made = c.mkdir(&root(), Ino::ROOT, b"d", 0o755, 0).await;
        assert_eq!(made.map(drop), Err(Errno::EIO));
        assert_eq!(counts.take(), (0, 0));
        let census = |text: String| -> Vec<String> {
            let of_ids = |l: &&str| !l.contains("next") && !l.contains("counters");
            text.lines().filter(of_ids).map(str::to_string).collect()
        };
        assert_eq!(census(v.census().await.text()), census(before));
    });
}
