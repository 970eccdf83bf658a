//! What can go wrong: a kind to act on, and words for a person.

mod kind;

use jfs_meta::EngineError;
use jfs_types::Errno;
pub use kind::ErrorKind;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why an operation failed.
///
/// [`Error::kind`] is for programs. The text names the operation, the path and the fix where there is one, and never
/// holds a secret. Errors of operations on files carry the error number, also as their source. `?` turns an error
/// into a [`std::io::Error`] of the kind that the standard library uses for that number.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    /// What was tried, as a method of this crate is named.
    operation: Option<&'static str>,
    path: Option<PathBuf>,
    errno: Option<Errno>,
    /// The whole text of an error that concerns no path.
    text: String,
}

impl Error {
    /// An operation on `path` was answered with `errno`.
    pub(crate) fn on(operation: &'static str, path: &Path, errno: Errno) -> Error {
        Error(Box::new(Inner {
            kind: ErrorKind::of(errno),
            operation: Some(operation),
            path: Some(path.to_path_buf()),
            errno: Some(errno),
            text: String::new(),
        }))
    }

    /// As [`Error::on`] when the kind says more than the number.
    pub(crate) fn of_kind(
        kind: ErrorKind,
        operation: &'static str,
        path: &Path,
        errno: Errno,
    ) -> Error {
        let mut error = Error::on(operation, path, errno);
        error.0.kind = kind;
        error
    }

    /// The same failure of another operation, that was made of the one that failed. A path that is in it stays.
    pub(crate) fn renamed(mut self, operation: &'static str, path: &Path) -> Error {
        self.0.operation = Some(operation);
        self.0.path.get_or_insert_with(|| path.to_path_buf());
        self
    }

    fn plain(kind: ErrorKind, text: String) -> Error {
        Error(Box::new(Inner {
            kind,
            operation: None,
            path: None,
            errno: None,
            text,
        }))
    }

    pub(crate) fn url(text: impl Into<String>) -> Error {
        Error::plain(ErrorKind::Url, text.into())
    }

    /// The database holds no volume.
    pub fn not_formatted() -> Error {
        let text = format!(
            "{}: `jfs format` makes a volume there",
            jfs_telemetry::scripted::NOT_FORMATTED
        );
        Error::plain(ErrorKind::NotFormatted, text)
    }

    pub(crate) fn already_formatted(url: &str) -> Error {
        let text = format!("{url} holds a volume already");
        Error::plain(ErrorKind::AlreadyExists, text)
    }

    pub(crate) fn setting(text: impl Into<String>) -> Error {
        Error::plain(ErrorKind::Setting, text.into())
    }

    pub(crate) fn unsupported(text: impl Into<String>) -> Error {
        Error::plain(ErrorKind::UnsupportedVolume, text.into())
    }

    pub(crate) fn storage(text: impl fmt::Display) -> Error {
        Error::plain(ErrorKind::Storage, format!("object storage: {text}"))
    }

    pub(crate) fn cache(text: impl fmt::Display) -> Error {
        Error::plain(ErrorKind::Cache, format!("cache: {text}"))
    }

    pub(crate) fn unwritten(text: impl Into<String>) -> Error {
        Error::plain(ErrorKind::Unwritten, text.into())
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation on a file or directory that failed, by the name of its method.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// The path as it was given to the operation.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The error number, as a system call would have given it.
    pub fn errno(&self) -> Option<i32> {
        self.0.errno.map(|e| e.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        match (inner.operation, &inner.path) {
            (Some(operation), Some(path)) => {
                write!(f, "{operation} {}: {}", path.display(), inner.kind)
            }
            _ => f.write_str(&inner.text),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [{:?}", self.0.kind)?;
        if let Some(errno) = self.0.errno {
            write!(f, ", {errno:?}")?;
        }
        f.write_str("]")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The text of an error without a path holds its cause.
        match (&self.0.path, &self.0.errno) {
            (Some(_), Some(errno)) => Some(errno),
            _ => None,
        }
    }
}

impl From<EngineError> for Error {
    fn from(e: EngineError) -> Error {
        Error::plain(ErrorKind::Metadata, format!("metadata engine: {e}"))
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Error {
        let mut error = Error::plain(ErrorKind::of(errno), errno.to_string());
        error.0.errno = Some(errno);
        error
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        let kind = match error.0.errno {
            Some(errno) => std::io::Error::from_raw_os_error(errno.0).kind(),
            None => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_error_tells_kind_operation_path_and_number() {
        let error = Error::on("open", Path::new("/a/b"), Errno::ENOENT);
        assert_eq!(error.to_string(), "open /a/b: not found");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.operation(), Some("open"));
        assert_eq!(error.path(), Some(Path::new("/a/b")));
        assert_eq!(error.errno(), Some(Errno::ENOENT.0));
        let source = error.source().map(ToString::to_string);
        assert_eq!(
            source.as_deref(),
            Some("no such file or directory (ENOENT)")
        );
        let io: std::io::Error = error.into();
        assert_eq!(io.kind(), std::io::ErrorKind::NotFound);
        assert!(io.to_string().contains("/a/b"), "{io}");
    }
}
