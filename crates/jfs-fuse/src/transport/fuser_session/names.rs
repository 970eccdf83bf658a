//! Requests about names.

use super::FuserFs;
use super::replies::{ids, ino, logged, logged_done, send_empty, send_entry, send_missing, stale};
use crate::conversions;
use fuser::{INodeNo, RenameFlags, ReplyData, ReplyEmpty, ReplyEntry, Request};
use jfs_control::{Answer, Request as Call};
use jfs_types::Errno;
use jfs_vfs::NewNode;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) fn lookup(
    fs: &FuserFs,
    req: &Request,
    parent: INodeNo,
    name: &OsStr,
    reply: ReplyEntry,
) {
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = view.began(ids(req));
    fs.begin(async move {
        let found = match &name[..] {
            b"." => view.lookup_inode(ino(parent)).await,
            b".." => view.lookup_parent(ino(parent)).await,
            name => view.lookup(&caller, ino(parent), name).await,
        };
        let call = Call::Lookup {
            parent: ino(parent),
            name: &name,
        };
        view.ended(began, call, logged(&found, Answer::Entry));
        match found {
            // Not cached: these names stand for an inode.
            Err(Errno::ENOENT) if matches!(&name[..], b"." | b"..") => {
                send_entry(reply, Err(Errno::ENOENT));
            }
            Err(Errno::ENOENT) => send_missing(reply, view.vfs().config().negative_timeout),
            found => send_entry(reply, found),
        }
    });
}

pub(super) fn readlink(fs: &FuserFs, req: &Request, n: INodeNo, reply: ReplyData) {
    let view = fs.view.clone();
    let began = view.began(ids(req));
    fs.begin(async move {
        let target = view.vfs().readlink(ino(n)).await;
        let call = Call::Readlink { ino: ino(n) };
        view.ended(began, call, logged(&target, |t| Answer::Target(t)));
        match target {
            Ok(target) => reply.data(&target),
            Err(e) => reply.error(stale(e)),
        }
    });
}

pub(super) fn mknod(
    fs: &FuserFs,
    req: &Request,
    parent: INodeNo,
    name: &OsStr,
    node: NewNode,
    reply: ReplyEntry,
) {
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = view.began(ids(req));
    fs.begin(async move {
        let made = view.mknod(&caller, ino(parent), &name, node).await;
        let call = Call::Mknod {
            parent: ino(parent),
            name: &name,
            node: &node,
        };
        view.ended(began, call, logged(&made, Answer::Entry));
        send_entry(reply, made);
    });
}

pub(super) fn mkdir(
    fs: &FuserFs,
    req: &Request,
    parent: INodeNo,
    name: &OsStr,
    (mode, umask): (u32, u32),
    reply: ReplyEntry,
) {
    let umask = conversions::effective_umask(fs.umask, umask);
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let (mode, began) = ((mode & 0o7777) as u16, view.began(ids(req)));
    fs.begin(async move {
        let made = view.mkdir(&caller, ino(parent), &name, mode, umask).await;
        let call = Call::Mkdir {
            parent: ino(parent),
            name: &name,
            mode,
        };
        view.ended(began, call, logged(&made, Answer::Entry));
        send_entry(reply, made);
    });
}

pub(super) fn symlink(
    fs: &FuserFs,
    req: &Request,
    parent: INodeNo,
    name: &OsStr,
    target: &Path,
    reply: ReplyEntry,
) {
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let target = target.as_os_str().as_bytes().to_vec();
    let began = view.began(ids(req));
    fs.begin(async move {
        let made = view.symlink(&caller, ino(parent), &name, &target).await;
        let call = Call::Symlink {
            parent: ino(parent),
            name: &name,
            target: &target,
        };
        view.ended(began, call, logged(&made, Answer::Entry));
        send_entry(reply, made);
    });
}

pub(super) fn link(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    parent: INodeNo,
    name: &OsStr,
    reply: ReplyEntry,
) {
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = view.began(ids(req));
    fs.begin(async move {
        let made = view.link(&caller, ino(n), ino(parent), &name).await;
        let call = Call::Link {
            ino: ino(n),
            parent: ino(parent),
            name: &name,
        };
        view.ended(began, call, logged(&made, Answer::Entry));
        send_entry(reply, made);
    });
}

pub(super) fn unlink(
    fs: &FuserFs,
    req: &Request,
    parent: INodeNo,
    name: &OsStr,
    reply: ReplyEmpty,
) {
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = view.began(ids(req));
    fs.begin(async move {
        let done = view.unlink(&caller, ino(parent), &name).await;
        let call = Call::Unlink {
            parent: ino(parent),
            name: &name,
        };
        view.ended(began, call, logged_done(&done));
        send_empty(reply, done);
    });
}

pub(super) fn rmdir(fs: &FuserFs, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = view.began(ids(req));
    fs.begin(async move {
        let done = view.rmdir(&caller, ino(parent), &name).await;
        let call = Call::Rmdir {
            parent: ino(parent),
            name: &name,
        };
        view.ended(began, call, logged_done(&done));
        send_empty(reply, done);
    });
}

pub(super) fn rename(
    fs: &FuserFs,
    req: &Request,
    (parent, name): (INodeNo, &OsStr),
    (new_parent, new_name): (INodeNo, &OsStr),
    flags: RenameFlags,
    reply: ReplyEmpty,
) {
    let (view, caller) = (fs.view.clone(), fs.caller(req));
    let (name, new_name) = (name.as_bytes().to_vec(), new_name.as_bytes().to_vec());
    let began = view.began(ids(req));
    fs.begin(async move {
        let (from, to) = ((ino(parent), &name[..]), (ino(new_parent), &new_name[..]));
        let done = view.rename(&caller, from, to, flags.bits()).await;
        let flags = flags.bits();
        view.ended(began, Call::Rename { from, to, flags }, logged_done(&done));
        send_empty(reply, done);
    });
}
