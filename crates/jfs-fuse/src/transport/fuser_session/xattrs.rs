//! Requests about extended attributes.

use super::FuserFs;
use super::replies::{errno, ids, ino, logged, logged_done, send_empty, send_xattr};
use crate::conversions;
use fuser::{INodeNo, ReplyEmpty, ReplyXattr, Request};
use jfs_control::{Answer, Request as Call};
use jfs_types::Errno;
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
    let view = fs.view.clone();
    let began = view.began(ids(req));
    fs.begin(async move {
        let set = view.set_xattr(&caller, ino(n), &name, &value, flags).await;
        let call = Call::SetXattr {
            ino: ino(n),
            name: &name,
            size: value.len(),
            flags,
        };
        view.ended(began, call, logged_done(&set));
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
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = view.began(ids(req));
    fs.begin(async move {
        let value = view.get_xattr(&caller, ino(n), &name).await;
        let call = Call::GetXattr {
            ino: ino(n),
            name: &name,
            size,
        };
        view.ended(began, call, logged(&value, |v| Answer::Count(v.len())));
        send_xattr(reply, size, value);
    });
}

pub(super) fn listxattr(fs: &FuserFs, req: &Request, n: INodeNo, size: u32, reply: ReplyXattr) {
    if !fs.features.xattr {
        return reply.error(errno(Errno::ENOSYS));
    }
    let view = fs.view.clone();
    let began = view.began(ids(req));
    fs.begin(async move {
        let names = view.list_xattrs(ino(n)).await;
        let names = names.map(|n| conversions::joined_names(&n));
        let call = Call::ListXattr { ino: ino(n), size };
        view.ended(began, call, logged(&names, |all| Answer::Count(all.len())));
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
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = view.began(ids(req));
    fs.begin(async move {
        let done = view.remove_xattr(&caller, ino(n), &name).await;
        let call = Call::RemoveXattr {
            ino: ino(n),
            name: &name,
        };
        view.ended(began, call, logged_done(&done));
        send_empty(reply, done);
    });
}
