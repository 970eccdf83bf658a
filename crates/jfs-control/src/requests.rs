//! Requests of an edge: how many, how long, how they ended, and a line for each reader of `.accesslog`.

mod counters;
mod text;

use counters::Op;
pub(crate) use counters::RequestCounters;

use crate::internal_files::is_access_log;
use crate::view::View;
use jfs_types::{Errno, Ino};
use jfs_vfs::{AttrReply, EntryReply, NewNode, SetAttrRequest, StatFs};
use std::time::{Duration, Instant};

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    since: Instant,
    uid: u32,
    gid: u32,
    pid: u32,
}

/// A request with its arguments. Borrows names, so that a request that is not logged costs no allocation.
/// Inodes are numbers as seen from outside.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the arguments of the system calls")]
pub enum Request<'a> {
    Lookup {
        parent: Ino,
        name: &'a [u8],
    },
    GetAttr {
        ino: Ino,
    },
    SetAttr {
        ino: Ino,
        fh: Option<u64>,
        set: &'a SetAttrRequest,
    },
    Readlink {
        ino: Ino,
    },
    Mknod {
        parent: Ino,
        name: &'a [u8],
        node: &'a NewNode,
    },
    Mkdir {
        parent: Ino,
        name: &'a [u8],
        mode: u16,
    },
    Symlink {
        parent: Ino,
        name: &'a [u8],
        target: &'a [u8],
    },
    Link {
        ino: Ino,
        parent: Ino,
        name: &'a [u8],
    },
    Unlink {
        parent: Ino,
        name: &'a [u8],
    },
    Rmdir {
        parent: Ino,
        name: &'a [u8],
    },
    Rename {
        from: (Ino, &'a [u8]),
        to: (Ino, &'a [u8]),
        flags: u32,
    },
    Create {
        parent: Ino,
        name: &'a [u8],
        mode: u16,
    },
    Open {
        ino: Ino,
        flags: i32,
    },
    Read {
        ino: Ino,
        fh: u64,
        offset: u64,
        size: u32,
    },
    Write {
        ino: Ino,
        fh: u64,
        offset: u64,
        size: usize,
    },
    Flush {
        ino: Ino,
        fh: u64,
        lock_owner: u64,
    },
    Release {
        ino: Ino,
        fh: u64,
    },
    Fsync {
        ino: Ino,
        data_only: bool,
    },
    Fallocate {
        ino: Ino,
        mode: i32,
        offset: u64,
        length: u64,
    },
    CopyFileRange {
        from: (Ino, u64),
        to: (Ino, u64),
        length: u64,
    },
    Opendir {
        ino: Ino,
    },
    Readdir {
        ino: Ino,
        offset: u64,
        attributes: bool,
    },
    Releasedir {
        ino: Ino,
    },
    Statfs {
        ino: Ino,
    },
    SetXattr {
        ino: Ino,
        name: &'a [u8],
        size: usize,
        flags: i32,
    },
    GetXattr {
        ino: Ino,
        name: &'a [u8],
        size: u32,
    },
    ListXattr {
        ino: Ino,
        size: u32,
    },
    RemoveXattr {
        ino: Ino,
        name: &'a [u8],
    },
    Ioctl {
        ino: Ino,
        command: u32,
        in_size: usize,
        out_size: u32,
    },
}

/// What a request that succeeded has answered.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// Nothing that the access log shows.
    Done,
    /// Attributes of an inode.
    Attr(&'a AttrReply),
    /// An entry that was found or made.
    Entry(&'a EntryReply),
    /// A file that was created, and its handle.
    Created(&'a EntryReply, u64),
    /// A handle.
    Opened(u64),
    /// The target of a symbolic link.
    Target(&'a [u8]),
    /// A number of bytes, or of directory entries.
    Count(usize),
    /// Space and inodes.
    StatFs(&'a StatFs),
}

impl View {
    /// Notes that a request has arrived from a process with these credentials: user, group, process.
    pub fn began(&self, (uid, gid, pid): (u32, u32, u32)) -> Began {
        Began {
            since: Instant::now(),
            uid,
            gid,
            pid,
        }
    }

    /// Notes the answer to a request: counts it, and logs it if `.accesslog` has readers. A read of `.accesslog`
    /// itself is not noted.
    pub fn ended(&self, began: Began, request: Request<'_>, answer: Result<Answer<'_>, Errno>) {
        let took = began.since.elapsed();
        let counters = &self.inner.counters;
        match (&request, &answer) {
            (Request::Read { ino, .. }, _) if is_access_log(*ino) => return,
            (Request::Read { .. }, Ok(Answer::Count(bytes))) => counters.read(*bytes),
            (Request::Write { size, .. }, Ok(_)) => counters.written(*size),
            _ => {}
        }
        let outcome = answer.as_ref().map(|_| ()).map_err(|e| *e);
        counters.request(request.op(), took, outcome);
        if self.inner.log.has_readers() {
            self.log(began, took, &request, answer);
        }
    }

    fn log(
        &self,
        began: Began,
        took: Duration,
        request: &Request<'_>,
        answer: Result<Answer<'_>, Errno>,
    ) {
        #[expect(
            clippy::disallowed_methods,
            reason = "lines of the access log carry the time of the machine"
        )]
        let now = std::time::SystemTime::now();
        let stamp = jfs_telemetry::local_stamp(now);
        let Began { uid, gid, pid, .. } = began;
        let (op, text) = (request.op().name(), text::text(request, answer));
        let status = match answer {
            Ok(_) => "OK",
            Err(e) => e.text(),
        };
        let micros = took.as_micros();
        self.inner.log.push(format!(
            "{stamp} [uid:{uid},gid:{gid},pid:{pid}] {op} {text} - {status} <{}.{:06}>\n",
            micros / 1_000_000,
            micros % 1_000_000
        ));
    }
}

impl Request<'_> {
    /// The kind of the request.
    fn op(&self) -> Op {
        match self {
            Request::Lookup { .. } => Op::Lookup,
            Request::GetAttr { .. } => Op::GetAttr,
            Request::SetAttr { .. } => Op::SetAttr,
            Request::Readlink { .. } => Op::Readlink,
            Request::Mknod { .. } => Op::Mknod,
            Request::Mkdir { .. } => Op::Mkdir,
            Request::Symlink { .. } => Op::Symlink,
            Request::Link { .. } => Op::Link,
            Request::Unlink { .. } => Op::Unlink,
            Request::Rmdir { .. } => Op::Rmdir,
            Request::Rename { .. } => Op::Rename,
            Request::Create { .. } => Op::Create,
            Request::Open { .. } => Op::Open,
            Request::Read { .. } => Op::Read,
            Request::Write { .. } => Op::Write,
            Request::Flush { .. } => Op::Flush,
            Request::Release { .. } => Op::Release,
            Request::Fsync { .. } => Op::Fsync,
            Request::Fallocate { .. } => Op::Fallocate,
            Request::CopyFileRange { .. } => Op::CopyFileRange,
            Request::Opendir { .. } => Op::Opendir,
            Request::Readdir { .. } => Op::Readdir,
            Request::Releasedir { .. } => Op::Releasedir,
            Request::Statfs { .. } => Op::Statfs,
            Request::SetXattr { .. } => Op::SetXattr,
            Request::GetXattr { .. } => Op::GetXattr,
            Request::ListXattr { .. } => Op::ListXattr,
            Request::RemoveXattr { .. } => Op::RemoveXattr,
            Request::Ioctl { .. } => Op::Ioctl,
        }
    }
}
