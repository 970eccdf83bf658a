//! The seam beneath [`crate::ObjectStore`]: the duties of a kind of storage.

use crate::ObjectError;
use bytes::Bytes;
use std::fmt::Debug;
use std::ops::Range;

/// One object as a listing or a look at it shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key, below the volume's name.
    pub key: String,
    /// Its length, bytes.
    pub size: u64,
    /// When it was written, Unix seconds; 0 when the store does not say.
    pub mtime_sec: i64,
}

/// A kind of storage. Implementations neither retry nor time out nor limit: [`crate::ObjectStore`]
/// does. Keys are checked before they arrive here. All methods may run at the same time.
#[async_trait::async_trait]
pub trait Backend: Send + Sync + Debug {
    /// Stores an object whole, replacing what was there. A reader sees the old object or the new
    /// one, never a part.
    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError>;

    /// Reads a range, or all. A range that reaches past the end gives `Short` or the bytes there
    /// are; the caller checks.
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError>;

    /// Looks at an object without reading it.
    async fn head(&self, key: &str) -> Result<ObjectInfo, ObjectError>;

    /// Deletes an object. One that is missing counts as deleted.
    async fn delete(&self, key: &str) -> Result<(), ObjectError>;

    /// The first `limit` objects whose key begins with `prefix` and is greater than `start_after`,
    /// in byte order of their keys.
    async fn list(
        &self,
        prefix: &str,
        start_after: &str,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError>;

    /// Makes objects that were put before survive a power cut. Nothing to do for stores that are
    /// durable when they answer a put. A flush that failed gives `Unflushed`, and gives it again until
    /// the object is put again. A second call must not hide the loss.
    async fn sync(&self, keys: &[String]) -> Result<(), ObjectError>;

    /// Whether objects may be lost in a power cut before they are synced.
    fn needs_sync(&self) -> bool {
        true
    }

    /// Whether a sync of these objects would give `Unflushed`, by what is known without one.
    fn unflushed(&self, _keys: &[String]) -> Option<ObjectError> {
        None
    }

    /// [`Backend::put`] and [`Backend::sync`] of one object in one call.
    async fn put_durable(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.put(key, data).await?;
        self.sync(&[key.to_string()]).await
    }

    /// Makes the place that holds the objects, if it is missing and this kind of storage has one.
    async fn create(&self) -> Result<(), ObjectError> {
        Ok(())
    }

    /// Whether reading a range costs less than reading the whole object.
    fn reads_ranges(&self) -> bool {
        true
    }
}
