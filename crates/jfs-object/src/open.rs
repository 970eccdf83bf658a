//! Opens the backend that a volume's setting names.

use crate::cos::COS;
use crate::encrypted::Encrypted;
use crate::file::{FileBuilder, FileRoot};
use crate::http::host::BucketHost;
use crate::operator::OperatorBackend;
use crate::oss::OSS;
use crate::shards::{self, Shards};
use crate::{Backend, Location, ObjectError, s3, vendor};
use opendal::Operator;
use opendal::services::Memory;
use std::path::Path;
use std::sync::Arc;

/// One kind of storage.
struct Storage {
    /// As in `--storage`.
    name: &'static str,
    /// Opens one bucket of it.
    open: fn(&Location) -> Result<OperatorBackend, ObjectError>,
    /// The bucket as log lines show it, from its address; `None`: as written.
    shown: Option<fn(&str) -> String>,
}

/// Every kind of storage. A new one is a row here and a feature of opendal.
const STORAGES: &[Storage] = &[
    Storage {
        name: "file",
        open: open_file,
        shown: None,
    },
    Storage {
        name: "s3",
        open: s3::open,
        shown: None,
    },
    Storage {
        name: "minio",
        open: s3::open,
        shown: None,
    },
    Storage {
        name: "cos",
        open: |location| vendor::open(&COS, location),
        shown: Some(BucketHost::shown),
    },
    Storage {
        name: "oss",
        open: |location| vendor::open(&OSS, location),
        shown: Some(BucketHost::shown),
    },
    Storage {
        name: "mem",
        open: open_mem,
        shown: None,
    },
];

/// The names of all kinds of storage.
pub fn storages() -> impl Iterator<Item = &'static str> {
    STORAGES.iter().map(|storage| storage.name)
}

/// The bucket of a volume as the reference's log lines show it, where that is not its address.
pub fn shown_bucket(storage: &str, bucket: &str) -> Option<String> {
    let row = STORAGES.iter().find(|row| row.name == storage)?;
    Some(row.shown?(bucket))
}

/// The backend for a location.
pub(crate) fn open_backend(location: &Location) -> Result<Arc<dyn Backend>, ObjectError> {
    let (bucket, name) = (&location.bucket, &location.volume_name);
    if name.is_empty() || name.contains('/') {
        let why = format!("{name:?} is not a volume name");
        return Err(bad_place(location, why));
    }
    let plain: Arc<dyn Backend> = match location.shards {
        0 | 1 => open_one(location)?,
        count => {
            let shown = jfs_telemetry::mask_url(bucket);
            let buckets = shards::buckets(bucket, count)
                .map_err(|why| ObjectError::permanent(&shown, why))?;
            let stores = buckets.into_iter().map(|bucket| {
                open_one(&Location {
                    bucket,
                    ..location.clone()
                })
            });
            Arc::new(Shards::new(name, stores.collect::<Result<_, _>>()?))
        }
    };
    Ok(match &location.envelope {
        Some(envelope) => Arc::new(Encrypted::new(plain, envelope.clone())),
        None => plain,
    })
}

/// The backend for a single bucket.
fn open_one(location: &Location) -> Result<Arc<dyn Backend>, ObjectError> {
    Ok(Arc::new(open_bucket(location)?))
}

pub(crate) fn open_bucket(location: &Location) -> Result<OperatorBackend, ObjectError> {
    let storage = &location.storage;
    match STORAGES.iter().find(|row| row.name == storage) {
        Some(row) => (row.open)(location),
        None => {
            let known = storages().collect::<Vec<_>>().join(", ");
            let why = format!("storage {storage:?} is not supported yet (supported: {known})");
            Err(bad_place(location, why))
        }
    }
}

/// A bucket that cannot be opened. Its address is shown without the keys that it may hold.
fn bad_place(location: &Location, why: impl Into<String>) -> ObjectError {
    ObjectError::permanent(&jfs_telemetry::mask_url(&location.bucket), why)
}

fn open_file(location: &Location) -> Result<OperatorBackend, ObjectError> {
    let bucket = location.bucket.as_str();
    if !Path::new(bucket).is_absolute() {
        let why = format!(
            "the bucket of file storage is an absolute path, not {:?}",
            jfs_telemetry::mask_url(bucket)
        );
        return Err(bad_place(location, why));
    }
    let root = FileRoot::new(Path::new(bucket), &location.volume_name);
    let operator = Operator::new(FileBuilder::new(root.clone()));
    let operator = operator.map_err(|e| unopened(bucket, &e))?;
    Ok(OperatorBackend::new(operator, Some(root)))
}

fn open_mem(location: &Location) -> Result<OperatorBackend, ObjectError> {
    let operator = Operator::new(Memory::default());
    let operator = operator.map_err(|e| unopened(&location.bucket, &e))?;
    Ok(OperatorBackend::new(operator, None))
}

fn unopened(bucket: &str, error: &opendal::Error) -> ObjectError {
    ObjectError::permanent(bucket, error.to_string())
}
