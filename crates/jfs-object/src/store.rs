//! [`ObjectStore`]: retries, deadlines, bounds and checks around a [`Backend`].

use crate::backend::{Backend, ObjectInfo};
use crate::key::{check_key, check_prefix};
use crate::retry::RetryPolicy;
use crate::stats::{Method, ObjectStats, Uploading};
use crate::{ErrorKind, Location, ObjectError, check, open};
use bytes::Bytes;
use parking_lot::RwLock;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The retries and time limits of a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Repetitions of a request that failed in a way that may pass. Default 10.
    pub io_retries: u32,
    /// Pause before the first repetition, doubling up to 10 s. Default 100 ms.
    pub retry_pause: Duration,
    /// Deadline of one attempt to read, look, list, delete or sync. Default 60 s.
    pub get_timeout: Duration,
    /// Deadline of one attempt to write. Default 60 s.
    pub put_timeout: Duration,
    /// Requests in flight; more wait. Default 512.
    pub max_concurrency: usize,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            io_retries: 10,
            retry_pause: Duration::from_millis(100),
            get_timeout: Duration::from_secs(60),
            put_timeout: Duration::from_secs(60),
            max_concurrency: 512,
        }
    }
}

/// The objects of one volume. Cheap to clone; all methods may run at the same time. Dropping a
/// future abandons the wait; the request itself may still take effect.
#[derive(Clone, Debug)]
pub struct ObjectStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Replaced when the volume's setting names another place or other keys.
    backend: RwLock<Arc<dyn Backend>>,
    policy: RetryPolicy,
    get_timeout: Duration,
    put_timeout: Duration,
    permits: Semaphore,
    stats: ObjectStats,
}

impl ObjectStore {
    /// Opens a store that needs no keys: see [`ObjectStore::open_at`].
    pub fn open(
        storage: &str,
        bucket: &str,
        volume_name: &str,
        options: &StoreOptions,
    ) -> Result<ObjectStore, ObjectError> {
        let location = Location {
            storage: storage.to_string(),
            bucket: bucket.to_string(),
            volume_name: volume_name.to_string(),
            ..Location::default()
        };
        ObjectStore::open_at(&location, options)
    }

    /// Opens the store that a volume's setting names. `file` wants an absolute directory as
    /// `bucket`; `mem` lives as long as the value. Nothing is read or written yet.
    ///
    /// Errors: kinds of storage that are not supported, by name; a bucket that makes no sense.
    pub fn open_at(
        location: &Location,
        options: &StoreOptions,
    ) -> Result<ObjectStore, ObjectError> {
        let backend = open::open_backend(location)?;
        Ok(ObjectStore::with_backend_and(backend, options))
    }

    /// Goes to another place from now on, or there with other keys, for every clone of this value.
    /// Requests under way end where they began; their repetitions go to the new place.
    pub fn move_to(&self, location: &Location) -> Result<(), ObjectError> {
        let backend = open::open_backend(location)?;
        *self.0.backend.write() = backend;
        Ok(())
    }

    fn backend(&self) -> Arc<dyn Backend> {
        self.0.backend.read().clone()
    }

    /// A store over a backend of the caller's, default options.
    pub fn with_backend(backend: Arc<dyn Backend>) -> ObjectStore {
        ObjectStore::with_backend_and(backend, &StoreOptions::default())
    }

    /// A store over a backend of the caller's.
    pub fn with_backend_and(backend: Arc<dyn Backend>, options: &StoreOptions) -> ObjectStore {
        ObjectStore(Arc::new(Inner {
            backend: RwLock::new(backend),
            policy: RetryPolicy {
                retries: options.io_retries,
                pause: options.retry_pause,
            },
            get_timeout: options.get_timeout,
            put_timeout: options.put_timeout,
            permits: Semaphore::new(options.max_concurrency.max(1)),
            stats: ObjectStats::default(),
        }))
    }

    /// Stores an object whole. Not yet safe from a power cut: see [`ObjectStore::sync`].
    pub async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.put_as(key, data, false).await
    }

    /// [`ObjectStore::put`] and [`ObjectStore::sync`] in one, which costs less than one after the
    /// other.
    pub async fn put_durable(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.put_as(key, data, true).await
    }

    async fn put_as(&self, key: &str, data: Bytes, durable: bool) -> Result<(), ObjectError> {
        check_key(key)?;
        let (timeout, bytes) = (self.0.put_timeout, data.len());
        let _uploading = Uploading::new(&self.0.stats.uploading);
        let put = self.run(key, timeout, || {
            let (backend, data) = (self.backend(), data.clone());
            async move {
                match durable {
                    true => backend.put_durable(key, data).await,
                    false => backend.put(key, data).await,
                }
            }
        });
        self.counted(Method::Put, put).await?;
        self.0.stats.moved(Method::Put, bytes);
        Ok(())
    }

    /// Reads a range of an object, exactly, or all of it. A range that the object does not fill
    /// gives `Short`.
    pub async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        check_key(key)?;
        let wanted = match &range {
            Some(r) if r.start > r.end => {
                return Err(ObjectError::new(
                    ErrorKind::Permanent,
                    key,
                    "the range is reversed",
                ));
            }
            Some(r) if r.is_empty() => return Ok(Bytes::new()),
            Some(r) => Some(r.end - r.start),
            None => None,
        };
        let timeout = self.0.get_timeout;
        let get = self.run(key, timeout, || {
            let (backend, range) = (self.backend(), range.clone());
            async move { backend.get(key, range).await }
        });
        let data = self.counted(Method::Get, get).await?;
        self.0.stats.moved(Method::Get, data.len());
        match wanted {
            Some(wanted) if wanted != data.len() as u64 => {
                let got = data.len();
                let message = format!("{got} of {wanted} bytes");
                Err(ObjectError::new(ErrorKind::Short, key, message))
            }
            _ => Ok(data),
        }
    }

    /// Length and time of an object.
    pub async fn head(&self, key: &str) -> Result<ObjectInfo, ObjectError> {
        check_key(key)?;
        let head = self.run(key, self.0.get_timeout, || {
            let backend = self.backend();
            async move { backend.head(key).await }
        });
        self.counted(Method::Head, head).await
    }

    /// Deletes an object; a missing one counts as deleted.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        check_key(key)?;
        let delete = self.run(key, self.0.get_timeout, || {
            let backend = self.backend();
            async move { backend.delete(key).await }
        });
        match self.counted(Method::Delete, delete).await {
            Err(e) if e.is_not_found() => Ok(()),
            done => done,
        }
    }

    /// The first `limit` objects whose key begins with `prefix` and is greater than `start_after`
    /// (empty: from the first), sorted by key. Fewer than `limit` means that there are no more.
    pub async fn list(
        &self,
        prefix: &str,
        start_after: &str,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        check_prefix(prefix)?;
        let timeout = self.0.get_timeout;
        let list = self.run(prefix, timeout, || {
            let backend = self.backend();
            async move { backend.list(prefix, start_after, limit).await }
        });
        self.counted(Method::List, list).await
    }

    /// Makes objects put before survive a power cut. Costs one flush per object and directory on a
    /// local disk, nothing on stores that are durable when they answer.
    ///
    /// `Unflushed` when the disk has refused to flush one of them, now or earlier, also when an earlier
    /// attempt ran out of time: nothing but a new put of that object mends it.
    pub async fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        keys.iter().try_for_each(|key| check_key(key))?;
        self.run(first, self.0.put_timeout, || {
            let backend = self.backend();
            async move { backend.sync(keys).await }
        })
        .await
    }

    /// Whether a sync of these objects is known to fail for good: see [`ObjectStore::sync`].
    pub fn unflushed(&self, keys: &[String]) -> Option<ObjectError> {
        self.backend().unflushed(keys)
    }

    /// Whether objects may be lost in a power cut before [`ObjectStore::sync`]: those of a local disk
    /// may, those of a bucket are durable when they are stored.
    pub fn needs_sync(&self) -> bool {
        self.backend().needs_sync()
    }

    /// Makes the bucket, or buckets, that the objects go to, where they are missing.
    pub async fn create(&self) -> Result<(), ObjectError> {
        let timeout = self.0.put_timeout;
        self.run("the bucket", timeout, || {
            let backend = self.backend();
            async move { backend.create().await }
        })
        .await
    }

    /// Writes, reads, compares and deletes an object below `testing/`: what `format` does before it
    /// trusts a bucket. The message of an error says which step failed.
    pub async fn test(&self) -> Result<(), ObjectError> {
        check::run(self).await
    }

    /// Whether reading a range costs less than reading the whole object. It does not when objects
    /// are encrypted.
    pub fn reads_ranges(&self) -> bool {
        self.backend().reads_ranges()
    }

    /// Whether `a` and `b` are the same store.
    pub fn same(a: &ObjectStore, b: &ObjectStore) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    /// The counts so far.
    pub fn stats(&self) -> &ObjectStats {
        &self.0.stats
    }

    /// Counts a request. An object that is not there is an answer, no error.
    async fn counted<T>(
        &self,
        method: Method,
        request: impl Future<Output = Result<T, ObjectError>>,
    ) -> Result<T, ObjectError> {
        let since = Instant::now();
        let done = request.await;
        self.0.stats.ended(method, since.elapsed());
        if done.as_ref().is_err_and(|e| !e.is_not_found()) {
            self.0.stats.failed();
        }
        done
    }

    /// Attempts with a deadline each, one permit for each; no permit is held during a pause.
    async fn run<T, F, Fut>(
        &self,
        key: &str,
        timeout: Duration,
        mut request: F,
    ) -> Result<T, ObjectError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, ObjectError>>,
    {
        let attempt = || {
            let request = request();
            async {
                let permit = self.0.permits.acquire().await;
                let _permit = permit.expect("the semaphore is never closed");
                match tokio::time::timeout(timeout, request).await {
                    Ok(done) => done,
                    Err(_) => {
                        let message = format!("no answer within {timeout:?}");
                        Err(ObjectError::new(ErrorKind::Timeout, key, message))
                    }
                }
            }
        };
        self.0.policy.run(attempt).await
    }
}
