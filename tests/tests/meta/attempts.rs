//! Every attempt comes to an end that the engine hears of, and of several clients one wins a job.

use jfs_meta::engine::{Answer, JobSlot, Read, Receipt, Write};
use jfs_meta::engine_hooks::EngineHooks;
use jfs_meta::{Attempt, Engine, EngineError, MetaConfig};
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

on_every_engine! { every_attempt_is_ended, one_of_many_wins_a_job }

/// Attempts that were begun, committed, ended, and dropped without either.
#[derive(Default)]
struct Ends {
    begun: AtomicUsize,
    committed: AtomicUsize,
    ended: AtomicUsize,
    dropped: AtomicUsize,
    /// The next reads that fail.
    failures: AtomicUsize,
}

struct Watched(Arc<dyn Engine>, Arc<Ends>);

struct WatchedAttempt {
    inner: Option<Box<dyn Attempt>>,
    ends: Arc<Ends>,
}

impl Drop for WatchedAttempt {
    fn drop(&mut self) {
        if self.inner.is_some() {
            self.ends.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl EngineHooks for Watched {
    fn inner(&self) -> &dyn Engine {
        &*self.0
    }

    fn wrap_attempt(&self, inner: Box<dyn Attempt>) -> Box<dyn Attempt> {
        self.1.begun.fetch_add(1, Ordering::SeqCst);
        let (inner, ends) = (Some(inner), self.1.clone());
        Box::new(WatchedAttempt { inner, ends })
    }
}

#[async_trait::async_trait]
impl Attempt for WatchedAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        let failures = &self.ends.failures;
        if failures.load(Ordering::SeqCst) > 0 {
            failures.fetch_sub(1, Ordering::SeqCst);
            return Err(EngineError::Transient("injected".into()));
        }
        self.inner.as_mut().unwrap().read(reads).await
    }

    async fn commit(
        mut self: Box<Self>,
        writes: &[Write],
        at: Time,
    ) -> Result<Receipt, EngineError> {
        self.ends.committed.fetch_add(1, Ordering::SeqCst);
        self.inner.take().unwrap().commit(writes, at).await
    }

    async fn end(mut self: Box<Self>) {
        self.ends.ended.fetch_add(1, Ordering::SeqCst);
        self.inner.take().unwrap().end().await;
    }
}

async fn every_attempt_is_ended(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let ends = Arc::new(Ends::default());
    let engine = Arc::new(Watched(v.db.connect().await, ends.clone()));
    let c = v.client_over(engine.clone()).await;
    let me = root();
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let take = || {
        let take = |n: &AtomicUsize| n.swap(0, Ordering::SeqCst);
        let [begun, committed] = [&ends.begun, &ends.committed].map(take);
        let [ended, dropped] = [&ends.ended, &ends.dropped].map(take);
        assert_eq!(begun, committed + ended, "{dropped} dropped");
        (committed, ended)
    };
    take();
    // An error that one batch tells.
    assert_eq!(c.touch(Ino::ROOT, b"f").await, Err(Errno::EEXIST));
    let gone = Ino(999_999);
    assert_eq!(c.truncate(&me, gone, 5).await.map(drop), Err(Errno::ENOENT));
    assert_eq!(take(), (0, 2));
    // An error that takes two batches is checked by an empty commit.
    let d = c.dir(Ino::ROOT, b"d").await;
    c.touch(d, b"g").await.unwrap();
    take();
    let removed = c.rmdir(&me, Ino::ROOT, b"d").await;
    assert_eq!((removed, take()), (Err(Errno::ENOTEMPTY), (1, 0)));
    // Nothing to write.
    assert!(c.claim_job(JobSlot::Trash, 60).await.unwrap());
    take();
    assert!(!c.claim_job(JobSlot::Trash, 60).await.unwrap());
    assert_eq!(take(), (0, 1));
    // The engine fails.
    ends.failures.store(2, Ordering::SeqCst);
    c.truncate(&me, f, 5).await.unwrap();
    assert_eq!(take(), (1, 2));
    // A client that may not write any more.
    let config = MetaConfig {
        read_only: true,
        ..MetaConfig::default()
    };
    let reader = v.client_without_session(engine, config);
    let refused = reader.truncate(&me, f, 5).await;
    assert_eq!(refused.map(drop), Err(Errno::EROFS));
    assert_eq!(take(), (0, 0));
}

/// Also while the counter does not exist.
async fn one_of_many_wins_a_job(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(Arc::new(v.client().await));
    }
    for job in JobSlot::ALL {
        for round in 0..5 {
            let claims = clients.iter().cloned();
            let claims = claims.map(|c| tokio::spawn(async move { c.claim_job(job, 1).await }));
            let mut won = 0;
            for claim in claims.collect::<Vec<_>>() {
                won += usize::from(claim.await.unwrap().unwrap());
            }
            assert_eq!(won, 1, "{job:?}, round {round}");
            v.tick();
        }
    }
}
