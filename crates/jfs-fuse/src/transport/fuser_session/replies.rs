//! Answers as fuser takes them: what our types say in its words.

use super::GENERATION;
use crate::ops;
use fuser::{
    Errno as FuseErrno, FileAttr, FileType as FuseType, FopenFlags, INodeNo, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyXattr, Request,
};
use jfs_types::{Attr, Errno, FileType, Ino};
use jfs_vfs::{AttrReply, DirItems, EntryReply, StatFs};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

/// Who asks, for the access log.
pub(super) fn ids(req: &Request) -> (u32, u32, u32) {
    (req.uid(), req.gid(), req.pid())
}

/// Whether it worked.
pub(super) fn outcome<T>(result: &Result<T, Errno>) -> Result<(), Errno> {
    result.as_ref().map(|_| ()).map_err(|e| *e)
}

/// What was found or made, for the access log.
pub(super) fn entry_text(result: &Result<EntryReply, Errno>) -> String {
    let entry = result.as_ref().map(|e| (e.ino, &e.attr));
    jfs_vfs::shown(entry.map_err(|e| *e))
}

/// Attributes, for the access log.
pub(super) fn attr_text(result: &Result<AttrReply, Errno>) -> String {
    let attr = result.as_ref().map(|a| (a.ino, &a.attr));
    jfs_vfs::shown(attr.map_err(|e| *e))
}

/// What was created and its handle, for the access log.
pub(super) fn created_text(result: &Result<(EntryReply, u64, bool), Errno>) -> String {
    let entry = result.as_ref().map(|(e, ..)| (e.ino, &e.attr));
    let fh = result.as_ref().map_or(0, |(_, fh, _)| *fh);
    format!("{} [fh:{fh}]", jfs_vfs::shown(entry.map_err(|e| *e)))
}

/// Space and inodes, for the access log.
pub(super) fn statfs_text(n: INodeNo, result: &Result<StatFs, Errno>) -> String {
    let numbers = result.as_ref().map_or(String::new(), |s| {
        let used = s.total_space - s.avail_space;
        let inodes = (s.used_inodes, s.avail_inodes);
        format!(": ({used},{},{},{})", s.avail_space, inodes.0, inodes.1)
    });
    format!("({n}){numbers}")
}

pub(super) fn errno(e: Errno) -> FuseErrno {
    FuseErrno::from_i32(e.0)
}

/// The error of a request about an inode that the kernel found by a name: when it is gone, another
/// mount has removed or replaced it since. ESTALE has the kernel look the name up again, once.
pub(super) fn stale(e: Errno) -> FuseErrno {
    errno(if e == Errno::ENOENT { Errno::ESTALE } else { e })
}

pub(super) fn ino(n: INodeNo) -> Ino {
    Ino(n.0)
}

pub(super) fn kind(k: FileType) -> FuseType {
    match k {
        FileType::Regular => FuseType::RegularFile,
        FileType::Directory => FuseType::Directory,
        FileType::Symlink => FuseType::Symlink,
        FileType::Fifo => FuseType::NamedPipe,
        FileType::BlockDevice => FuseType::BlockDevice,
        FileType::CharDevice => FuseType::CharDevice,
        FileType::Socket => FuseType::Socket,
    }
}

pub(super) fn file_attr(ino: Ino, attr: Attr) -> FileAttr {
    let s = ops::stat(ino, attr);
    FileAttr {
        ino: INodeNo(s.ino),
        size: s.size,
        blocks: s.blocks,
        atime: ops::to_system(s.attr.atime),
        mtime: ops::to_system(s.attr.mtime),
        ctime: ops::to_system(s.attr.ctime),
        crtime: SystemTime::UNIX_EPOCH,
        kind: kind(s.attr.kind),
        perm: s.attr.mode,
        nlink: s.attr.nlink,
        uid: s.attr.uid,
        gid: s.attr.gid,
        rdev: s.attr.rdev,
        blksize: s.block_size,
        flags: 0,
    }
}

pub(super) fn send_entry(reply: ReplyEntry, result: Result<EntryReply, Errno>) {
    match result {
        Ok(e) => reply.entry_with_ttls(
            &e.attr_ttl,
            &e.entry_ttl,
            &file_attr(e.ino, e.attr),
            GENERATION,
        ),
        Err(e) => reply.error(errno(e)),
    }
}

/// A name that does not exist. The kernel remembers it for `life`: an answer without an inode.
pub(super) fn send_missing(reply: ReplyEntry, life: Duration) {
    if life.is_zero() {
        return reply.error(errno(Errno::ENOENT));
    }
    let nothing = file_attr(Ino(0), Attr::new(FileType::Regular));
    reply.entry_with_ttls(&Duration::ZERO, &life, &nothing, GENERATION);
}

pub(super) fn send_statfs(reply: ReplyStatfs, result: Result<StatFs, Errno>) {
    const BLOCK: u64 = 4096;
    match result {
        Ok(s) => {
            let (blocks, free) = (s.total_space / BLOCK, s.avail_space / BLOCK);
            let files = s.used_inodes + s.avail_inodes;
            let block = BLOCK as u32;
            reply.statfs(blocks, free, free, files, s.avail_inodes, block, 255, block);
        }
        Err(e) => reply.error(errno(e)),
    }
}

pub(super) fn send_empty(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(errno(e)),
    }
}

/// An extended attribute, or its size when that is all that is asked for.
pub(super) fn send_xattr(reply: ReplyXattr, size: u32, result: Result<bytes::Bytes, Errno>) {
    match result {
        Ok(value) if size == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > size as usize => reply.error(errno(Errno::ERANGE)),
        Ok(value) => reply.data(&value),
        Err(e) => reply.error(errno(e)),
    }
}

pub(super) fn open_flags(ino: Ino, keep_cache: bool) -> FopenFlags {
    if ino.is_virtual() {
        // Lengths are not known before the answer: every read has to arrive here.
        FopenFlags::FOPEN_DIRECT_IO
    } else if keep_cache {
        FopenFlags::FOPEN_KEEP_CACHE
    } else {
        FopenFlags::empty()
    }
}

pub(super) fn send_names(mut reply: ReplyDirectory, listing: &DirItems) {
    for item in listing.iter() {
        if reply.add(
            INodeNo(item.ino.0),
            item.next,
            kind(item.kind),
            OsStr::from_bytes(item.name.as_bytes()),
        ) {
            break;
        }
    }
    reply.ok();
}

pub(super) fn send_entries(mut reply: ReplyDirectoryPlus, listing: &DirItems, ttl: Duration) {
    for item in listing.iter() {
        let name = OsStr::from_bytes(item.name.as_bytes());
        let dots = item.name.as_bytes() == b"." || item.name.as_bytes() == b"..";
        let (ttl, attr) = match &item.attr {
            Some(attr) if !dots => (ttl, attr.clone()),
            // Number and type are all that is looked at.
            _ => (Duration::ZERO, Attr::new(item.kind)),
        };
        if reply.add(
            INodeNo(item.ino.0),
            item.next,
            name,
            &ttl,
            &file_attr(item.ino, attr),
            GENERATION,
        ) {
            break;
        }
    }
    reply.ok();
}
