//! The engine interface over Redis.

use crate::attempt::{RedisAttempt, names};
use crate::connections::Connections;
use crate::errors::is_demoted;
use crate::read::{ask, bytes, list, number, understand, unexpected};
use crate::sessions::run;
use crate::{acl, change_log, keys, listing, lua, owner_quota, quota, scan, sessions, url, volume};
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::trips::TripLog;
use jfs_meta::wire::{decode_attr, decode_entry};
use jfs_types::{AclRule, Attr, CHUNK_SIZE, Entry, Ino, Name};
use redis::{Pipeline, Script, Value};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A volume's metadata in a Redis database.
pub struct RedisEngine {
    pool: Arc<Connections>,
    trips: Arc<TripLog>,
    capabilities: Capabilities,
    script: Script,
    /// The lookup script is loaded and may be called.
    script_ready: AtomicBool,
    script_refused: AtomicBool,
}

impl RedisEngine {
    /// Connects to `redis://[user][:password]@host:port/db` or `unix://path?db=N`. Errors name the
    /// server and the fix, never the password.
    pub async fn open(url: &str) -> Result<RedisEngine, EngineError> {
        let pool = Arc::new(Connections::new(url::parse(url)?));
        volume::greet(&pool).await?;
        Ok(RedisEngine {
            pool,
            trips: Arc::default(),
            capabilities: Capabilities {
                name: "redis",
                usage_in_transaction: true,
                counts_acl_ids: true,
                settles_lost_answers: true,
                is_remote: true,
                records_max: None,
            },
            script: Script::new(lua::LOOKUP),
            script_ready: AtomicBool::new(false),
            script_refused: AtomicBool::new(false),
        })
    }

    /// Runs a pipeline as one counted round trip.
    async fn trip(&self, p: &Pipeline) -> Result<Vec<Value>, EngineError> {
        self.trips.record(|| names(p));
        run(&self.pool, p).await
    }

    /// Runs commands that change something, see [`Connections::change`].
    async fn change(&self, p: &Pipeline) -> Result<Vec<Value>, EngineError> {
        self.trips.record(|| names(p));
        self.pool.change_all(p).await
    }

    async fn changed_number(&self, p: &Pipeline) -> Result<i64, EngineError> {
        number(
            self.change(p)
                .await?
                .into_iter()
                .next()
                .unwrap_or(Value::Nil),
        )
    }

    /// Entry and attribute by the script; `None` when scripts cannot be used.
    async fn lookup_by_script(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Value, Value)>, EngineError> {
        if self.script_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        for _ in 0..2 {
            let mut p = Pipeline::new();
            if !self.script_ready.load(Ordering::Relaxed) {
                p.cmd("SCRIPT").arg("LOAD").arg(lua::LOOKUP);
            }
            p.cmd("EVALSHA")
                .arg(self.script.get_hash())
                .arg(1)
                .arg(keys::entries(dir))
                .arg(name.as_bytes());
            self.trips.record(|| names(&p));
            match self.pool.query(&p).await?.pop().unwrap_or(Value::Nil) {
                Value::ServerError(e) if e.code() == "NOSCRIPT" => {
                    self.script_ready.store(false, Ordering::Relaxed)
                }
                // The server can do it later.
                e if is_demoted(&e) => return Err(unexpected(e)),
                Value::ServerError(e) => {
                    tracing::debug!("scripts cannot be used: {e:?}");
                    self.script_refused.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                value => {
                    self.script_ready.store(true, Ordering::Relaxed);
                    let mut parts = list(value)?.into_iter();
                    let (entry, attr) = (parts.next(), parts.next());
                    return Ok(Some((
                        entry.unwrap_or(Value::Nil),
                        attr.unwrap_or(Value::Nil),
                    )));
                }
            }
        }
        Ok(None)
    }

    async fn lookup_plainly(&self, dir: Ino, name: &Name) -> Result<(Value, Value), EngineError> {
        let mut p = Pipeline::new();
        p.cmd("HGET").arg(keys::entries(dir)).arg(name.as_bytes());
        let entry = self.trip(&p).await?.pop().unwrap_or(Value::Nil);
        let Some(b) = bytes(entry.clone())? else {
            return Ok((Value::Nil, Value::Nil));
        };
        let ino = decode_entry(&b)
            .map_err(|e| EngineError::corrupt(keys::entries(dir), e.0))?
            .ino;
        let mut p = Pipeline::new();
        p.cmd("GET").arg(keys::attr(ino));
        Ok((entry, self.trip(&p).await?.pop().unwrap_or(Value::Nil)))
    }
}

#[async_trait]
impl Engine for RedisEngine {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn trips(&self) -> &TripLog {
        &self.trips
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        let mut p = Pipeline::new();
        p.cmd("GET").arg(keys::SETTING);
        Ok(bytes(self.trip(&p).await?.swap_remove(0))?.map(|b| b.to_vec()))
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        volume::swap_setting(&self.pool, expect, json).await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        volume::create(&self.pool, json, root, trash, overwrite).await
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        self.trips.record(|| "WATCH MULTI EXEC".to_string());
        volume::check_transactions(&self.pool).await
    }

    fn set_fence(&self, fence: Fence) {
        self.pool.fence.set(fence);
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        Ok(Box::new(RedisAttempt {
            pool: self.pool.clone(),
            trips: self.trips.clone(),
            loan: None,
            fence: self.pool.fence.get(),
            fenced: false,
            has_read: false,
            taken: Vec::new(),
        }))
    }

    async fn fetch(&self, wanted: &[Key]) -> Result<Vec<Answer>, EngineError> {
        let mut p = Pipeline::with_capacity(wanted.len());
        wanted.iter().for_each(|key| ask(&mut p, key));
        let mut values = self.trip(&p).await?.into_iter();
        wanted
            .iter()
            .map(|key| understand(key, &mut values))
            .collect()
    }

    async fn lookup(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        let (entry, attr) = match self.lookup_by_script(dir, name).await? {
            Some(found) => found,
            None => self.lookup_plainly(dir, name).await?,
        };
        let Some(entry) = bytes(entry)? else {
            return Ok(None);
        };
        let entry =
            decode_entry(&entry).map_err(|e| EngineError::corrupt(keys::entries(dir), e.0))?;
        let attr = bytes(attr)?.map(|b| decode_attr(&b)).transpose();
        let attr = attr.map_err(|e| EngineError::corrupt(keys::attr(entry.ino), e.0))?;
        Ok(Some((entry, attr)))
    }

    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        self.trips.record(|| "HSCAN MGET".to_string());
        listing::page(&self.pool, dir, cursor, with_attrs).await
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        let mut p = Pipeline::new();
        for (dir, _) in deltas {
            p.cmd("HEXISTS").arg(keys::DIR_INODES).arg(dir.0);
        }
        let known = self.trip(&p).await?;
        let (mut missing, mut added) = (Vec::new(), Vec::new());
        let mut p = Pipeline::new();
        for ((dir, d), known) in deltas.iter().zip(known) {
            if number(known)? == 0 {
                missing.push(*dir);
                continue;
            }
            added.push(*dir);
            for (hash, n) in [
                (keys::DIR_LENGTH, d.length),
                (keys::DIR_SPACE, d.space),
                (keys::DIR_INODES, d.inodes),
            ] {
                p.cmd("HINCRBY").arg(hash).arg(dir.0).arg(n);
            }
        }
        if p.is_empty() {
            return Ok(missing);
        }
        self.trips.record(|| names(&p));
        let answers = self.pool.change(&p).await.map_err(|e| match e {
            // Some of it, or all, may have been added.
            EngineError::Transient(why) => EngineError::MaybeCommitted(why),
            e => e,
        })?;
        for (dir, answers) in added.into_iter().zip(answers.chunks(3)) {
            // A record that holds no number is counted anew; the others have been added to.
            if answers.iter().any(|a| matches!(a, Value::ServerError(_))) {
                tracing::warn!("the statistics of directory {dir} do not add up, counting anew");
                missing.push(dir);
            }
        }
        Ok(missing)
    }

    async fn put_dir_stat(
        &self,
        dir: Ino,
        stat: DirStat,
        log: &[LogLine],
    ) -> Result<(), EngineError> {
        let mut p = Pipeline::new();
        for (hash, n) in [
            (keys::DIR_LENGTH, stat.length),
            (keys::DIR_SPACE, stat.space),
            (keys::DIR_INODES, stat.inodes),
        ] {
            p.cmd("HSET").arg(hash).arg(dir.0).arg(n);
        }
        change_log::add_all(&mut p, log, 0);
        self.change(&p).await.map(|_| ())
    }

    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
        self.trips.record(|| "HGETALL HGETALL HGETALL".to_string());
        quota::all(&self.pool).await
    }

    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
        self.trips.record(|| "HEXISTS HINCRBY".to_string());
        quota::add(&self.pool, deltas).await
    }

    async fn list_owner_quotas(&self) -> Result<Vec<(QuotaOwner, DirQuota)>, EngineError> {
        self.trips.record(|| "HGETALL".to_string());
        owner_quota::all(&self.pool).await
    }

    async fn add_owner_usage(&self, deltas: &[OwnerUsage]) -> Result<(), EngineError> {
        self.trips.record(|| "HSETNX HINCRBY".to_string());
        owner_quota::add(&self.pool, deltas).await
    }

    async fn replace_owner_quotas(
        &self,
        quotas: &[(QuotaOwner, DirQuota)],
        log: &[LogLine],
    ) -> Result<(), EngineError> {
        self.trips.record(|| "HSET".to_string());
        owner_quota::replace(&self.pool, quotas, log).await
    }

    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError> {
        self.trips.record(|| "HSET HSET HSET".to_string());
        quota::put(&self.pool, dir, quota).await
    }

    async fn find_acls(&self, _: &AclRule) -> Result<Vec<(u32, AclRule)>, EngineError> {
        let mut p = Pipeline::new();
        p.cmd("HGETALL").arg(keys::ACL);
        acl::rules(self.trip(&p).await?)
    }

    async fn add_acl(&self, rule: &AclRule, log: &[LogLine]) -> Result<u32, EngineError> {
        self.trips.record(|| "WATCH HKEYS GET GET".to_string());
        self.trips.record(|| "MULTI SET HSET EXEC".to_string());
        acl::add(&self.pool, rule, log).await
    }

    async fn reserve_ids(
        &self,
        kind: IdKind,
        n: u64,
        log: &[LogLine],
    ) -> Result<Range<u64>, EngineError> {
        let mut p = Pipeline::new();
        p.cmd("INCRBY").arg(keys::ids(kind)).arg(n);
        change_log::add_all(&mut p, log, 0);
        // The counter holds the last id handed out.
        let last = self.changed_number(&p).await? as u64;
        Ok((last + 1).saturating_sub(n)..last + 1)
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        let mut p = Pipeline::new();
        p.cmd("INCRBY").arg(keys::counter(counter)).arg(n);
        self.changed_number(&p).await
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        let mut p = Pipeline::new();
        p.cmd("INCRBY").arg("usedSpace").arg(space);
        p.cmd("INCRBY").arg("totalInodes").arg(inodes);
        self.change(&p).await.map(|_| ())
    }

    async fn new_session(
        &self,
        expire: i64,
        info_json: &str,
        log: &[LogLine],
    ) -> Result<u64, EngineError> {
        sessions::create(&self.pool, expire, info_json, log).await
    }

    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError> {
        sessions::refresh(&self.pool, sid, expire, info_json).await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        sessions::all(&self.pool).await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        sessions::sustained(&self.pool, sid).await
    }

    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
        sessions::locks(&self.pool, sid).await
    }

    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError> {
        listing::deleted(&self.pool, before_sec, limit).await
    }

    async fn list_chunks(&self, ino: Ino, length: u64) -> Result<Vec<u32>, EngineError> {
        listing::chunks(&self.pool, ino, length.div_ceil(CHUNK_SIZE)).await
    }

    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError> {
        listing::delayed(&self.pool, before_sec, limit).await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        listing::unused(&self.pool, limit).await
    }

    async fn log_head(&self, limit: usize) -> Result<LogHead, EngineError> {
        self.trips.record(|| "GET LLEN LRANGE".to_string());
        change_log::head(&self.pool, limit).await
    }

    async fn trim_log(&self, last: u64) -> Result<(), EngineError> {
        self.trips.record(|| "LTRIM".to_string());
        change_log::trim(&self.pool, last).await
    }

    async fn scan(&self, from: &ScanCursor) -> Result<ScanPage, EngineError> {
        scan::Scan::new(&self.pool, &self.trips, from).page().await
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.pool.close().await;
        Ok(())
    }
}
