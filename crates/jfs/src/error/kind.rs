//! Kinds of failures, and which error number is which.

use jfs_types::Errno;
use std::fmt;

/// What kind of failure an [`crate::Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A component of the path does not exist, or the file is gone.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The user of the view may not do that.
    PermissionDenied,
    /// A component of the path is no directory.
    NotADirectory,
    /// The path leads to a directory, where a file is needed.
    IsADirectory,
    /// The directory has entries.
    DirectoryNotEmpty,
    /// The path leads through more than 40 symbolic links.
    TooManyLinks,
    /// A name is longer than 255 bytes, or the path longer than 4096.
    NameTooLong,
    /// An argument is out of its range, or options contradict each other.
    InvalidInput,
    /// The volume was opened read-only, or can only be read.
    ReadOnly,
    /// The volume is at its limit of bytes or inodes.
    NoSpace,
    /// A directory above is at its quota.
    QuotaExceeded,
    /// The file would be larger than a file can be.
    FileTooLarge,
    /// Another owner holds a lock in the way.
    WouldBlock,
    /// The file is not open for this: reading, or writing.
    NotOpenFor,
    /// The directory or file is in use by the file system itself.
    Busy,
    /// The operation does not exist here, or not for this type of file.
    Unsupported,
    /// The volume is closed.
    Closed,
    /// The metadata engine or the object store failed. The log says more.
    Io,
    /// Written data is lost: the text names files and bytes.
    Unwritten,
    /// The metadata URL is of no known kind, or its engine is not in this build.
    Url,
    /// The metadata engine cannot be used.
    Metadata,
    /// The database holds no volume.
    NotFormatted,
    /// The stored setting, or the one that was asked for, cannot be used.
    Setting,
    /// The volume needs what this version does not have.
    UnsupportedVolume,
    /// The object store cannot be used.
    Storage,
    /// The block cache cannot be used.
    Cache,
    /// Another error number; [`crate::Error::errno`] has it.
    Other,
}

impl ErrorKind {
    pub(crate) fn of(errno: Errno) -> ErrorKind {
        match errno {
            Errno::ENOENT | Errno::ESTALE => ErrorKind::NotFound,
            Errno::EEXIST => ErrorKind::AlreadyExists,
            Errno::EACCES | Errno::EPERM => ErrorKind::PermissionDenied,
            Errno::ENOTDIR => ErrorKind::NotADirectory,
            Errno::EISDIR => ErrorKind::IsADirectory,
            Errno::ENOTEMPTY => ErrorKind::DirectoryNotEmpty,
            Errno::ELOOP => ErrorKind::TooManyLinks,
            Errno::ENAMETOOLONG => ErrorKind::NameTooLong,
            Errno::EINVAL | Errno::ERANGE => ErrorKind::InvalidInput,
            Errno::EROFS => ErrorKind::ReadOnly,
            Errno::ENOSPC => ErrorKind::NoSpace,
            Errno::EDQUOT => ErrorKind::QuotaExceeded,
            Errno::EFBIG => ErrorKind::FileTooLarge,
            Errno::EAGAIN => ErrorKind::WouldBlock,
            Errno::EBADF => ErrorKind::NotOpenFor,
            Errno::EBUSY => ErrorKind::Busy,
            Errno::ENOTSUP | Errno::ENOSYS | Errno::ENXIO => ErrorKind::Unsupported,
            Errno::EIO => ErrorKind::Io,
            _ => ErrorKind::Other,
        }
    }

    fn text(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "not found",
            ErrorKind::AlreadyExists => "it already exists",
            ErrorKind::PermissionDenied => "not permitted",
            ErrorKind::NotADirectory => "not a directory",
            ErrorKind::IsADirectory => "a directory",
            ErrorKind::DirectoryNotEmpty => "the directory is not empty",
            ErrorKind::TooManyLinks => "more than 40 symbolic links",
            ErrorKind::NameTooLong => "the name is too long",
            ErrorKind::InvalidInput => "an invalid argument",
            ErrorKind::ReadOnly => "the volume is read-only",
            ErrorKind::NoSpace => "the volume is full",
            ErrorKind::QuotaExceeded => "a quota is used up",
            ErrorKind::FileTooLarge => "the file would be too large",
            ErrorKind::WouldBlock => "a lock is held by another owner",
            ErrorKind::NotOpenFor => {
                "the file is not open for that, or was removed by another client"
            }
            ErrorKind::Busy => "in use",
            ErrorKind::Unsupported => "not supported",
            ErrorKind::Closed => "the volume is closed",
            ErrorKind::Io => "the metadata engine or the object store failed",
            ErrorKind::Unwritten => "written data is lost",
            ErrorKind::Url => "an unknown metadata URL",
            ErrorKind::Metadata => "the metadata engine failed",
            ErrorKind::NotFormatted => "no volume",
            ErrorKind::Setting => "an unusable setting",
            ErrorKind::UnsupportedVolume => "an unsupported volume",
            ErrorKind::Storage => "the object store failed",
            ErrorKind::Cache => "the cache failed",
            ErrorKind::Other => "an error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
