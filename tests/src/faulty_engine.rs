//! An engine that fails or waits where it is told to, and that lets others run between its steps.

use crate::Rng;
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::engine_hooks::{Call, EngineHooks};
use jfs_meta::{Attempt, Engine, EngineError};
use jfs_types::{Ino, Time};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tokio::sync::oneshot;

/// The fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commit is applied, its answer is lost.
    Lost,
    /// The commit is not applied, and its answer is lost.
    Dropped,
    /// The call fails in a way that trying again mends.
    Transient,
}

/// The points at which a call can be held; see [`Faulty::hold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A commit, before the engine underneath sees it.
    BeforeCommit,
    /// A commit that has been applied, before the answer is passed on.
    AfterCommit,
    /// A read outside of a transaction, when its answer is there.
    AfterFetch,
    /// The end of a session, when what it sustains is gone, and its locks and its record are not.
    BeforeDropSession,
}

/// A call that will be held, or is held. Dropping this lets the call go on.
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
    /// The fault of the next directory statistics.
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
        // The inner engine knows nothing of answers that are lost here.
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

    /// An engine that claims to settle lost answers itself, so that doubtful commits stay in doubt.
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

    /// Runs `others` between the next commit in doubt and its answer to the client.
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

    async fn end(self: Box<Self>) {
        self.inner.end().await;
    }
}

#[async_trait]
impl EngineHooks for Faulty {
    fn inner(&self) -> &dyn Engine {
        self.inner.as_ref()
    }

    fn claims(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn before(&self, call: Call) -> Result<(), EngineError> {
        self.plan.step().await?;
        if call == Call::ListLocks {
            self.plan.at(Point::BeforeDropSession).await;
        }
        Ok(())
    }

    async fn after(&self, call: Call) {
        if call == Call::Fetch {
            self.plan.at(Point::AfterFetch).await;
        }
    }

    fn wrap_attempt(&self, inner: Box<dyn Attempt>) -> Box<dyn Attempt> {
        Box::new(FaultyAttempt {
            inner,
            plan: self.plan.clone(),
        })
    }

    async fn answer_add_dir_stats(
        &self,
        deltas: &[(Ino, DirStat)],
    ) -> Result<Vec<Ino>, EngineError> {
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
}
