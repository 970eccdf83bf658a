//! Requests about open files.

use super::replies::{
    errno, file_attr, ids, ino, logged, logged_done, open_flags, send_empty, stale,
};
use super::{FuserFs, GENERATION};
use crate::conversions;
use fuser::{
    FileHandle, INodeNo, LockOwner, OpenFlags, ReplyCreate, ReplyData, ReplyEmpty, ReplyOpen,
    ReplyWrite, Request, WriteFlags,
};
use jfs_control::{Answer, Request as Call};
use jfs_types::{Caller, Errno};
use jfs_vfs::ReadNow;
use jfs_vfs::kernel::KernelWrite;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

thread_local! {
    /// The buffer that reads are answered from, one for each reader thread, allocated once.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A place in an open file.
pub(super) type Place = (INodeNo, FileHandle, u64);

pub(super) fn open(fs: &FuserFs, req: &Request, n: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
    let view = fs.view.clone();
    let caller = match ino(n).is_virtual() {
        // Requests to `.control` are answered by the rights of the process that has opened it.
        true => fs.credentials.known(req.uid(), req.gid(), req.pid()),
        false => fs.caller(req),
    };
    // The modes of internal files apply to the process itself, also where it is squashed to another user.
    let unchecked = ino(n).is_virtual() && !fs.credentials.kernel_checks();
    let process = unchecked.then(|| fs.credentials.checked(req.uid(), req.gid(), req.pid()));
    let (began, flags) = (view.began(ids(req)), flags.0);
    fs.begin_on(ino(n), async move {
        let may = match &process {
            Some(process) => {
                view.access(process, ino(n), conversions::access_mask(flags))
                    .await
            }
            None => Ok(()),
        };
        let opened = match may {
            Ok(()) => view.open(&caller, ino(n), flags).await,
            Err(e) => Err(e),
        };
        let call = Call::Open { ino: ino(n), flags };
        view.ended(began, call, logged(&opened, |(fh, _)| Answer::Opened(*fh)));
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
    let umask = conversions::effective_umask(fs.umask, umask);
    let (view, caller, name) = (fs.view.clone(), fs.caller(req), name.as_bytes().to_vec());
    let (mode, began) = ((mode & 0o7777) as u16, view.began(ids(req)));
    let (credentials, uid, gid, pid) = (fs.credentials.clone(), req.uid(), req.gid(), req.pid());
    fs.begin(async move {
        let create = async |caller: &Caller, flags: i32| {
            let dir = ino(parent);
            view.create(caller, dir, &name, mode, umask, flags).await
        };
        // The kernel believes that the name is free, so it has checked no file. A file that is there after all is
        // opened with a check of permissions here.
        let made = match caller.check_permission {
            true => create(&caller, flags).await,
            false => match create(&caller, flags | libc::O_EXCL).await {
                Err(Errno::EEXIST) if flags & libc::O_EXCL == 0 => {
                    create(&credentials.checked(uid, gid, pid), flags).await
                }
                made => made,
            },
        };
        let call = Call::Create {
            parent: ino(parent),
            name: &name,
            mode,
        };
        let created = logged(&made, |(entry, fh, _)| Answer::Created(entry, *fh));
        view.ended(began, call, created);
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
    let view = &fs.view;
    let began = view.began(ids(req));
    let call = Call::Read {
        ino: ino(n),
        fh: fh.0,
        offset,
        size,
    };
    let answered =
        BUFFER.with_borrow_mut(
            |buffer| match view.vfs().try_read(fh.0, offset, size, buffer) {
                Some(Ok(ReadNow::Copied(n))) => {
                    view.ended(began, call, Ok(Answer::Count(n)));
                    reply.data(&buffer[..n]);
                    None
                }
                Some(Ok(ReadNow::Shared(block))) => {
                    view.ended(began, call, Ok(Answer::Count(block.len())));
                    reply.data(&block);
                    None
                }
                Some(Err(e)) => {
                    view.ended(began, call, Err(e));
                    reply.error(errno(e));
                    None
                }
                None => Some(reply),
            },
        );
    let Some(reply) = answered else { return };
    let view = view.clone();
    fs.begin(async move {
        let read = view.vfs().read(fh.0, offset, size).await;
        view.ended(began, call, logged(&read, |data| Answer::Count(data.len())));
        match read {
            Ok(data) => reply.data(&data),
            Err(e) => reply.error(errno(e)),
        }
    });
}

/// The place that a write goes to. The flags of the request are those of the descriptor at this moment: `fcntl(2)`
/// may have set or cleared `O_APPEND` since the open. Pages of a mapping are written back to their place.
pub(super) fn write_to(offset: u64, flags: OpenFlags, how: WriteFlags) -> KernelWrite {
    let pages = how.contains(WriteFlags::FUSE_WRITE_CACHE);
    match flags.0 & libc::O_APPEND != 0 && !pages {
        true => KernelWrite::Append(offset),
        false => KernelWrite::Offset(offset),
    }
}

/// The caller whose write takes setuid and setgid from the file; `None` if the write takes nothing. The kernel flags
/// writes of processes without CAP_FSETID. A super-user who is squashed to another user counts as one of them. Pages
/// of a mapping take nothing, as on a local file system.
fn takes_privileges(
    fs: &FuserFs,
    req: &Request,
    fh: FileHandle,
    how: WriteFlags,
) -> Option<Caller> {
    let killed = how.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID)
        || fs.credentials.counts_for_other(req.uid());
    let pages = how.contains(WriteFlags::FUSE_WRITE_CACHE);
    if pages || !killed || !fs.view.vfs().is_privileged(fh.0) {
        return None;
    }
    let mut caller = fs.caller_with_groups(req);
    if caller.uid == 0 && how.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID) {
        // A super-user without the capability counts as any other user.
        (caller.uid, caller.gid) = (u32::MAX, u32::MAX);
    }
    Some(caller)
}

pub(super) fn write(
    fs: &FuserFs,
    req: &Request,
    (n, fh, offset): Place,
    data: &[u8],
    (to, how): (KernelWrite, WriteFlags),
    reply: ReplyWrite,
) {
    let began = fs.view.began(ids(req));
    let call = Call::Write {
        ino: ino(n),
        fh: fh.0,
        offset,
        size: data.len(),
    };
    let by = takes_privileges(fs, req, fh, how);
    let tried = match &by {
        None => fs.view.kernel().try_write(fh.0, to, data),
        Some(_) => None,
    };
    if let Some(done) = tried {
        fs.view.ended(began, call, logged_done(&done));
        return match done {
            Ok(n) => reply.written(n),
            Err(e) => reply.error(errno(e)),
        };
    }
    let (view, data) = (fs.view.clone(), bytes::Bytes::copy_from_slice(data));
    // Begun on this thread, so that appends queue in the order of their requests.
    fs.begin(async move {
        let may = match &by {
            Some(caller) => view.vfs().drop_privileges(caller, fh.0).await,
            None => Ok(()),
        };
        let done = match may {
            Ok(()) => view.kernel().write(fh.0, to, data).await,
            Err(e) => Err(e),
        };
        view.ended(began, call, logged_done(&done));
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
    let view = fs.view.clone();
    let began = view.began(ids(req));
    let call = Call::Flush {
        ino: ino(n),
        fh: fh.0,
        lock_owner: lock_owner.0,
    };
    if let Some(result) = view.vfs().try_flush(fh.0) {
        view.ended(began, call, logged_done(&result));
        return send_empty(reply, result);
    }
    fs.spawn(async move {
        let done = view.vfs().flush(fh.0).await;
        view.ended(began, call, logged_done(&done));
        send_empty(reply, done);
    });
}

pub(super) fn release(fs: &FuserFs, req: &Request, n: INodeNo, fh: FileHandle, reply: ReplyEmpty) {
    let began = fs.view.began(ids(req));
    let call = Call::Release {
        ino: ino(n),
        fh: fh.0,
    };
    if fs.view.vfs().try_release(fh.0) {
        fs.view.ended(began, call, Ok(Answer::Done));
        return reply.ok();
    }
    let view = fs.view.clone();
    fs.spawn(async move {
        view.vfs().release(fh.0).await;
        view.ended(began, call, Ok(Answer::Done));
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
    let view = fs.view.clone();
    let began = view.began(ids(req));
    let call = Call::Fsync {
        ino: ino(n),
        data_only: datasync,
    };
    fs.spawn(async move {
        let done = view.vfs().fsync(fh.0).await;
        view.ended(began, call, logged_done(&done));
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
    let (view, caller) = (fs.view.clone(), fs.caller_with_groups(req));
    let began = view.began(ids(req));
    let call = Call::Fallocate {
        ino: ino(n),
        mode,
        offset,
        length,
    };
    fs.spawn(async move {
        let vfs = view.vfs();
        let done = vfs.fallocate(&caller, fh.0, mode, offset, length).await;
        view.ended(began, call, logged_done(&done));
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
    let (view, caller) = (fs.view.clone(), fs.caller_with_groups(req));
    let began = view.began(ids(req));
    let call = Call::CopyFileRange {
        from: (ino(ino_in), offset_in),
        to: (ino(ino_out), offset_out),
        length: len,
    };
    fs.spawn(async move {
        let vfs = view.vfs();
        let (from, to) = ((fh_in.0, offset_in), (fh_out.0, offset_out));
        let copied = match vfs.drop_privileges(&caller, to.0).await {
            Ok(()) => vfs.copy_file_range(from, to, len).await,
            Err(e) => Err(e),
        };
        view.ended(began, call, logged_done(&copied));
        match copied {
            // The vfs limits a copy to a length that fits.
            Ok(n) => reply.written(u32::try_from(n).unwrap_or(u32::MAX)),
            Err(e) => reply.error(errno(e)),
        }
    });
}
