//! The reference: a file system as simple as POSIX lets it be. Answers come as a result or as the
//! error numbers that are allowed, since POSIX does not say which of several comes first.

use crate::content::Content;
use jfs_types::slice::MAX_FILE_LENGTH;
use jfs_types::{Errno, FileType, Ino};
use std::collections::BTreeMap;

/// Index of a node; the root is 0.
pub(crate) type Id = usize;
/// What happened, or what may have been wrong.
pub(crate) type Outcome<T> = Result<T, Vec<Errno>>;

pub(crate) const ROOT: Id = 0;

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) ino: Ino,
    pub(crate) kind: FileType,
    pub(crate) mode: u16,
    /// Names that lead here; a directory that exists has one.
    pub(crate) names: u32,
    pub(crate) parent: Id,
    pub(crate) entries: BTreeMap<Vec<u8>, Id>,
    pub(crate) target: Vec<u8>,
    pub(crate) content: Content,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the inode exists: without a name only while the client that removed it has it open.
    pub(crate) alive: bool,
    /// In the trash: beyond reach, but for handles.
    pub(crate) trashed: bool,
    /// Counts changes of the content, and what each client has seen of them.
    pub(crate) version: u64,
    pub(crate) seen: [u64; 2],
}

/// An open file.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) client: usize,
    pub(crate) node: Id,
    pub(crate) fh: u64,
    pub(crate) flags: i32,
}

pub(crate) struct Reference {
    pub(crate) nodes: Vec<Node>,
    pub(crate) handles: Vec<Handle>,
    trash: bool,
}

fn one(errno: Errno) -> Vec<Errno> {
    vec![errno]
}

/// `Ok` when nothing was wrong.
fn unless(wrong: Vec<Errno>) -> Outcome<()> {
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

impl Reference {
    pub(crate) fn new(trash: bool) -> Reference {
        let mut reference = Reference {
            nodes: Vec::new(),
            handles: Vec::new(),
            trash,
        };
        reference.add(FileType::Directory, 0o777, ROOT);
        reference.nodes[ROOT].ino = Ino::ROOT;
        reference.nodes[ROOT].names = 1;
        reference
    }

    fn add(&mut self, kind: FileType, mode: u16, parent: Id) -> Id {
        self.nodes.push(Node {
            ino: Ino(0),
            kind,
            mode,
            names: 0,
            parent,
            entries: BTreeMap::new(),
            target: Vec::new(),
            content: Content::default(),
            xattrs: BTreeMap::new(),
            alive: true,
            trashed: false,
            version: 0,
            seen: [0; 2],
        });
        self.nodes.len() - 1
    }

    pub(crate) fn find(&self, dir: Id, name: &[u8]) -> Option<Id> {
        self.nodes[dir].entries.get(name).copied()
    }

    pub(crate) fn is_file(&self, id: Id) -> bool {
        self.nodes[id].kind == FileType::Regular
    }

    pub(crate) fn is_dir(&self, id: Id) -> bool {
        self.nodes[id].kind == FileType::Directory
    }

    /// What st_nlink shows.
    pub(crate) fn nlink(&self, id: Id) -> u32 {
        let node = &self.nodes[id];
        match node.kind {
            FileType::Directory => {
                2 + node.entries.values().filter(|c| self.is_dir(**c)).count() as u32
            }
            _ => node.names,
        }
    }

    /// What st_size shows.
    pub(crate) fn length(&self, id: Id) -> u64 {
        let node = &self.nodes[id];
        match node.kind {
            FileType::Regular => node.content.len(),
            FileType::Symlink => node.target.len() as u64,
            FileType::Directory => 4096,
            _ => 0,
        }
    }

    /// Nodes that an operation may be tried on: all that are within reach, and two that are gone.
    pub(crate) fn candidates(&self) -> Vec<Id> {
        let all = 0..self.nodes.len();
        let gone = all.clone().filter(|id| !self.nodes[*id].alive);
        let here = all.filter(|id| self.nodes[*id].alive && !self.nodes[*id].trashed);
        here.chain(gone.rev().take(2)).collect()
    }

    /// Adds a name for something new.
    pub(crate) fn make(&mut self, dir: Id, name: &[u8], kind: FileType, mode: u16) -> Outcome<Id> {
        if !self.nodes[dir].alive {
            return Err(one(Errno::ENOENT));
        }
        if self.find(dir, name).is_some() {
            return Err(one(Errno::EEXIST));
        }
        // Directories inherit the setgid bit.
        let inherited = match kind {
            FileType::Directory => self.nodes[dir].mode & 0o2000,
            _ => 0,
        };
        let id = self.add(kind, mode | inherited, dir);
        self.nodes[id].names = 1;
        self.nodes[dir].entries.insert(name.to_vec(), id);
        Ok(id)
    }

    pub(crate) fn link(&mut self, id: Id, dir: Id, name: &[u8]) -> Outcome<()> {
        let mut wrong = Vec::new();
        if !self.nodes[dir].alive || !self.nodes[id].alive || self.nodes[id].names == 0 {
            wrong.push(Errno::ENOENT);
        }
        if self.is_dir(id) {
            wrong.push(Errno::EPERM);
        }
        if self.find(dir, name).is_some() {
            wrong.push(Errno::EEXIST);
        }
        unless(wrong)?;
        self.nodes[id].names += 1;
        self.nodes[dir].entries.insert(name.to_vec(), id);
        Ok(())
    }

    /// Takes a name from a node. `client` is who does it.
    fn lose_name(&mut self, id: Id, client: usize) {
        let open = self
            .handles
            .iter()
            .any(|h| h.node == id && h.client == client);
        let is_file = self.is_file(id);
        let node = &mut self.nodes[id];
        node.names -= 1;
        if node.names > 0 {
            return;
        }
        if self.trash {
            node.trashed = true;
        } else {
            node.alive = is_file && open;
        }
    }

    pub(crate) fn unlink(&mut self, client: usize, dir: Id, name: &[u8]) -> Outcome<Id> {
        let id = self.find(dir, name).ok_or(one(Errno::ENOENT))?;
        if self.is_dir(id) {
            return Err(one(Errno::EPERM));
        }
        self.nodes[dir].entries.remove(name);
        self.lose_name(id, client);
        Ok(id)
    }

    pub(crate) fn rmdir(&mut self, client: usize, dir: Id, name: &[u8]) -> Outcome<Id> {
        let id = self.find(dir, name).ok_or(one(Errno::ENOENT))?;
        if !self.is_dir(id) {
            return Err(one(Errno::ENOTDIR));
        }
        if !self.nodes[id].entries.is_empty() {
            return Err(one(Errno::ENOTEMPTY));
        }
        self.nodes[dir].entries.remove(name);
        self.lose_name(id, client);
        Ok(id)
    }

    /// Whether `id` is `above` or lies below it.
    pub(crate) fn is_below(&self, mut id: Id, above: Id) -> bool {
        while id != above {
            if id == ROOT {
                return false;
            }
            id = self.nodes[id].parent;
        }
        true
    }

    /// Returns what was replaced.
    pub(crate) fn rename(
        &mut self,
        client: usize,
        from: (Id, &[u8]),
        to: (Id, &[u8]),
        keep: bool,
    ) -> Outcome<Option<Id>> {
        let Some(id) = self.find(from.0, from.1) else {
            return Err(one(Errno::ENOENT));
        };
        let target = self.find(to.0, to.1);
        let mut wrong = Vec::new();
        if !self.nodes[to.0].alive {
            wrong.push(Errno::ENOENT);
        }
        if keep && target.is_some() {
            wrong.push(Errno::EEXIST);
        } else if target == Some(id) {
            return Ok(None);
        }
        if self.is_dir(id) && self.is_below(to.0, id) {
            wrong.push(Errno::EINVAL);
        }
        match target {
            Some(t) if self.is_dir(id) && !self.is_dir(t) => wrong.push(Errno::ENOTDIR),
            Some(t) if !self.is_dir(id) && self.is_dir(t) => wrong.push(Errno::EISDIR),
            Some(t) if !self.nodes[t].entries.is_empty() => wrong.push(Errno::ENOTEMPTY),
            _ => {}
        }
        unless(wrong)?;
        self.nodes[from.0].entries.remove(from.1);
        self.nodes[to.0].entries.insert(to.1.to_vec(), id);
        self.nodes[id].parent = to.0;
        if let Some(t) = target {
            self.lose_name(t, client);
        }
        Ok(target)
    }

    pub(crate) fn exists(&self, id: Id) -> Outcome<()> {
        if self.nodes[id].alive {
            Ok(())
        } else {
            Err(one(Errno::ENOENT))
        }
    }

    pub(crate) fn readlink(&self, id: Id) -> Outcome<Vec<u8>> {
        self.exists(id)?;
        match self.nodes[id].kind {
            FileType::Symlink => Ok(self.nodes[id].target.clone()),
            _ => Err(one(Errno::EINVAL)),
        }
    }

    pub(crate) fn truncate(&mut self, client: usize, id: Id, length: u64) -> Outcome<()> {
        let mut wrong = Vec::new();
        if length > MAX_FILE_LENGTH {
            wrong.push(Errno::EFBIG);
        }
        if !self.nodes[id].alive {
            wrong.push(Errno::ENOENT);
        } else if !self.is_file(id) {
            wrong.push(Errno::EPERM);
        }
        unless(wrong)?;
        self.nodes[id].content.truncate(length);
        self.changed(client, id);
        Ok(())
    }

    pub(crate) fn write(
        &mut self,
        client: usize,
        handle: &Handle,
        off: u64,
        data: &[u8],
    ) -> Outcome<()> {
        if handle.flags & libc::O_ACCMODE == libc::O_RDONLY {
            return Err(one(Errno::EBADF));
        }
        let id = handle.node;
        let append = handle.flags & libc::O_APPEND != 0;
        let off = if append { self.length(id) } else { off };
        if off + data.len() as u64 > MAX_FILE_LENGTH {
            return Err(one(Errno::EFBIG));
        }
        self.nodes[id].content.write(off, data);
        self.changed(client, id);
        Ok(())
    }

    pub(crate) fn read(&self, handle: &Handle, off: u64, size: u64) -> Outcome<Vec<u8>> {
        if handle.flags & libc::O_ACCMODE == libc::O_WRONLY {
            return Err(one(Errno::EBADF));
        }
        Ok(self.nodes[handle.node].content.read(off, size))
    }

    pub(crate) fn changed(&mut self, client: usize, id: Id) {
        let node = &mut self.nodes[id];
        node.version += 1;
        node.seen[client] = node.version;
    }

    /// Drops a handle. Whether the inode goes with it.
    pub(crate) fn close(&mut self, index: usize) -> bool {
        let handle = self.handles.remove(index);
        let node = &mut self.nodes[handle.node];
        let last = !self.handles.iter().any(|h| h.node == handle.node);
        let gone = last && node.names == 0 && !node.trashed;
        if gone {
            node.alive = false;
        }
        gone
    }

    /// Bytes and inodes in use.
    pub(crate) fn usage(&self) -> (u64, u64) {
        let there = || self.nodes[1..].iter().filter(|n| n.alive);
        let space = |n: &Node| match n.kind {
            FileType::Regular => n.content.len().div_ceil(4096).max(1) * 4096,
            _ => 4096,
        };
        (there().map(space).sum(), there().count() as u64)
    }
}
