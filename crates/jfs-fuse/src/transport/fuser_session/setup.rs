//! What is agreed with the kernel at the start, and notices to it.

use fuser::{INodeNo, InitFlags, KernelConfig, Notifier};
use jfs_types::Ino;
use jfs_vfs::KernelCache;

/// Requests the kernel may have under way in the background (read-ahead and the like).
const BACKGROUND_MAX: u16 = 200;
/// What is answered besides the ordinary requests.
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
        // A negative offset leaves the pages alone. An inode that the kernel has forgotten is no error.
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

/// Asks for what we can make use of. Not for `FUSE_ATOMIC_O_TRUNC`: with it the file is emptied before the
/// kernel asks whether the open may go through, and an `O_RDONLY | O_TRUNC` of a running program returns
/// ETXTBSY from a file that is empty by then. Without it the truncation is a request of its own after that.
pub(super) fn negotiate(config: &mut KernelConfig, features: Features, max_io: u32) {
    let wanted = [
        InitFlags::FUSE_ASYNC_READ,
        InitFlags::FUSE_BIG_WRITES,
        InitFlags::FUSE_DONT_MASK,
        InitFlags::FUSE_AUTO_INVAL_DATA,
        InitFlags::FUSE_DO_READDIRPLUS,
        InitFlags::FUSE_READDIRPLUS_AUTO,
        InitFlags::FUSE_ASYNC_DIO,
        InitFlags::FUSE_PARALLEL_DIROPS,
        InitFlags::FUSE_MAX_PAGES,
        InitFlags::FUSE_CACHE_SYMLINKS,
    ];
    for flag in wanted {
        // What an older kernel lacks is not needed to be correct.
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
