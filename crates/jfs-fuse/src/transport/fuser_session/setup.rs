//! The agreement with the kernel at the start of a mount, and notices to the kernel.
//!
//! A capability is asked for only with what it makes our duty:
//!
//! | capability | what the kernel does then | our duty |
//! |---|---|---|
//! | `ASYNC_READ` | sends the pieces of a read-ahead at once | pieces in any order: a read depends on its offset alone |
//! | `BIG_WRITES` | writes more than a page in a request | any length up to `max_write` |
//! | `DONT_MASK` | leaves the umask to us | applied to everything that is made, unless a default ACL is inherited |
//! | `AUTO_INVAL_DATA` | drops pages when a reply shows another size or mtime | replies carry what this mount has written and not committed |
//! | `DO_READDIRPLUS`, `READDIRPLUS_AUTO` | takes entries and attributes from listings, and counts a look-up for each | attributes as fresh as those of a look-up; no inode is forgotten by count here |
//! | `PARALLEL_DIROPS` | looks up and lists in one directory at the same time | a handle's listing has its own lock |
//! | `MAX_PAGES` | sends requests of up to `max_write` bytes | buffers of that size |
//! | `CACHE_SYMLINKS` | keeps the target of a link as long as its inode | targets never change: a new link is a new inode |
//! | `EXPORT_SUPPORT` | finds an inode that it has forgotten by `.`, and a directory's parent by `..`, for file handles (open_by_handle_at, NFS) | both are found by number, none outside of the mount's root; numbers are never used twice |
//! | `HANDLE_KILLPRIV_V2` | does not ask for `security.capability` before every write, and takes setuid and setgid from no file | writes, truncations, fallocate, copies and chown take them away, before they answer. A write says whether it is to (`WRITE_KILL_SUIDGID`). fuser 0.18 drops the flags of setattr and open that say so (`FATTR_KILL_SUIDGID`, `OPEN_KILL_SUIDGID`), and fallocate and copies have none: there the user decides, everybody but the super-user takes them away. The kernel goes on with the mode that it has cached, so it is told to ask again. `security.capability` cannot be set here |
//! | `POSIX_ACL` | applies the rules itself and caches them | rules are shown as they are stored; a new file inherits them from us, the umask left out |
//!
//! Not asked for:
//!
//! | capability | why not |
//! |---|---|
//! | `ASYNC_DIO` | the kernel completes an asynchronous direct write without dropping the pages that readers have brought in meanwhile (xfstests generic/451): buffered reads see the bytes from before. Dropping them would be our duty, by a notice before each reply, which waits for readers that wait for us |
//! | `ATOMIC_O_TRUNC` | the file is emptied before the kernel asks whether the open may go through: an `O_RDONLY \| O_TRUNC` of a running program returns ETXTBSY from a file that is empty by then. Without it the truncation is a request of its own after that |
//! | `WRITEBACK_CACHE` | sizes and times would be the kernel's; other mounts see neither, and appends of two mounts overwrite each other |
//! | `EXPLICIT_INVAL_DATA` | we would have to tell of each change that another mount makes |
//! | `POSIX_LOCKS`, `FLOCK_LOCKS` | locks of other mounts are not served yet: the kernel keeps them itself |
//! | `SPLICE_*`, `NO_OPEN_SUPPORT`, `NO_OPENDIR_SUPPORT`, `SUBMOUNTS`, `SECURITY_CTX`, `PASSTHROUGH` and the like | nothing here makes use of them |

use fuser::{INodeNo, InitFlags, KernelConfig, Notifier};
use jfs_types::Ino;
use jfs_vfs::kernel::KernelCache;

/// Requests the kernel may have under way in the background (read-ahead and the like).
const BACKGROUND_MAX: u16 = 200;
/// Optional requests that are answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Features {
    /// Extended attributes.
    pub(crate) xattr: bool,
    /// ACLs, which the kernel then applies itself.
    pub(crate) acl: bool,
    /// ioctl to get and set inode flags.
    pub(crate) ioctl: bool,
}

/// Notices to the kernel.
pub(crate) struct Notices(pub(crate) Notifier);

impl KernelCache for Notices {
    fn drop_attributes(&self, ino: Ino) {
        // A negative offset leaves the pages alone. The call fails for an inode that the kernel has forgotten.
        if let Err(e) = self.0.inval_inode(INodeNo(ino.0), -1, 0) {
            tracing::debug!("attributes of {ino:?} stay with the kernel: {e}");
        }
    }

    fn drop_pages(&self, ino: Ino, from: u64) {
        // Length 0: up to the end.
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        if let Err(e) = self.0.inval_inode(INodeNo(ino.0), from, 0) {
            tracing::debug!("pages of {ino:?} stay with the kernel: {e}");
        }
    }
}

/// Asks for the capabilities of the table above.
pub(super) fn negotiate(config: &mut KernelConfig, features: Features, max_io: u32) {
    let wanted = [
        InitFlags::FUSE_ASYNC_READ,
        InitFlags::FUSE_BIG_WRITES,
        InitFlags::FUSE_DONT_MASK,
        InitFlags::FUSE_AUTO_INVAL_DATA,
        InitFlags::FUSE_DO_READDIRPLUS,
        InitFlags::FUSE_READDIRPLUS_AUTO,
        InitFlags::FUSE_PARALLEL_DIROPS,
        InitFlags::FUSE_MAX_PAGES,
        InitFlags::FUSE_CACHE_SYMLINKS,
        InitFlags::FUSE_EXPORT_SUPPORT,
        InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    ];
    for flag in wanted {
        // An older kernel may lack some; the file system is correct without them.
        let _ = config.add_capabilities(flag);
    }
    if features.acl && config.add_capabilities(InitFlags::FUSE_POSIX_ACL).is_err() {
        tracing::warn!("the kernel does not support ACLs on FUSE: only mode bits are checked");
    }
    let _ = config.set_max_write(max_io);
    let _ = config.set_max_readahead(max_io);
    let _ = config.set_max_background(BACKGROUND_MAX);
    let _ = config.set_congestion_threshold(BACKGROUND_MAX * 3 / 4);
}
