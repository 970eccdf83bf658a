//! An object store in memory that writes down what happens and fails where it is told to.

use super::events::{Event, Events};
use super::gate::Gate;
use bytes::Bytes;
use jfs_object::{Backend, ErrorKind, ObjectError, ObjectInfo};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The store. Every request passes its gate before it is carried out.
#[derive(Debug, Default)]
pub(crate) struct TestStore {
    objects: Mutex<BTreeMap<String, Bytes>>,
    events: Events,
    pub(crate) puts: Gate,
    pub(crate) gets: Gate,
    pub(crate) syncs: Gate,
    pub(crate) deletes: Gate,
    /// Objects that survive a power cut.
    durable: Mutex<BTreeSet<String>>,
    /// Objects that the disk has refused to flush.
    refused: Mutex<BTreeSet<String>>,
    sync_requests: AtomicUsize,
    bytes_read: AtomicUsize,
    reads: AtomicUsize,
    put_fails: AtomicBool,
    get_fails: AtomicBool,
    sync_fails: AtomicBool,
    bucket: AtomicBool,
}

impl TestStore {
    pub(crate) fn new(events: Events) -> TestStore {
        TestStore {
            events,
            ..TestStore::default()
        }
    }

    /// Whether puts fail from now on.
    pub(crate) fn fail_puts(&self, on: bool) {
        self.put_fails.store(on, Ordering::SeqCst);
    }

    /// Whether gets fail from now on.
    pub(crate) fn fail_gets(&self, on: bool) {
        self.get_fails.store(on, Ordering::SeqCst);
    }

    /// Whether syncs fail from now on.
    pub(crate) fn fail_syncs(&self, on: bool) {
        self.sync_fails.store(on, Ordering::SeqCst);
    }

    /// The disk has lost an object and says so to whoever syncs it.
    pub(crate) fn refuse(&self, key: &str) {
        self.refused.lock().insert(key.to_string());
    }

    /// Objects are durable when they are stored from now on, as in a bucket.
    pub(crate) fn be_a_bucket(&self) {
        self.bucket.store(true, Ordering::SeqCst);
    }

    /// Keys of all objects, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.lock().keys().cloned().collect()
    }

    /// An object as it is stored.
    pub(crate) fn object(&self, key: &str) -> Option<Bytes> {
        self.objects.lock().get(key).cloned()
    }

    /// Replaces or removes an object behind everybody's back.
    pub(crate) fn tamper(&self, key: &str, data: Option<Bytes>) {
        let mut objects = self.objects.lock();
        match data {
            Some(data) => objects.insert(key.to_string(), data),
            None => objects.remove(key),
        };
    }

    /// Requests to make objects durable so far, the failed ones too.
    pub(crate) fn sync_requests(&self) -> usize {
        self.sync_requests.load(Ordering::SeqCst)
    }

    /// Bytes that were read of objects since the last call.
    pub(crate) fn take_bytes_read(&self) -> usize {
        self.bytes_read.swap(0, Ordering::SeqCst)
    }

    /// Number of reads of objects since the last call.
    pub(crate) fn take_reads(&self) -> usize {
        self.reads.swap(0, Ordering::SeqCst)
    }

    /// Whether an object would survive a power cut.
    pub(crate) fn is_durable(&self, key: &str) -> bool {
        self.durable.lock().contains(key)
    }

    /// What is left of the store after a power cut: what was synced.
    pub(crate) fn after_power_cut(&self) -> TestStore {
        let durable = self.durable.lock();
        let kept = |(key, _): &(String, Bytes)| durable.contains(key);
        let objects = self.objects.lock().clone().into_iter().filter(kept);
        TestStore {
            objects: Mutex::new(objects.collect()),
            ..TestStore::default()
        }
    }

    fn find(&self, key: &str) -> Result<Bytes, ObjectError> {
        let found = self.object(key);
        found.ok_or_else(|| ObjectError::new(ErrorKind::NotFound, key, "no such object"))
    }
}

fn fault(on: &AtomicBool, key: &str) -> Result<(), ObjectError> {
    if on.load(Ordering::SeqCst) {
        return Err(ObjectError::new(ErrorKind::Permanent, key, "as told"));
    }
    Ok(())
}

#[async_trait::async_trait]
impl Backend for TestStore {
    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.puts.pass().await;
        fault(&self.put_fails, key)?;
        let mut objects = self.objects.lock();
        objects.insert(key.to_string(), data);
        self.events.push(Event::Put(key.to_string()));
        Ok(())
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        self.gets.pass().await;
        fault(&self.get_fails, key)?;
        let mut data = self.find(key)?;
        if let Some(range) = range {
            if range.end > data.len() as u64 {
                return Err(ObjectError::new(ErrorKind::Short, key, "too short"));
            }
            data = data.slice(range.start as usize..range.end as usize);
        }
        self.bytes_read.fetch_add(data.len(), Ordering::SeqCst);
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(data)
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, ObjectError> {
        Ok(ObjectInfo {
            key: key.to_string(),
            size: self.find(key)?.len() as u64,
            mtime_sec: 0,
        })
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.deletes.pass().await;
        let mut objects = self.objects.lock();
        objects.remove(key);
        self.events.push(Event::Delete(key.to_string()));
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: &str,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        let objects = self.objects.lock();
        let info = |(key, data): (&String, &Bytes)| ObjectInfo {
            key: key.clone(),
            size: data.len() as u64,
            mtime_sec: 0,
        };
        let wanted =
            |(key, _): &(&String, &Bytes)| key.starts_with(prefix) && key.as_str() > start_after;
        Ok(objects
            .iter()
            .filter(wanted)
            .take(limit)
            .map(info)
            .collect())
    }

    async fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        self.sync_requests.fetch_add(1, Ordering::SeqCst);
        self.syncs.pass().await;
        for key in keys {
            fault(&self.sync_fails, key)?;
            self.find(key)?;
        }
        let refused = self.refused.lock().clone();
        let flushed: Vec<_> = keys.iter().filter(|k| !refused.contains(*k)).collect();
        self.durable.lock().extend(flushed.into_iter().cloned());
        self.events.push(Event::Sync(keys.to_vec()));
        match self.unflushed(keys) {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }

    fn unflushed(&self, keys: &[String]) -> Option<ObjectError> {
        let refused = self.refused.lock();
        let key = keys.iter().find(|key| refused.contains(*key))?;
        Some(ObjectError::new(ErrorKind::Unflushed, key, "as told"))
    }

    fn needs_sync(&self) -> bool {
        !self.bucket.load(Ordering::SeqCst)
    }
}
