//! Runs operations on mounts of a volume and on the reference, and compares.

use crate::common::pattern::{assert_same, pattern};
use crate::common::volume::{BLOCK, Mount, Options, Volume};
use crate::common::{eventually, root};
use crate::ops::{At, Op, Pick, Place, Scenario, Step};
use crate::reference::{Handle, Id, Outcome, ROOT, Reference};
use jfs_types::{Attr, Errno, FileType, Ino};
use jfs_vfs::{DirItem, DirItems, SetAttrRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// The last one is as long as a name may be.
fn name_of(n: u8) -> Vec<u8> {
    match n % 4 {
        3 => vec![b'n'; 255],
        n => vec![b'a' + n],
    }
}

/// An open directory and the listing it gave.
struct DirHandle {
    client: usize,
    node: Id,
    fh: u64,
    listing: Option<DirItems>,
}

pub(crate) struct Comparison {
    volume: Volume,
    pub(crate) mounts: Vec<Mount>,
    /// Mounts that are over; their last work is still to be done.
    retired: Vec<Mount>,
    pub(crate) model: Reference,
    dirs: Vec<DirHandle>,
    trash: bool,
    writes: u64,
}

/// The answer where both agree that there is one.
pub(crate) fn same<T, U>(
    got: Result<T, Errno>,
    expected: Outcome<U>,
    what: &dyn Debug,
) -> Option<(T, U)> {
    match (got, expected) {
        (Ok(got), Ok(expected)) => Some((got, expected)),
        (Err(got), Err(allowed)) => {
            assert!(allowed.contains(&got), "{what:?}: {got:?}, not {allowed:?}");
            None
        }
        (Ok(_), Err(allowed)) => panic!("{what:?}: went well instead of {allowed:?}"),
        (Err(got), Ok(_)) => panic!("{what:?}: {got:?}"),
    }
}

/// Runs a scenario to its end; panics where the file system and the reference disagree.
pub(crate) async fn run(scenario: &Scenario) {
    let mut comparison = Comparison::new(scenario).await;
    for step in &scenario.steps {
        comparison.step(step).await;
    }
    comparison.finish().await;
}

impl Comparison {
    async fn new(scenario: &Scenario) -> Comparison {
        let options = Options {
            block: if scenario.large_blocks {
                4 * BLOCK
            } else {
                BLOCK
            },
            buffer: 1 << 20,
            trash_days: i64::from(scenario.trash),
            ..Options::default()
        };
        let volume = Volume::new(options).await;
        let mut mounts = Vec::new();
        for _ in 0..scenario.clients {
            mounts.push(volume.mount().await);
        }
        Comparison {
            volume,
            mounts,
            retired: Vec::new(),
            model: Reference::new(scenario.trash),
            dirs: Vec::new(),
            trash: scenario.trash,
            writes: 0,
        }
    }

    pub(crate) fn node(&self, pick: Pick) -> Id {
        let all = self.model.candidates();
        all[pick as usize % all.len()]
    }

    /// A directory, most likely one that exists, and a name in it.
    pub(crate) fn place(&self, at: At) -> (Id, Vec<u8>) {
        let all = self.model.candidates();
        let dirs: Vec<Id> = all.into_iter().filter(|d| self.model.is_dir(*d)).collect();
        (dirs[at.0 as usize % dirs.len()], name_of(at.1))
    }

    pub(crate) fn handle(&self, client: usize, pick: Pick) -> Option<(usize, Handle)> {
        let all = self.model.handles.iter().enumerate();
        let mine: Vec<_> = all.filter(|(_, h)| h.client == client).collect();
        let (index, handle) = mine.get(pick as usize % mine.len().max(1))?;
        Some((*index, (*handle).clone()))
    }

    pub(crate) fn ino(&self, id: Id) -> Ino {
        self.model.nodes[id].ino
    }

    pub(crate) fn offset(&self, id: Id, place: Place) -> u64 {
        match place {
            Place::Offset(off) => off,
            Place::FromEnd(n) => self.model.length(id).saturating_add_signed(n),
        }
    }

    /// Lets `client` see what the other one wrote to a file: the other one flushes, this one opens.
    pub(crate) async fn see(&mut self, client: usize, id: Id) {
        let node = &self.model.nodes[id];
        if !node.alive || node.trashed || node.seen[client] == node.version {
            return;
        }
        self.flush_others(client).await;
        let mount = &self.mounts[client];
        let (fh, _) = mount.open(&root(), node.ino, libc::O_RDONLY).await.unwrap();
        mount.close(fh).await.unwrap();
        let node = &mut self.model.nodes[id];
        node.seen[client] = node.version;
    }

    /// A file in the trash is not opened again, so nothing shows `client` what others write to it.
    pub(crate) fn is_out_of_sight(&self, client: usize, id: Id) -> bool {
        let node = &self.model.nodes[id];
        node.trashed && node.seen[client] != node.version
    }

    async fn flush_others(&self, client: usize) {
        for (i, mount) in self.mounts.iter().enumerate() {
            if i != client {
                mount.flush_all().await.unwrap();
            }
        }
    }

    pub(crate) fn check(&self, id: Id, ino: Ino, attr: &Attr, what: &dyn Debug) {
        let node = &self.model.nodes[id];
        assert_eq!(ino, node.ino, "{what:?}");
        assert_eq!((attr.kind, attr.mode), (node.kind, node.mode), "{what:?}");
        assert_eq!(attr.length, self.model.length(id), "{what:?}: length");
        if !self.trash || self.model.is_dir(id) {
            assert_eq!(attr.nlink, self.model.nlink(id), "{what:?}: nlink");
        }
    }

    pub(crate) async fn step(&mut self, step: &Step) {
        let c = step.client as usize % self.mounts.len();
        match step.op {
            Op::Create { at, excl, trunc } => self.create(c, step, at, excl, trunc).await,
            Op::Mkdir(at) => {
                let (dir, name) = self.place(at);
                let parent = self.ino(dir);
                let got = self.mounts[c].mkdir(&root(), parent, &name, 0o755, 0).await;
                let made = self.model.make(dir, &name, FileType::Directory, 0o755);
                if let Some((entry, id)) = same(got, made, step) {
                    self.model.nodes[id].ino = entry.ino;
                    self.check(id, entry.ino, &entry.attr, step);
                }
            }
            Op::Symlink(at, target) => {
                let (dir, name) = self.place(at);
                let target = vec![b'x'; target as usize + 1];
                let parent = self.ino(dir);
                let got = self.mounts[c]
                    .symlink(&root(), parent, &name, &target)
                    .await;
                let made = self.model.make(dir, &name, FileType::Symlink, 0o777);
                if let Some((entry, id)) = same(got, made, step) {
                    (self.model.nodes[id].ino, self.model.nodes[id].target) = (entry.ino, target);
                    self.check(id, entry.ino, &entry.attr, step);
                }
            }
            Op::Link(node, at) => {
                let (id, (dir, name)) = (self.node(node), self.place(at));
                self.see(c, id).await;
                let (ino, parent) = (self.ino(id), self.ino(dir));
                let got = self.mounts[c].link(&root(), ino, parent, &name).await;
                if let Some((entry, ())) = same(got, self.model.link(id, dir, &name), step) {
                    self.check(id, entry.ino, &entry.attr, step);
                }
            }
            Op::Unlink(at) => {
                let (dir, name) = self.place(at);
                self.see_victim(c, dir, &name).await;
                let got = self.mounts[c].unlink(&root(), self.ino(dir), &name).await;
                if let Some((_, id)) = same(got, self.model.unlink(c, dir, &name), step) {
                    self.after_removal(c, id).await;
                }
            }
            Op::Rmdir(at) => {
                let (dir, name) = self.place(at);
                let got = self.mounts[c].rmdir(&root(), self.ino(dir), &name).await;
                same(got, self.model.rmdir(c, dir, &name), step);
            }
            Op::Rename { from, to, keep } => {
                let (from, to) = (self.place(from), self.place(to));
                self.see_victim(c, to.0, &to.1).await;
                let old = (self.ino(from.0), &from.1[..]);
                let new = (self.ino(to.0), &to.1[..]);
                let got = self.mounts[c]
                    .rename(&root(), old, new, u32::from(keep))
                    .await;
                let (old, new) = ((from.0, &from.1[..]), (to.0, &to.1[..]));
                let done = self.model.rename(c, old, new, keep);
                if let Some((_, Some(id))) = same(got, done, step) {
                    self.after_removal(c, id).await;
                }
            }
            Op::Lookup(at) => {
                let (dir, name) = self.place(at);
                let found = self.model.find(dir, &name);
                if let Some(id) = found {
                    self.see(c, id).await;
                }
                let got = self.mounts[c].lookup(&root(), self.ino(dir), &name).await;
                let found = found.ok_or(vec![Errno::ENOENT]);
                if let Some((entry, id)) = same(got, found, step) {
                    self.check(id, entry.ino, &entry.attr, step);
                }
            }
            Op::Getattr(node) => {
                let id = self.node(node);
                self.see(c, id).await;
                let got = self.mounts[c].getattr(self.ino(id)).await;
                if let Some((reply, ())) = same(got, self.model.exists(id), step) {
                    self.check(id, reply.ino, &reply.attr, step);
                }
            }
            Op::Readlink(node) => {
                let id = self.node(node);
                let got = self.mounts[c].readlink(self.ino(id)).await;
                if let Some((got, target)) = same(got, self.model.readlink(id), step) {
                    assert_eq!(got, target, "{step:?}");
                }
            }
            Op::Chmod(node, mode) => {
                let id = self.node(node);
                self.see(c, id).await;
                let set = SetAttrRequest {
                    mode: Some(mode),
                    ..SetAttrRequest::default()
                };
                let got = self.mounts[c].setattr(&root(), self.ino(id), &set).await;
                if let Some((reply, ())) = same(got, self.model.exists(id), step) {
                    self.model.nodes[id].mode = mode;
                    self.check(id, reply.ino, &reply.attr, step);
                }
            }
            Op::Truncate(node, place) => {
                let id = self.node(node);
                self.see(c, id).await;
                let size = self.offset(id, place);
                let set = SetAttrRequest {
                    size: Some(size),
                    ..SetAttrRequest::default()
                };
                let got = self.mounts[c].setattr(&root(), self.ino(id), &set).await;
                if let Some((reply, ())) = same(got, self.model.truncate(c, id, size), step) {
                    self.check(id, reply.ino, &reply.attr, step);
                }
            }
            Op::Open { node, flags } => self.open(c, step, self.node(node), flags).await,
            Op::Close { handle, flush } => {
                if let Some((index, _)) = self.handle(c, handle) {
                    self.close(index, flush).await;
                }
            }
            Op::Flush(handle) => {
                if let Some((_, h)) = self.handle(c, handle) {
                    if self.mounts[c].try_flush(h.fh).is_none() {
                        self.mounts[c].flush(h.fh).await.unwrap();
                    }
                    assert_eq!(self.mounts[c].try_flush(h.fh), Some(Ok(())));
                }
            }
            Op::Fsync(handle) => {
                if let Some((_, h)) = self.handle(c, handle) {
                    self.mounts[c].sync(h.fh).await.unwrap();
                }
            }
            Op::Write { handle, to, len } => {
                let Some((_, h)) = self.handle(c, handle) else {
                    return;
                };
                self.see(c, h.node).await;
                if self.is_out_of_sight(c, h.node) {
                    return;
                }
                self.writes += 1;
                let off = self.offset(h.node, to);
                let data = pattern(self.writes, len as usize);
                let got = match self.mounts[c].try_write(h.fh, off, &data) {
                    Some(done) => done,
                    None => self.mounts[c].write(h.fh, off, data.clone().into()).await,
                };
                let written = self.model.write(c, &h, off, &data);
                if let Some((n, ())) = same(got, written, step) {
                    assert_eq!(n, len, "{step:?}");
                }
            }
            Op::Read { handle, from, len } => {
                let Some((_, h)) = self.handle(c, handle) else {
                    return;
                };
                self.see(c, h.node).await;
                if self.is_out_of_sight(c, h.node) {
                    return;
                }
                let off = self.offset(h.node, from);
                let got = self.mounts[c].get(h.fh, off, len).await;
                let there = self.model.read(&h, off, u64::from(len));
                if let Some((got, there)) = same(got, there, step) {
                    assert_same(&got, &there, &format!("{step:?}, from {off}"));
                }
            }
            Op::Fallocate {
                handle,
                mode,
                at,
                len,
            } => self.fallocate(c, step, handle, mode, at, len).await,
            Op::Copy {
                from,
                from_at,
                to,
                to_at,
                len,
            } => self.copy(c, step, (from, from_at), (to, to_at), len).await,
            Op::Compact(node) => self.compact(c, node).await,
            Op::SetXattr {
                node,
                name,
                value,
                flags,
            } => self.set_xattr(c, step, node, name, value, flags).await,
            Op::DelXattr(node, name) => self.del_xattr(c, step, node, name).await,
            Op::Mknod(at, kind) => self.mknod(c, step, at, kind).await,
            Op::Exchange { from, to } => self.exchange(c, step, from, to).await,
            Op::Opendir(node) => {
                let id = self.node(node);
                if self.model.is_dir(id) {
                    let fh = self.mounts[c].try_opendir(&root(), self.ino(id)).unwrap();
                    self.dirs.push(DirHandle {
                        client: c,
                        node: id,
                        fh,
                        listing: None,
                    });
                }
            }
            Op::Readdir { handle, offset } => self.readdir(c, step, handle, offset).await,
            Op::Statfs => self.statfs(c).await,
            Op::Yield => {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
            Op::Remount => self.remount(c).await,
        }
    }

    async fn create(&mut self, c: usize, step: &Step, at: At, excl: bool, trunc: bool) {
        let (dir, name) = self.place(at);
        let excl_flag = if excl { libc::O_EXCL } else { 0 };
        let trunc_flag = if trunc { libc::O_TRUNC } else { 0 };
        let flags = libc::O_CREAT | libc::O_RDWR | excl_flag | trunc_flag;
        let found = self.model.find(dir, &name);
        let found = found.filter(|_| !excl && self.model.nodes[dir].alive);
        if let Some(id) = found {
            if !self.model.is_file(id) {
                return; // the kernel resolves what is no file itself
            }
            self.see(c, id).await;
        }
        let parent = self.ino(dir);
        let got = self.mounts[c]
            .create(&root(), parent, &name, 0o640, 0, flags)
            .await;
        let made = match found {
            Some(id) if trunc => self.model.truncate(c, id, 0).map(|()| id),
            Some(id) => Ok(id),
            None => self.model.make(dir, &name, FileType::Regular, 0o640),
        };
        if let Some(((entry, fh, _), id)) = same(got, made, step) {
            self.model.nodes[id].ino = entry.ino;
            self.check(id, entry.ino, &entry.attr, step);
            self.opened(c, id, fh, flags);
        }
    }

    async fn open(&mut self, c: usize, step: &Step, id: Id, flags: i32) {
        if !self.model.is_file(id) && !self.model.is_dir(id) {
            return; // the kernel opens devices and follows links itself
        }
        let node = &self.model.nodes[id];
        let open_here = |h: &Handle| h.node == id && h.client == c;
        if node.alive && node.names == 0 && !self.model.handles.iter().any(open_here) {
            return; // who has it open keeps it; to open it elsewhere as well does not
        }
        self.see(c, id).await;
        let got = self.mounts[c].open(&root(), self.ino(id), flags).await;
        let mut may = self.model.exists(id);
        if may.is_ok() && self.model.is_dir(id) {
            let reads = flags & (libc::O_ACCMODE | libc::O_TRUNC) == libc::O_RDONLY;
            may = if reads {
                Ok(())
            } else {
                Err(vec![Errno::EISDIR])
            };
        }
        let Some(((fh, _), ())) = same(got, may, step) else {
            return;
        };
        if self.model.is_dir(id) {
            self.mounts[c].release(fh).await;
            return;
        }
        if flags & libc::O_TRUNC != 0 {
            self.model.truncate(c, id, 0).unwrap();
        }
        self.opened(c, id, fh, flags);
    }

    fn opened(&mut self, client: usize, node: Id, fh: u64, flags: i32) {
        self.model.handles.push(Handle {
            client,
            node,
            fh,
            flags,
        });
    }

    async fn close(&mut self, index: usize, flush: bool) {
        let h = self.model.handles[index].clone();
        let mount = &self.mounts[h.client];
        if flush {
            mount.flush(h.fh).await.unwrap();
        }
        if !mount.try_release(h.fh) {
            mount.release(h.fh).await;
        }
        if self.model.close(index) {
            let ino = self.ino(h.node);
            let gone = || async { mount.getattr(ino).await == Err(Errno::ENOENT) };
            eventually("a closed file without a name goes", gone).await;
        }
    }

    /// Before something may lose its last name: clients that have it open elsewhere flush.
    async fn see_victim(&mut self, client: usize, dir: Id, name: &[u8]) {
        if let Some(id) = self.model.find(dir, name) {
            self.see(client, id).await;
        }
    }

    /// Handles of other clients on a file without a name give errors: they are closed here.
    async fn after_removal(&mut self, client: usize, id: Id) {
        if self.model.nodes[id].names > 0 || self.trash {
            return;
        }
        let handles = &mut self.model.handles;
        let lost = handles.extract_if(.., |h| h.node == id && h.client != client);
        for h in lost.collect::<Vec<_>>() {
            self.mounts[h.client].release(h.fh).await;
        }
    }

    async fn readdir(&mut self, c: usize, step: &Step, pick: Pick, offset: u8) {
        let all = self.dirs.iter().enumerate();
        let mine: Vec<usize> = all.filter(|(_, d)| d.client == c).map(|(i, _)| i).collect();
        let Some(&index) = mine.get(pick as usize % mine.len().max(1)) else {
            return;
        };
        self.flush_others(c).await;
        let dir = &self.dirs[index];
        let (id, before) = (dir.node, dir.listing.clone());
        // A listing begins at its beginning.
        let offset = before.as_ref().map_or(0, |_| offset);
        let got = self.mounts[c].readdir(dir.fh, u64::from(offset)).await;
        let got = got.unwrap();
        match before {
            Some(before) if offset > 0 => {
                let place = |item: &DirItem| (item.next, item.name.clone());
                let before: Vec<_> = before.iter().map(place).collect();
                for item in got.iter() {
                    let moved = format!("{step:?}: {} moved", item.name);
                    assert!(before.contains(&place(item)), "{moved}");
                    assert!(item.next > u64::from(offset), "{moved}");
                }
                return;
            }
            _ => self.dirs[index].listing = Some(got.clone()),
        }
        if !self.model.nodes[id].trashed {
            self.check_listing(id, &got, step);
        }
    }

    fn check_listing(&self, id: Id, got: &[DirItem], what: &dyn Debug) {
        let names: Vec<&[u8]> = got.iter().map(|item| item.name.as_bytes()).collect();
        assert_eq!(names[..2], [&b"."[..], b".."], "{what:?}");
        let items: BTreeMap<_, _> = names[2..].iter().copied().zip(&got[2..]).collect();
        assert_eq!(items.len(), got.len() - 2, "{what:?}: a name twice");
        let expected = &self.model.nodes[id].entries;
        let there: Vec<&[u8]> = items.keys().copied().collect();
        let wanted: Vec<&[u8]> = expected.keys().map(|n| &n[..]).collect();
        assert_eq!(there, wanted, "{what:?}: names");
        for (name, child) in expected {
            let item = items[&name[..]];
            assert_eq!(item.kind, self.model.nodes[*child].kind, "{what:?}");
            if let Some(attr) = &item.attr {
                self.check(*child, item.ino, attr, what);
            }
        }
    }

    /// Compares space and inodes in use. What was removed goes in the background.
    async fn statfs(&self, c: usize) {
        if self.trash {
            return;
        }
        for mount in &self.mounts {
            mount.flush_all().await.unwrap();
        }
        let expected = self.model.usage();
        let mount = &self.mounts[c];
        let same = || async {
            let s = mount.statfs(Ino::ROOT).await.unwrap();
            (s.total_space - s.avail_space, s.used_inodes) == expected
        };
        eventually(&format!("usage is {expected:?}"), same).await;
    }

    async fn remount(&mut self, c: usize) {
        let fresh = self.volume.mount().await;
        let old = std::mem::replace(&mut self.mounts[c], fresh);
        old.unmount().await;
        self.retired.push(old);
        self.dirs.retain(|d| d.client != c);
        while let Some(index) = self.model.handles.iter().position(|h| h.client == c) {
            self.model.close(index);
        }
        for node in &mut self.model.nodes {
            node.seen[c] = 0;
        }
    }

    /// Closes everything, half of it without a flush, and compares what a new mount sees. Then
    /// nothing is in the bucket that no file uses, and nothing is missing.
    async fn finish(mut self) {
        while !self.model.handles.is_empty() {
            let flush = self.model.handles.len().is_multiple_of(2);
            self.close(0, flush).await;
        }
        for mount in self.mounts.drain(..) {
            mount.unmount().await;
            self.retired.push(mount);
        }
        let mount = self.volume.mount().await;
        self.compare(&mount).await;
        let clean = || async {
            for mount in &self.retired {
                mount.clean().await;
            }
            let (there, used) = (self.volume.store.keys(), self.keys_in_use(&mount).await);
            let missing = used.iter().find(|key| !there.contains(key));
            assert_eq!(missing, None, "a block is missing");
            there.len() == used.len()
        };
        eventually("no block is left that nobody uses", clean).await;
    }

    async fn keys_in_use(&self, mount: &Mount) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for node in &self.model.nodes {
            for record in self.volume.records(node.ino).await {
                keys.extend(mount.chunks().keys(record.id.0, record.size));
            }
        }
        for (id, size) in self.volume.delayed().await {
            keys.extend(mount.chunks().keys(id, size));
        }
        keys
    }

    /// The whole tree, as `mount` sees it.
    async fn compare(&self, mount: &Mount) {
        let mut waiting = vec![(ROOT, "/".to_string())];
        while let Some((id, path)) = waiting.pop() {
            let node = &self.model.nodes[id];
            let reply = mount.getattr(node.ino).await.unwrap();
            self.check(id, reply.ino, &reply.attr, &path);
            self.compare_xattrs(mount, id, node.ino).await;
            match node.kind {
                FileType::Directory => {
                    let fh = mount.try_opendir(&root(), node.ino).unwrap();
                    let listing = mount.readdir(fh, 0).await.unwrap();
                    self.check_listing(id, &listing, &path);
                    mount.releasedir(fh);
                    for (name, child) in &node.entries {
                        let entry = mount.lookup(&root(), node.ino, name).await.unwrap();
                        let path = format!("{path}{}/", String::from_utf8_lossy(name));
                        self.check(*child, entry.ino, &entry.attr, &path);
                        waiting.push((*child, path));
                    }
                }
                FileType::Symlink => {
                    assert_eq!(
                        mount.readlink(node.ino).await.unwrap(),
                        node.target,
                        "{path}"
                    );
                }
                FileType::Regular => self.compare_file(mount, id, &path).await,
                _ => {}
            }
        }
    }

    async fn compare_file(&self, mount: &Mount, id: Id, path: &str) {
        let node = &self.model.nodes[id];
        let (fh, _) = mount.open(&root(), node.ino, libc::O_RDONLY).await.unwrap();
        for window in node.content.windows() {
            let size = (window.end - window.start) as u32;
            let got = mount.get(fh, window.start, size).await.unwrap();
            let expected = node.content.read(window.start, u64::from(size));
            assert_same(&got, &expected, &format!("{path} from {}", window.start));
        }
        mount.close(fh).await.unwrap();
    }
}
