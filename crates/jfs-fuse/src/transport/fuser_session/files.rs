//! Requests about open files.

use super::replies::{
    created_text, errno, file_attr, ids, ino, open_flags, outcome, send_empty, stale,
};
use super::{FuserFs, GENERATION};
use crate::ops;
use fuser::{
    FileHandle, INodeNo, LockOwner, OpenFlags, ReplyCreate, ReplyData, ReplyEmpty, ReplyOpen,
    ReplyWrite, Request, WriteFlags,
};
use jfs_types::{Caller, Errno};
use jfs_vfs::{Op, ReadNow, Shown, Vfs, WriteTo, mode_text};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

thread_local! {
    /// Where reads are answered from; kept per reader thread so that it is allocated once.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A place in an open file.
pub(super) type Place = (INodeNo, FileHandle, u64);

pub(super) fn open(fs: &FuserFs, req: &Request, n: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
    let vfs = fs.vfs.clone();
    let caller = match ino(n).is_virtual() {
        // Requests to `.control` are answered by the rights of the process that has opened it.
        true => fs.credentials.known(req.uid(), req.gid(), req.pid()),
        false => fs.caller(req),
    };
    // Their modes are those of the process itself, whomever it counts for.
    let unchecked = ino(n).is_virtual() && !fs.credentials.kernel_checks();
    let himself = unchecked.then(|| fs.credentials.checked(req.uid(), req.gid(), req.pid()));
    let began = vfs.began(Op::Open, ids(req));
    fs.begin_on(ino(n), async move {
        let may = match &himself {
            Some(himself) => vfs.access(himself, ino(n), ops::access_mask(flags.0)).await,
            None => Ok(()),
        };
        let opened = match may {
            Ok(()) => vfs.open(&caller, ino(n), flags.0).await,
            Err(e) => Err(e),
        };
        vfs.ended(began, outcome(&opened), || match &opened {
            Ok((fh, _)) => format!("({n},0x{:X}) [fh:{fh}]", flags.0),
            Err(_) => format!("({n},0x{:X})", flags.0),
        });
        match opened {
            Ok((fh, keep)) => reply.opened(FileHandle(fh), open_flags(ino(n), keep)),
            Err(e) => reply.error(stale(e)),
        }
    });
}

pub(super) fn create(
    fs: &FuserFs,
    req: &Request,
    parent: INodeNo,
    name: &OsStr,
    (mode, umask): (u32, u32),
    flags: i32,
    reply: ReplyCreate,
) {
    let umask = ops::effective_umask(fs.umask, umask);
    let (vfs, caller, name) = (fs.vfs.clone(), fs.caller(req), name.as_bytes().to_vec());
    let (mode, began) = ((mode & 0o7777) as u16, vfs.began(Op::Create, ids(req)));
    let (credentials, uid, gid, pid) = (fs.credentials.clone(), req.uid(), req.gid(), req.pid());
    fs.begin(async move {
        let create = async |caller: &Caller, flags: i32| {
            let dir = ino(parent);
            vfs.create(caller, dir, &name, mode, umask, flags).await
        };
        // The kernel, which believes that the name is free, has looked at no file: one that is there
        // after all is opened for those who may.
        let made = match caller.check_permission {
            true => create(&caller, flags).await,
            false => match create(&caller, flags | libc::O_EXCL).await {
                Err(Errno::EEXIST) if flags & libc::O_EXCL == 0 => {
                    create(&credentials.checked(uid, gid, pid), flags).await
                }
                made => made,
            },
        };
        vfs.ended(began, outcome(&made), || {
            let mode = mode_text(Some(jfs_types::FileType::Regular), mode, true);
            format!("({parent},{},{mode}):{}", Shown(&name), created_text(&made))
        });
        match made {
            Ok((e, fh, keep)) => {
                let ttl = e.attr_ttl.min(e.entry_ttl);
                reply.created(
                    &ttl,
                    &file_attr(e.ino, e.attr),
                    GENERATION,
                    FileHandle(fh),
                    open_flags(e.ino, keep),
                );
            }
            Err(e) => reply.error(errno(e)),
        }
    });
}

pub(super) fn read(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    fh: FileHandle,
    offset: u64,
    size: u32,
    reply: ReplyData,
) {
    let began = fs.vfs.began(Op::Read, ids(req));
    let ended = move |vfs: &Vfs, read: Result<usize, Errno>| {
        if Vfs::is_access_log(ino(n)) {
            return;
        }
        if let Ok(bytes) = read {
            vfs.stats().read(bytes);
        }
        vfs.ended(began, outcome(&read), || {
            let bytes = read.map_or(String::new(), |n| format!(": ({n})"));
            format!("({n},{size},{offset},{}){bytes}", fh.0)
        });
    };
    let answered =
        BUFFER.with_borrow_mut(|buffer| match fs.vfs.try_read(fh.0, offset, size, buffer) {
            Some(Ok(ReadNow::Copied(n))) => {
                ended(&fs.vfs, Ok(n));
                reply.data(&buffer[..n]);
                None
            }
            Some(Ok(ReadNow::Shared(block))) => {
                ended(&fs.vfs, Ok(block.len()));
                reply.data(&block);
                None
            }
            Some(Err(e)) => {
                ended(&fs.vfs, Err(e));
                reply.error(errno(e));
                None
            }
            None => Some(reply),
        });
    let Some(reply) = answered else { return };
    let vfs = fs.vfs.clone();
    fs.begin(async move {
        let read = vfs.read(fh.0, offset, size).await;
        ended(&vfs, read.as_ref().map(|data| data.len()).map_err(|e| *e));
        match read {
            Ok(data) => reply.data(&data),
            Err(e) => reply.error(errno(e)),
        }
    });
}

/// Where a write goes. The flags of the request are those of the descriptor at this moment: `fcntl(2)` may
/// have set or cleared `O_APPEND` since the open. Pages of a mapping are written back to their place.
pub(super) fn write_to(offset: u64, flags: OpenFlags, how: WriteFlags) -> WriteTo {
    let pages = how.contains(WriteFlags::FUSE_WRITE_CACHE);
    match flags.0 & libc::O_APPEND != 0 && !pages {
        true => WriteTo::KernelEnd(offset),
        false => WriteTo::Offset(offset),
    }
}

/// Whose write takes setuid and setgid from the file, if it has them. The kernel says it of those who may
/// not keep them (CAP_FSETID); a super-user who counts as somebody else is one, too. Pages of a mapping
/// take nothing, as on a local file system.
fn takes_privileges(
    fs: &FuserFs,
    req: &Request,
    fh: FileHandle,
    how: WriteFlags,
) -> Option<Caller> {
    let killed = how.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID)
        || fs.credentials.counts_for_other(req.uid());
    let pages = how.contains(WriteFlags::FUSE_WRITE_CACHE);
    if pages || !killed || !fs.vfs.is_privileged(fh.0) {
        return None;
    }
    let mut caller = fs.caller_with_groups(req);
    if caller.uid == 0 && how.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID) {
        // A super-user without the capability: no rule treats him as one.
        (caller.uid, caller.gid) = (u32::MAX, u32::MAX);
    }
    Some(caller)
}

pub(super) fn write(
    fs: &FuserFs,
    req: &Request,
    (n, fh, offset): Place,
    data: &[u8],
    (to, how): (WriteTo, WriteFlags),
    reply: ReplyWrite,
) {
    let (began, size) = (fs.vfs.began(Op::Write, ids(req)), data.len());
    let ended = move |vfs: &Vfs, written: Result<u32, Errno>| {
        if written.is_ok() {
            vfs.stats().written(size);
        }
        vfs.ended(began, outcome(&written), || {
            format!("({n},{size},{offset},{})", fh.0)
        });
    };
    let by = takes_privileges(fs, req, fh, how);
    let tried = match &by {
        None => fs.vfs.try_write_to(fh.0, to, data),
        Some(_) => None,
    };
    if let Some(done) = tried {
        ended(&fs.vfs, done);
        return match done {
            Ok(n) => reply.written(n),
            Err(e) => reply.error(errno(e)),
        };
    }
    let (vfs, data) = (fs.vfs.clone(), bytes::Bytes::copy_from_slice(data));
    // Begun here, so that appends queue in the order in which they came.
    fs.begin(async move {
        let may = match &by {
            Some(caller) => vfs.drop_privileges(caller, fh.0).await,
            None => Ok(()),
        };
        let done = match may {
            Ok(()) => vfs.write_to(fh.0, to, data).await,
            Err(e) => Err(e),
        };
        ended(&vfs, done);
        match done {
            Ok(n) => reply.written(n),
            Err(e) => reply.error(errno(e)),
        }
    });
}

pub(super) fn flush(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    fh: FileHandle,
    lock_owner: LockOwner,
    reply: ReplyEmpty,
) {
    let began = fs.vfs.began(Op::Flush, ids(req));
    let text = move || format!("({n},{},{:016X})", fh.0, lock_owner.0);
    if let Some(result) = fs.vfs.try_flush(fh.0) {
        fs.vfs.ended(began, result, text);
        return send_empty(reply, result);
    }
    let vfs = fs.vfs.clone();
    fs.spawn(async move {
        let done = vfs.flush(fh.0).await;
        vfs.ended(began, done, text);
        send_empty(reply, done);
    });
}

pub(super) fn release(fs: &FuserFs, req: &Request, n: INodeNo, fh: FileHandle, reply: ReplyEmpty) {
    let began = fs.vfs.began(Op::Release, ids(req));
    let text = move || format!("({n},{})", fh.0);
    if fs.vfs.try_release(fh.0) {
        fs.vfs.ended(began, Ok(()), text);
        return reply.ok();
    }
    let vfs = fs.vfs.clone();
    fs.spawn(async move {
        vfs.release(fh.0).await;
        vfs.ended(began, Ok(()), text);
        reply.ok();
    });
}

pub(super) fn fsync(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    fh: FileHandle,
    datasync: bool,
    reply: ReplyEmpty,
) {
    let vfs = fs.vfs.clone();
    let began = vfs.began(Op::Fsync, ids(req));
    fs.spawn(async move {
        let done = vfs.fsync(fh.0).await;
        vfs.ended(began, done, || format!("({n},{})", u8::from(datasync)));
        send_empty(reply, done);
    });
}

pub(super) fn fallocate(
    fs: &FuserFs,
    req: &Request,
    (n, fh): (INodeNo, FileHandle),
    (offset, length): (u64, u64),
    mode: i32,
    reply: ReplyEmpty,
) {
    let (vfs, caller) = (fs.vfs.clone(), fs.caller_with_groups(req));
    let began = vfs.began(Op::Fallocate, ids(req));
    fs.spawn(async move {
        let done = vfs.fallocate(&caller, fh.0, mode, offset, length).await;
        vfs.ended(began, done, || format!("({n},{mode},{offset},{length})"));
        send_empty(reply, done);
    });
}

pub(super) fn copy_file_range(
    fs: &FuserFs,
    req: &Request,
    (ino_in, fh_in, offset_in): Place,
    (ino_out, fh_out, offset_out): Place,
    len: u64,
    reply: ReplyWrite,
) {
    let (vfs, caller) = (fs.vfs.clone(), fs.caller_with_groups(req));
    let began = vfs.began(Op::CopyFileRange, ids(req));
    fs.spawn(async move {
        let (from, to) = ((fh_in.0, offset_in), (fh_out.0, offset_out));
        let copied = match vfs.drop_privileges(&caller, to.0).await {
            Ok(()) => vfs.copy_file_range(from, to, len).await,
            Err(e) => Err(e),
        };
        vfs.ended(began, outcome(&copied), || {
            format!("({ino_in},{offset_in},{ino_out},{offset_out},{len},0)")
        });
        match copied {
            // One copy is limited to what fits.
            Ok(n) => reply.written(u32::try_from(n).unwrap_or(u32::MAX)),
            Err(e) => reply.error(errno(e)),
        }
    });
}
