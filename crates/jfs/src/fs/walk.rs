//! Walks along paths, as a kernel does: one component after the other, in the tree and not in the text.

use super::Fs;
use jfs_types::{Attr, Caller, Errno, FileType, Ino};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Symbolic links that one walk follows at most.
const LINKS_MAX: u32 = 40;
/// Longest path, bytes.
const PATH_MAX: usize = 4096;

/// Lookups of a walk: it has checked the permission to search by itself.
static UNCHECKED: Caller = Caller {
    uid: 0,
    gid: 0,
    groups: Vec::new(),
    pid: 0,
    check_permission: false,
};

/// An inode that a walk has found.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) ino: Ino,
    pub(super) attr: Attr,
}

/// What a path ends with, once its directory is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// A name, and whether slashes follow.
    Name(Vec<u8>, bool),
    /// Nothing but slashes.
    Root,
    /// `.`
    Dot,
    /// `..`
    DotDot,
}

impl Last {
    /// The name that an operation needs, without slashes behind; `other` for what is none.
    pub(super) fn name(self, other: Errno) -> Result<(Vec<u8>, bool), Errno> {
        match self {
            Last::Name(name, slash) => Ok((name, slash)),
            _ => Err(other),
        }
    }
}

/// A walk under way.
pub(super) struct Walk<'a> {
    fs: &'a Fs,
    /// The directory that it has come to.
    pub(super) at: Ino,
    /// Its attributes, unless it is where the walk began.
    attr: Option<Attr>,
    links: u32,
}

impl<'a> Walk<'a> {
    pub(super) fn new(fs: &'a Fs) -> Walk<'a> {
        Walk {
            fs,
            at: fs.base,
            attr: None,
            links: 0,
        }
    }

    /// Goes to the directory of the last component, from where the walk is. ENOENT for an empty path.
    pub(super) async fn go_to_parent(&mut self, path: &[u8]) -> Result<Last, Errno> {
        check(path)?;
        if path.starts_with(b"/") {
            self.go_to_root();
        }
        let trimmed = trim_slashes(path);
        let (head, last) = match trimmed.iter().rposition(|b| *b == b'/') {
            Some(at) => (&trimmed[..at], &trimmed[at + 1..]),
            None => (&trimmed[..0], trimmed),
        };
        let mut todo: Vec<Vec<u8>> = components(head).rev().collect();
        while let Some(name) = todo.pop() {
            let node = self.step(&name).await?;
            if node.attr.kind == FileType::Symlink {
                let target = self.follow(&node).await?;
                todo.extend(components(&target).rev());
                continue;
            }
            if !node.attr.is_dir() {
                return Err(Errno::ENOTDIR);
            }
            (self.at, self.attr) = (node.ino, Some(node.attr));
        }
        Ok(match last {
            b"" => Last::Root,
            b"." => Last::Dot,
            b".." => Last::DotDot,
            name => Last::Name(name.to_vec(), trimmed.len() < path.len()),
        })
    }

    /// Looks up a name in the directory that the walk has come to, and stays there.
    pub(super) async fn step(&mut self, name: &[u8]) -> Result<Node, Errno> {
        let (vfs, caller) = (self.fs.vfs(), &*self.fs.caller);
        if self.attr.is_none() && caller.uid != 0 {
            self.attr = Some(vfs.getattr(self.at).await?.attr);
        }
        if let Some(attr) = &self.attr {
            vfs.may_search(caller, attr).await?;
        }
        let found = vfs.lookup(&UNCHECKED, self.at, name).await?;
        Ok(Node {
            ino: found.ino,
            attr: found.attr,
        })
    }

    /// Target of a symbolic link that was found in the directory of the walk, which goes to the root when
    /// the target is absolute.
    pub(super) async fn follow(&mut self, link: &Node) -> Result<Vec<u8>, Errno> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::ELOOP);
        }
        let target = self.fs.vfs().readlink(link.ino).await?;
        check(&target)?;
        if target.starts_with(b"/") {
            self.go_to_root();
        }
        Ok(target.to_vec())
    }

    /// Goes to what a path leads to. `follow`: also through a symbolic link at its end.
    pub(super) async fn find(&mut self, path: &[u8], follow: bool) -> Result<Node, Errno> {
        let mut path = path.to_vec();
        loop {
            let (name, slash) = match self.go_to_parent(&path).await? {
                Last::Name(name, slash) => (name, slash),
                Last::DotDot => (b"..".to_vec(), false),
                Last::Root | Last::Dot => (b".".to_vec(), false),
            };
            let node = self.step(&name).await?;
            if node.attr.kind == FileType::Symlink && (follow || slash) {
                path = self.follow(&node).await?;
                if slash {
                    path.push(b'/');
                }
                continue;
            }
            if slash && !node.attr.is_dir() {
                return Err(Errno::ENOTDIR);
            }
            return Ok(node);
        }
    }

    fn go_to_root(&mut self) {
        (self.at, self.attr) = (Ino::ROOT, None);
    }
}

impl Fs {
    /// What a path leads to.
    pub(super) async fn find(&self, path: &Path, follow: bool) -> Result<Node, Errno> {
        let path = path.as_os_str().as_bytes();
        Walk::new(self).find(path, follow).await
    }

    /// The directory of a path's last component, and that component.
    pub(super) async fn parent(&self, path: &Path) -> Result<(Ino, Last), Errno> {
        let mut walk = Walk::new(self);
        let last = walk.go_to_parent(path.as_os_str().as_bytes()).await?;
        Ok((walk.at, last))
    }
}

fn check(path: &[u8]) -> Result<(), Errno> {
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    // The kernel counts the zero byte at the end.
    if path.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    match path.contains(&0) {
        true => Err(Errno::EINVAL),
        false => Ok(()),
    }
}

fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/');
    &path[..end.map_or(0, |end| end + 1)]
}

/// The components of a path, without empty ones.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    let parts = path.split(|b| *b == b'/').filter(|part| !part.is_empty());
    parts.map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_at_slashes() {
        assert_eq!(trim_slashes(b"/a//"), b"/a");
        assert_eq!(trim_slashes(b"///"), b"");
        let parts: Vec<Vec<u8>> = components(b"//a/./b/").collect();
        assert_eq!(parts, [b"a".to_vec(), b".".to_vec(), b"b".to_vec()]);
        assert_eq!(check(b""), Err(Errno::ENOENT));
        assert_eq!(check(b"a\0"), Err(Errno::EINVAL));
        assert_eq!(check(&[b'a'; 4095]), Ok(()));
        assert_eq!(check(&[b'a'; 4096]), Err(Errno::ENAMETOOLONG));
    }
}
