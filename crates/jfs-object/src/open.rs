//! From the storage named in a volume's setting to a backend.

use crate::file::{FileBuilder, FileRoot};
use crate::operator::OperatorBackend;
use crate::{Backend, ErrorKind, ObjectError};
use opendal::Operator;
use opendal::services::Memory;
use std::path::Path;
use std::sync::Arc;

/// The backend for `storage`, with keys below `volume_name`.
pub(crate) fn open_backend(
    storage: &str,
    bucket: &str,
    volume_name: &str,
) -> Result<Arc<dyn Backend>, ObjectError> {
    let bad = |why: String| Err(ObjectError::new(ErrorKind::Permanent, bucket, why));
    if volume_name.is_empty() || volume_name.contains('/') {
        return bad(format!("{volume_name:?} is not a volume name"));
    }
    match storage {
        "file" => {
            if !Path::new(bucket).is_absolute() {
                return bad(format!(
                    "the bucket of file storage is an absolute path, not {bucket:?}"
                ));
            }
            let root = FileRoot::new(Path::new(bucket), volume_name);
            let operator = Operator::new(FileBuilder::new(root.clone()));
            let operator = operator.map_err(|e| unopened(bucket, &e))?;
            Ok(Arc::new(OperatorBackend::new(operator, Some(root))))
        }
        "mem" => {
            let operator = Operator::new(Memory::default()).map_err(|e| unopened(bucket, &e))?;
            Ok(Arc::new(OperatorBackend::new(operator, None)))
        }
        other => bad(format!(
            "storage {other:?} is not supported yet (supported: file, mem)"
        )),
    }
}

fn unopened(bucket: &str, error: &opendal::Error) -> ObjectError {
    ObjectError::new(ErrorKind::Permanent, bucket, error.to_string())
}
