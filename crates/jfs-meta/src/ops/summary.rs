//! Sums over everything below a directory, and a tree of the largest entries.
//!
//! Walks need memory for one page of each directory on the way down, whatever the size of the tree.
//! Where accuracy is not asked for, the statistics of a directory stand in for a look at its files.

use crate::engine::{DirCursor, DirEntry, DirStat, Key};
use crate::meta::Meta;
use crate::ops::stat_of;
use crate::perm;
use jfs_types::{Attr, Caller, Errno, FileType, Ino};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

/// Directories inside each other that a walk follows.
const DEPTH_MAX: usize = 4096;
/// Levels of a [`TreeNode`], however many are asked for.
const TREE_DEPTH_MAX: u8 = 10;
/// Children of one [`TreeNode`], however many are asked for.
const TREE_TOP_MAX: usize = 100;
/// Nodes of a whole tree; deeper children are left out from there on.
const TREE_NODES_MAX: u64 = 100_000;

/// Sums over an inode and all inodes below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the regular files.
    pub length: u64,
    /// Bytes in use.
    pub size: u64,
    /// Everything that is no directory.
    pub files: u64,
    /// Directories.
    pub dirs: u64,
}

impl Summary {
    fn add(&mut self, stat: DirStat, files: u64, dirs: u64) {
        self.length = self.length.saturating_add(stat.length.max(0) as u64);
        self.size = self.size.saturating_add(stat.space.max(0) as u64);
        self.files = self.files.saturating_add(files);
        self.dirs = self.dirs.saturating_add(dirs);
    }

    fn of(attr: &Attr) -> Summary {
        let mut all = Summary::default();
        let (files, dirs) = if attr.is_dir() { (0, 1) } else { (1, 0) };
        all.add(stat_of(attr), files, dirs);
        all
    }
}

/// Progress of a walk. Another task may read it.
#[derive(Debug, Default)]
pub struct Walked {
    files: AtomicU64,
    dirs: AtomicU64,
    bytes: AtomicU64,
    nodes: AtomicU64,
}

impl Walked {
    /// Files so far: what is no directory.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Directories so far.
    pub fn dirs(&self) -> u64 {
        self.dirs.load(Ordering::Relaxed)
    }

    /// Bytes in use so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn count(&self, attr: &Attr) {
        let dirs = u64::from(attr.is_dir());
        self.add(1 - dirs, dirs, attr.space());
    }

    fn add(&self, files: u64, dirs: u64, bytes: i64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.dirs.fetch_add(dirs, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.max(0) as u64, Ordering::Relaxed);
    }
}

/// The shape of the tree.
#[derive(Clone, Copy, Debug)]
pub struct TreeShape {
    /// Levels below the first inode, at most 10.
    pub depth: u8,
    /// Largest children of each directory, at most 100; the others become one.
    pub top: u8,
    /// Look at every file instead of trusting statistics.
    pub strict: bool,
}

/// One inode of a tree, with the largest of its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// The inode; 0 for those that are not shown.
    pub ino: Ino,
    /// Path from the first inode; `...` at the end for those that are not shown.
    pub path: Vec<u8>,
    /// Type.
    pub kind: FileType,
    /// Sums over this inode and all inodes below it.
    pub sum: Summary,
    /// The largest first.
    pub children: Vec<TreeNode>,
}

/// A directory being walked.
struct Frame {
    dir: Ino,
    /// The next page; `None` after the last one.
    cursor: Option<DirCursor>,
    /// Sub-directories of the page read last.
    waiting: Vec<Ino>,
}

type TreeFuture<'a> = Pin<Box<dyn Future<Output = Result<TreeNode, Errno>> + Send + 'a>>;

impl Meta {
    /// Sums up what lies below an inode. Without `recursive` the entries of the directory itself;
    /// without `strict` statistics are trusted where the volume has them. Of a directory that the caller
    /// may not list and search only itself is counted, as `du` does.
    pub async fn summary(
        &self,
        caller: &Caller,
        ino: Ino,
        recursive: bool,
        strict: bool,
        walked: &Walked,
    ) -> Result<Summary, Errno> {
        let attr = self.getattr(ino).await?;
        let mut all = Summary::of(&attr);
        walked.count(&attr);
        if !attr.is_dir() {
            return Ok(all);
        }
        if !strict {
            self.flush_own_stats().await;
        }
        let mut frames = Vec::new();
        let first = self.enter(caller, ino, (strict, recursive), &mut all, walked);
        frames.extend(first.await?);
        while let Some(frame) = frames.last_mut() {
            if let Some(dir) = frame.waiting.pop() {
                if frames.len() >= DEPTH_MAX {
                    return Err(Errno::ELOOP);
                }
                let next = self.enter(caller, dir, (strict, true), &mut all, walked);
                frames.extend(next.await?);
                continue;
            }
            let Some(cursor) = frame.cursor.take() else {
                frames.pop();
                continue;
            };
            let dir = frame.dir;
            let counted = !strict && self.format().dir_stats;
            let (page, next) = self.page(dir, &cursor, !counted).await?;
            if !counted {
                count_page(&page, &mut all, walked);
            }
            frame.cursor = next;
            if recursive {
                let dirs = page.iter().filter(|e| e.entry.kind == FileType::Directory);
                frame.waiting = dirs.map(|e| e.entry.ino).collect();
            }
        }
        Ok(all)
    }

    /// Counts a directory's entries by its statistics where that is possible and wanted. A frame when
    /// it has to be listed, `None` when the caller may not.
    async fn enter(
        &self,
        caller: &Caller,
        dir: Ino,
        (strict, recursive): (bool, bool),
        all: &mut Summary,
        walked: &Walked,
    ) -> Result<Option<Frame>, Errno> {
        let frame = Frame {
            dir,
            cursor: Some(DirCursor::Start),
            waiting: Vec::new(),
        };
        if strict || !self.format().dir_stats {
            // The super-user may list every directory: nothing to ask for.
            let may = caller.uid == 0 || self.may_look_into(caller, dir).await?;
            return Ok(may.then_some(frame));
        }
        let mut answers = self.fetch(&[Key::DirStat(dir), Key::Attr(dir)]).await?;
        let attr = answers.pop().and_then(|a| a.into_attr().ok()).flatten();
        let stat = answers.pop().and_then(|a| a.into_stat().ok()).flatten();
        let attr = match attr {
            Some(attr) => attr,
            None if dir == Ino::TRASH => self.getattr(dir).await?,
            // Removed since its parent was listed.
            None => return Ok(None),
        };
        if !self.may_list(caller, &attr).await? {
            return Ok(None);
        }
        let Some(stat) = stat else {
            return self.listed(dir, recursive, all, walked).await;
        };
        let subdirs = u64::from(attr.nlink.saturating_sub(2));
        let entries = stat.inodes.max(0) as u64;
        let files = entries.saturating_sub(subdirs);
        all.add(stat, files, subdirs);
        walked.add(files, subdirs, stat.space);
        Ok((recursive && subdirs > 0).then_some(frame))
    }

    /// As [`Meta::may_list`]; false for what is gone.
    async fn may_look_into(&self, caller: &Caller, dir: Ino) -> Result<bool, Errno> {
        match self.getattr(dir).await {
            Ok(attr) => self.may_list(caller, &attr).await,
            Err(Errno::ENOENT) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Whether the caller may see the names in a directory and what is behind them.
    async fn may_list(&self, caller: &Caller, dir: &Attr) -> Result<bool, Errno> {
        let mask = perm::READ | perm::EXEC;
        match self.may_always(caller, dir, mask).await {
            Ok(()) => Ok(true),
            Err(Errno::EACCES) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Counts a directory without statistics by its entries; then as [`Meta::enter`].
    async fn listed(
        &self,
        dir: Ino,
        recursive: bool,
        all: &mut Summary,
        walked: &Walked,
    ) -> Result<Option<Frame>, Errno> {
        let mut cursor = Some(DirCursor::Start);
        let before = all.dirs;
        while let Some(at) = cursor {
            let (page, next) = self.page(dir, &at, true).await?;
            count_page(&page, all, walked);
            cursor = next;
        }
        Ok((recursive && all.dirs > before).then_some(Frame {
            dir,
            cursor: Some(DirCursor::Start),
            waiting: Vec::new(),
        }))
    }

    /// The largest of what lies below an inode, level by level. Rights as for [`Meta::summary`].
    pub async fn tree(
        &self,
        caller: &Caller,
        ino: Ino,
        shape: TreeShape,
        walked: &Walked,
    ) -> Result<TreeNode, Errno> {
        if !shape.strict {
            self.flush_own_stats().await;
        }
        let attr = self.getattr(ino).await?;
        let depth = shape.depth.min(TREE_DEPTH_MAX);
        let walk = TreeWalk {
            meta: self,
            caller,
            shape,
            walked,
        };
        walk.tree_of(ino, attr, Vec::new(), depth).await
    }

    /// A page of a directory; an empty one when it is gone.
    pub(crate) async fn page(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<(Vec<DirEntry>, Option<DirCursor>), Errno> {
        let me = Caller {
            check_permission: false,
            ..Caller::root()
        };
        let page = self.readdir(&me, dir, cursor, with_attrs).await?;
        Ok((page.entries, page.next))
    }

    /// What this client has changed is in the statistics from here on.
    async fn flush_own_stats(&self) {
        if self.is_writable() {
            self.flush_stats().await;
        }
    }
}

/// A walk that makes a tree.
struct TreeWalk<'a> {
    meta: &'a Meta,
    caller: &'a Caller,
    shape: TreeShape,
    walked: &'a Walked,
}

impl TreeWalk<'_> {
    fn tree_of(&self, ino: Ino, attr: Attr, path: Vec<u8>, depth: u8) -> TreeFuture<'_> {
        Box::pin(async move {
            let (meta, walked) = (self.meta, self.walked);
            let mut node = TreeNode {
                ino,
                path,
                kind: attr.kind,
                sum: Summary::of(&attr),
                children: Vec::new(),
            };
            walked.nodes.fetch_add(1, Ordering::Relaxed);
            let full = walked.nodes.load(Ordering::Relaxed) > TREE_NODES_MAX;
            if !attr.is_dir() || !meta.may_list(self.caller, &attr).await? {
                walked.count(&attr);
            } else if depth == 0 || full {
                let sum = meta.summary(self.caller, ino, true, self.shape.strict, walked);
                node.sum = sum.await?;
            } else {
                walked.count(&attr);
                self.grow(&mut node, depth - 1).await?;
            }
            Ok(node)
        })
    }

    async fn grow(&self, node: &mut TreeNode, depth: u8) -> Result<(), Errno> {
        let top = usize::from(self.shape.top).min(TREE_TOP_MAX);
        let mut rest = (Summary::default(), 0u64);
        let mut cursor = Some(DirCursor::Start);
        while let Some(at) = cursor {
            let (page, next) = self.meta.page(node.ino, &at, true).await?;
            for e in page {
                let Some(attr) = e.attr else { continue };
                let mut path = node.path.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(e.name.as_bytes());
                let child = self.tree_of(e.entry.ino, attr, path, depth);
                let child = match child.await {
                    // Removed since it was listed.
                    Err(Errno::ENOENT) => continue,
                    other => other?,
                };
                merge(&mut node.sum, &child.sum);
                node.children.push(child);
                if node.children.len() > 2 * top {
                    cut(&mut node.children, top, &mut rest);
                }
            }
            cursor = next;
        }
        cut(&mut node.children, top, &mut rest);
        if rest.1 > 0 {
            let mut path = node.path.clone();
            path.extend_from_slice(if path.is_empty() { b"..." } else { b"/..." });
            node.children.push(TreeNode {
                ino: Ino(0),
                path,
                kind: FileType::Regular,
                sum: rest.0,
                children: Vec::new(),
            });
        }
        Ok(())
    }
}

fn count_page(page: &[DirEntry], all: &mut Summary, walked: &Walked) {
    for attr in page.iter().filter_map(|e| e.attr.as_ref()) {
        let (files, dirs) = if attr.is_dir() { (0, 1) } else { (1, 0) };
        all.add(stat_of(attr), files, dirs);
        walked.count(attr);
    }
}

fn merge(to: &mut Summary, from: &Summary) {
    to.length = to.length.saturating_add(from.length);
    to.size = to.size.saturating_add(from.size);
    to.files = to.files.saturating_add(from.files);
    to.dirs = to.dirs.saturating_add(from.dirs);
}

/// Keeps the `top` largest; the others are added to `rest`.
fn cut(children: &mut Vec<TreeNode>, top: usize, rest: &mut (Summary, u64)) {
    children.sort_by(|a, b| {
        let by_size = b.sum.size.cmp(&a.sum.size);
        by_size.then_with(|| a.path.cmp(&b.path))
    });
    for child in children.drain(top.min(children.len())..) {
        merge(&mut rest.0, &child.sum);
        rest.1 += 1;
    }
}
