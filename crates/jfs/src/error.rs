//! What can go wrong on the way to an open volume, in words for a person.

use jfs_meta::EngineError;
use jfs_types::Errno;

/// Why a volume cannot be opened, formatted or worked on. The text names the thing and the fix, and
/// never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The metadata URL is none we know.
    #[error("{0}")]
    Url(String),
    /// The metadata engine failed.
    #[error("metadata engine: {0}")]
    Engine(EngineError),
    /// The database holds no volume.
    #[error(
        "{}: `jfs format` makes a volume there",
        jfs_telemetry::scripted::NOT_FORMATTED
    )]
    NotFormatted,
    /// The stored setting cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The volume needs something this client does not have.
    #[error("{0}")]
    Unsupported(String),
    /// The object storage cannot be used.
    #[error("object storage: {0}")]
    Storage(String),
    /// The local cache cannot be used.
    #[error("cache: {0}")]
    Cache(String),
    /// Written data is lost: the files, how much, and why.
    #[error("{0}")]
    Unwritten(String),
    /// A file system operation failed.
    #[error("{0}")]
    Errno(Errno),
}

// No sources: the texts above hold them, and who prints the chain would print them twice.
impl From<EngineError> for Error {
    fn from(e: EngineError) -> Error {
        Error::Engine(e)
    }
}

impl From<Errno> for Error {
    fn from(e: Errno) -> Error {
        Error::Errno(e)
    }
}
