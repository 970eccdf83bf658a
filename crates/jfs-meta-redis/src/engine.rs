//! The engine interface: which module does what, and nothing else.

use crate::attempt::RedisAttempt;
use crate::open::RedisEngine;
use crate::shared::Shared;
use crate::{cleanup, counters, listing, lookup, read, sessions, volume};
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::trips::TripLog;
use jfs_meta::{Attempt, Engine, EngineError};
use jfs_types::{Attr, Entry, Ino, Name};
use std::ops::Range;

#[async_trait]
impl Engine for RedisEngine {
    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    fn trips(&self) -> &TripLog {
        &self.shared.trips
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        volume::setting(&self.shared).await
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        volume::replace_setting(&self.shared, expect, json).await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        volume::create(&self.shared, json, root, trash, overwrite).await
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        Ok(()) // keys have no schema
    }

    async fn unsupported_use(&self) -> Result<UnsupportedUse, EngineError> {
        volume::unsupported_use(&self.shared).await
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        Ok(Box::new(RedisAttempt::new(self.shared.clone())))
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        self.shared.fetch(keys).await
    }

    async fn lookup(&self, dir: Ino, name: &Name) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        lookup::lookup(&self.shared, dir, name).await
    }

    async fn list_dir(&self, dir: Ino, cursor: &DirCursor, with_attrs: bool) -> Result<DirPage, EngineError> {
        listing::page(&self.shared, dir, cursor, with_attrs).await
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        counters::add_stats(&self.shared, deltas).await
    }

    async fn put_dir_stat(&self, dir: Ino, stat: DirStat) -> Result<(), EngineError> {
        counters::put_stat(&self.shared, dir, stat).await
    }

    async fn reserve_ids(&self, kind: IdKind, n: u64) -> Result<Range<u64>, EngineError> {
        counters::reserve(&self.shared, kind, n).await
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        counters::add(&self.shared, counter, n).await
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        counters::add_usage(&self.shared, space, inodes).await
    }

    async fn claim_job(&self, job: JobSlot, now_sec: i64, interval_sec: i64) -> Result<bool, EngineError> {
        counters::claim(&self.shared, job, now_sec, interval_sec).await
    }

    async fn new_session(&self, expire: i64, info_json: &str) -> Result<u64, EngineError> {
        sessions::create(&self.shared, expire, info_json).await
    }

    async fn refresh_session(&self, sid: u64, expire: i64, info_json: &str) -> Result<(), EngineError> {
        sessions::refresh(&self.shared, sid, expire, info_json).await
    }

    async fn drop_session(&self, sid: u64) -> Result<(), EngineError> {
        sessions::remove(&self.shared, sid).await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        sessions::list(&self.shared).await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        sessions::sustained(&self.shared, sid).await
    }

    async fn list_deleted(&self, before_sec: i64, limit: usize) -> Result<Vec<Deleted>, EngineError> {
        cleanup::deleted(&self.shared, before_sec, limit).await
    }

    async fn list_chunks(&self, ino: Ino, length: u64) -> Result<Vec<u32>, EngineError> {
        cleanup::chunks(&self.shared, ino, length).await
    }

    async fn list_delayed(&self, before_sec: i64, limit: usize) -> Result<Vec<Delayed>, EngineError> {
        cleanup::delayed(&self.shared, before_sec, limit).await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        cleanup::unused_slices(&self.shared, limit).await
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.shared.pool.close();
        Ok(())
    }
}

impl Shared {
    /// Reads records in one round trip.
    pub(crate) async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        self.ask(
            |r| keys.iter().for_each(|key| read::ask(r, key)),
            |replies| keys.iter().map(|key| read::answer(replies, key)).collect(),
        )
        .await
    }

    /// Reads one record.
    pub(crate) async fn fetch_one(&self, key: &Key) -> Result<Answer, EngineError> {
        self.ask(|r| read::ask(r, key), |replies| read::answer(replies, key)).await
    }
}
