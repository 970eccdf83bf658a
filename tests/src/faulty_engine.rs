//! An engine that fails or waits where it is told to, and that lets others run between its steps.

use crate::Rng;
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::trips::TripLog;
use jfs_meta::{Attempt, Engine, EngineError};
use jfs_types::{AclRule, Attr, Entry, Ino, Name, Time};
use parking_lot::Mutex;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tokio::sync::oneshot;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commit is applied, its answer is lost.
    Lost,
    /// The commit is not applied, and nobody knows.
    Dropped,
    /// The call fails in a way that trying again mends.
    Transient,
}

/// Where a call can be held; see [`Faulty::hold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A commit, before the engine underneath sees it.
    BeforeCommit,
    /// A commit that has been applied, before the answer is passed on.
    AfterCommit,
    /// A read outside of a transaction, when its answer is there.
    AfterFetch,
    /// The end of a session, before its record is dropped.
    BeforeDropSession,
}

/// A call that is to be held, or is. Dropped, it lets the call go on.
pub struct Held {
    reached: Option<oneshot::Receiver<()>>,
    release: oneshot::Sender<()>,
}

impl Held {
    /// Waits until the call has come to its place.
    pub async fn reached(&mut self) {
        if let Some(reached) = self.reached.take() {
            reached.await.unwrap();
        }
    }

    /// Lets it go on.
    pub fn release(self) {
        let _ = self.release.send(());
    }
}

/// The other end of a [`Held`].
struct Gate {
    point: Point,
    reached: oneshot::Sender<()>,
    release: oneshot::Receiver<()>,
}

/// Wraps an engine.
pub struct Faulty {
    inner: Arc<dyn Engine>,
    capabilities: Capabilities,
    plan: Arc<Plan>,
}

struct Plan {
    /// Commits until `fault`; negative: none to come.
    commits: AtomicI64,
    /// Calls of any kind until a transient failure; negative: none to come.
    calls: AtomicI64,
    fault: Mutex<Fault>,
    /// What the next directory statistics meet.
    statistics: Mutex<Option<Fault>>,
    struck: AtomicU64,
    yields: Option<Mutex<Rng>>,
    meanwhile: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    gate: Mutex<Option<Gate>>,
}

impl Faulty {
    /// An engine that does not fail yet.
    pub fn new(inner: Arc<dyn Engine>) -> Faulty {
        Faulty::with(inner, None)
    }

    /// An engine that lets other tasks run before each step, as often as the seed says.
    pub fn yielding(inner: Arc<dyn Engine>, seed: u64) -> Faulty {
        Faulty::with(inner, Some(Mutex::new(Rng::new(seed))))
    }

    fn with(inner: Arc<dyn Engine>, yields: Option<Mutex<Rng>>) -> Faulty {
        let plan = Plan {
            commits: AtomicI64::new(-1),
            calls: AtomicI64::new(-1),
            fault: Mutex::new(Fault::Transient),
            statistics: Mutex::new(None),
            struck: AtomicU64::new(0),
            yields,
            meanwhile: Mutex::new(None),
            gate: Mutex::new(None),
        };
        // What is lost here the engine inside knows nothing of.
        let capabilities = Capabilities {
            settles_lost_answers: false,
            ..inner.capabilities().clone()
        };
        Faulty {
            inner,
            capabilities,
            plan: Arc::new(plan),
        }
    }

    /// An engine that says it cannot be found out what became of its doubtful commits.
    pub fn unsettled(inner: Arc<dyn Engine>) -> Faulty {
        let mut faulty = Faulty::new(inner);
        faulty.capabilities.settles_lost_answers = true;
        faulty
    }

    /// The `n`-th commit from now on (1 = the next) meets `fault`.
    pub fn fail_commit(&self, n: u64, fault: Fault) {
        *self.plan.fault.lock() = fault;
        self.plan.struck.store(0, Ordering::SeqCst);
        self.plan.commits.store(n as i64, Ordering::SeqCst);
    }

    /// What others do between the next commit in doubt and its client's hearing of that.
    pub fn meanwhile(&self, others: impl Future<Output = ()> + Send + 'static) {
        *self.plan.meanwhile.lock() = Some(Box::pin(others));
    }

    /// The `n`-th call of any kind from now on (1 = the next) fails and changes nothing.
    pub fn fail_call(&self, n: u64) {
        self.plan.struck.store(0, Ordering::SeqCst);
        self.plan.calls.store(n as i64, Ordering::SeqCst);
    }

    /// The next deltas of directory statistics meet `fault`.
    pub fn fail_statistics(&self, fault: Fault) {
        *self.plan.statistics.lock() = Some(fault);
    }

    /// The next call that comes to `point` waits there.
    pub fn hold(&self, point: Point) -> Held {
        let (reached, has_reached) = oneshot::channel();
        let (release, may_go) = oneshot::channel();
        *self.plan.gate.lock() = Some(Gate {
            point,
            reached,
            release: may_go,
        });
        Held {
            reached: Some(has_reached),
            release,
        }
    }

    /// No failures from now on. Whether the planned one took place.
    pub fn disarm(&self) -> bool {
        self.plan.commits.store(-1, Ordering::SeqCst);
        self.plan.calls.store(-1, Ordering::SeqCst);
        self.plan.statistics.lock().take();
        self.plan.struck.swap(0, Ordering::SeqCst) > 0
    }
}

impl Plan {
    /// Before every step.
    async fn step(&self) -> Result<(), EngineError> {
        let yields = self.yields.as_ref().map_or(0, |rng| rng.lock().below(4));
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        if self.calls.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.struck.fetch_add(1, Ordering::SeqCst);
            return Err(EngineError::Transient("injected".into()));
        }
        Ok(())
    }

    /// A commit in doubt.
    async fn doubt(&self) -> EngineError {
        let others = self.meanwhile.lock().take();
        if let Some(others) = others {
            others.await;
        }
        EngineError::MaybeCommitted("injected".into())
    }

    /// Waits when a call is to be held here.
    async fn at(&self, point: Point) {
        let gate = self.gate.lock().take_if(|gate| gate.point == point);
        if let Some(gate) = gate {
            let _ = gate.reached.send(());
            let _ = gate.release.await;
        }
    }

    fn fault_of_commit(&self) -> Option<Fault> {
        if self.commits.fetch_sub(1, Ordering::SeqCst) != 1 {
            return None;
        }
        self.struck.fetch_add(1, Ordering::SeqCst);
        Some(*self.fault.lock())
    }
}

struct FaultyAttempt {
    inner: Box<dyn Attempt>,
    plan: Arc<Plan>,
}

#[async_trait]
impl Attempt for FaultyAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        self.plan.step().await?;
        self.inner.read(reads).await
    }

    async fn commit(self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        self.plan.step().await?;
        self.plan.at(Point::BeforeCommit).await;
        let plan = self.plan.clone();
        let committed = match self.plan.fault_of_commit() {
            None => self.inner.commit(writes, at).await,
            Some(Fault::Lost) => match self.inner.commit(writes, at).await {
                Ok(_) => Err(self.plan.doubt().await),
                Err(e) => Err(e),
            },
            Some(Fault::Dropped) => Err(self.plan.doubt().await),
            Some(Fault::Transient) => Err(EngineError::Transient("injected".into())),
        };
        plan.at(Point::AfterCommit).await;
        committed
    }
}

#[async_trait]
impl Engine for Faulty {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn trips(&self) -> &TripLog {
        self.inner.trips()
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        self.plan.step().await?;
        self.inner.load_setting().await
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.inner.store_setting(expect, json).await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.inner.create_volume(json, root, trash, overwrite).await
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.inner.prepare_writes().await
    }

    fn set_fence(&self, fence: Fence) {
        self.inner.set_fence(fence);
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        self.plan.step().await?;
        let inner = self.inner.begin().await?;
        Ok(Box::new(FaultyAttempt {
            inner,
            plan: self.plan.clone(),
        }))
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        self.plan.step().await?;
        let answers = self.inner.fetch(keys).await;
        self.plan.at(Point::AfterFetch).await;
        answers
    }

    async fn lookup(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        self.plan.step().await?;
        self.inner.lookup(dir, name).await
    }

    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        self.plan.step().await?;
        self.inner.list_dir(dir, cursor, with_attrs).await
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        self.plan.step().await?;
        let fault = self.plan.statistics.lock().take();
        let lost = || EngineError::MaybeCommitted("injected".into());
        match fault {
            None => self.inner.add_dir_stats(deltas).await,
            Some(Fault::Lost) => {
                self.inner.add_dir_stats(deltas).await?;
                Err(lost())
            }
            Some(Fault::Dropped) => Err(lost()),
            Some(Fault::Transient) => Err(EngineError::Transient("injected".into())),
        }
    }

    async fn put_dir_stat(&self, dir: Ino, stat: DirStat) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.inner.put_dir_stat(dir, stat).await
    }

    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
        self.plan.step().await?;
        self.inner.list_quotas().await
    }

    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.inner.add_quota_usage(deltas).await
    }

    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.inner.put_quota(dir, quota).await
    }

    async fn acl_id(&self, rule: &AclRule) -> Result<u32, EngineError> {
        self.plan.step().await?;
        self.inner.acl_id(rule).await
    }

    async fn reserve_ids(&self, kind: IdKind, n: u64) -> Result<Range<u64>, EngineError> {
        self.plan.step().await?;
        self.inner.reserve_ids(kind, n).await
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        self.plan.step().await?;
        self.inner.add_counter(counter, n).await
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.inner.add_usage(space, inodes).await
    }

    async fn claim_job(
        &self,
        job: JobSlot,
        now_sec: i64,
        interval_sec: i64,
    ) -> Result<bool, EngineError> {
        self.plan.step().await?;
        self.inner.claim_job(job, now_sec, interval_sec).await
    }

    async fn new_session(&self, expire: i64, info_json: &str) -> Result<u64, EngineError> {
        self.plan.step().await?;
        self.inner.new_session(expire, info_json).await
    }

    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.inner.refresh_session(sid, expire, info_json).await
    }

    async fn drop_session(&self, sid: u64) -> Result<(), EngineError> {
        self.plan.step().await?;
        self.plan.at(Point::BeforeDropSession).await;
        self.inner.drop_session(sid).await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        self.plan.step().await?;
        self.inner.list_sessions().await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        self.plan.step().await?;
        self.inner.list_sustained(sid).await
    }

    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
        self.plan.step().await?;
        self.inner.list_locks(sid).await
    }

    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError> {
        self.plan.step().await?;
        self.inner.list_deleted(before_sec, limit).await
    }

    async fn list_chunks(&self, ino: Ino, length: u64) -> Result<Vec<u32>, EngineError> {
        self.plan.step().await?;
        self.inner.list_chunks(ino, length).await
    }

    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError> {
        self.plan.step().await?;
        self.inner.list_delayed(before_sec, limit).await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        self.plan.step().await?;
        self.inner.list_unused_slices(limit).await
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.inner.shutdown().await
    }
}
