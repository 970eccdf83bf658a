//! The engine interface over a server: which call is which exchange, and nothing else.

use crate::net::attempt::NetAttempt;
use crate::net::link::Driver;
use crate::net::server::{Server, rows};
use crate::net::volume::NewVolume;
use crate::records::scan::Scan;
use crate::records::{
    self, acl, change_log, cleanup, counters, listing, locks, owners, sessions, volume,
};
use crate::value::Rows;
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::trips::TripLog;
use jfs_types::{AclRule, Attr, Entry, Ino, Name};
use std::ops::Range;
use std::sync::Arc;

/// An engine for the server of a driver. Cheap to clone.
pub(crate) struct NetEngine<D>(Arc<Server<D>>);

impl<D: Driver> NetEngine<D> {
    pub(crate) fn new(driver: D) -> NetEngine<D> {
        NetEngine(Arc::new(Server::new(driver)))
    }
}

#[async_trait]
impl<D: Driver> Engine for NetEngine<D> {
    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    fn trips(&self) -> &TripLog {
        &self.0.trips
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        self.0.load_setting().await
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        self.0.store_setting(expect, json).await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        let new = NewVolume {
            json: volume::document(json)?,
            root,
            trash,
            overwrite,
        };
        self.0.create(&new).await
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        self.0.complete_schema().await?;
        self.0.driver.prepare_writes().await
    }

    fn set_fence(&self, fence: Fence) {
        self.0.fence.set(fence);
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        Ok(Box::new(NetAttempt::new(self.0.clone())))
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        let asks: Vec<_> = records::asks(keys.iter()).collect();
        let replies = self.0.read(asks.iter().map(records::Ask::query)).await?;
        let mut answers = Vec::with_capacity(keys.len());
        for (ask, reply) in asks.iter().zip(&replies) {
            ask.answer(&mut rows(Some(reply)), &mut answers)?;
        }
        Ok(answers)
    }

    async fn lookup(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        let query = listing::lookup(dir, name);
        self.0
            .read_one(query, |rows| listing::looked_up(dir, name, rows))
            .await
    }

    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        let query = listing::page(dir, cursor, with_attrs)?;
        self.0
            .read_one(query, |rows| listing::page_rows(dir, rows))
            .await
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        let queries = deltas.iter().map(|(dir, d)| counters::add_stat(*dir, d));
        let replies = self.0.once(queries.collect()).await?;
        let missing = deltas
            .iter()
            .zip(&replies)
            .filter(|(_, reply)| reply.affected == 0);
        Ok(missing.map(|((dir, _), _)| *dir).collect())
    }

    async fn put_dir_stat(
        &self,
        dir: Ino,
        stat: DirStat,
        log: &[LogLine],
    ) -> Result<(), EngineError> {
        let mut queries = vec![counters::put_stat(dir, &stat)];
        queries.extend(change_log::add_all(log, 0));
        self.0.repeatable(queries).await.map(|_| ())
    }

    async fn list_owner_quotas(&self) -> Result<Vec<(QuotaOwner, DirQuota)>, EngineError> {
        self.0.read_of_table(owners::list(), owners::rows).await
    }

    async fn add_owner_usage(&self, deltas: &[OwnerUsage]) -> Result<(), EngineError> {
        let queries = deltas.iter().map(owners::add).collect();
        self.0.once(queries).await.map(|_| ())
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
        self.0.repeatable(queries).await.map(|_| ())
    }

    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
        self.0
            .read_of_table(counters::quotas(), counters::quota_rows)
            .await
    }

    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
        let queries = deltas
            .iter()
            .map(|(dir, space, inodes)| counters::add_quota(*dir, *space, *inodes));
        self.0.once(queries.collect()).await.map(|_| ())
    }

    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError> {
        let changed = self
            .0
            .repeatable(vec![counters::put_quota(dir, &quota)])
            .await;
        changed.map(|_| ())
    }

    async fn find_acls(&self, rule: &AclRule) -> Result<Vec<(u32, AclRule)>, EngineError> {
        self.0.read_one(acl::candidates(rule), acl::rules).await
    }

    async fn add_acl(&self, rule: &AclRule, log: &[LogLine]) -> Result<u32, EngineError> {
        let mut queries = vec![acl::insert(rule)];
        queries.extend(change_log::add_all(log, 0));
        let replies = self.0.repeatable(queries).await?;
        acl::number(&mut rows(replies.first()))
    }

    async fn reserve_ids(
        &self,
        kind: IdKind,
        n: u64,
        log: &[LogLine],
    ) -> Result<Range<u64>, EngineError> {
        let name = counters::name_of_ids(kind);
        let mut queries = vec![counters::add(name, n as i64)];
        queries.extend(change_log::add_all(log, 0));
        // Ids that were reserved twice are never used.
        let replies = self.0.repeatable(queries).await?;
        counters::reserved(kind, n, counters::added(name, &mut rows(replies.first()))?)
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        let name = counters::name(counter);
        let replies = self.0.once(vec![counters::add(name, n)]).await?;
        counters::added(name, &mut rows(replies.first()))
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        let queries: Vec<_> = counters::add_usage(space, inodes).collect();
        match queries.is_empty() {
            true => Ok(()),
            false => self.0.once(queries).await.map(|_| ()),
        }
    }

    async fn new_session(
        &self,
        expire: i64,
        info_json: &str,
        log: &[LogLine],
    ) -> Result<u64, EngineError> {
        let name = counters::name(Counter::NextSession);
        for _ in 0..sessions::TRIES_MAX {
            let replies = self.0.repeatable(vec![counters::add(name, 1)]).await?;
            let sid = counters::added(name, &mut rows(replies.first()))? as u64;
            let insert = sessions::insert(sid, expire, info_json.as_bytes());
            let replies = self.0.repeatable(vec![insert]).await?;
            if replies.first().is_some_and(|reply| reply.affected == 1) {
                let log = change_log::add_all(log, sid);
                if !log.is_empty() {
                    self.0.repeatable(log).await?;
                }
                return Ok(sid);
            }
        }
        Err(sessions::none_free())
    }

    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError> {
        let refresh = sessions::refresh(sid, expire, info_json.as_bytes());
        self.0.repeatable(vec![refresh]).await.map(|_| ())
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        self.0.read_one(sessions::list(), sessions::rows).await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        let query = sessions::sustained(sid);
        self.0.read_one(query, sessions::sustained_rows).await
    }

    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
        let kinds = [LockKind::Flock, LockKind::Posix];
        let replies = self
            .0
            .read(kinds.map(|kind| locks::of_session(sid, kind)))
            .await?;
        let mut all = Vec::new();
        for (kind, reply) in kinds.into_iter().zip(&replies) {
            all.extend(locks::rows_of_session(kind, &mut rows(Some(reply)))?);
        }
        Ok(all)
    }

    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError> {
        let query = cleanup::deleted(before_sec, limit);
        self.0.read_one(query, cleanup::deleted_rows).await
    }

    async fn list_chunks(&self, ino: Ino, _length: u64) -> Result<Vec<u32>, EngineError> {
        self.0
            .read_one(cleanup::chunks(ino), cleanup::chunk_rows)
            .await
    }

    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError> {
        let query = cleanup::delayed(before_sec, limit);
        self.0.read_one(query, cleanup::delayed_rows).await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        let query = cleanup::unused_slices(limit);
        self.0.read_one(query, cleanup::unused_slice_rows).await
    }

    async fn log_head(&self, limit: usize) -> Result<LogHead, EngineError> {
        let queries = [change_log::count(), change_log::head(limit)];
        let replies = self.0.read(queries).await?;
        Ok(LogHead {
            total: change_log::counted(&mut rows(replies.first()))?,
            entries: change_log::entries(&mut rows(replies.get(1)))?,
        })
    }

    async fn trim_log(&self, last: u64) -> Result<(), EngineError> {
        let trimmed = self.0.repeatable(vec![change_log::trim(last)]).await;
        trimmed.map(|_| ())
    }

    async fn scan(&self, from: &ScanCursor) -> Result<ScanPage, EngineError> {
        let mut scan = Scan::new(from)?;
        while let Some(query) = scan.query() {
            let take = |rows: &mut dyn Rows| scan.take(rows).map(|()| true);
            let taken = match Scan::is_of_later_table(from.kind()) {
                true => self.0.read_of_table(query, take).await?,
                false => self.0.read_one(query, take).await?,
            };
            if !taken {
                // The table is missing.
                break;
            }
        }
        Ok(scan.into_page())
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.0.driver.close().await;
        Ok(())
    }
}
