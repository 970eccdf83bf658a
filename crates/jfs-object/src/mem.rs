//! Objects in memory, for tests: opendal's memory service.

use crate::{Backend, ErrorKind, ObjectError, ObjectInfo};
use async_trait::async_trait;
use bytes::Bytes;
use opendal::{Operator, services};
use std::ops::Range;

/// A store in memory.
pub(crate) struct MemBackend {
    operator: Operator,
}

impl MemBackend {
    pub(crate) fn new() -> Result<MemBackend, ObjectError> {
        let operator = Operator::new(services::Memory::default()).map_err(|e| convert("", &e))?;
        Ok(MemBackend { operator })
    }
}

fn convert(key: &str, e: &opendal::Error) -> ObjectError {
    let kind = match e.kind() {
        opendal::ErrorKind::NotFound => ErrorKind::NotFound,
        _ if e.is_temporary() => ErrorKind::Transient,
        _ => ErrorKind::Permanent,
    };
    ObjectError::new(kind, key, e.to_string())
}

#[async_trait]
impl Backend for MemBackend {
    fn location(&self) -> String {
        "mem://".to_string()
    }

    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.operator.write(key, data).await.map(|_| ()).map_err(|e| convert(key, &e))
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        let whole = self.operator.read(key).await.map_err(|e| convert(key, &e))?.to_bytes();
        Ok(match range {
            None => whole,
            Some(r) => {
                let len = whole.len() as u64;
                whole.slice(r.start.min(len) as usize..r.end.min(len) as usize)
            }
        })
    }

    async fn head(&self, key: &str) -> Result<u64, ObjectError> {
        self.operator.stat(key).await.map(|m| m.content_length()).map_err(|e| convert(key, &e))
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.operator.delete(key).await.map_err(|e| convert(key, &e))
    }

    async fn list(&self, prefix: &str, start_after: &str, limit: usize) -> Result<Vec<ObjectInfo>, ObjectError> {
        let all = self.operator.list_with("").recursive(true).await.map_err(|e| convert(prefix, &e))?;
        let mut found: Vec<ObjectInfo> = all
            .into_iter()
            .filter(|e| e.metadata().is_file() && e.path().starts_with(prefix) && e.path() > start_after)
            .map(|e| ObjectInfo { key: e.path().to_string(), size: e.metadata().content_length() })
            .collect();
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found.truncate(limit);
        Ok(found)
    }

    async fn sync(&self, _: &[String]) -> Result<(), ObjectError> {
        Ok(())
    }
}
