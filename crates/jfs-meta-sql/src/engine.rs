//! The engine interface: which thread does what, and nothing else.

use crate::attempt::SqliteAttempt;
use crate::db::Db;
use crate::open::SqliteEngine;
use crate::read::answers;
use crate::volume::NewVolume;
use crate::writer::transact;
use crate::{acl, cleanup, counters, listing, locks, sessions, volume};
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::trips::{self, TripLog};
use jfs_types::{AclRule, Attr, Entry, Ino, Name};
use std::ops::Range;

#[async_trait]
impl Engine for SqliteEngine {
    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    fn trips(&self) -> &TripLog {
        &self.shared.trips
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        self.shared.check_file()?;
        match self.shared.database.exists() {
            true => self.look(volume::setting).await,
            false => Ok(None),
        }
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        let (expect, json) = (text(expect)?, text(json)?);
        self.transaction(move |db| volume::replace_setting(db, &expect, &json))
            .await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        let new = NewVolume {
            json: text(json)?,
            root: root.clone(),
            trash: trash.cloned(),
            overwrite,
        };
        let (shared, op) = (self.shared.clone(), trips::current());
        // The file may not be there yet, so this is not work for the writer thread.
        let run = move || {
            let c = shared.database.writer(true)?;
            transact(
                Db {
                    c: &c,
                    trips: &shared.trips,
                    op,
                },
                |db| volume::create(db, &new),
            )
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            Err(e) => Err(EngineError::Fatal(format!(
                "the volume could not be created: {e}"
            ))),
        }
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        if self.look(volume::is_complete).await? {
            return Ok(());
        }
        self.transaction(volume::complete_schema).await
    }

    fn set_fence(&self, fence: Fence) {
        self.shared.fence.set(fence);
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        Ok(Box::new(SqliteAttempt::new(self.shared.clone())))
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        self.shared
            .with_reader(trips::current(), |db| answers(db, keys.iter()))
    }

    async fn lookup(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        self.shared
            .with_reader(trips::current(), |db| listing::lookup(db, dir, name))
    }

    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        let cursor = cursor.clone();
        self.look(move |db| listing::page(db, dir, &cursor, with_attrs))
            .await
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        let deltas = deltas.to_vec();
        self.transaction(move |db| counters::add_stats(db, &deltas))
            .await
    }

    async fn put_dir_stat(&self, dir: Ino, stat: DirStat) -> Result<(), EngineError> {
        self.transaction(move |db| counters::put_stat(db, dir, stat))
            .await
    }

    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
        self.look(counters::quotas).await
    }

    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
        let deltas = deltas.to_vec();
        self.transaction(move |db| counters::add_quotas(db, &deltas))
            .await
    }

    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError> {
        self.transaction(move |db| counters::put_quota(db, dir, quota))
            .await
    }

    async fn find_acls(&self, rule: &AclRule) -> Result<Vec<(u32, AclRule)>, EngineError> {
        let rule = rule.clone();
        self.look(move |db| acl::find(db, &rule)).await
    }

    async fn add_acl(&self, rule: &AclRule) -> Result<u32, EngineError> {
        let rule = rule.clone();
        self.transaction(move |db| acl::add(db, &rule)).await
    }

    async fn reserve_ids(&self, kind: IdKind, n: u64) -> Result<Range<u64>, EngineError> {
        self.transaction(move |db| counters::reserve(db, kind, n))
            .await
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        self.transaction(move |db| counters::add(db, counter.name(), n))
            .await
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        self.transaction(move |db| counters::add_usage(db, space, inodes))
            .await
    }

    async fn new_session(&self, expire: i64, info_json: &str) -> Result<u64, EngineError> {
        let info = info_json.as_bytes().to_vec();
        self.transaction(move |db| sessions::create(db, expire, &info))
            .await
    }

    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError> {
        let info = info_json.as_bytes().to_vec();
        self.transaction(move |db| sessions::refresh(db, sid, expire, &info))
            .await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        self.look(sessions::list).await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        self.look(move |db| sessions::sustained(db, sid)).await
    }

    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
        self.look(move |db| locks::of_session(db, sid)).await
    }

    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError> {
        self.look(move |db| cleanup::deleted(db, before_sec, limit))
            .await
    }

    async fn list_chunks(&self, ino: Ino, _length: u64) -> Result<Vec<u32>, EngineError> {
        self.look(move |db| cleanup::chunks(db, ino)).await
    }

    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError> {
        self.look(move |db| cleanup::delayed(db, before_sec, limit))
            .await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        self.look(move |db| cleanup::unused_slices(db, limit)).await
    }

    async fn scan(&self, from: &ScanCursor) -> Result<ScanPage, EngineError> {
        let kind = from.kind();
        Err(EngineError::Fatal(format!(
            "{kind:?} of SQLite cannot be scanned yet"
        )))
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.close().await
    }
}

/// The setting is stored as text.
fn text(json: &[u8]) -> Result<String, EngineError> {
    String::from_utf8(json.to_vec())
        .map_err(|_| EngineError::Fatal("the volume's setting is not UTF-8".into()))
}
