//! The rules for keys of objects.

use crate::{ErrorKind, ObjectError};

/// Longest key, bytes: what S3 allows.
const KEY_MAX_BYTES: usize = 1024;

/// Refuses keys that stores understand differently or that lead out of the volume's place.
pub(crate) fn check_key(key: &str) -> Result<(), ObjectError> {
    let bad = |why: &str| Err(ObjectError::new(ErrorKind::Permanent, key, why));
    if key.is_empty() || key.len() > KEY_MAX_BYTES {
        return bad("a key has 1 to 1024 bytes");
    }
    if key.contains('\0') {
        return bad("a key has no zero byte");
    }
    if key
        .split('/')
        .any(|part| part.is_empty() || part == "." || part == "..")
    {
        return bad("a key has no empty, '.' or '..' parts");
    }
    Ok(())
}

/// Refuses prefixes that lead out of the volume's place. The empty prefix lists everything.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), ObjectError> {
    if prefix.is_empty() {
        return Ok(());
    }
    check_key(prefix.strip_suffix('/').unwrap_or(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_the_volume() {
        for good in ["a", "chunks/0/0/1_0_4096", ".jfs.x.tmp.1", "a b/ü"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        let long = "x".repeat(KEY_MAX_BYTES + 1);
        for bad in [
            "", "/a", "a/", "a//b", "../a", "a/../b", "a/.", "a\0", &long,
        ] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
        assert!(check_prefix("").is_ok() && check_prefix("chunks/").is_ok());
        assert!(check_prefix("chunks/0/1_").is_ok() && check_prefix("../").is_err());
    }
}
