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

/// Name of the checksum of contents among an object's own headers, as the reference client writes it.
const CHECKSUM: &str = "Crc32c";
/// The same name as answers show it.
const CHECKSUM_READ: &str = "crc32c";

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

    /// Stores an object that carries `checksum`.
    pub(crate) async fn put_with(
        &self,
        key: &str,
        data: Bytes,
        checksum: Option<u32>,
    ) -> Result<(), ObjectError> {
        let request = self.operator.write_with(key, data);
        let written = match checksum {
            Some(checksum) => {
                let header = [(CHECKSUM.to_string(), checksum.to_string())];
                request.user_metadata(header).await
            }
            None => request.await,
        };
        written.map(|_| ()).map_err(|e| error(key, &e))
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
        let checksum = self.checksums.then(|| checksum(&data));
        self.put_with(key, data, checksum).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        let reader = self.operator.reader(key).await;
        let reader = reader.map_err(|e| error(key, &e))?;
        let read = match &range {
            Some(range) => reader.read(range.clone()).await,
            None => reader.read(..).await,
        };
        let data = match (read, range.as_ref()) {
            (Ok(data), _) => data.to_bytes(),
            // opendal's own length check has no kind of its own.
            (Err(e), Some(range))
                if e.kind() == opendal::ErrorKind::Unexpected && !e.is_temporary() =>
            {
                let kind = if self.ends_before(key, range).await {
                    ErrorKind::Short
                } else if has_odd_length(&e) {
                    ErrorKind::Transient // the object is all right, the answer was not
                } else {
                    error(key, &e).kind
                };
                return Err(ObjectError {
                    kind,
                    ..error(key, &e)
                });
            }
            (Err(e), _) => return Err(error(key, &e)),
        };
        // The answer that brought the data has brought the object's headers too.
        if self.checksums
            && let Some(meta) = reader.metadata()
            && range.is_none_or(|r| r.start == 0 && r.end == meta.content_length())
        {
            verify(key, meta, &data)?;
        }
        Ok(data)
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

    fn needs_sync(&self) -> bool {
        self.local.is_some()
    }

    fn unflushed(&self, keys: &[String]) -> Option<ObjectError> {
        self.local.as_ref()?.refused(keys)
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

fn checksum(data: &[u8]) -> u32 {
    // A checksum of 32 bits in a type that holds those of 64 too.
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, data) as u32
}

/// Compares a whole object with the checksum that it carries. Not all do, and what is no number is
/// nobody's checksum: then the data counts as it is.
fn verify(key: &str, meta: &Metadata, data: &[u8]) -> Result<(), ObjectError> {
    let headers = meta.user_metadata();
    let Some(text) = headers.and_then(|headers| headers.get(CHECKSUM_READ)) else {
        return Ok(());
    };
    let Ok(stored) = text.parse::<i64>() else {
        tracing::warn!("object {key}: its checksum is no number: {text:?}");
        return Ok(());
    };
    let (stored, found) = (stored as u32, checksum(data));
    if stored == found {
        return Ok(());
    }
    let message = format!("its checksum is {found}, and was {stored} when it was stored");
    Err(ObjectError::new(ErrorKind::Altered, key, message))
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
