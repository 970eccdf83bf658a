//! Hooks around the calls of an engine, for tests that fail, delay or record calls.
//!
//! A type with [`EngineHooks`] is an [`Engine`]: every call goes on to its inner engine. A test implements
//! only the hooks that it needs.

use crate::engine::*;
use crate::trips::TripLog;
use async_trait::async_trait;
use jfs_types::{AclRule, Attr, Entry, Ino, Name};
use std::ops::Range;

/// The calls that hooks tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Engine::fetch`].
    Fetch,
    /// [`Engine::lookup`].
    Lookup,
    /// [`Engine::list_dir`].
    ListDir,
    /// [`Engine::list_locks`].
    ListLocks,
    /// Any other call to the database.
    Other,
}

/// Hooks around the calls of an engine. The default methods change nothing.
#[async_trait]
pub trait EngineHooks: Send + Sync {
    /// The engine that gets the calls.
    fn inner(&self) -> &dyn Engine;

    /// The abilities that the engine claims: by default those of the inner engine.
    fn claims(&self) -> &Capabilities {
        self.inner().capabilities()
    }

    /// Runs before each call. An error is the answer of the call, and the inner engine is not asked.
    async fn before(&self, call: Call) -> Result<(), EngineError> {
        let _ = call;
        Ok(())
    }

    /// Runs when the inner engine has answered, and before the caller gets the answer.
    async fn after(&self, call: Call) {
        let _ = call;
    }

    /// Wraps an attempt that has begun.
    fn wrap_attempt(&self, inner: Box<dyn Attempt>) -> Box<dyn Attempt> {
        inner
    }

    /// Answers [`Engine::list_dir`].
    async fn answer_list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        self.inner().list_dir(dir, cursor, with_attrs).await
    }

    /// Answers [`Engine::add_dir_stats`].
    async fn answer_add_dir_stats(
        &self,
        deltas: &[(Ino, DirStat)],
    ) -> Result<Vec<Ino>, EngineError> {
        self.inner().add_dir_stats(deltas).await
    }
}

#[async_trait]
impl<H: EngineHooks> Engine for H {
    fn capabilities(&self) -> &Capabilities {
        self.claims()
    }

    fn trips(&self) -> &TripLog {
        self.inner().trips()
    }

    fn set_fence(&self, fence: Fence) {
        self.inner().set_fence(fence);
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        self.before(Call::Other).await?;
        Ok(self.wrap_attempt(self.inner().begin().await?))
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        self.before(Call::Fetch).await?;
        let answers = self.inner().fetch(keys).await;
        self.after(Call::Fetch).await;
        answers
    }

    async fn lookup(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        self.before(Call::Lookup).await?;
        let answer = self.inner().lookup(dir, name).await;
        self.after(Call::Lookup).await;
        answer
    }

    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        self.before(Call::ListDir).await?;
        let page = self.answer_list_dir(dir, cursor, with_attrs).await;
        self.after(Call::ListDir).await;
        page
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        self.before(Call::Other).await?;
        self.answer_add_dir_stats(deltas).await
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().load_setting().await
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().store_setting(expect, json).await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner()
            .create_volume(json, root, trash, overwrite)
            .await
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().prepare_writes().await
    }

    async fn put_dir_stat(
        &self,
        dir: Ino,
        stat: DirStat,
        log: &[LogLine],
    ) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().put_dir_stat(dir, stat, log).await
    }

    async fn list_owner_quotas(&self) -> Result<Vec<(QuotaOwner, DirQuota)>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().list_owner_quotas().await
    }

    async fn add_owner_usage(&self, deltas: &[OwnerUsage]) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().add_owner_usage(deltas).await
    }

    async fn replace_owner_quotas(
        &self,
        quotas: &[(QuotaOwner, DirQuota)],
        log: &[LogLine],
    ) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().replace_owner_quotas(quotas, log).await
    }

    async fn log_head(&self, limit: usize) -> Result<LogHead, EngineError> {
        self.before(Call::Other).await?;
        self.inner().log_head(limit).await
    }

    async fn trim_log(&self, last: u64) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().trim_log(last).await
    }

    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().list_quotas().await
    }

    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().add_quota_usage(deltas).await
    }

    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().put_quota(dir, quota).await
    }

    async fn find_acls(&self, rule: &AclRule) -> Result<Vec<(u32, AclRule)>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().find_acls(rule).await
    }

    async fn add_acl(&self, rule: &AclRule, log: &[LogLine]) -> Result<u32, EngineError> {
        self.before(Call::Other).await?;
        self.inner().add_acl(rule, log).await
    }

    async fn reserve_ids(
        &self,
        kind: IdKind,
        n: u64,
        log: &[LogLine],
    ) -> Result<Range<u64>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().reserve_ids(kind, n, log).await
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        self.before(Call::Other).await?;
        self.inner().add_counter(counter, n).await
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().add_usage(space, inodes).await
    }

    async fn new_session(
        &self,
        expire: i64,
        info_json: &str,
        log: &[LogLine],
    ) -> Result<u64, EngineError> {
        self.before(Call::Other).await?;
        self.inner().new_session(expire, info_json, log).await
    }

    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError> {
        self.before(Call::Other).await?;
        self.inner().refresh_session(sid, expire, info_json).await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().list_sessions().await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().list_sustained(sid).await
    }

    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
        self.before(Call::ListLocks).await?;
        self.inner().list_locks(sid).await
    }

    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().list_deleted(before_sec, limit).await
    }

    async fn list_chunks(&self, ino: Ino, length: u64) -> Result<Vec<u32>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().list_chunks(ino, length).await
    }

    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().list_delayed(before_sec, limit).await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        self.before(Call::Other).await?;
        self.inner().list_unused_slices(limit).await
    }

    async fn scan(&self, from: &ScanCursor) -> Result<ScanPage, EngineError> {
        self.before(Call::Other).await?;
        self.inner().scan(from).await
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.inner().shutdown().await
    }
}
