//! The ioctls about inode flags.

use crate::ops::{self, FlagsIoctl};
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::Vfs;

/// Does what was asked for; what is to be copied to the caller.
pub(super) async fn run(
    vfs: &Vfs,
    caller: &Caller,
    ino: Ino,
    asked: FlagsIoctl,
    out_size: u32,
) -> Result<Vec<u8>, Errno> {
    let stored = vfs.getattr(ino).await?.attr.flags;
    match asked {
        FlagsIoctl::Get => Ok(ops::shown_flags(stored, out_size)),
        FlagsIoctl::GetExtended => Ok(ops::shown_extended(stored)),
        FlagsIoctl::Set(wanted) => {
            let flags = ops::with_flags(stored, wanted);
            vfs.set_flags(caller, ino, flags).await?;
            Ok(Vec::new())
        }
    }
}
