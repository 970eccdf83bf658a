//! An engine that writes down commits of slices, and that fails or is slow where it is told to.

use super::events::{Event, Events};
use super::gate::Gate;
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::trips::TripLog;
use jfs_meta::{Attempt, Engine, EngineError};
use jfs_types::{AclRule, Attr, Entry, Ino, Name, Time};
use parking_lot::Mutex;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;
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
}

#[async_trait]
impl Engine for TestEngine {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn trips(&self) -> &TripLog {
        self.inner.trips()
    }

    fn set_fence(&self, fence: Fence) {
        self.inner.set_fence(fence);
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        Ok(Box::new(TestAttempt {
            inner: self.inner.begin().await?,
            shared: self.shared.clone(),
        }))
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        self.look()?;
        let answers = self.inner.fetch(keys).await;
        self.shared.answers.pass().await;
        answers
    }

    async fn lookup(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        self.look()?;
        let answer = self.inner.lookup(dir, name).await;
        self.shared.answers.pass().await;
        answer
    }

    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        let page = match self.shared.scans.load(Ordering::SeqCst) {
            true => self.scan(dir, cursor, with_attrs).await,
            false => self.inner.list_dir(dir, cursor, with_attrs).await,
        };
        self.shared.answers.pass().await;
        page
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        self.inner.load_setting().await
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        self.inner.store_setting(expect, json).await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        self.inner.create_volume(json, root, trash, overwrite).await
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        self.inner.prepare_writes().await
    }

    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
        self.inner.list_quotas().await
    }

    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
        self.inner.add_quota_usage(deltas).await
    }

    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError> {
        self.inner.put_quota(dir, quota).await
    }

    async fn acl_id(&self, rule: &AclRule) -> Result<u32, EngineError> {
        self.inner.acl_id(rule).await
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        self.inner.add_dir_stats(deltas).await
    }

    async fn put_dir_stat(&self, dir: Ino, stat: DirStat) -> Result<(), EngineError> {
        self.inner.put_dir_stat(dir, stat).await
    }

    async fn reserve_ids(&self, kind: IdKind, n: u64) -> Result<Range<u64>, EngineError> {
        self.inner.reserve_ids(kind, n).await
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        self.inner.add_counter(counter, n).await
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        self.inner.add_usage(space, inodes).await
    }

    async fn claim_job(
        &self,
        job: JobSlot,
        now_sec: i64,
        interval_sec: i64,
    ) -> Result<bool, EngineError> {
        self.inner.claim_job(job, now_sec, interval_sec).await
    }

    async fn new_session(&self, expire: i64, info_json: &str) -> Result<u64, EngineError> {
        self.inner.new_session(expire, info_json).await
    }

    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError> {
        self.inner.refresh_session(sid, expire, info_json).await
    }

    async fn drop_session(&self, sid: u64) -> Result<(), EngineError> {
        self.inner.drop_session(sid).await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        self.inner.list_sessions().await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        self.inner.list_sustained(sid).await
    }

    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
        self.inner.list_locks(sid).await
    }

    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError> {
        self.inner.list_deleted(before_sec, limit).await
    }

    async fn list_chunks(&self, ino: Ino, length: u64) -> Result<Vec<u32>, EngineError> {
        self.inner.list_chunks(ino, length).await
    }

    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError> {
        self.inner.list_delayed(before_sec, limit).await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        self.inner.list_unused_slices(limit).await
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.inner.shutdown().await
    }
}
