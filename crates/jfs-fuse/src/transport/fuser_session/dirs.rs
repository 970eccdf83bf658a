//! Requests about directories.

use super::FuserFs;
use super::replies::{errno, ids, ino, logged, send_entries, send_names, stale};
use fuser::{
    FileHandle, FopenFlags, INodeNo, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyOpen,
    Request,
};
use jfs_control::{Answer, Request as Call, View};
use jfs_types::Errno;
use jfs_vfs::DirItems;

pub(super) fn opendir(fs: &FuserFs, req: &Request, n: INodeNo, reply: ReplyOpen) {
    let began = fs.view.began(ids(req));
    let call = Call::Opendir { ino: ino(n) };
    let caller = fs.caller(req);
    if let Some(fh) = fs.view.vfs().try_opendir(&caller, ino(n)) {
        fs.view.ended(began, call, Ok(Answer::Opened(fh)));
        return reply.opened(FileHandle(fh), caching(&fs.view, n));
    }
    let view = fs.view.clone();
    fs.begin(async move {
        let opened = view.vfs().opendir(&caller, ino(n)).await;
        view.ended(began, call, logged(&opened, |fh| Answer::Opened(*fh)));
        match opened {
            Ok(fh) => reply.opened(FileHandle(fh), caching(&view, n)),
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
    let config = fs.view.vfs().config();
    // A reply has one lifetime for name and attributes.
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
    let began = fs.view.began(ids(req));
    let call = Call::Readdir {
        ino: ino(n),
        offset,
        attributes,
    };
    if let Some(items) = fs.view.vfs().try_readdir(fh.0, offset) {
        fs.view.ended(began, call, Ok(Answer::Count(items.len())));
        return answer(Ok(&items));
    }
    let view = fs.view.clone();
    fs.begin(async move {
        let listed = view.readdir(ino(n), fh.0, offset).await;
        let count = |items: &DirItems| Answer::Count(items.len());
        view.ended(began, call, logged(&listed, count));
        answer(listed.as_ref().map_err(|e| *e));
    });
}

pub(super) fn releasedir(
    fs: &FuserFs,
    req: &Request,
    n: INodeNo,
    fh: FileHandle,
    reply: ReplyEmpty,
) {
    let began = fs.view.began(ids(req));
    fs.view.vfs().releasedir(fh.0);
    let call = Call::Releasedir { ino: ino(n) };
    fs.view.ended(began, call, Ok(Answer::Done));
    reply.ok();
}

/// Flags that say whether the kernel may cache the listing, and use the one it has.
fn caching(view: &View, n: INodeNo) -> FopenFlags {
    if !view.vfs().config().readdir_cache {
        return FopenFlags::empty();
    }
    match view.kernel().may_keep_listing(ino(n)) {
        true => FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE,
        // The kernel drops the listing that it has.
        false => FopenFlags::FOPEN_CACHE_DIR,
    }
}
