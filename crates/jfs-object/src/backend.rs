//! What a kind of storage implements.

use crate::ObjectError;
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key below the volume's name.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// One kind of storage. Every call is one request; retries, deadlines and length checks are made
/// above it.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Where objects go, for people: `file:///var/jfs/name/`.
    fn location(&self) -> String;
    /// Stores an object whole: readers see all of it or none.
    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError>;
    /// Reads an object or a range of it; a range past the end comes back short.
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError>;
    /// Size of an object.
    async fn head(&self, key: &str) -> Result<u64, ObjectError>;
    /// Deletes an object; one that is missing is no error.
    async fn delete(&self, key: &str) -> Result<(), ObjectError>;
    /// At most `limit` objects whose key starts with `prefix`, in key order, after `start_after`.
    async fn list(&self, prefix: &str, start_after: &str, limit: usize) -> Result<Vec<ObjectInfo>, ObjectError>;
    /// Makes objects that were put survive a power cut. Nothing to do where `put` does that.
    async fn sync(&self, keys: &[String]) -> Result<(), ObjectError>;
}
