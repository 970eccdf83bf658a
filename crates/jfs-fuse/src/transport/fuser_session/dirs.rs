//! Requests about directories.

use super::FuserFs;
use super::replies::{errno, ids, ino, outcome, send_entries, send_names, stale};
use fuser::{
    FileHandle, FopenFlags, INodeNo, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyOpen,
    Request,
};
use jfs_types::Errno;
use jfs_vfs::{DirItems, Op, Vfs};

pub(super) fn opendir(fs: &FuserFs, req: &Request, n: INodeNo, reply: ReplyOpen) {
    let began = fs.vfs.began(Op::Opendir, ids(req));
    let caller = fs.caller(req);
    if let Some(fh) = fs.vfs.try_opendir(&caller, ino(n)) {
        fs.vfs.ended(began, Ok(()), || format!("({n}) [fh:{fh}]"));
        return reply.opened(FileHandle(fh), caching(&fs.vfs, n));
    }
    let vfs = fs.vfs.clone();
    fs.begin(async move {
        let opened = vfs.opendir(&caller, ino(n)).await;
        vfs.ended(began, outcome(&opened), || match opened {
            Ok(fh) => format!("({n}) [fh:{fh}]"),
            Err(_) => format!("({n})"),
        });
        match opened {
            Ok(fh) => reply.opened(FileHandle(fh), caching(&vfs, n)),
            Err(e) => reply.error(stale(e)),
        }
    });
}

pub(super) fn readdir(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    fh: FileHandle,
    offset: u64,
    reply: ReplyDirectory,
) {
    list(
        fs,
        req,
        n,
        fh,
        (offset, false),
        move |listed| match listed {
            Ok(items) => send_names(reply, items),
            Err(e) => reply.error(errno(e)),
        },
    );
}

pub(super) fn readdirplus(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    fh: FileHandle,
    offset: u64,
    reply: ReplyDirectoryPlus,
) {
    let config = fs.vfs.config();
    // One time is sent for name and attributes.
    let ttl = config
        .attr_timeout
        .min(config.entry_timeout)
        .min(config.dir_entry_timeout);
    list(fs, req, n, fh, (offset, true), move |listed| match listed {
        Ok(items) => send_entries(reply, items, ttl),
        Err(e) => reply.error(errno(e)),
    });
}

/// A page of a listing from `offset` on, with attributes or names alone, for `answer`.
fn list(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    fh: FileHandle,
    (offset, attributes): (u64, bool),
    answer: impl FnOnce(Result<&DirItems, Errno>) + Send + 'static,
) {
    let began = fs.vfs.began(Op::Readdir, ids(req));
    let text = move |listed: Result<&DirItems, Errno>| {
        let shown = listed.map_or(String::new(), |items| format!(": ({})", items.len()));
        format!("({n},0,{offset},{attributes}){shown}")
    };
    if let Some(items) = fs.vfs.try_readdir(fh.0, offset) {
        fs.vfs.ended(began, Ok(()), || text(Ok(&items)));
        return answer(Ok(&items));
    }
    let vfs = fs.vfs.clone();
    fs.begin(async move {
        let listed = vfs.readdir(fh.0, offset).await;
        let shown = listed.as_ref().map_err(|e| *e);
        vfs.ended(began, outcome(&listed), || text(shown));
        answer(shown);
    });
}

pub(super) fn releasedir(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    fh: FileHandle,
    reply: ReplyEmpty,
) {
    let began = fs.vfs.began(Op::Releasedir, ids(req));
    fs.vfs.releasedir(fh.0);
    fs.vfs.ended(began, Ok(()), || format!("({n})"));
    reply.ok();
}

/// What the kernel may cache of a listing.
fn caching(vfs: &Vfs, n: INodeNo) -> FopenFlags {
    if !vfs.config().readdir_cache {
        return FopenFlags::empty();
    }
    match vfs.may_keep_listing(ino(n)) {
        true => FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE,
        // What it has is dropped.
        false => FopenFlags::FOPEN_CACHE_DIR,
    }
}
