//! Absolute paths, computed from their text alone. No file system is asked.

use std::path::{Component, Path, PathBuf};

/// The path from the root, without `.` and with `..` resolved by name. Links are not followed. `base` is
/// the directory that a relative path starts from.
pub fn absolute(path: &str, base: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// The bucket of file storage as the setting holds it: an absolute directory that ends in `/`.
pub fn file_bucket(bucket: &str, base: &Path) -> String {
    let path = absolute(bucket, base).display().to_string();
    if path.ends_with('/') {
        path
    } else {
        format!("{path}/")
    }
}
