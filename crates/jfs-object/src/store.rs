//! The store everybody uses: retries, deadlines and length checks over a backend.

use crate::file::FileBackend;
use crate::mem::MemBackend;
use crate::{Backend, ErrorKind, ObjectError, ObjectInfo};
use bytes::Bytes;
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How requests are made.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Tries after the first one. Default 10.
    pub io_retries: u32,
    /// Deadline of one get. Default 60 s.
    pub get_timeout: Duration,
    /// Deadline of one put. Default 60 s.
    pub put_timeout: Duration,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        let minute = Duration::from_secs(60);
        StoreOptions { io_retries: 10, get_timeout: minute, put_timeout: minute }
    }
}

/// An object store below one volume's name. Cheap to clone.
#[derive(Clone)]
pub struct ObjectStore {
    backend: Arc<dyn Backend>,
    options: StoreOptions,
}

impl ObjectStore {
    /// Opens the storage of a volume: `file` with an absolute directory as `bucket`, or `mem`.
    pub fn open(storage: &str, bucket: &str, name: &str, options: &StoreOptions) -> Result<ObjectStore, ObjectError> {
        let backend: Arc<dyn Backend> = match storage {
            "file" => {
                if !bucket.starts_with('/') {
                    let text = format!("bucket {bucket:?} of storage file must be an absolute directory");
                    return Err(ObjectError::new(ErrorKind::Permanent, "", text));
                }
                Arc::new(FileBackend::new(PathBuf::from(bucket).join(name)))
            }
            "mem" => Arc::new(MemBackend::new()?),
            other => {
                let text = format!("storage {other:?} is not supported yet: use file");
                return Err(ObjectError::new(ErrorKind::Permanent, "", text));
            }
        };
        Ok(ObjectStore { backend, options: options.clone() })
    }

    /// A store over any backend (tests inject faults this way).
    pub fn with_backend(backend: Arc<dyn Backend>, options: StoreOptions) -> ObjectStore {
        ObjectStore { backend, options }
    }

    /// Where objects go, for people.
    pub fn location(&self) -> String {
        self.backend.location()
    }

    /// Stores an object.
    pub async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.tries(key, self.options.put_timeout, || self.backend.put(key, data.clone())).await
    }

    /// Reads a whole object.
    pub async fn get(&self, key: &str) -> Result<Bytes, ObjectError> {
        self.tries(key, self.options.get_timeout, || self.backend.get(key, None)).await
    }

    /// Reads exactly the bytes of `range`; an object that ends before is `Short`.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, ObjectError> {
        let data = self
            .tries(key, self.options.get_timeout, || self.backend.get(key, Some(range.clone())))
            .await?;
        let wanted = range.end - range.start;
        if data.len() as u64 != wanted {
            let text = format!("{} bytes at {} where {wanted} are needed", data.len(), range.start);
            return Err(ObjectError::new(ErrorKind::Short, key, text));
        }
        Ok(data)
    }

    /// Size of an object.
    pub async fn head(&self, key: &str) -> Result<u64, ObjectError> {
        self.tries(key, self.options.get_timeout, || self.backend.head(key)).await
    }

    /// Deletes an object; one that is missing is no error.
    pub async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.tries(key, self.options.put_timeout, || self.backend.delete(key)).await
    }

    /// Lists objects in key order.
    pub async fn list(&self, prefix: &str, start_after: &str, limit: usize) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.tries(prefix, self.options.get_timeout, || self.backend.list(prefix, start_after, limit)).await
    }

    /// Makes objects that were put survive a power cut.
    pub async fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        if keys.is_empty() {
            return Ok(());
        }
        self.tries("", self.options.put_timeout, || self.backend.sync(keys)).await
    }

    /// Puts, reads back, compares and deletes an object below `testing/`.
    pub async fn test(&self) -> Result<(), ObjectError> {
        let key = format!("testing/{:010}", rand::random::<u32>());
        let data: Bytes = (0..100).map(|_| rand::random::<u8>()).collect::<Vec<_>>().into();
        self.put(&key, data.clone()).await?;
        let back = self.get(&key).await;
        let deleted = self.delete(&key).await;
        if back? != data {
            return Err(ObjectError::new(ErrorKind::Permanent, &key, "read back something else than was put"));
        }
        deleted
    }

    async fn tries<T, F>(&self, key: &str, limit: Duration, mut call: impl FnMut() -> F) -> Result<T, ObjectError>
    where
        F: Future<Output = Result<T, ObjectError>>,
    {
        let mut failures = 0;
        loop {
            let error = match tokio::time::timeout(limit, call()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(e)) => e,
                Err(_) => ObjectError::new(ErrorKind::Timeout, key, format!("no answer within {limit:?}")),
            };
            if !error.is_retryable() || failures >= self.options.io_retries {
                return Err(error);
            }
            failures += 1;
            tracing::warn!("try {failures}: {error}");
            let pause = Duration::from_millis(u64::from(failures * failures) * 50);
            tokio::time::sleep(pause.min(PAUSE_MAX)).await;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// What every store must do; run on all of them.
    async fn conformance(store: ObjectStore) {
        let data = Bytes::from_static(b"0123456789");
        assert_eq!(store.get("chunks/a").await.unwrap_err().kind, ErrorKind::NotFound);
        store.put("chunks/a", data.clone()).await.unwrap();
        store.put("chunks/b/c", data.clone()).await.unwrap();
        store.put("juicefs_uuid", Bytes::new()).await.unwrap();
        assert_eq!(store.get("chunks/a").await.unwrap(), data);
        assert_eq!(store.get_range("chunks/a", 3..7).await.unwrap(), data.slice(3..7));
        assert_eq!(store.get_range("chunks/a", 8..12).await.unwrap_err().kind, ErrorKind::Short);
        assert_eq!(store.head("chunks/b/c").await.unwrap(), 10);
        store.sync(&["chunks/a".to_string(), "chunks/b/c".to_string()]).await.unwrap();
        let keys = |v: Vec<ObjectInfo>| v.into_iter().map(|o| o.key).collect::<Vec<_>>();
        assert_eq!(keys(store.list("", "", 10).await.unwrap()), ["chunks/a", "chunks/b/c", "juicefs_uuid"]);
        assert_eq!(keys(store.list("chunks/", "chunks/a", 10).await.unwrap()), ["chunks/b/c"]);
        assert_eq!(store.list("", "", 1).await.unwrap().len(), 1);
        store.delete("chunks/a").await.unwrap();
        store.delete("chunks/a").await.unwrap();
        assert_eq!(store.head("chunks/a").await.unwrap_err().kind, ErrorKind::NotFound);
        store.test().await.unwrap();
    }

    #[tokio::test]
    async fn memory_store() {
        conformance(ObjectStore::open("mem", "", "v", &StoreOptions::default()).unwrap()).await;
    }

    #[tokio::test]
    async fn file_store() {
        let dir = tempfile::tempdir().unwrap();
        let bucket = dir.path().to_str().unwrap();
        let store = ObjectStore::open("file", bucket, "v", &StoreOptions::default()).unwrap();
        conformance(store.clone()).await;
        assert!(store.get("../v/juicefs_uuid").await.is_err());
        assert!(std::fs::read_dir(dir.path().join("v/chunks")).unwrap().all(|e| {
            !e.unwrap().file_name().to_string_lossy().contains(".tmp.")
        }));
        assert!(store.sync(&["chunks/none".to_string()]).await.is_err());
    }

    #[test]
    fn what_is_refused() {
        let open = |storage, bucket| ObjectStore::open(storage, bucket, "v", &StoreOptions::default());
        assert!(open("file", "relative/").is_err());
        assert!(open("s3", "http://x/").is_err_and(|e| e.to_string().contains("not supported yet")));
    }
}
