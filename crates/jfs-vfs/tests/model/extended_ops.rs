//! What goes beyond names, reads and writes: ranges, compaction, extended attributes, special files,
//! exchanged names. What the reference makes of them, and what the file system does.

use crate::common::root;
use crate::comparison::{Comparison, same};
use crate::ops::{At, Pick, Place, Step};
use crate::reference::{Handle, Id, Outcome, Reference};
use jfs_meta::NewNode;
use jfs_types::slice::MAX_FILE_LENGTH;
use jfs_types::{Errno, FileType, Ino};

const KEEP_SIZE: i32 = 1;
const PUNCH_HOLE: i32 = 2;
const ZERO_RANGE: i32 = 0x10;

fn can_write(handle: &Handle) -> bool {
    handle.flags & libc::O_ACCMODE != libc::O_RDONLY
}

fn can_read(handle: &Handle) -> bool {
    handle.flags & libc::O_ACCMODE != libc::O_WRONLY
}

impl Reference {
    fn fallocate(
        &mut self,
        client: usize,
        h: &Handle,
        mode: i32,
        (off, len): (u64, u64),
    ) -> Outcome<()> {
        let mut wrong = Vec::new();
        if !can_write(h) {
            wrong.push(Errno::EBADF);
        }
        if len == 0 || mode == PUNCH_HOLE {
            wrong.push(Errno::EINVAL);
        }
        if off + len > MAX_FILE_LENGTH {
            wrong.push(Errno::EFBIG);
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let content = &mut self.nodes[h.node].content;
        let (length, end) = (content.len(), off + len);
        if mode & (PUNCH_HOLE | ZERO_RANGE) != 0 && off < length {
            content.write(off, &vec![0; (end.min(length) - off) as usize]);
        }
        if mode & KEEP_SIZE == 0 && end > length {
            content.truncate(end);
        }
        self.changed(client, h.node);
        Ok(())
    }

    /// Returns the number of bytes copied.
    fn copy(
        &mut self,
        client: usize,
        (from, from_off): (&Handle, u64),
        (to, to_off): (&Handle, u64),
        len: u64,
    ) -> Outcome<u64> {
        let mut wrong = Vec::new();
        if !can_read(from) || !can_write(to) {
            wrong.push(Errno::EBADF);
        }
        if from_off.max(to_off) + len > MAX_FILE_LENGTH {
            wrong.push(Errno::EFBIG);
        }
        let apart = from_off + len <= to_off || to_off + len <= from_off;
        if from.node == to.node && !apart {
            wrong.push(Errno::EINVAL);
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let data = self.nodes[from.node].content.read(from_off, len);
        if !data.is_empty() {
            self.nodes[to.node].content.write(to_off, &data);
            self.changed(client, to.node);
        }
        Ok(data.len() as u64)
    }

    fn set_xattr(&mut self, id: Id, name: &[u8], value: &[u8], flags: i32) -> Outcome<()> {
        self.exists(id)?;
        let xattrs = &mut self.nodes[id].xattrs;
        match (flags, xattrs.contains_key(name)) {
            (libc::XATTR_CREATE, true) => return Err(vec![Errno::EEXIST]),
            (libc::XATTR_REPLACE, false) => return Err(vec![Errno::ENODATA]),
            _ => {}
        }
        xattrs.insert(name.to_vec(), value.to_vec());
        Ok(())
    }

    fn del_xattr(&mut self, id: Id, name: &[u8]) -> Outcome<()> {
        match self.nodes[id].xattrs.remove(name) {
            Some(_) if self.nodes[id].alive => Ok(()),
            _ if self.nodes[id].alive => Err(vec![Errno::ENODATA]),
            _ => Err(vec![Errno::ENOENT, Errno::ENODATA]),
        }
    }

    fn exchange(&mut self, a: (Id, &[u8]), b: (Id, &[u8])) -> Outcome<()> {
        let (Some(x), Some(y)) = (self.find(a.0, a.1), self.find(b.0, b.1)) else {
            return Err(vec![Errno::ENOENT]);
        };
        if x == y {
            return Ok(());
        }
        let below = |id, dir| self.is_dir(id) && self.is_below(dir, id);
        if below(x, b.0) || below(y, a.0) {
            return Err(vec![Errno::EINVAL]);
        }
        for ((dir, name), id) in [(a, y), (b, x)] {
            self.nodes[dir].entries.insert(name.to_vec(), id);
            self.nodes[id].parent = dir;
        }
        Ok(())
    }
}

/// Names of attributes; the last one is as long as they may be.
fn xattr_name(n: u8) -> Vec<u8> {
    match n % 3 {
        2 => [&b"user."[..], &[b'x'; 250]].concat(),
        n => format!("user.{n}").into_bytes(),
    }
}

impl Comparison {
    pub(crate) async fn fallocate(
        &mut self,
        c: usize,
        step: &Step,
        h: Pick,
        mode: i32,
        at: Place,
        len: u32,
    ) {
        let Some((_, h)) = self.handle(c, h) else {
            return;
        };
        if self.model.nodes[h.node].trashed {
            return; // refused, unless it had two names once
        }
        self.see(c, h.node).await;
        let off = self.offset(h.node, at);
        let done = self.mounts[c]
            .fallocate(&root(), h.fh, mode, off, u64::from(len))
            .await;
        let expected = self.model.fallocate(c, &h, mode, (off, u64::from(len)));
        same(done, expected, step);
    }

    pub(crate) async fn copy(
        &mut self,
        c: usize,
        step: &Step,
        (from, from_at): (Pick, Place),
        (to, to_at): (Pick, Place),
        len: u32,
    ) {
        let (Some((_, from)), Some((_, to))) = (self.handle(c, from), self.handle(c, to)) else {
            return;
        };
        if self.model.nodes[to.node].trashed {
            return; // as in fallocate
        }
        self.see(c, from.node).await;
        if self.is_out_of_sight(c, from.node) {
            return;
        }
        self.see(c, to.node).await;
        let (from_off, to_off) = (self.offset(from.node, from_at), self.offset(to.node, to_at));
        let len = u64::from(len);
        let got = self.mounts[c]
            .copy_file_range((from.fh, from_off), (to.fh, to_off), len)
            .await;
        let done = self.model.copy(c, (&from, from_off), (&to, to_off), len);
        if let Some((got, expected)) = same(got, done, step) {
            assert_eq!(got, expected, "{step:?}");
        }
    }

    /// What is under way in other clients goes on meanwhile; what it shows must not change.
    pub(crate) async fn compact(&mut self, c: usize, node: Pick) {
        let id = self.node(node);
        if self.model.is_file(id) {
            self.mounts[c].compact(self.ino(id)).await;
        }
    }

    pub(crate) async fn set_xattr(
        &mut self,
        c: usize,
        step: &Step,
        node: Pick,
        name: u8,
        value: u8,
        flags: i32,
    ) {
        let id = self.node(node);
        if self.model.nodes[id].names == 0 && self.model.nodes[id].alive {
            return; // its attributes are gone already
        }
        let (name, value) = (xattr_name(name), vec![value; value as usize]);
        let ino = self.ino(id);
        let got = self.mounts[c]
            .set_xattr(&root(), ino, &name, &value, flags)
            .await;
        let done = self.model.set_xattr(id, &name, &value, flags);
        same(got, done, step);
        self.check_xattrs(c, id, step).await;
    }

    pub(crate) async fn del_xattr(&mut self, c: usize, step: &Step, node: Pick, name: u8) {
        let id = self.node(node);
        if self.model.nodes[id].names == 0 && self.model.nodes[id].alive {
            return;
        }
        let name = xattr_name(name);
        let got = self.mounts[c]
            .remove_xattr(&root(), self.ino(id), &name)
            .await;
        same(got, self.model.del_xattr(id, &name), step);
        self.check_xattrs(c, id, step).await;
    }

    async fn check_xattrs(&self, c: usize, id: Id, step: &Step) {
        if !self.model.nodes[id].alive {
            return;
        }
        let (mount, ino) = (&self.mounts[c], self.ino(id));
        let names = mount.list_xattrs(ino).await.unwrap();
        let expected = &self.model.nodes[id].xattrs;
        assert!(names.iter().eq(expected.keys()), "{step:?}: {names:?}");
        for (name, value) in expected {
            let got = mount.get_xattr(&root(), ino, name).await.unwrap();
            assert_eq!(&got[..], &value[..], "{step:?}");
        }
    }

    pub(crate) async fn mknod(&mut self, c: usize, step: &Step, at: At, kind: FileType) {
        let (dir, name) = self.place(at);
        let node = NewNode {
            kind,
            mode: 0o640,
            umask: 0,
            rdev: 0x1234,
        };
        let parent = self.ino(dir);
        let got = self.mounts[c].mknod(&root(), parent, &name, node).await;
        let made = self.model.make(dir, &name, kind, 0o640);
        if let Some((entry, id)) = same(got, made, step) {
            self.model.nodes[id].ino = entry.ino;
            self.check(id, entry.ino, &entry.attr, step);
            assert_eq!(entry.attr.rdev, 0x1234);
        }
    }

    pub(crate) async fn exchange(&mut self, c: usize, step: &Step, from: At, to: At) {
        let (a, b) = (self.place(from), self.place(to));
        let (old, new) = ((self.ino(a.0), &a.1[..]), (self.ino(b.0), &b.1[..]));
        let got = self.mounts[c].rename(&root(), old, new, 2).await;
        let done = self.model.exchange((a.0, &a.1), (b.0, &b.1));
        same(got, done, step);
    }

    /// The inode of `id` has no attributes that the reference does not know.
    pub(crate) async fn compare_xattrs(
        &self,
        mount: &crate::common::volume::Mount,
        id: Id,
        ino: Ino,
    ) {
        let names = mount.list_xattrs(ino).await.unwrap();
        assert!(
            names.iter().eq(self.model.nodes[id].xattrs.keys()),
            "{ino:?}"
        );
    }
}
