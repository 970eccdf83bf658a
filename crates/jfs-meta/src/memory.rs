//! An engine in memory: the simplest correct implementation of the seam, for tests and `memory://`.
//!
//! One mutex, value comparison at commit. Nothing is persisted.

mod apply;
mod records;
mod scan;

use crate::commit_size::CommitSize;
use crate::engine::*;
use crate::trips::TripLog;
use async_trait::async_trait;
use jfs_types::{AclRule, Attr, Entry, Ino, Name, Time};
use parking_lot::{Mutex, MutexGuard};
use records::State;
use std::ops::Range;
use std::sync::Arc;

/// Entries per page of a listing; small, so that tests cross page borders.
const PAGE: usize = 100;

/// A volume in memory. Clones share it, as two clients share a database.
#[derive(Clone)]
pub struct MemoryEngine {
    state: Arc<Mutex<State>>,
    fence: FenceSlot,
    trips: Arc<TripLog>,
    capabilities: Capabilities,
}

impl Default for MemoryEngine {
    fn default() -> MemoryEngine {
        MemoryEngine::new()
    }
}

impl MemoryEngine {
    /// An empty database.
    pub fn new() -> MemoryEngine {
        MemoryEngine {
            state: Arc::default(),
            fence: FenceSlot::default(),
            trips: Arc::default(),
            capabilities: Capabilities {
                name: "memory",
                usage_in_transaction: true,
                counts_acl_ids: true,
                settles_lost_answers: false,
                is_remote: false,
                records_max: None,
            },
        }
    }

    /// The same database, as an engine whose commits hold and write `records_max` records at most. Commits that
    /// have more fail.
    pub fn with_records_max(&self, records_max: usize) -> MemoryEngine {
        let mut engine = self.clone();
        engine.capabilities.records_max = Some(records_max);
        engine
    }

    /// Stores a record of delayed slices as another client's compaction leaves it; nothing here
    /// writes one yet.
    pub fn put_delayed(&self, id: u64, time: i64, entries: &[u8]) {
        self.state
            .lock()
            .delayed
            .insert((id, time), entries.to_vec());
    }
}

impl MemoryEngine {
    /// The records, for a change outside of an attempt.
    fn changing(&self) -> Result<MutexGuard<'_, State>, EngineError> {
        let state = self.state.lock();
        match self.fence.get() {
            Some(fence) if !fence.is_same_volume(state.setting.as_deref()) => Err(
                EngineError::Replaced("another volume is in this database".into()),
            ),
            _ => Ok(state),
        }
    }
}

struct MemoryAttempt {
    engine: MemoryEngine,
    fence: Option<Arc<Fence>>,
    seen: Vec<(Key, Answer)>,
}

#[async_trait]
impl Attempt for MemoryAttempt {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        self.engine.trips.record(|| format!("read {}", reads.len()));
        let state = self.engine.state.lock();
        let mut answers = Vec::with_capacity(reads.len());
        for r in reads {
            let answer = state.answer(&r.key);
            if r.strength != Strength::Peek {
                self.seen.push((r.key.clone(), answer.clone()));
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn commit(self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        self.engine
            .trips
            .record(|| format!("commit {}", writes.len()));
        let mut size = CommitSize::new(&self.engine.capabilities);
        self.seen
            .iter()
            .for_each(|(key, _)| size.read(&hold(key.clone())));
        writes.iter().for_each(|write| size.write(write));
        size.check()?;
        let mut state = self.engine.state.lock();
        if let Some(fence) = &self.fence
            && state.setting.as_deref() != Some(fence.document())
        {
            return Err(EngineError::SettingChanged);
        }
        if self
            .seen
            .iter()
            .any(|(key, answer)| state.answer(key) != *answer)
        {
            return Err(EngineError::Conflict);
        }
        state.apply_all(writes, at)
    }

    async fn end(self: Box<Self>) {}
}

#[async_trait]
impl Engine for MemoryEngine {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn trips(&self) -> &TripLog {
        &self.trips
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.state.lock().setting.clone())
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        let mut state = self.state.lock();
        if state.setting.as_deref() != Some(expect) {
            return Err(EngineError::Conflict);
        }
        state.setting = Some(json.to_vec());
        Ok(())
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        let mut state = self.state.lock();
        if state.setting.is_some() && !overwrite {
            return Err(EngineError::Conflict);
        }
        *state = State {
            setting: Some(json.to_vec()),
            ..State::default()
        };
        state.attrs.insert(Ino::ROOT, root.clone());
        if let Some(trash) = trash {
            state.attrs.insert(Ino::TRASH, trash.clone());
        }
        Ok(())
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn set_fence(&self, fence: Fence) {
        self.fence.set(fence);
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        Ok(Box::new(MemoryAttempt {
            engine: self.clone(),
            fence: self.fence.get(),
            seen: Vec::new(),
        }))
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        self.trips.record(|| format!("fetch {}", keys.len()));
        let state = self.state.lock();
        Ok(keys.iter().map(|k| state.answer(k)).collect())
    }

    async fn lookup(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        self.trips.record(|| "lookup".to_string());
        let state = self.state.lock();
        let entry = state.entries.get(&(dir, name.clone())).copied();
        Ok(entry.map(|e| (e, state.attrs.get(&e.ino).cloned())))
    }

    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError> {
        self.trips.record(|| "list".to_string());
        let state = self.state.lock();
        let after = match cursor {
            DirCursor::After(name) => Some(name.clone()),
            _ => None,
        };
        let mut page = DirPage::default();
        for ((_, name), entry) in state.entries_of(dir, after.as_ref()) {
            if page.entries.len() == PAGE {
                page.next = page
                    .entries
                    .last()
                    .map(|e: &DirEntry| DirCursor::After(e.name.clone()));
                break;
            }
            let attr = if with_attrs {
                state.attrs.get(&entry.ino).cloned()
            } else {
                None
            };
            page.entries.push(DirEntry {
                name: name.clone(),
                entry: *entry,
                attr,
            });
        }
        Ok(page)
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        let mut state = self.changing()?;
        let mut missing = Vec::new();
        for (dir, delta) in deltas {
            match state.dir_stats.get_mut(dir) {
                Some(stat) => *stat += *delta,
                None => missing.push(*dir),
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
        let mut state = self.changing()?;
        state.dir_stats.insert(dir, stat);
        state.log(log, 0);
        Ok(())
    }

    async fn list_owner_quotas(&self) -> Result<Vec<(QuotaOwner, DirQuota)>, EngineError> {
        let state = self.state.lock();
        Ok(state.owner_quotas.iter().map(|(o, q)| (*o, *q)).collect())
    }

    async fn add_owner_usage(&self, deltas: &[OwnerUsage]) -> Result<(), EngineError> {
        let mut state = self.changing()?;
        for delta in deltas {
            let quota = state.owner_quotas.entry(delta.owner);
            let quota = quota.or_insert(DirQuota::NO_LIMITS);
            quota.used_space += delta.space;
            quota.used_inodes += delta.inodes;
        }
        Ok(())
    }

    async fn replace_owner_quotas(
        &self,
        quotas: &[(QuotaOwner, DirQuota)],
        log: &[LogLine],
    ) -> Result<(), EngineError> {
        let mut state = self.changing()?;
        state.owner_quotas = quotas.iter().copied().collect();
        state.log(log, 0);
        Ok(())
    }

    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError> {
        let state = self.state.lock();
        Ok(state.quotas.iter().map(|(dir, q)| (*dir, *q)).collect())
    }

    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError> {
        let mut state = self.changing()?;
        for (dir, space, inodes) in deltas {
            if let Some(quota) = state.quotas.get_mut(dir) {
                quota.used_space += space;
                quota.used_inodes += inodes;
            }
        }
        Ok(())
    }

    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError> {
        self.changing()?.quotas.insert(dir, quota);
        Ok(())
    }

    async fn find_acls(&self, _: &AclRule) -> Result<Vec<(u32, AclRule)>, EngineError> {
        self.trips.record(|| "find acl".to_string());
        let state = self.state.lock();
        Ok((1..).zip(state.acls.iter().cloned()).collect())
    }

    async fn add_acl(&self, rule: &AclRule, log: &[LogLine]) -> Result<u32, EngineError> {
        self.trips.record(|| "add acl".to_string());
        let mut state = self.changing()?;
        state.log(log, 0);
        state.acls.push(rule.clone());
        Ok(state.acls.len() as u32)
    }

    async fn reserve_ids(
        &self,
        kind: IdKind,
        n: u64,
        log: &[LogLine],
    ) -> Result<Range<u64>, EngineError> {
        self.trips.record(|| "reserve ids".to_string());
        let mut state = self.changing()?;
        let next = match kind {
            IdKind::Inode => &mut state.next_inode,
            IdKind::Slice => &mut state.next_slice,
        };
        let start = (*next).max(1);
        *next = start + n;
        state.log(log, 0);
        Ok(start..start + n)
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        self.trips.record(|| "counter".to_string());
        let mut state = self.changing()?;
        let value = state.counters.entry(counter).or_insert(0);
        *value += n;
        Ok(*value)
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        self.changing()?.add_usage(space, inodes);
        Ok(())
    }

    async fn new_session(
        &self,
        expire: i64,
        info_json: &str,
        log: &[LogLine],
    ) -> Result<u64, EngineError> {
        let sid = self.add_counter(Counter::NextSession, 1).await? as u64;
        self.refresh_session(sid, expire, info_json).await?;
        self.changing()?.log(log, sid);
        Ok(sid)
    }

    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError> {
        self.changing()?
            .sessions
            .insert(sid, (expire, info_json.as_bytes().to_vec()));
        Ok(())
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        let state = self.state.lock();
        let record = |(sid, (expire, info)): (&u64, &(i64, Vec<u8>))| SessionRecord {
            sid: *sid,
            expire: *expire,
            info: info.clone(),
        };
        Ok(state.sessions.iter().map(record).collect())
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        let state = self.state.lock();
        Ok(state
            .sustained
            .iter()
            .filter(|(s, _)| *s == sid)
            .map(|(_, ino)| *ino)
            .collect())
    }

    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
        let state = self.state.lock();
        let mut found = Vec::new();
        for ((ino, kind), owners) in &state.locks {
            for ((session, owner), value) in owners.iter().filter(|((s, _), _)| *s == sid) {
                let row = LockRow {
                    sid: *session,
                    owner: *owner,
                    value: value.clone(),
                };
                found.push((*ino, *kind, row));
            }
        }
        Ok(found)
    }

    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError> {
        let state = self.state.lock();
        let mut all: Vec<Deleted> = state
            .deleted
            .iter()
            .filter(|(_, time)| **time < before_sec)
            .map(|((ino, length), time)| Deleted {
                ino: *ino,
                length: *length,
                time: *time,
            })
            .collect();
        all.sort_by_key(|d| d.time);
        all.truncate(limit);
        Ok(all)
    }

    async fn list_chunks(&self, ino: Ino, _length: u64) -> Result<Vec<u32>, EngineError> {
        let state = self.state.lock();
        Ok(state
            .chunks
            .range((ino, 0)..=(ino, u32::MAX))
            .map(|((_, i), _)| *i)
            .collect())
    }

    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError> {
        let state = self.state.lock();
        let old = state
            .delayed
            .iter()
            .filter(|((_, time), _)| *time < before_sec)
            .take(limit);
        Ok(old
            .map(|((id, time), b)| Delayed {
                id: *id,
                time: *time,
                entries: b.clone().into(),
            })
            .collect())
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        let state = self.state.lock();
        Ok(state
            .slice_users
            .iter()
            .filter(|(_, n)| **n <= 0)
            .map(|(k, _)| *k)
            .take(limit)
            .collect())
    }

    async fn log_head(&self, limit: usize) -> Result<LogHead, EngineError> {
        let state = self.state.lock();
        let versions = state.log_trimmed + 1..;
        let entries = versions.zip(&state.log).take(limit);
        Ok(LogHead {
            total: state.log.len() as u64,
            entries: entries.map(|(v, text)| (v, text.clone())).collect(),
        })
    }

    async fn trim_log(&self, last: u64) -> Result<(), EngineError> {
        let mut state = self.changing()?;
        while state.log_trimmed < last && state.log.pop_front().is_some() {
            state.log_trimmed += 1;
        }
        Ok(())
    }

    async fn scan(&self, from: &ScanCursor) -> Result<ScanPage, EngineError> {
        self.trips.record(|| "scan".to_string());
        self.state.lock().scan(from)
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        Ok(())
    }
}
