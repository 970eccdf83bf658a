//! Requests as fuser delivers them.
//!
//! Where its reply carries one time for name and attributes the smaller is sent. What is not
//! answered here (locks, lseek; extended attributes and ioctl unless they are enabled) gets ENOSYS: the
//! kernel then stops asking and falls back to what it can do alone (local locks, read and write).

mod answer;
mod ioctl;
mod setup;

pub(crate) use setup::{Features, Notices};

use crate::ops::{self, FlagsIoctl};
use answer::{
    attr_text, caller, created_text, entry_text, errno, file_attr, ids, ino, open_flags, outcome,
    send_empty, send_entries, send_entry, send_names, send_statfs, send_xattr, stale, statfs_text,
};
use fuser::{
    CopyFileRangeFlags, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, IoctlFlags,
    KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags,
    ReplyAttr, ReplyBmap, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite, ReplyXattr,
    Request, TimeOrNow, WriteFlags,
};
use jfs_types::Errno;
use jfs_vfs::{NewNode, Op, ReadNow, SetAttrRequest, Shown, Vfs, changes, mode_text};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;
use tokio::runtime::Handle as Runtime;

/// Inodes are never used twice.
const GENERATION: Generation = Generation(0);

thread_local! {
    /// Where reads are answered from; kept per reader thread so that it is allocated once.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The file system as fuser calls it.
pub(crate) struct FuserFs {
    pub(crate) vfs: Vfs,
    pub(crate) runtime: Runtime,
    pub(crate) max_io: u32,
    pub(crate) umask: Option<u16>,
    pub(crate) features: Features,
}

impl FuserFs {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }
}

impl Filesystem for FuserFs {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        setup::negotiate(config, self.features, self.max_io);
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let began = vfs.began(Op::Lookup, ids(req));
        self.spawn(async move {
            let found = vfs.lookup(&caller, ino(parent), &name).await;
            vfs.ended(began, outcome(&found), || {
                format!("({parent},{}):{}", Shown(&name), entry_text(&found))
            });
            send_entry(reply, found);
        });
    }

    fn getattr(&self, req: &Request, n: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let began = self.vfs.began(Op::GetAttr, ids(req));
        if let Some(a) = self.vfs.try_getattr(ino(n)) {
            let a = Ok(a);
            self.vfs
                .ended(began, Ok(()), || format!("({n}):{}", attr_text(&a)));
            if let Ok(a) = a {
                reply.attr(&a.ttl, &file_attr(a.ino, a.attr));
            }
            return;
        }
        let vfs = self.vfs.clone();
        self.spawn(async move {
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

    fn setattr(
        &self,
        req: &Request,
        n: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let time = |t: TimeOrNow| match t {
            TimeOrNow::Now => ops::set_time(None),
            TimeOrNow::SpecificTime(t) => ops::set_time(Some(t)),
        };
        let set = SetAttrRequest {
            mode: mode.map(|m| (m & 0o7777) as u16),
            uid,
            gid,
            size,
            atime: atime.map(time),
            mtime: mtime.map(time),
        };
        let (vfs, caller) = (self.vfs.clone(), caller(req));
        let began = vfs.began(Op::SetAttr, ids(req));
        self.spawn(async move {
            let done = vfs.setattr(&caller, ino(n), &set).await;
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

    fn readlink(&self, req: &Request, n: INodeNo, reply: ReplyData) {
        let vfs = self.vfs.clone();
        let began = vfs.began(Op::Readlink, ids(req));
        self.spawn(async move {
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

    fn mknod(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let Some(kind) = ops::file_type(mode) else {
            return reply.error(errno(Errno::EPERM));
        };
        let node = NewNode {
            kind,
            mode: (mode & 0o7777) as u16,
            umask: ops::effective_umask(self.umask, umask),
            rdev,
        };
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let began = vfs.began(Op::Mknod, ids(req));
        self.spawn(async move {
            let mode = mode_text(Some(node.kind), node.mode, true);
            let made = vfs.mknod(&caller, ino(parent), &name, node).await;
            vfs.ended(began, outcome(&made), || {
                let (name, entry) = (Shown(&name), entry_text(&made));
                format!("({parent},{name},{mode},0x{rdev:08X}):{entry}")
            });
            send_entry(reply, made);
        });
    }

    fn mkdir(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let umask = ops::effective_umask(self.umask, umask);
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let (mode, began) = ((mode & 0o7777) as u16, vfs.began(Op::Mkdir, ids(req)));
        self.spawn(async move {
            let made = vfs.mkdir(&caller, ino(parent), &name, mode, umask).await;
            vfs.ended(began, outcome(&made), || {
                let (name, mode) = (Shown(&name), mode_text(None, mode, false));
                format!("({parent},{name},{mode}):{}", entry_text(&made))
            });
            send_entry(reply, made);
        });
    }

    fn unlink(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let began = vfs.began(Op::Unlink, ids(req));
        self.spawn(async move {
            let done = vfs.unlink(&caller, ino(parent), &name).await;
            vfs.ended(began, done, || format!("({parent},{})", Shown(&name)));
            send_empty(reply, done);
        });
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let began = vfs.began(Op::Rmdir, ids(req));
        self.spawn(async move {
            let done = vfs.rmdir(&caller, ino(parent), &name).await;
            vfs.ended(began, done, || format!("({parent},{})", Shown(&name)));
            send_empty(reply, done);
        });
    }

    fn symlink(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let target = target.as_os_str().as_bytes().to_vec();
        let began = vfs.began(Op::Symlink, ids(req));
        self.spawn(async move {
            let made = vfs.symlink(&caller, ino(parent), &name, &target).await;
            vfs.ended(began, outcome(&made), || {
                let (name, target) = (Shown(&name), Shown(&target));
                format!("({parent},{name},{target}):{}", entry_text(&made))
            });
            send_entry(reply, made);
        });
    }

    fn rename(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (vfs, caller) = (self.vfs.clone(), caller(req));
        let (name, new_name) = (name.as_bytes().to_vec(), new_name.as_bytes().to_vec());
        let began = vfs.began(Op::Rename, ids(req));
        self.spawn(async move {
            let (from, to) = ((ino(parent), &name[..]), (ino(new_parent), &new_name[..]));
            let done = vfs.rename(&caller, from, to, flags.bits()).await;
            vfs.ended(began, done, || {
                let (old, new) = (Shown(&name), Shown(&new_name));
                format!("({parent},{old},{new_parent},{new},{})", flags.bits())
            });
            send_empty(reply, done);
        });
    }

    fn link(&self, req: &Request, n: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let began = vfs.began(Op::Link, ids(req));
        self.spawn(async move {
            let made = vfs.link(&caller, ino(n), ino(parent), &name).await;
            vfs.ended(began, outcome(&made), || {
                format!("({n},{parent},{}):{}", Shown(&name), entry_text(&made))
            });
            send_entry(reply, made);
        });
    }

    fn open(&self, req: &Request, n: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (vfs, caller) = (self.vfs.clone(), caller(req));
        let began = vfs.began(Op::Open, ids(req));
        self.spawn(async move {
            let opened = vfs.open(&caller, ino(n), flags.0).await;
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

    fn read(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let began = self.vfs.began(Op::Read, ids(req));
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
            BUFFER.with_borrow_mut(
                |buffer| match self.vfs.try_read(fh.0, offset, size, buffer) {
                    Some(Ok(ReadNow::Copied(n))) => {
                        ended(&self.vfs, Ok(n));
                        reply.data(&buffer[..n]);
                        None
                    }
                    Some(Ok(ReadNow::Shared(block))) => {
                        ended(&self.vfs, Ok(block.len()));
                        reply.data(&block);
                        None
                    }
                    Some(Err(e)) => {
                        ended(&self.vfs, Err(e));
                        reply.error(errno(e));
                        None
                    }
                    None => Some(reply),
                },
            );
        let Some(reply) = answered else { return };
        let vfs = self.vfs.clone();
        self.spawn(async move {
            let read = vfs.read(fh.0, ino(n), offset, size).await;
            ended(&vfs, read.as_ref().map(|data| data.len()).map_err(|e| *e));
            match read {
                Ok(data) => reply.data(&data),
                Err(e) => reply.error(errno(e)),
            }
        });
    }

    fn write(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let (began, size) = (self.vfs.began(Op::Write, ids(req)), data.len());
        let ended = move |vfs: &Vfs, written: Result<u32, Errno>| {
            if written.is_ok() {
                vfs.stats().written(size);
            }
            vfs.ended(began, outcome(&written), || {
                format!("({n},{size},{offset},{})", fh.0)
            });
        };
        if let Some(done) = self.vfs.try_write(fh.0, offset, data) {
            ended(&self.vfs, done);
            return match done {
                Ok(n) => reply.written(n),
                Err(e) => reply.error(errno(e)),
            };
        }
        let (vfs, data) = (self.vfs.clone(), bytes::Bytes::copy_from_slice(data));
        self.spawn(async move {
            let done = vfs.write(fh.0, ino(n), offset, data).await;
            ended(&vfs, done);
            match done {
                Ok(n) => reply.written(n),
                Err(e) => reply.error(errno(e)),
            }
        });
    }

    fn flush(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        let began = self.vfs.began(Op::Flush, ids(req));
        let text = move || format!("({n},{},{:016X})", fh.0, lock_owner.0);
        if let Some(result) = self.vfs.try_flush(fh.0) {
            self.vfs.ended(began, result, text);
            return send_empty(reply, result);
        }
        let vfs = self.vfs.clone();
        self.spawn(async move {
            let done = vfs.flush(fh.0, ino(n)).await;
            vfs.ended(began, done, text);
            send_empty(reply, done);
        });
    }

    fn release(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let began = self.vfs.began(Op::Release, ids(req));
        let text = move || format!("({n},{})", fh.0);
        if self.vfs.try_release(fh.0) {
            self.vfs.ended(began, Ok(()), text);
            return reply.ok();
        }
        let vfs = self.vfs.clone();
        self.spawn(async move {
            vfs.release(fh.0, ino(n)).await;
            vfs.ended(began, Ok(()), text);
            reply.ok();
        });
    }

    fn fsync(&self, req: &Request, n: INodeNo, fh: FileHandle, datasync: bool, reply: ReplyEmpty) {
        let vfs = self.vfs.clone();
        let began = vfs.began(Op::Fsync, ids(req));
        self.spawn(async move {
            let done = vfs.fsync(fh.0, ino(n), datasync).await;
            vfs.ended(began, done, || format!("({n},{})", u8::from(datasync)));
            send_empty(reply, done);
        });
    }

    fn opendir(&self, req: &Request, n: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let began = self.vfs.began(Op::Opendir, ids(req));
        let fh = self.vfs.opendir(ino(n));
        self.vfs.ended(began, Ok(()), || format!("({n}) [fh:{fh}]"));
        reply.opened(FileHandle(fh), FopenFlags::empty());
    }

    fn readdir(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        let began = self.vfs.began(Op::Readdir, ids(req));
        let text = move |shown: Option<usize>| {
            let shown = shown.map_or(String::new(), |n| format!(": ({n})"));
            format!("({n},0,{offset},false){shown}")
        };
        if let Some(listing) = self.vfs.try_readdir(fh.0, offset) {
            self.vfs.ended(began, Ok(()), || text(Some(listing.len())));
            return send_names(reply, &listing, offset);
        }
        let (vfs, caller) = (self.vfs.clone(), caller(req));
        self.spawn(async move {
            let listed = vfs.readdir(&caller, fh.0, offset).await;
            vfs.ended(began, outcome(&listed), || {
                text(listed.as_ref().ok().map(|l| l.len()))
            });
            match listed {
                Ok(listing) => send_names(reply, &listing, offset),
                Err(e) => reply.error(errno(e)),
            }
        });
    }

    fn readdirplus(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        let config = self.vfs.config();
        // One time is sent for name and attributes.
        let ttl = config
            .attr_timeout
            .min(config.entry_timeout)
            .min(config.dir_entry_timeout);
        let began = self.vfs.began(Op::Readdir, ids(req));
        let text = move |shown: Option<usize>| {
            let shown = shown.map_or(String::new(), |n| format!(": ({n})"));
            format!("({n},0,{offset},true){shown}")
        };
        if let Some(listing) = self.vfs.try_readdir(fh.0, offset) {
            self.vfs.ended(began, Ok(()), || text(Some(listing.len())));
            return send_entries(reply, &listing, offset, ttl);
        }
        let (vfs, caller) = (self.vfs.clone(), caller(req));
        self.spawn(async move {
            let listed = vfs.readdir(&caller, fh.0, offset).await;
            vfs.ended(began, outcome(&listed), || {
                text(listed.as_ref().ok().map(|l| l.len()))
            });
            match listed {
                Ok(listing) => send_entries(reply, &listing, offset, ttl),
                Err(e) => reply.error(errno(e)),
            }
        });
    }

    fn releasedir(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        let began = self.vfs.began(Op::Releasedir, ids(req));
        self.vfs.releasedir(fh.0);
        self.vfs.ended(began, Ok(()), || format!("({n})"));
        reply.ok();
    }

    fn fsyncdir(
        &self,
        _req: &Request,
        _n: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        // Metadata is durable when an operation has answered.
        reply.ok();
    }

    fn statfs(&self, req: &Request, n: INodeNo, reply: ReplyStatfs) {
        let vfs = self.vfs.clone();
        let began = vfs.began(Op::Statfs, ids(req));
        self.spawn(async move {
            let found = vfs.statfs().await;
            vfs.ended(began, outcome(&found), || statfs_text(n, &found));
            send_statfs(reply, found);
        });
    }

    fn setxattr(
        &self,
        req: &Request,
        n: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        if !self.features.xattr {
            return reply.error(errno(Errno::ENOSYS));
        }
        let (vfs, caller) = (self.vfs.clone(), caller(req));
        let (name, value) = (name.as_bytes().to_vec(), value.to_vec());
        let began = vfs.began(Op::SetXattr, ids(req));
        self.spawn(async move {
            let set = vfs.set_xattr(&caller, ino(n), &name, &value, flags).await;
            vfs.ended(began, set, || {
                format!("({n},{},{},{flags})", Shown(&name), value.len())
            });
            send_empty(reply, set);
        });
    }

    fn getxattr(&self, req: &Request, n: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        if !self.features.xattr {
            return reply.error(errno(Errno::ENOSYS));
        }
        let (vfs, name) = (self.vfs.clone(), name.as_bytes().to_vec());
        let began = vfs.began(Op::GetXattr, ids(req));
        self.spawn(async move {
            let value = vfs.get_xattr(ino(n), &name).await;
            vfs.ended(began, outcome(&value), || {
                let len = value.as_ref().map_or(0, |v| v.len());
                format!("({n},{},{size}): ({len})", Shown(&name))
            });
            send_xattr(reply, size, value);
        });
    }

    fn listxattr(&self, req: &Request, n: INodeNo, size: u32, reply: ReplyXattr) {
        if !self.features.xattr {
            return reply.error(errno(Errno::ENOSYS));
        }
        let vfs = self.vfs.clone();
        let began = vfs.began(Op::ListXattr, ids(req));
        self.spawn(async move {
            let names = vfs.list_xattrs(ino(n)).await;
            let names = names.map(|n| ops::joined_names(&n));
            vfs.ended(began, outcome(&names), || {
                let len = names.as_ref().map_or(0, |all| all.len());
                format!("({n},{size}): ({len})")
            });
            send_xattr(reply, size, names);
        });
    }

    fn removexattr(&self, req: &Request, n: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        if !self.features.xattr {
            return reply.error(errno(Errno::ENOSYS));
        }
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let began = vfs.began(Op::RemoveXattr, ids(req));
        self.spawn(async move {
            let done = vfs.remove_xattr(&caller, ino(n), &name).await;
            vfs.ended(began, done, || format!("({n},{})", Shown(&name)));
            send_empty(reply, done);
        });
    }

    fn fallocate(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let (vfs, caller) = (self.vfs.clone(), caller(req));
        let began = vfs.began(Op::Fallocate, ids(req));
        self.spawn(async move {
            let done = vfs.fallocate(&caller, fh.0, mode, offset, length).await;
            vfs.ended(began, done, || format!("({n},{mode},{offset},{length})"));
            send_empty(reply, done);
        });
    }

    fn copy_file_range(
        &self,
        req: &Request,
        ino_in: INodeNo,
        fh_in: FileHandle,
        offset_in: u64,
        ino_out: INodeNo,
        fh_out: FileHandle,
        offset_out: u64,
        len: u64,
        flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        if !flags.is_empty() {
            return reply.error(errno(Errno::EINVAL));
        }
        let vfs = self.vfs.clone();
        let began = vfs.began(Op::CopyFileRange, ids(req));
        self.spawn(async move {
            let (from, to) = ((fh_in.0, offset_in), (fh_out.0, offset_out));
            let copied = vfs.copy_file_range(from, to, len).await;
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

    fn ioctl(
        &self,
        req: &Request,
        n: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        cmd: u32,
        in_data: &[u8],
        out_size: u32,
        reply: ReplyIoctl,
    ) {
        if !self.features.ioctl {
            return reply.error(errno(Errno::ENOTTY));
        }
        let (vfs, caller) = (self.vfs.clone(), caller(req));
        let (asked, in_size) = (FlagsIoctl::parse(cmd, in_data), in_data.len());
        let began = vfs.began(Op::Ioctl, ids(req));
        self.spawn(async move {
            let done = match asked {
                Ok(asked) => ioctl::run(&vfs, &caller, ino(n), asked, out_size).await,
                Err(e) => Err(e),
            };
            vfs.ended(began, outcome(&done), || {
                format!("({n},0x{cmd:X},0x0,{in_size},{out_size})")
            });
            match done {
                Ok(data) => reply.ioctl(0, &data),
                Err(e) => reply.error(errno(e)),
            }
        });
    }

    // What has no meaning here is answered without a word: fuser would log each.

    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: PollNotifier,
        _: PollEvents,
        _: PollFlags,
        reply: ReplyPoll,
    ) {
        reply.error(errno(Errno::ENOSYS));
    }

    fn bmap(&self, _: &Request, _: INodeNo, _: u32, _: u64, reply: ReplyBmap) {
        reply.error(errno(Errno::ENOSYS));
    }

    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        // The kernel takes the whole file for data then.
        reply.error(errno(Errno::ENOSYS));
    }

    fn access(&self, _: &Request, _: INodeNo, _: fuser::AccessFlags, reply: ReplyEmpty) {
        // The kernel checks permissions itself and does not ask again after this.
        reply.error(errno(Errno::ENOSYS));
    }

    fn create(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let umask = ops::effective_umask(self.umask, umask);
        let (vfs, caller, name) = (self.vfs.clone(), caller(req), name.as_bytes().to_vec());
        let (mode, began) = ((mode & 0o7777) as u16, vfs.began(Op::Create, ids(req)));
        self.spawn(async move {
            let made = vfs
                .create(&caller, ino(parent), &name, mode, umask, flags)
                .await;
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
}
