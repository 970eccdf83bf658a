//! An opendal operator as a [`Backend`].

use crate::backend::{Backend, ObjectInfo};
use crate::file::FileRoot;
use crate::http::bucket::HttpBucket;
use crate::http::client::{explained, is_certificate_refused};
use crate::http::refusal::is_passing;
use crate::http::transport::SigningTransport;
use crate::{ErrorKind, ObjectError};
use bytes::Bytes;
use futures_util::TryStreamExt;
use opendal::{EntryMode, Metadata, Operator};
use std::collections::BTreeMap;
use std::ops::Range;

/// An operator and what opendal does not do for its kind of storage.
#[derive(Debug)]
pub(crate) struct OperatorBackend {
    operator: Operator,
    /// For local storage, the place whose files have to be flushed by `sync`.
    local: Option<FileRoot>,
    /// For buckets behind HTTP, what opendal does not do.
    bucket: Option<HttpBucket>,
    /// For services that cannot begin a listing after a key, what makes them do so.
    resume: Option<Resume>,
}

/// Makes a listing begin after a key, for services of opendal that list in the order of keys and from the first only.
#[derive(Debug)]
pub(crate) struct Resume {
    pub(crate) transport: SigningTransport,
    pub(crate) volume_name: String,
}

impl Resume {
    /// `operator`, listing what comes after `key`.
    fn after(&self, operator: &Operator, key: &str) -> Operator {
        let transport = SigningTransport {
            marker: Some(format!("{}/{key}", self.volume_name)),
            ..self.transport.clone()
        };
        operator.clone().with_context(transport.context())
    }
}

/// Name of the checksum of contents among an object's own headers, as the reference client writes it.
const CHECKSUM: &str = "Crc32c";

impl OperatorBackend {
    /// Wraps `operator`, whose files are those of `local` if it stores files.
    pub(crate) fn new(operator: Operator, local: Option<FileRoot>) -> OperatorBackend {
        OperatorBackend {
            operator,
            local,
            bucket: None,
            resume: None,
        }
    }

    /// Wraps `operator`, whose objects are in `bucket`.
    pub(crate) fn in_bucket(
        operator: Operator,
        bucket: HttpBucket,
        resume: Option<Resume>,
    ) -> OperatorBackend {
        OperatorBackend {
            operator,
            local: None,
            bucket: Some(bucket),
            resume,
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
}

#[async_trait::async_trait]
impl Backend for OperatorBackend {
    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        let carries = self.bucket.as_ref().is_some_and(|b| b.checksum.is_some());
        let checksum = carries.then(|| checksum(&data));
        self.put_with(key, data, checksum).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        if let Some(bucket) = &self.bucket {
            return bucket.get(key, range).await;
        }
        let reader = self.operator.reader(key).await;
        let reader = reader.map_err(|e| error(key, &e))?;
        let read = match range {
            Some(range) => reader.read(range).await,
            None => reader.read(..).await,
        };
        read.map(|data| data.to_bytes()).map_err(|e| error(key, &e))
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
        let operator = match &self.resume {
            Some(resume) if !start_after.is_empty() => &resume.after(&self.operator, start_after),
            _ => &self.operator,
        };
        let mut request = operator.lister_with(prefix).recursive(true);
        if pages {
            request = request.limit(limit);
            if !start_after.is_empty() {
                request = request.start_after(start_after);
            }
        }
        let in_order = pages || self.resume.is_some();
        let mut entries = request.await.map_err(|e| error(prefix, &e))?;
        // A store that lists in some order of its own is read to the end, for the first keys.
        let mut found = BTreeMap::new();
        while let Some(entry) = entries.try_next().await.map_err(|e| error(prefix, &e))? {
            let (key, meta) = entry.into_parts();
            if meta.mode() == EntryMode::DIR
                || !key.starts_with(prefix)
                || key.as_str() <= start_after
            {
                continue;
            }
            if in_order && found.len() == limit {
                break;
            }
            found.insert(key.clone(), info(key, &meta));
            if found.len() > limit {
                found.pop_last();
            }
        }
        Ok(found.into_values().collect())
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
        // A listing that is allowed proves that the bucket exists.
        match self.list("", "", 1).await {
            Err(e) if e.is_not_found() => bucket.make().await,
            // The first object would wait as long.
            Err(e) if e.kind == ErrorKind::Timeout => {
                Err(ObjectError::new(e.kind, "the bucket", e.message))
            }
            // A bucket that refuses listings may take objects. The first object tells.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

fn checksum(data: &[u8]) -> u32 {
    // A checksum of 32 bits in a type that holds those of 64 too.
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, data) as u32
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
    // The next attempt finds descriptors for its connection then.
    jfs_types::descriptors::free(e);
    let no_bucket = e.kind() == Od::ConfigInvalid && e.message().contains("NoSuchBucket");
    let told = told(e.message());
    let kind = match e.kind() {
        _ if told.is_some_and(|(code, _)| is_passing(code)) => ErrorKind::Transient,
        Od::NotFound => ErrorKind::NotFound,
        _ if no_bucket => ErrorKind::NotFound,
        Od::RangeNotSatisfied => ErrorKind::Short,
        Od::RateLimited => ErrorKind::Transient,
        _ if e.is_temporary() => ErrorKind::Transient,
        _ => ErrorKind::Permanent,
    };
    let mut message = match (told, e.message()) {
        (Some((code, text)), _) => format!("{code}: {text}"),
        (None, "") => e.kind().to_string(),
        (None, text) => text.to_string(),
    };
    let mut source = std::error::Error::source(e);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let cause = std::error::Error::source(e).and_then(|cause| cause.downcast_ref());
    let kind = match kind {
        _ if is_certificate_refused(&message) => ErrorKind::Permanent,
        ErrorKind::Transient if cause.is_some_and(reqwest::Error::is_timeout) => ErrorKind::Timeout,
        kind => kind,
    };
    ObjectError::new(kind, key, explained(message, &host(e)))
}

/// The host of the request that failed, which only the text of the error tells.
fn host(e: &opendal::Error) -> String {
    let text = e.to_string();
    let uri = text.split_once("url: ").and_then(|(_, rest)| {
        let end = rest.find([',', ' ', '}']).unwrap_or(rest.len());
        rest[..end].parse::<http::Uri>().ok()
    });
    let host = uri.as_ref().and_then(http::Uri::host);
    host.unwrap_or_default().to_string()
}

/// Code and message of a server's answer, which opendal shows as `S3Error { code: "...", message: "...", ... }`.
fn told(message: &str) -> Option<(&str, &str)> {
    let field = |name: &str| {
        let (_, rest) = message.split_once(&format!("{name}: \""))?;
        rest.split_once('"').map(|(text, _)| text)
    };
    field("code").zip(field("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_named_and_the_address_is_not_shown() {
        let cause = std::io::Error::other("dns error: failed to lookup address information");
        let e = opendal::Error::new(opendal::ErrorKind::Unexpected, "send http request")
            .with_operation("reqwest::send")
            .with_context("url", "https://b.example.com/x?signature=hush,y")
            .with_context("service", "cos")
            .set_source(cause);
        let said = error("x", &e).message;
        assert!(
            said.contains("host b.example.com cannot be found"),
            "{said}"
        );
        assert!(!said.contains("hush"), "{said}");
    }
}
