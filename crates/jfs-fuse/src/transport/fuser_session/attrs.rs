//! Requests about attributes and the volume.

use super::FuserFs;
use super::replies::{attr_text, errno, file_attr, ids, ino, outcome, send_empty, send_statfs};
use super::replies::{stale, statfs_text};
use fuser::{FileHandle, INodeNo, ReplyAttr, ReplyEmpty, ReplyStatfs, Request};
use jfs_types::Errno;
use jfs_vfs::{Op, SetAttrRequest, changes};

pub(super) fn getattr(fs: &FuserFs, req: &Request, n: INodeNo, reply: ReplyAttr) {
    let began = fs.vfs.began(Op::GetAttr, ids(req));
    if let Some(a) = fs.vfs.try_getattr(ino(n)) {
        let a = Ok(a);
        fs.vfs
            .ended(began, Ok(()), || format!("({n}):{}", attr_text(&a)));
        if let Ok(a) = a {
            reply.attr(&a.ttl, &file_attr(a.ino, a.attr));
        }
        return;
    }
    let vfs = fs.vfs.clone();
    fs.begin(async move {
        let found = vfs.getattr(ino(n)).await;
        vfs.ended(began, outcome(&found), || {
            format!("({n}):{}", attr_text(&found))
        });
        match found {
            Ok(a) => reply.attr(&a.ttl, &file_attr(a.ino, a.attr)),
            Err(e) => reply.error(stale(e)),
        }
    });
}

pub(super) fn setattr(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    set: SetAttrRequest,
    fh: Option<FileHandle>,
    reply: ReplyAttr,
) {
    let vfs = fs.vfs.clone();
    let caller = match set.uid.is_some() || set.gid.is_some() || set.size.is_some() {
        true => fs.caller_with_groups(req),
        false => fs.caller(req),
    };
    let began = vfs.began(Op::SetAttr, ids(req));
    fs.begin_on(ino(n), async move {
        let done = vfs
            .setattr_open(&caller, ino(n), fh.map(|fh| fh.0), &set)
            .await;
        vfs.ended(began, outcome(&done), || {
            let kind = done.as_ref().ok().map(|a| a.attr.kind);
            let (fh, list) = (fh.map_or(0, |fh| fh.0), changes(&set, kind));
            format!("({n}[{fh}],{list}):{}", attr_text(&done))
        });
        match done {
            Ok(a) => reply.attr(&a.ttl, &file_attr(a.ino, a.attr)),
            Err(e) => reply.error(stale(e)),
        }
    });
}

pub(super) fn statfs(fs: &FuserFs, req: &Request, n: INodeNo, reply: ReplyStatfs) {
    let vfs = fs.vfs.clone();
    let began = vfs.began(Op::Statfs, ids(req));
    if let Some(found) = vfs.try_statfs() {
        let found = Ok(found);
        vfs.ended(began, Ok(()), || statfs_text(n, &found));
        return send_statfs(reply, found);
    }
    fs.begin(async move {
        let found = vfs.statfs(ino(n)).await;
        vfs.ended(began, outcome(&found), || statfs_text(n, &found));
        send_statfs(reply, found);
    });
}

pub(super) fn access(fs: &FuserFs, req: &Request, n: INodeNo, mask: i32, reply: ReplyEmpty) {
    let caller = fs.caller(req);
    if fs.credentials.kernel_checks() && !caller.check_permission {
        // The kernel checks permissions itself and does not ask again after this.
        return reply.error(errno(Errno::ENOSYS));
    }
    let (vfs, mask) = (fs.vfs.clone(), (mask & 7) as u8);
    fs.begin(async move {
        let done = match caller.check_permission {
            true => vfs.access(&caller, ino(n), mask).await,
            false => Ok(()),
        };
        send_empty(reply, done);
    });
}
