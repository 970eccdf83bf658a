//! The engine interface: which thread does what, and nothing else.

use super::attempt::SqliteAttempt;
use super::calls;
use super::db::Db;
use super::open::SqliteEngine;
use super::read::answers;
use super::writer::transact;
use crate::records::scan::Scan;
use crate::records::{
    Query, acl, change_log, cleanup, counters, listing, owners, sessions, volume,
};
use crate::value::Rows;
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
            true => self.look(calls::setting).await,
            false => Ok(None),
        }
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        let (expect, json) = (volume::document(expect)?, volume::document(json)?);
        let change = volume::replace_setting(expect, json);
        self.transaction(move |db| calls::change(db, &change)).await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        let (json, root, trash) = (json.to_vec(), root.clone(), trash.cloned());
        let (shared, op) = (self.shared.clone(), trips::current());
        // The file may not be there yet, so this is not work for the writer thread.
        let run = move || {
            let c = shared.database.writer(true)?;
            let db = Db {
                c: &c,
                catalog: &shared.database.catalog,
                trips: &shared.trips,
                op,
            };
            transact(db, |db| {
                calls::create_volume(db, &json, &root, trash.as_ref(), overwrite)
            })
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            Err(e) => Err(EngineError::Fatal(format!(
                "the volume could not be created: {e}"
            ))),
        }
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        if self.look(calls::is_complete).await? {
            return Ok(());
        }
        self.transaction(calls::complete_schema).await
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
        let query = listing::lookup(dir, name);
        self.shared.with_reader(trips::current(), |db| {
            db.read(&query, |rows| listing::looked_up(dir, name, rows))
        })
    }

    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        let query = listing::page(dir, cursor, with_attrs)?;
        self.look(move |db| db.read(&query, |rows| listing::page_rows(dir, rows)))
            .await
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        let deltas = deltas.to_vec();
        self.transaction(move |db| calls::add_stats(db, &deltas))
            .await
    }

    async fn put_dir_stat(
        &self,
        dir: Ino,
        stat: DirStat,
        log: &[LogLine],
    ) -> Result<(), EngineError> {
        let mut queries = vec![counters::put_stat(dir, &stat)];
        queries.extend(change_log::add_all(log, 0));
        self.run_all(queries).await
    }

    async fn list_owner_quotas(&self) -> Result<Vec<(QuotaOwner, DirQuota)>, EngineError> {
        self.read(owners::list(), owners::rows).await
    }

    async fn add_owner_usage(&self, deltas: &[OwnerUsage]) -> Result<(), EngineError> {
        self.run_all(deltas.iter().map(owners::add).collect::<Vec<_>>())
            .await
    }

    async fn replace_owner_quotas(
        &self,
        quotas: &[(QuotaOwner, DirQuota)],
        log: &[LogLine],
    ) -> Result<(), EngineError> {
        let put = |(owner, quota): &(QuotaOwner, DirQuota)| owners::put(*owner, quota);
        let mut queries = vec![owners::clear()];
        queries.extend(quotas.iter().map(put));
        queries.extend(change_log::add_all(log, 0));
        self.run_all(queries).await
    }

    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
        self.read(counters::quotas(), counters::quota_rows).await
    }

    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
        let add =
            |(dir, space, inodes): &(Ino, i64, i64)| counters::add_quota(*dir, *space, *inodes);
        self.run_all(deltas.iter().map(add).collect::<Vec<_>>())
            .await
    }

    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError> {
        self.run_all([counters::put_quota(dir, &quota)]).await
    }

    async fn find_acls(&self, rule: &AclRule) -> Result<Vec<(u32, AclRule)>, EngineError> {
        self.read(acl::candidates(rule), acl::rules).await
    }

    async fn add_acl(&self, rule: &AclRule, log: &[LogLine]) -> Result<u32, EngineError> {
        let (rule, log) = (rule.clone(), change_log::add_all(log, 0));
        self.transaction(move |db| calls::add_acl(db, &rule, log))
            .await
    }

    async fn reserve_ids(
        &self,
        kind: IdKind,
        n: u64,
        log: &[LogLine],
    ) -> Result<Range<u64>, EngineError> {
        let log = change_log::add_all(log, 0);
        self.transaction(move |db| calls::reserve(db, kind, n, log))
            .await
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        self.transaction(move |db| calls::add(db, counters::name(counter), n))
            .await
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        self.transaction(move |db| calls::add_usage(db, space, inodes))
            .await
    }

    async fn new_session(
        &self,
        expire: i64,
        info_json: &str,
        log: &[LogLine],
    ) -> Result<u64, EngineError> {
        let (info, log) = (info_json.as_bytes().to_vec(), log.to_vec());
        self.transaction(move |db| calls::new_session(db, expire, &info, &log))
            .await
    }

    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError> {
        self.run_all([sessions::refresh(sid, expire, info_json.as_bytes())])
            .await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        self.read(sessions::list(), sessions::rows).await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        self.read(sessions::sustained(sid), sessions::sustained_rows)
            .await
    }

    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
        self.look(move |db| calls::locks_of_session(db, sid)).await
    }

    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError> {
        self.read(cleanup::deleted(before_sec, limit), cleanup::deleted_rows)
            .await
    }

    async fn list_chunks(&self, ino: Ino, _length: u64) -> Result<Vec<u32>, EngineError> {
        self.read(cleanup::chunks(ino), cleanup::chunk_rows).await
    }

    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError> {
        self.read(cleanup::delayed(before_sec, limit), cleanup::delayed_rows)
            .await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        self.read(cleanup::unused_slices(limit), cleanup::unused_slice_rows)
            .await
    }

    async fn log_head(&self, limit: usize) -> Result<LogHead, EngineError> {
        self.look(move |db| calls::log_head(db, limit)).await
    }

    async fn trim_log(&self, last: u64) -> Result<(), EngineError> {
        self.run_all([change_log::trim(last)]).await
    }

    async fn scan(&self, from: &ScanCursor) -> Result<ScanPage, EngineError> {
        let mut scan = Scan::new(from)?;
        self.look(move |db| {
            while let Some(query) = scan.query() {
                db.read(&query, |rows| scan.take(rows))?;
            }
            Ok(scan.into_page())
        })
        .await
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.close().await
    }
}

impl SqliteEngine {
    /// Runs statements in a transaction of their own.
    async fn run_all(
        &self,
        queries: impl IntoIterator<Item = Query> + Send + 'static,
    ) -> Result<(), EngineError> {
        self.transaction(move |db| calls::run_all(db, queries))
            .await
    }

    /// Reads rows on the blocking pool.
    async fn read<T: Send + 'static>(
        &self,
        query: Query,
        rows: fn(&mut dyn Rows) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.look(move |db| db.read(&query, rows)).await
    }
}
