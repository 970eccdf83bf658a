//! The ioctls about inode flags.

use super::FuserFs;
use super::replies::{errno, ids, ino, outcome};
use crate::ops::{self, FlagsIoctl};
use fuser::{INodeNo, ReplyIoctl, Request};
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::{Op, Vfs};

pub(super) fn answer(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    cmd: u32,
    in_data: &[u8],
    out_size: u32,
    reply: ReplyIoctl,
) {
    if !fs.features.ioctl {
        return reply.error(errno(Errno::ENOTTY));
    }
    let (vfs, caller) = (fs.vfs.clone(), fs.caller(req));
    let (asked, in_size) = (FlagsIoctl::parse(cmd, in_data), in_data.len());
    let began = vfs.began(Op::Ioctl, ids(req));
    fs.begin(async move {
        let done = match asked {
            Ok(asked) => run(&vfs, &caller, ino(n), asked, out_size).await,
            Err(e) => Err(e),
        };
        vfs.ended(began, outcome(&done), || {
            format!("({n},0x{cmd:X},0x0,{in_size},{out_size})")
        });
        match done {
            Ok(data) => reply.ioctl(0, &data),
            Err(e) => reply.error(errno(e)),
        }
    });
}

/// Does what was asked for; what is to be copied to the caller.
async fn run(
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
