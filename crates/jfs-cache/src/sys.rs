//! The system calls that the standard library does not offer. All unsafe code of this crate.

#![expect(unsafe_code, reason = "reads and opens that never wait for a disk need raw system calls")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Succeeds only when the kernel can resolve the path from its caches.
const RESOLVE_CACHED: u64 = 0x20;

/// Reads at an offset what the page cache holds; `WouldBlock` when it does not hold the first byte.
pub(crate) fn read_cached(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: one iovec that describes `buf`, which we hold exclusively for the call.
    let n = unsafe { libc::preadv2(file.as_raw_fd(), &raw const part, 1, offset, libc::RWF_NOWAIT) };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Opens a file for reading if no disk access is needed to find it; else `WouldBlock`.
pub(crate) fn open_cached(path: &Path) -> io::Result<File> {
    #[repr(C)]
    struct OpenHow {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
    let how = OpenHow { flags, mode: 0, resolve: RESOLVE_CACHED };
    // SAFETY: the path ends with a zero byte, `how` has the layout of the kernel's struct open_how and
    // its size is passed; both outlive the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            &raw const how,
            size_of::<OpenHow>(),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just returned this descriptor, nobody else owns it.
    Ok(unsafe { File::from_raw_fd(fd as RawFd) })
}

/// Room on a file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Bytes in total.
    pub(crate) total_bytes: u64,
    /// Bytes that we may still use.
    pub(crate) free_bytes: u64,
    /// Inodes in total; 0 when there is no limit.
    pub(crate) total_inodes: u64,
    /// Inodes that we may still use.
    pub(crate) free_inodes: u64,
}

/// Room on the file system that holds `path`.
pub(crate) fn space(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: statvfs is plain numbers, for which zeros are a value.
    let mut s: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero byte and `s` is ours to fill.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut s) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Space {
        total_bytes: s.f_blocks * s.f_frsize,
        free_bytes: s.f_bavail * s.f_frsize,
        total_inodes: s.f_files,
        free_inodes: s.f_favail,
    })
}

/// Bytes of memory of the machine.
pub(crate) fn memory_bytes() -> u64 {
    // SAFETY: sysconf only reads a number.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page).unwrap_or(0)
}

/// Whether reading a file on `path`'s file system never waits although it does not offer reads that
/// say so: its files are in memory.
pub(crate) fn is_memory_fs(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: statfs is plain numbers, for which zeros are a value.
    let mut s: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero byte and `s` is ours to fill.
    let failed = unsafe { libc::statfs(path.as_ptr(), &raw mut s) } != 0;
    !failed && s.f_type == libc::TMPFS_MAGIC
}
