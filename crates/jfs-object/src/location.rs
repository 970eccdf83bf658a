//! The location of a volume's objects, and the credentials to reach them.

use jfs_crypt::Envelope;
use std::fmt;
use std::sync::Arc;

/// The location of a volume's objects. The default is none: `storage`, `bucket` and `volume_name` have to
/// be filled in.
#[derive(Clone, Default)]
pub struct Location {
    /// Kind of storage: a name of [`crate::storages`].
    pub storage: String,
    /// An absolute directory for `file`, the address of a bucket for the others.
    pub bucket: String,
    /// First part of every key.
    pub volume_name: String,
    /// Empty: what the environment offers (`AWS_ACCESS_KEY_ID`, `MINIO_ACCESS_KEY`, `COS_SECRETID`,
    /// `ALICLOUD_ACCESS_KEY_ID`, profiles, the machine's role). `anonymous` with `s3` and `minio`: requests are
    /// not signed.
    pub access_key: String,
    /// The access key's other half.
    pub secret_key: String,
    /// Goes with temporary keys.
    pub session_token: String,
    /// Storage class of new objects; empty: the bucket's. Ignored where there are no classes.
    pub storage_class: String,
    /// Buckets that the objects are spread over; 0 and 1: one. `bucket` holds a `%d` for their number.
    pub shards: u32,
    /// The encryption of objects; `None`: no encryption.
    pub envelope: Option<Arc<Envelope>>,
}

/// Shows no secret.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location")
            .field("storage", &self.storage)
            .field("bucket", &self.bucket)
            .field("volume_name", &self.volume_name)
            .field("storage_class", &self.storage_class)
            .field("shards", &self.shards)
            .field("encrypted", &self.envelope.is_some())
            .finish_non_exhaustive()
    }
}
