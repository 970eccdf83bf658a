//! Retries, deadlines and bounds, seen through a backend that misbehaves on purpose.

#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use jfs_object::{Backend, ErrorKind, ObjectError, ObjectInfo, ObjectStore, StoreOptions};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Fails the first `failures` requests with `kind`; `Timeout` is played by never answering.
#[derive(Debug)]
struct Moody {
    kind: ErrorKind,
    failures: usize,
    requests: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Moody {
    fn new(kind: ErrorKind, failures: usize) -> Arc<Moody> {
        let zero = || AtomicUsize::new(0);
        Arc::new(Moody {
            kind,
            failures,
            requests: zero(),
            running: zero(),
            most: zero(),
        })
    }

    async fn answer(&self, key: &str) -> Result<(), ObjectError> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        if self.requests.fetch_add(1, Ordering::SeqCst) >= self.failures {
            return Ok(());
        }
        if self.kind == ErrorKind::Timeout {
            std::future::pending::<()>().await;
        }
        Err(ObjectError::new(self.kind, key, "as told"))
    }
}

#[async_trait::async_trait]
impl Backend for Moody {
    async fn put(&self, key: &str, _: Bytes) -> Result<(), ObjectError> {
        self.answer(key).await
    }
    async fn get(&self, key: &str, _: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        self.answer(key).await.map(|()| Bytes::from_static(b"abc"))
    }
    async fn head(&self, key: &str) -> Result<ObjectInfo, ObjectError> {
        self.answer(key).await.map(|()| ObjectInfo {
            key: key.into(),
            size: 3,
            mtime_sec: 0,
        })
    }
    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.answer(key).await
    }
    async fn list(&self, p: &str, _: &str, _: usize) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.answer(p).await.map(|()| Vec::new())
    }
    async fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        self.answer(&keys[0]).await
    }
}

fn store(backend: &Arc<Moody>, retries: u32) -> ObjectStore {
    let options = StoreOptions {
        io_retries: retries,
        retry_pause: Duration::from_millis(1),
        get_timeout: Duration::from_millis(20),
        put_timeout: Duration::from_millis(20),
        max_concurrency: 2,
    };
    ObjectStore::with_backend_and(backend.clone(), &options)
}

#[tokio::test]
async fn faults_that_pass_are_retried() {
    for kind in [ErrorKind::Transient, ErrorKind::Timeout] {
        let backend = Moody::new(kind, 3);
        store(&backend, 3).put("k", Bytes::new()).await.unwrap();
        assert_eq!(backend.requests.load(Ordering::SeqCst), 4);

        let backend = Moody::new(kind, 3);
        let e = store(&backend, 2).get("k", None).await.unwrap_err();
        assert_eq!((e.kind, backend.requests.load(Ordering::SeqCst)), (kind, 3));
    }
}

#[tokio::test]
async fn faults_that_stay_are_not() {
    for kind in [ErrorKind::NotFound, ErrorKind::Permanent, ErrorKind::Short] {
        let backend = Moody::new(kind, usize::MAX);
        assert_eq!(store(&backend, 5).head("k").await.unwrap_err().kind, kind);
        assert_eq!(backend.requests.load(Ordering::SeqCst), 1, "{kind:?}");
    }
    let backend = Moody::new(ErrorKind::NotFound, usize::MAX);
    store(&backend, 5).delete("k").await.unwrap();
}

#[tokio::test]
async fn lengths_are_checked_here() {
    let backend = Moody::new(ErrorKind::Permanent, 0);
    let store = store(&backend, 0);
    assert_eq!(
        store.get("k", Some(0..4)).await.unwrap_err().kind,
        ErrorKind::Short
    );
    assert_eq!(store.get("k", Some(0..3)).await.unwrap(), &b"abc"[..]);
}

#[tokio::test]
async fn requests_in_flight_are_bounded() {
    let backend = Moody::new(ErrorKind::Permanent, 0);
    let store = store(&backend, 0);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.head("k").await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(backend.most.load(Ordering::SeqCst), 2);
}
