//! Requests about directories.

use super::FuserFs;
use super::answer::{errno, ids, ino, outcome, send_entries, send_names, stale};
use fuser::{
    FileHandle, FopenFlags, INodeNo, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyOpen,
    Request,
};
use jfs_vfs::{Op, Vfs};

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
    let began = fs.vfs.began(Op::Readdir, ids(req));
    let text = move |shown: Option<usize>| {
        let shown = shown.map_or(String::new(), |n| format!(": ({n})"));
        format!("({n},0,{offset},false){shown}")
    };
    if let Some(listing) = fs.vfs.try_readdir(fh.0, offset) {
        fs.vfs.ended(began, Ok(()), || text(Some(listing.len())));
        return send_names(reply, &listing);
    }
    let (vfs, caller) = (fs.vfs.clone(), fs.caller(req));
    fs.begin(async move {
        let listed = vfs.readdir(&caller, fh.0, offset).await;
        vfs.ended(began, outcome(&listed), || {
            text(listed.as_ref().ok().map(|l| l.len()))
        });
        match listed {
            Ok(listing) => send_names(reply, &listing),
            Err(e) => reply.error(errno(e)),
        }
    });
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
    let began = fs.vfs.began(Op::Readdir, ids(req));
    let text = move |shown: Option<usize>| {
        let shown = shown.map_or(String::new(), |n| format!(": ({n})"));
        format!("({n},0,{offset},true){shown}")
    };
    if let Some(listing) = fs.vfs.try_readdir(fh.0, offset) {
        fs.vfs.ended(began, Ok(()), || text(Some(listing.len())));
        return send_entries(reply, &listing, ttl);
    }
    let (vfs, caller) = (fs.vfs.clone(), fs.caller(req));
    fs.begin(async move {
        let listed = vfs.readdir(&caller, fh.0, offset).await;
        vfs.ended(began, outcome(&listed), || {
            text(listed.as_ref().ok().map(|l| l.len()))
        });
        match listed {
            Ok(listing) => send_entries(reply, &listing, ttl),
            Err(e) => reply.error(errno(e)),
        }
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
