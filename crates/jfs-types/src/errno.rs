//! Error numbers that file system operations answer with.

use std::fmt;

/// A Linux error number, as the kernel and POSIX name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident $text:literal),* $(,)?) => {
        #[allow(missing_docs, reason = "the names are POSIX")]
        impl Errno {
            $(pub const $name: Errno = Errno(libc::$name);)*
            /// The symbolic name, `E???` for one that is not listed here.
            pub fn name(self) -> &'static str {
                match self.0 { $(libc::$name => stringify!($name),)* _ => "E???" }
            }
            /// The C library's text, in lower case.
            pub fn text(self) -> &'static str {
                match self.0 { $(libc::$name => $text,)* _ => "unknown error" }
            }
        }
    };
}

errnos! {
    EPERM "operation not permitted", ENOENT "no such file or directory", EINTR "interrupted system call",
    EIO "input/output error", EBADF "bad file descriptor", EAGAIN "resource temporarily unavailable",
    ENOMEM "cannot allocate memory", EACCES "permission denied", EBUSY "device or resource busy",
    EEXIST "file exists", EXDEV "invalid cross-device link", ENODEV "no such device",
    ENOTDIR "not a directory", EISDIR "is a directory", EINVAL "invalid argument",
    EMFILE "too many open files", ENOTTY "inappropriate ioctl for device", EFBIG "file too large",
    ENOSPC "no space left on device", EROFS "read-only file system", EMLINK "too many links",
    ERANGE "numerical result out of range", EDEADLK "resource deadlock avoided",
    ENAMETOOLONG "file name too long", ENOLCK "no locks available", ENOSYS "function not implemented",
    ENOTEMPTY "directory not empty", ELOOP "too many levels of symbolic links",
    ENODATA "no data available", EOVERFLOW "value too large for defined data type",
    ENOTSUP "operation not supported", ESTALE "stale file handle", EDQUOT "disk quota exceeded",
    ETIMEDOUT "connection timed out", ENXIO "no such device or address", EPIPE "broken pipe",
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text(), self.name())
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "E???" => write!(f, "errno {}", self.0),
            name => f.write_str(name),
        }
    }
}

impl std::error::Error for Errno {}
