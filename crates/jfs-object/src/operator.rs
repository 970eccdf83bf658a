//! An opendal operator as a [`Backend`].

use crate::backend::{Backend, ObjectInfo};
use crate::file::FileRoot;
use crate::s3::BucketMaker;
use crate::{ErrorKind, ObjectError};
use bytes::Bytes;
use futures_util::TryStreamExt;
use opendal::{EntryMode, Metadata, Operator};
use std::ops::Range;

/// An operator and what opendal does not do for its kind of storage.
#[derive(Debug)]
pub(crate) struct OperatorBackend {
    operator: Operator,
    /// For local storage, the place whose files have to be flushed by `sync`.
    local: Option<FileRoot>,
    /// For buckets of S3, what makes the bucket.
    bucket: Option<BucketMaker>,
    /// Objects carry a checksum of their contents.
    checksums: bool,
}

/// Name of the checksum of contents among an object's own headers, as the reference client writes it
/// and verifies it.
const CHECKSUM: &str = "Crc32c";

impl OperatorBackend {
    /// Wraps `operator`, whose files are those of `local` if it stores files.
    pub(crate) fn new(operator: Operator, local: Option<FileRoot>) -> OperatorBackend {
        OperatorBackend {
            operator,
            local,
            bucket: None,
            checksums: false,
        }
    }

    /// Wraps `operator`, whose objects are in the bucket that `maker` makes and may carry checksums.
    pub(crate) fn in_bucket(
        operator: Operator,
        maker: BucketMaker,
        checksums: bool,
    ) -> OperatorBackend {
        OperatorBackend {
            operator,
            local: None,
            bucket: Some(maker),
            checksums,
        }
    }

    /// Whether an inexplicable failure to read `range` is the object's length.
    async fn ends_before(&self, key: &str, range: &Range<u64>) -> bool {
        let meta = self.operator.stat(key).await;
        meta.is_ok_and(|m| m.content_length() < range.end)
    }
}

#[async_trait::async_trait]
impl Backend for OperatorBackend {
    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        let request = self.operator.write_with(key, data.clone());
        let written = match self.checksums {
            true => {
                let checksum = [(CHECKSUM.to_string(), checksum(&data))];
                request.user_metadata(checksum).await
            }
            false => request.await,
        };
        written.map(|_| ()).map_err(|e| error(key, &e))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        let Some(range) = range else {
            let data = self.operator.read(key).await.map_err(|e| error(key, &e))?;
            return Ok(data.to_bytes());
        };
        match self.operator.read_with(key).range(range.clone()).await {
            Ok(data) => Ok(data.to_bytes()),
            // opendal's own length check has no kind of its own.
            Err(e) if e.kind() == opendal::ErrorKind::Unexpected && !e.is_temporary() => {
                let kind = if self.ends_before(key, &range).await {
                    ErrorKind::Short
                } else if has_odd_length(&e) {
                    ErrorKind::Transient // the object is all right, the answer was not
                } else {
                    error(key, &e).kind
                };
                Err(ObjectError {
                    kind,
                    ..error(key, &e)
                })
            }
            Err(e) => Err(error(key, &e)),
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, ObjectError> {
        let meta = self.operator.stat(key).await.map_err(|e| error(key, &e))?;
        if meta.mode() == EntryMode::DIR {
            return Err(ObjectError::new(
                ErrorKind::NotFound,
                key,
                "it is a directory",
            ));
        }
        Ok(info(key.to_string(), &meta))
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self.operator.delete(key).await {
            Err(e) if e.kind() != opendal::ErrorKind::NotFound => Err(error(key, &e)),
            _ => Ok(()),
        }
    }

    async fn list(
        &self,
        prefix: &str,
        start_after: &str,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        let capability = self.operator.info().capability();
        let pages = capability.list_with_start_after && capability.list_with_limit;
        let mut request = self.operator.lister_with(prefix).recursive(true);
        if pages {
            request = request.limit(limit);
            if !start_after.is_empty() {
                request = request.start_after(start_after);
            }
        }
        let mut entries = request.await.map_err(|e| error(prefix, &e))?;
        let mut found = Vec::new();
        while let Some(entry) = entries.try_next().await.map_err(|e| error(prefix, &e))? {
            let (key, meta) = entry.into_parts();
            if meta.mode() == EntryMode::DIR
                || !key.starts_with(prefix)
                || key.as_str() <= start_after
            {
                continue;
            }
            if pages && found.len() == limit {
                break;
            }
            found.push(info(key, &meta));
        }
        // Without start_after everything was drained, in the store's order.
        if !pages {
            found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            found.truncate(limit);
        }
        Ok(found)
    }

    async fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        let Some(local) = self.local.clone() else {
            return Ok(());
        };
        let keys = keys.to_vec();
        let first = keys.first().cloned().unwrap_or_default();
        match tokio::task::spawn_blocking(move || local.sync(&keys)).await {
            Ok(done) => done,
            Err(e) => Err(ObjectError::new(ErrorKind::Transient, first, e.to_string())),
        }
    }

    async fn put_durable(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        let Some(local) = self.local.clone() else {
            return self.put(key, data).await;
        };
        let name = key.to_string();
        match tokio::task::spawn_blocking(move || local.put_durable(&name, &data)).await {
            Ok(done) => done,
            Err(e) => Err(ObjectError::new(ErrorKind::Transient, key, e.to_string())),
        }
    }

    async fn create(&self) -> Result<(), ObjectError> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        // Whoever may list it has it; whoever may not is told by the first object that fails.
        match self.list("", "", 1).await {
            Err(e) if e.is_not_found() => bucket.make().await,
            _ => Ok(()),
        }
    }
}

/// Whether the answer was longer or shorter than what was asked for.
fn has_odd_length(e: &opendal::Error) -> bool {
    let text = e.to_string();
    text.contains("got too little data") || text.contains("got too much data")
}

fn checksum(data: &[u8]) -> String {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, data).to_string()
}

fn info(key: String, meta: &Metadata) -> ObjectInfo {
    let mtime_sec = meta
        .last_modified()
        .map_or(0, |t| t.into_inner().as_second());
    ObjectInfo {
        key,
        size: meta.content_length(),
        mtime_sec,
    }
}

/// opendal's error in our kinds. Its context goes: it repeats the address and whole heads of answers.
fn error(key: &str, e: &opendal::Error) -> ObjectError {
    use opendal::ErrorKind as Od;
    let no_bucket = e.kind() == Od::ConfigInvalid && e.message().contains("NoSuchBucket");
    let kind = match e.kind() {
        Od::NotFound => ErrorKind::NotFound,
        _ if no_bucket => ErrorKind::NotFound,
        Od::RangeNotSatisfied => ErrorKind::Short,
        Od::RateLimited => ErrorKind::Transient,
        _ if e.is_temporary() => ErrorKind::Transient,
        _ => ErrorKind::Permanent,
    };
    let mut message = match e.message() {
        "" => e.kind().to_string(),
        text => text.to_string(),
    };
    let mut source = std::error::Error::source(e);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    ObjectError::new(kind, key, message)
}
