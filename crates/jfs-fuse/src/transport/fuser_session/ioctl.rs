//! The ioctls about inode flags.

use super::FuserFs;
use super::replies::{errno, ids, ino, logged_done};
use crate::inode_flags::{self, FlagsIoctl};
use fuser::{INodeNo, ReplyIoctl, Request};
use jfs_control::{Request as Call, View};
use jfs_types::{Caller, Errno, Ino};

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
    let (view, caller) = (fs.view.clone(), fs.caller(req));
    let (asked, in_size) = (FlagsIoctl::parse(cmd, in_data), in_data.len());
    let began = view.began(ids(req));
    let call = Call::Ioctl {
        ino: ino(n),
        command: cmd,
        in_size,
        out_size,
    };
    fs.begin(async move {
        let done = match asked {
            Ok(asked) => run(&view, &caller, ino(n), asked, out_size).await,
            Err(e) => Err(e),
        };
        view.ended(began, call, logged_done(&done));
        match done {
            Ok(data) => reply.ioctl(0, &data),
            Err(e) => reply.error(errno(e)),
        }
    });
}

/// Carries out a request. Returns the bytes to copy to the caller.
async fn run(
    view: &View,
    caller: &Caller,
    ino: Ino,
    asked: FlagsIoctl,
    out_size: u32,
) -> Result<Vec<u8>, Errno> {
    let stored = view.getattr(ino).await?.attr.flags;
    match asked {
        FlagsIoctl::Get => Ok(inode_flags::shown_flags(stored, out_size)),
        FlagsIoctl::GetExtended => Ok(inode_flags::shown_extended(stored)),
        FlagsIoctl::Set(wanted) => {
            let flags = inode_flags::with_flags(stored, wanted);
            view.set_flags(caller, ino, flags).await?;
            Ok(Vec::new())
        }
    }
}
