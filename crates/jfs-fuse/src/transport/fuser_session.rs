//! Requests as fuser delivers them: what each carries, and who answers it.
//!
//! Where its reply carries one time for name and attributes the smaller is sent. What is not
//! answered here (locks, lseek; extended attributes and ioctl unless they are enabled) gets ENOSYS: the
//! kernel then stops asking and falls back to what it can do alone (local locks, read and write).

mod attrs;
mod dirs;
mod files;
mod first_wait;
mod ioctl;
mod names;
mod replies;
mod setup;
mod xattrs;

pub(crate) use setup::{Features, Notices};

use crate::credentials::Credentials;
use crate::ops;
use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, Generation, INodeNo,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier,
    RenameFlags, ReplyAttr, ReplyBmap, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLock, ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs,
    ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::{NewNode, SetAttrRequest, Vfs};
use replies::errno;
use std::ffi::OsStr;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::runtime::Handle as Runtime;

/// Inodes are never used twice.
const GENERATION: Generation = Generation(0);

/// The file system as fuser calls it.
pub(crate) struct FuserFs {
    pub(crate) vfs: Vfs,
    pub(crate) runtime: Runtime,
    pub(crate) max_io: u32,
    pub(crate) umask: Option<u16>,
    pub(crate) features: Features,
    pub(crate) credentials: Arc<Credentials>,
}

impl FuserFs {
    /// Serves a request that has written data stored first: that keeps a thread busy.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Serves a request whose first wait is for an answer: of the engine, the cache or the store.
    fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        first_wait::begin(&self.runtime, work);
    }

    /// Serves a request that asks the engine first, unless data of the file has to be written before.
    fn begin_on(&self, ino: Ino, work: impl Future<Output = ()> + Send + 'static) {
        match self.vfs.is_clean(ino) {
            true => self.begin(work),
            false => self.spawn(work),
        }
    }

    fn caller(&self, req: &Request) -> Caller {
        self.credentials.caller(req.uid(), req.gid(), req.pid())
    }

    /// As [`FuserFs::caller`], with supplementary groups also where the kernel checks permissions: for
    /// the few rules about groups that it leaves to the file system.
    fn caller_with_groups(&self, req: &Request) -> Caller {
        let caller = self.caller(req);
        if caller.check_permission || caller.uid == 0 {
            return caller;
        }
        Caller {
            check_permission: false,
            ..self.credentials.checked(req.uid(), req.gid(), req.pid())
        }
    }
}

impl Filesystem for FuserFs {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        setup::negotiate(config, self.features, self.max_io);
        Ok(())
    }

    fn lookup(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        names::lookup(self, req, parent, name, reply);
    }

    fn getattr(&self, req: &Request, n: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        attrs::getattr(self, req, n, reply);
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
        _flags: Option<BsdFileFlags>,
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
        attrs::setattr(self, req, n, set, fh, reply);
    }

    fn readlink(&self, req: &Request, n: INodeNo, reply: ReplyData) {
        names::readlink(self, req, n, reply);
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
        names::mknod(self, req, parent, name, node, reply);
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
        names::mkdir(self, req, parent, name, (mode, umask), reply);
    }

    fn unlink(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        names::unlink(self, req, parent, name, reply);
    }

    fn rmdir(&self, req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        names::rmdir(self, req, parent, name, reply);
    }

    fn symlink(
        &self,
        req: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        names::symlink(self, req, parent, name, target, reply);
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
        let (from, to) = ((parent, name), (new_parent, new_name));
        names::rename(self, req, from, to, flags, reply);
    }

    fn link(&self, req: &Request, n: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        names::link(self, req, n, parent, name, reply);
    }

    fn open(&self, req: &Request, n: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        files::open(self, req, n, flags, reply);
    }

    fn read(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        files::read(self, req, n, fh, offset, size, reply);
    }

    fn write(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        how: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let to = files::write_to(offset, flags, how);
        files::write(self, req, (n, fh, offset), data, (to, how), reply);
    }

    fn flush(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        files::flush(self, req, n, fh, lock_owner, reply);
    }

    fn release(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        files::release(self, req, n, fh, reply);
    }

    fn fsync(&self, req: &Request, n: INodeNo, fh: FileHandle, datasync: bool, reply: ReplyEmpty) {
        files::fsync(self, req, n, fh, datasync, reply);
    }

    fn opendir(&self, req: &Request, n: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        dirs::opendir(self, req, n, reply);
    }

    fn readdir(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        dirs::readdir(self, req, n, fh, offset, reply);
    }

    fn readdirplus(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        dirs::readdirplus(self, req, n, fh, offset, reply);
    }

    fn releasedir(
        &self,
        req: &Request,
        n: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        dirs::releasedir(self, req, n, fh, reply);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        // Metadata is durable when an operation has answered.
        reply.ok();
    }

    fn statfs(&self, req: &Request, n: INodeNo, reply: ReplyStatfs) {
        attrs::statfs(self, req, n, reply);
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
        xattrs::setxattr(self, req, n, name, value, flags, reply);
    }

    fn getxattr(&self, req: &Request, n: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        xattrs::getxattr(self, req, n, name, size, reply);
    }

    fn listxattr(&self, req: &Request, n: INodeNo, size: u32, reply: ReplyXattr) {
        xattrs::listxattr(self, req, n, size, reply);
    }

    fn removexattr(&self, req: &Request, n: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        xattrs::removexattr(self, req, n, name, reply);
    }

    fn access(&self, req: &Request, n: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        attrs::access(self, req, n, mask.bits(), reply);
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
        files::create(self, req, parent, name, (mode, umask), flags, reply);
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
        files::fallocate(self, req, (n, fh), (offset, length), mode, reply);
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
        let (from, to) = ((ino_in, fh_in, offset_in), (ino_out, fh_out, offset_out));
        files::copy_file_range(self, req, from, to, len, reply);
    }

    fn ioctl(
        &self,
        req: &Request,
        n: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        cmd: u32,
        in_data: &[u8],
        out_size: u32,
        reply: ReplyIoctl,
    ) {
        ioctl::answer(self, req, n, cmd, in_data, out_size, reply);
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
        // Files are always ready then.
        reply.error(errno(Errno::ENOSYS));
    }

    fn bmap(&self, _: &Request, _: INodeNo, _: u32, _: u64, reply: ReplyBmap) {
        reply.error(errno(Errno::ENOSYS));
    }

    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        // The kernel takes the whole file for data then. It does not write out mapped pages before it
        // asks, so an answer that looks for holes would call such a page a hole while it holds data.
        reply.error(errno(Errno::ENOSYS));
    }

    // Locks are not asked for when the mount begins: the kernel keeps them itself.

    fn getlk(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: LockOwner,
        _start: u64,
        _end: u64,
        _kind: i32,
        _pid: u32,
        reply: ReplyLock,
    ) {
        reply.error(errno(Errno::ENOSYS));
    }

    fn setlk(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: LockOwner,
        _start: u64,
        _end: u64,
        _kind: i32,
        _pid: u32,
        _sleep: bool,
        reply: ReplyEmpty,
    ) {
        reply.error(errno(Errno::ENOSYS));
    }
}
