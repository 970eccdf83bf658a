//! From the storage named in a volume's setting to a backend.

use crate::encrypted::Encrypted;
use crate::file::{FileBuilder, FileRoot};
use crate::operator::OperatorBackend;
use crate::shards::{self, Shards};
use crate::{Backend, Location, ObjectError, s3};
use opendal::Operator;
use opendal::services::Memory;
use std::path::Path;
use std::sync::Arc;

/// The backend for a location.
pub(crate) fn open_backend(location: &Location) -> Result<Arc<dyn Backend>, ObjectError> {
    let (bucket, name) = (&location.bucket, &location.volume_name);
    if name.is_empty() || name.contains('/') {
        let why = format!("{name:?} is not a volume name");
        return Err(ObjectError::permanent(bucket, why));
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
    let bucket = location.bucket.as_str();
    let bad = |why: String| Err(ObjectError::permanent(bucket, why));
    match location.storage.as_str() {
        "file" => {
            if !Path::new(bucket).is_absolute() {
                return bad(format!(
                    "the bucket of file storage is an absolute path, not {bucket:?}"
                ));
            }
            let root = FileRoot::new(Path::new(bucket), &location.volume_name);
            let operator = Operator::new(FileBuilder::new(root.clone()));
            let operator = operator.map_err(|e| unopened(bucket, &e))?;
            Ok(Arc::new(OperatorBackend::new(operator, Some(root))))
        }
        "mem" => {
            let operator = Operator::new(Memory::default()).map_err(|e| unopened(bucket, &e))?;
            Ok(Arc::new(OperatorBackend::new(operator, None)))
        }
        "s3" | "minio" => Ok(Arc::new(s3::open(location)?)),
        other => bad(format!(
            "storage {other:?} is not supported yet (supported: file, s3, minio, mem)"
        )),
    }
}

fn unopened(bucket: &str, error: &opendal::Error) -> ObjectError {
    ObjectError::permanent(bucket, error.to_string())
}
