//! Entry names: checked once, carried as a type.

use crate::Errno;
use std::fmt;
use std::sync::Arc;

/// Longest entry name, bytes.
pub const NAME_MAX: usize = 255;

/// A valid entry name: 1 to 255 bytes, no `/`, no NUL, neither `.` nor `..`. Not necessarily UTF-8.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<[u8]>);

impl Name {
    /// Checks a name that comes from outside.
    ///
    /// Errors: `ENAMETOOLONG` above 255 bytes, `ENOENT` when empty, `EINVAL` with `/` or NUL inside,
    /// `EEXIST` for `.` and `..` (they always exist).
    pub fn new(bytes: &[u8]) -> Result<Name, Errno> {
        if bytes.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if bytes.is_empty() {
            return Err(Errno::ENOENT);
        }
        if bytes.iter().any(|&b| b == b'/' || b == 0) {
            return Err(Errno::EINVAL);
        }
        if bytes == b"." || bytes == b".." {
            return Err(Errno::EEXIST);
        }
        Ok(Name(bytes.into()))
    }

    /// A name read from an engine: taken as it is, whatever an older client stored.
    pub fn stored(bytes: &[u8]) -> Name {
        Name(bytes.into())
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_names_from_outside() {
        assert!(Name::new(b"a").is_ok());
        assert!(Name::new(&[0xff, 0xfe]).is_ok());
        assert!(Name::new(&[b'a'; 255]).is_ok());
        assert_eq!(Name::new(&[b'a'; 256]), Err(Errno::ENAMETOOLONG));
        assert_eq!(Name::new(b""), Err(Errno::ENOENT));
        assert_eq!(Name::new(b"a/b"), Err(Errno::EINVAL));
        assert_eq!(Name::new(b"a\0"), Err(Errno::EINVAL));
        assert_eq!(Name::new(b".."), Err(Errno::EEXIST));
    }
}
