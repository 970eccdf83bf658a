//! An engine that writes down commits of slices, and that fails or is slow where it is told to.

use super::events::{Event, Events};
use super::gate::Gate;
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::engine_hooks::{Call, EngineHooks};
use jfs_meta::{Attempt, Engine, EngineError};
use jfs_types::{Ino, Name, Time};
use parking_lot::Mutex;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What happens to a commit of slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is applied, its answer is lost.
    Lost,
    /// It is not applied, its answer is lost.
    Dropped,
    /// It is refused, for good.
    Refused,
}

/// Wraps an engine. Clones share everything.
#[derive(Clone)]
pub(crate) struct TestEngine {
    inner: Arc<dyn Engine>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    events: Events,
    /// So many commits that add slices go well, the next one meets the fault.
    fault: Mutex<Option<(usize, Fault)>>,
    looks_fail: AtomicBool,
    scans: AtomicBool,
    answers: Gate,
    commits: Gate,
}

impl Shared {
    /// What the commit that is being sent meets.
    fn fault_now(&self) -> Option<Fault> {
        let mut plan = self.fault.lock();
        match &mut *plan {
            Some((0, _)) => plan.take().map(|(_, fault)| fault),
            Some((n, _)) => {
                *n -= 1;
                None
            }
            None => None,
        }
    }
}

impl TestEngine {
    pub(crate) fn new(inner: Arc<dyn Engine>, events: Events) -> TestEngine {
        let shared = Shared {
            events,
            ..Shared::default()
        };
        TestEngine {
            inner,
            shared: Arc::new(shared),
        }
    }

    /// The next commit that adds slices meets `fault`.
    pub(crate) fn fail_write(&self, fault: Fault) {
        self.fail_write_after(0, fault);
    }

    /// After `n` commits that add slices the next one meets `fault`.
    pub(crate) fn fail_write_after(&self, n: usize, fault: Fault) {
        *self.shared.fault.lock() = Some((n, fault));
    }

    /// Whether reads outside of transactions fail from now on.
    pub(crate) fn fail_looks(&self, on: bool) {
        self.shared.looks_fail.store(on, Ordering::SeqCst);
    }

    /// Where answers to reads outside of transactions are held: they are older than what follows.
    pub(crate) fn answers(&self) -> &Gate {
        &self.shared.answers
    }

    /// Where commits of slices are held before they are sent.
    pub(crate) fn commits(&self) -> &Gate {
        &self.shared.commits
    }

    /// Directories are listed as Redis does from now on: by hash, and the last of a page once more at
    /// the beginning of the next one.
    pub(crate) fn scan_by_hash(&self) {
        self.shared.scans.store(true, Ordering::SeqCst);
    }

    async fn scan(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        attrs: bool,
    ) -> Result<DirPage, EngineError> {
        const BUCKETS: u64 = 256;
        const PER_PAGE: u64 = 48;
        let from = match cursor {
            DirCursor::Token(token) => token.reverse_bits(),
            _ => 0,
        };
        let bucket = |name: &Name| {
            let mut hasher = DefaultHasher::new();
            hasher.write(name.as_bytes());
            hasher.finish() % BUCKETS
        };
        let (mut page, mut at) = (DirPage::default(), DirCursor::Start);
        loop {
            let part = self.inner.list_dir(dir, &at, attrs).await?;
            page.entries.extend(part.entries);
            match part.next {
                Some(next) => at = next,
                None => break,
            }
        }
        let range = from.saturating_sub(2)..from + PER_PAGE;
        page.entries.retain(|e| range.contains(&bucket(&e.name)));
        page.entries.sort_by_key(|e| bucket(&e.name));
        let next = from + PER_PAGE;
        page.next = (next < BUCKETS).then(|| DirCursor::Token(next.reverse_bits()));
        Ok(page)
    }

    fn look(&self) -> Result<(), EngineError> {
        if self.shared.looks_fail.load(Ordering::SeqCst) {
            return Err(EngineError::Fatal("as told".into()));
        }
        Ok(())
    }
}

struct TestAttempt {
    inner: Box<dyn Attempt>,
    shared: Arc<Shared>,
}

#[async_trait]
impl Attempt for TestAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        self.inner.read(reads).await
    }

    async fn commit(self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        let slices: Vec<_> = writes
            .iter()
            .filter_map(|w| match w {
                Write::AppendSlice { ino, record, .. } if record.id.0 > 0 => {
                    Some((*ino, record.id.0, record.size))
                }
                _ => None,
            })
            .collect();
        if slices.is_empty() {
            return self.inner.commit(writes, at).await;
        }
        self.shared.commits.pass().await;
        self.shared.events.push(Event::Commit(slices));
        let fault = self.shared.fault_now();
        let lost = || EngineError::MaybeCommitted("as told".into());
        match fault {
            None => self.inner.commit(writes, at).await,
            Some(Fault::Lost) => self.inner.commit(writes, at).await.and(Err(lost())),
            Some(Fault::Dropped) => Err(lost()),
            Some(Fault::Refused) => Err(EngineError::Fatal("as told".into())),
        }
    }

    async fn end(self: Box<Self>) {
        self.inner.end().await;
    }
}

#[async_trait]
impl EngineHooks for TestEngine {
    fn inner(&self) -> &dyn Engine {
        self.inner.as_ref()
    }

    async fn before(&self, call: Call) -> Result<(), EngineError> {
        match call {
            Call::Fetch | Call::Lookup => self.look(),
            _ => Ok(()),
        }
    }

    async fn after(&self, call: Call) {
        if matches!(call, Call::Fetch | Call::Lookup | Call::ListDir) {
            self.shared.answers.pass().await;
        }
    }

    fn wrap_attempt(&self, inner: Box<dyn Attempt>) -> Box<dyn Attempt> {
        Box::new(TestAttempt {
            inner,
            shared: self.shared.clone(),
        })
    }

    async fn answer_list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        match self.shared.scans.load(Ordering::SeqCst) {
            true => self.scan(dir, cursor, with_attrs).await,
            false => self.inner.list_dir(dir, cursor, with_attrs).await,
        }
    }
}
