//! Requests about names.

use super::FuserFs;
use super::replies::{entry_text, ids, ino, outcome, send_empty, send_entry, send_missing, stale};
use crate::ops;
use fuser::{INodeNo, RenameFlags, ReplyData, ReplyEmpty, ReplyEntry, Request};
use jfs_types::Errno;
use jfs_vfs::{NewNode, Op, Shown, mode_text};
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
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = vfs.began(Op::Lookup, ids(req));
    fs.begin(async move {
        let found = match &name[..] {
            b"." => vfs.lookup_inode(ino(parent)).await,
            b".." => vfs.lookup_parent(ino(parent)).await,
            name => vfs.lookup(&caller, ino(parent), name).await,
        };
        vfs.ended(began, outcome(&found), || {
            format!("({parent},{}):{}", Shown(&name), entry_text(&found))
        });
        match found {
            // Never remembered: the name stands for an inode.
            Err(Errno::ENOENT) if matches!(&name[..], b"." | b"..") => {
                send_entry(reply, Err(Errno::ENOENT));
            }
            Err(Errno::ENOENT) => send_missing(reply, vfs.config().negative_timeout),
            found => send_entry(reply, found),
        }
    });
}

pub(super) fn readlink(fs: &FuserFs, req: &Request, n: INodeNo, reply: ReplyData) {
    let vfs = fs.vfs.clone();
    let began = vfs.began(Op::Readlink, ids(req));
    fs.begin(async move {
        let target = vfs.readlink(ino(n)).await;
        vfs.ended(began, outcome(&target), || {
            let shown = target.as_ref().map_or(&b""[..], |t| t);
            format!("({n}): ({})", Shown(shown))
        });
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
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = vfs.began(Op::Mknod, ids(req));
    fs.begin(async move {
        let mode = mode_text(Some(node.kind), node.mode, true);
        let made = vfs.mknod(&caller, ino(parent), &name, node).await;
        vfs.ended(began, outcome(&made), || {
            let (name, entry) = (Shown(&name), entry_text(&made));
            format!("({parent},{name},{mode},0x{:08X}):{entry}", node.rdev)
        });
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
    let umask = ops::effective_umask(fs.umask, umask);
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let (mode, began) = ((mode & 0o7777) as u16, vfs.began(Op::Mkdir, ids(req)));
    fs.begin(async move {
        let made = vfs.mkdir(&caller, ino(parent), &name, mode, umask).await;
        vfs.ended(began, outcome(&made), || {
            let (name, mode) = (Shown(&name), mode_text(None, mode, false));
            format!("({parent},{name},{mode}):{}", entry_text(&made))
        });
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
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let target = target.as_os_str().as_bytes().to_vec();
    let began = vfs.began(Op::Symlink, ids(req));
    fs.begin(async move {
        let made = vfs.symlink(&caller, ino(parent), &name, &target).await;
        vfs.ended(began, outcome(&made), || {
            let (name, target) = (Shown(&name), Shown(&target));
            format!("({parent},{name},{target}):{}", entry_text(&made))
        });
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
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = vfs.began(Op::Link, ids(req));
    fs.begin(async move {
        let made = vfs.link(&caller, ino(n), ino(parent), &name).await;
        vfs.ended(began, outcome(&made), || {
            format!("({n},{parent},{}):{}", Shown(&name), entry_text(&made))
        });
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
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = vfs.began(Op::Unlink, ids(req));
    fs.begin(async move {
        let done = vfs.unlink(&caller, ino(parent), &name).await;
        vfs.ended(began, done, || format!("({parent},{})", Shown(&name)));
        send_empty(reply, done);
    });
}

pub(super) fn rmdir(fs: &FuserFs, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let began = vfs.began(Op::Rmdir, ids(req));
    fs.begin(async move {
        let done = vfs.rmdir(&caller, ino(parent), &name).await;
        vfs.ended(began, done, || format!("({parent},{})", Shown(&name)));
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
    let (vfs, caller) = (fs.vfs.clone(), fs.caller(req));
    let (name, new_name) = (name.as_bytes().to_vec(), new_name.as_bytes().to_vec());
    let began = vfs.began(Op::Rename, ids(req));
    fs.begin(async move {
        let (from, to) = ((ino(parent), &name[..]), (ino(new_parent), &new_name[..]));
        let done = vfs.rename(&caller, from, to, flags.bits()).await;
        vfs.ended(began, done, || {
            let (old, new) = (Shown(&name), Shown(&new_name));
            format!("({parent},{old},{new_parent},{new},{})", flags.bits())
        });
        send_empty(reply, done);
    });
}
