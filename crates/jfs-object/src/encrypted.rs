//! Objects in envelopes: a backend whose contents only the volume's private key opens.
//!
//! Encryption works on whole objects, so a range is cut from the whole. What [`Backend::head`] and
//! listings show is the stored size.

use crate::backend::{Backend, ObjectInfo};
use crate::{ErrorKind, ObjectError};
use bytes::Bytes;
use jfs_crypt::{CryptError, Envelope};
use std::ops::Range;
use std::sync::Arc;

/// Encrypts what goes into `inner` and decrypts what comes out.
#[derive(Debug)]
pub(crate) struct Encrypted {
    inner: Arc<dyn Backend>,
    envelope: Arc<Envelope>,
}

impl Encrypted {
    pub(crate) fn new(inner: Arc<dyn Backend>, envelope: Arc<Envelope>) -> Encrypted {
        Encrypted { inner, envelope }
    }

    /// Runs one pass of the cipher off the threads that must not wait.
    async fn crypt(
        &self,
        key: &str,
        data: Bytes,
        pass: impl FnOnce(&Envelope, Bytes) -> Result<Bytes, CryptError> + Send + 'static,
    ) -> Result<Bytes, ObjectError> {
        let envelope = self.envelope.clone();
        let pass = tokio::task::spawn_blocking(move || pass(&envelope, data));
        match pass.await {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(e @ CryptError::Damaged(_))) => {
                Err(ObjectError::new(ErrorKind::Damaged, key, e.to_string()))
            }
            Ok(Err(e)) => Err(ObjectError::permanent(key, e.to_string())),
            Err(e) => Err(ObjectError::new(ErrorKind::Transient, key, e.to_string())),
        }
    }
}

#[async_trait::async_trait]
impl Backend for Encrypted {
    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        let sealed = self.crypt(key, data, |e, data| e.seal(&data)).await?;
        self.inner.put(key, sealed).await
    }

    async fn put_durable(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        let sealed = self.crypt(key, data, |e, data| e.seal(&data)).await?;
        self.inner.put_durable(key, sealed).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        let stored = self.inner.get(key, None).await?;
        let data = self.crypt(key, stored, |e, stored| e.open(stored)).await?;
        let Some(range) = range else {
            return Ok(data);
        };
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(data.len());
        Ok(data.slice(within(range.start)..within(range.end)))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, ObjectError> {
        self.inner.head(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.inner.delete(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: &str,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        self.inner.list(prefix, start_after, limit).await
    }

    async fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        self.inner.sync(keys).await
    }

    fn needs_sync(&self) -> bool {
        self.inner.needs_sync()
    }

    fn unflushed(&self, keys: &[String]) -> Option<ObjectError> {
        self.inner.unflushed(keys)
    }

    async fn create(&self) -> Result<(), ObjectError> {
        self.inner.create().await
    }

    fn reads_ranges(&self) -> bool {
        false
    }
}
