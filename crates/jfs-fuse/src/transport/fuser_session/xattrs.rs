//! Requests about extended attributes.

use super::FuserFs;
use super::replies::{errno, ids, ino, outcome, send_empty, send_xattr};
use crate::ops;
use fuser::{INodeNo, ReplyEmpty, ReplyXattr, Request};
use jfs_types::Errno;
use jfs_vfs::{Op, Shown};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Name of the access ACL.
const ACCESS_ACL: &[u8] = b"system.posix_acl_access";

pub(super) fn setxattr(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    name: &OsStr,
    value: &[u8],
    flags: i32,
    reply: ReplyEmpty,
) {
    if !fs.features.xattr {
        return reply.error(errno(Errno::ENOSYS));
    }
    let (name, value) = (name.as_bytes().to_vec(), value.to_vec());
    // The kernel would say whether an ACL clears the setgid bit (FUSE_SETXATTR_EXT); the FUSE library
    // does not pass that on.
    let caller = match name == ACCESS_ACL {
        true => fs.caller_with_groups(req),
        false => fs.caller(req),
    };
    let vfs = fs.vfs.clone();
    let began = vfs.began(Op::SetXattr, ids(req));
    fs.begin(async move {
        let set = vfs.set_xattr(&caller, ino(n), &name, &value, flags).await;
        vfs.ended(began, set, || {
            format!("({n},{},{},{flags})", Shown(&name), value.len())
        });
        send_empty(reply, set);
    });
}

pub(super) fn getxattr(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    name: &OsStr,
    size: u32,
    reply: ReplyXattr,
) {
    if !fs.features.xattr {
        return reply.error(errno(Errno::ENOSYS));
    }
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = vfs.began(Op::GetXattr, ids(req));
    fs.begin(async move {
        let value = vfs.get_xattr(&caller, ino(n), &name).await;
        vfs.ended(began, outcome(&value), || {
            let len = value.as_ref().map_or(0, |v| v.len());
            format!("({n},{},{size}): ({len})", Shown(&name))
        });
        send_xattr(reply, size, value);
    });
}

pub(super) fn listxattr(fs: &FuserFs, req: &Request, n: INodeNo, size: u32, reply: ReplyXattr) {
    if !fs.features.xattr {
        return reply.error(errno(Errno::ENOSYS));
    }
    let vfs = fs.vfs.clone();
    let began = vfs.began(Op::ListXattr, ids(req));
    fs.begin(async move {
        let names = vfs.list_xattrs(ino(n)).await;
        let names = names.map(|n| ops::joined_names(&n));
        vfs.ended(began, outcome(&names), || {
            let len = names.as_ref().map_or(0, |all| all.len());
            format!("({n},{size}): ({len})")
        });
        send_xattr(reply, size, names);
    });
}

pub(super) fn removexattr(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    name: &OsStr,
    reply: ReplyEmpty,
) {
    if !fs.features.xattr {
        return reply.error(errno(Errno::ENOSYS));
    }
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = vfs.began(Op::RemoveXattr, ids(req));
    fs.begin(async move {
        let done = vfs.remove_xattr(&caller, ino(n), &name).await;
        vfs.ended(began, done, || format!("({n},{})", Shown(&name)));
        send_empty(reply, done);
    });
}
