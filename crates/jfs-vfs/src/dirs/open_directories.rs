//! Directories that are open, and what was last shown of them.
//!
//! A directory that is removed while it is open is shown to those who have it open as a local file system
//! shows it: with a link count of 0. Its attributes are gone from the volume by then, so they are kept here.
//! An opendir asks nobody, so what it keeps is what the kernel was shown before.

use jfs_types::{Attr, FileType, Ino};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Number of independently locked parts.
const SHARDS: usize = 16;
/// Directories remembered that are not open, per shard and generation. There are two generations.
const SHOWN_MAX: usize = 512;

struct Open {
    handles: u32,
    attr: Option<Attr>,
}

#[derive(Default)]
struct Shard {
    open: HashMap<Ino, Open>,
    /// What was shown of directories that are not open. When `young` is full it becomes `old`.
    young: HashMap<Ino, Attr>,
    old: HashMap<Ino, Attr>,
}

/// The open directories of a mount.
pub(crate) struct OpenDirectories {
    shards: Vec<Mutex<Shard>>,
}

impl Default for OpenDirectories {
    fn default() -> OpenDirectories {
        OpenDirectories {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl OpenDirectories {
    fn shard(&self, ino: Ino) -> &Mutex<Shard> {
        &self.shards[(ino.0 % SHARDS as u64) as usize]
    }

    /// A directory is shown with these attributes.
    pub(crate) fn note(&self, ino: Ino, attr: &Attr) {
        let mut shard = self.shard(ino).lock();
        if let Some(open) = shard.open.get_mut(&ino) {
            open.attr = Some(attr.clone());
            return;
        }
        shard.young.insert(ino, attr.clone());
        if shard.young.len() > SHOWN_MAX {
            shard.old = std::mem::take(&mut shard.young);
        }
    }

    /// Counts a handle.
    pub(crate) fn open(&self, ino: Ino) {
        let mut shard = self.shard(ino).lock();
        let shown = shard.young.remove(&ino);
        let attr = shown.or_else(|| shard.old.remove(&ino));
        let open = shard.open.entry(ino).or_insert(Open {
            handles: 0,
            attr: None,
        });
        open.handles += 1;
        if attr.is_some() {
            open.attr = attr;
        }
    }

    /// Drops a handle.
    pub(crate) fn close(&self, ino: Ino) {
        let mut shard = self.shard(ino).lock();
        let Some(open) = shard.open.get_mut(&ino) else {
            return;
        };
        open.handles -= 1;
        if open.handles == 0
            && let Some(Open {
                attr: Some(attr), ..
            }) = shard.open.remove(&ino)
        {
            shard.young.insert(ino, attr);
        }
    }

    /// Whether the directory is open.
    pub(crate) fn is_open(&self, ino: Ino) -> bool {
        self.shard(ino).lock().open.contains_key(&ino)
    }

    /// What was last shown of an open directory. Of one that was shown too long ago only its kind is known.
    pub(crate) fn attr(&self, ino: Ino) -> Option<Attr> {
        let shard = self.shard(ino).lock();
        let open = shard.open.get(&ino)?;
        Some(open.attr.clone().unwrap_or_else(|| {
            let mut attr = Attr::new(FileType::Directory);
            attr.mode = 0;
            attr
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(mode: u16) -> Attr {
        let mut attr = Attr::new(FileType::Directory);
        attr.mode = mode;
        attr
    }

    #[test]
    fn what_was_shown_is_kept_while_a_directory_is_open() {
        let directories = OpenDirectories::default();
        let mode = |ino| directories.attr(ino).map(|attr| attr.mode);
        directories.note(Ino(5), &dir(0o750));
        assert_eq!(mode(Ino(5)), None, "not open");
        directories.open(Ino(5));
        directories.open(Ino(5));
        assert_eq!(mode(Ino(5)), Some(0o750));
        directories.note(Ino(5), &dir(0o700));
        directories.close(Ino(5));
        assert_eq!(mode(Ino(5)), Some(0o700));
        directories.close(Ino(5));
        assert_eq!((mode(Ino(5)), directories.is_open(Ino(5))), (None, false));
        directories.open(Ino(5));
        assert_eq!(mode(Ino(5)), Some(0o700));
        directories.open(Ino(21));
        assert_eq!(mode(Ino(21)), Some(0), "never shown");
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let directories = OpenDirectories::default();
        directories.note(Ino(16), &dir(0o711));
        directories.open(Ino(16));
        for n in 2..5 * SHOWN_MAX as u64 {
            directories.note(Ino(n * SHARDS as u64), &dir(0o755));
        }
        let shard = directories.shard(Ino(0)).lock();
        assert!(shard.young.len() + shard.old.len() <= 2 * SHOWN_MAX + 1);
        assert_eq!(shard.open.len(), 1);
    }
}
