//! Requests about attributes and the volume.

use super::FuserFs;
use super::replies::{errno, file_attr, ids, ino, logged, send_empty, send_statfs, stale};
use fuser::{FileHandle, INodeNo, ReplyAttr, ReplyEmpty, ReplyStatfs, Request};
use jfs_control::{Answer, Request as Call};
use jfs_types::Errno;
use jfs_vfs::SetAttrRequest;

pub(super) fn getattr(fs: &FuserFs, req: &Request, n: INodeNo, reply: ReplyAttr) {
    let began = fs.view.began(ids(req));
    let call = Call::GetAttr { ino: ino(n) };
    if let Some(a) = fs.view.try_getattr(ino(n)) {
        fs.view.ended(began, call, Ok(Answer::Attr(&a)));
        return reply.attr(&a.ttl, &file_attr(a.ino, a.attr));
    }
    let view = fs.view.clone();
    fs.begin(async move {
        let found = view.getattr(ino(n)).await;
        view.ended(began, call, logged(&found, Answer::Attr));
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
    let view = fs.view.clone();
    let caller = match set.uid.is_some() || set.gid.is_some() || set.size.is_some() {
        true => fs.caller_with_groups(req),
        false => fs.caller(req),
    };
    let (began, fh) = (view.began(ids(req)), fh.map(|fh| fh.0));
    fs.begin_on(ino(n), async move {
        let done = view.setattr_open(&caller, ino(n), fh, &set).await;
        let call = Call::SetAttr {
            ino: ino(n),
            fh,
            set: &set,
        };
        view.ended(began, call, logged(&done, Answer::Attr));
        match done {
            Ok(a) => reply.attr(&a.ttl, &file_attr(a.ino, a.attr)),
            Err(e) => reply.error(stale(e)),
        }
    });
}

pub(super) fn statfs(fs: &FuserFs, req: &Request, n: INodeNo, reply: ReplyStatfs) {
    let view = fs.view.clone();
    let began = view.began(ids(req));
    let call = Call::Statfs { ino: ino(n) };
    if let Some(found) = view.vfs().try_statfs() {
        view.ended(began, call, Ok(Answer::StatFs(&found)));
        return send_statfs(reply, Ok(found));
    }
    fs.begin(async move {
        let found = view.vfs().statfs(ino(n)).await;
        view.ended(began, call, logged(&found, Answer::StatFs));
        send_statfs(reply, found);
    });
}

pub(super) fn access(fs: &FuserFs, req: &Request, n: INodeNo, mask: i32, reply: ReplyEmpty) {
    let caller = fs.caller(req);
    if fs.credentials.kernel_checks() && !caller.check_permission {
        // The kernel checks permissions itself and does not ask again after this.
        return reply.error(errno(Errno::ENOSYS));
    }
    let (view, mask) = (fs.view.clone(), (mask & 7) as u8);
    fs.begin(async move {
        let done = match caller.check_permission {
            true => view.access(&caller, ino(n), mask).await,
            false => Ok(()),
        };
        send_empty(reply, done);
    });
}
