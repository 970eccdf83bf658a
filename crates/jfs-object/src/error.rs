//! Errors of object stores, in kinds that the caller can act on.

use std::fmt;

/// The kinds of [`ObjectError`], by the action that the caller can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such object. An answer, not a fault.
    NotFound,
    /// The object is shorter than the range that was asked for. Trying again gives the same.
    Short,
    /// The object is there, but its contents are not what was stored.
    Damaged,
    /// The contents are not those that the object's checksum was made of: changed in the store, or on
    /// the way here. Was read again as often as the options say.
    Altered,
    /// The disk has refused to flush it. A repetition would succeed and prove nothing: what had not
    /// arrived may be lost. Stays so until the object is put again.
    Unflushed,
    /// No answer within the deadline. The request may still take effect.
    Timeout,
    /// A fault that may pass; was retried as often as the options say.
    Transient,
    /// A fault that trying again does not mend (permissions, space, a bad key, ...).
    Permanent,
}

impl ErrorKind {
    /// Whether another attempt makes sense.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            ErrorKind::Altered | ErrorKind::Timeout | ErrorKind::Transient
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::NotFound => "not found",
            ErrorKind::Short => "too short",
            ErrorKind::Damaged => "damaged",
            ErrorKind::Altered => "altered",
            ErrorKind::Unflushed => "not flushed",
            ErrorKind::Timeout => "timed out",
            ErrorKind::Transient => "failed",
            ErrorKind::Permanent => "failed for good",
        })
    }
}

/// A request to an object store that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("object {key}: {kind}: {message}")]
pub struct ObjectError {
    /// The action that the caller can take.
    pub kind: ErrorKind,
    /// The object, or what else the request was about.
    pub key: String,
    /// The message of the store.
    pub message: String,
}

impl ObjectError {
    /// An error of `kind` about `key`.
    pub fn new(kind: ErrorKind, key: impl Into<String>, message: impl Into<String>) -> ObjectError {
        ObjectError {
            kind,
            key: key.into(),
            message: message.into(),
        }
    }

    /// A fault that stays.
    pub(crate) fn permanent(key: &str, message: impl Into<String>) -> ObjectError {
        ObjectError::new(ErrorKind::Permanent, key, message)
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// The error of an operating system call on `key`.
    pub(crate) fn from_io(key: &str, error: &std::io::Error) -> ObjectError {
        ObjectError::new(io_kind(error), key, error.to_string())
    }
}

/// Which faults of a local disk may pass and which stay.
pub(crate) fn io_kind(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::TimedOut => ErrorKind::Timeout,
        Io::PermissionDenied
        | Io::StorageFull
        | Io::QuotaExceeded
        | Io::ReadOnlyFilesystem
        | Io::NotADirectory
        | Io::IsADirectory
        | Io::InvalidFilename
        | Io::InvalidInput
        | Io::FileTooLarge
        | Io::Unsupported => ErrorKind::Permanent,
        _ => ErrorKind::Transient,
    }
}
