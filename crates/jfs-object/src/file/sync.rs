//! Making files survive a power cut: the file, its directory, and the directories above it that may
//! be new.

use super::FileRoot;
use crate::ObjectError;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Directories remembered as safe; when there are more the memory starts over, which costs flushes
/// and nothing else.
const ANCHORED_MAX: usize = 65_536;

/// Directories whose entry in their parent is known to be on the disk.
#[derive(Debug, Default)]
pub(super) struct Anchored(Mutex<HashSet<PathBuf>>);

impl Anchored {
    fn contains(&self, dir: &Path) -> bool {
        self.0.lock().contains(dir)
    }

    fn insert(&self, dir: &Path) {
        let mut set = self.0.lock();
        if set.len() >= ANCHORED_MAX {
            set.clear();
        }
        set.insert(dir.to_path_buf());
    }
}

impl FileRoot {
    /// Flushes the files of `keys`, their directories, and every directory above them up to the
    /// bucket that was not flushed into its parent before. Blocks.
    pub(crate) fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        let mut dirs: Vec<(PathBuf, &str)> = Vec::new();
        for key in keys {
            let path = self.path(key);
            flush(&path).map_err(|e| ObjectError::from_io(key, &e))?;
            if let Some(dir) = path.parent()
                && !dirs.iter().any(|(known, _)| known == dir)
            {
                dirs.push((dir.to_path_buf(), key));
            }
        }
        for (dir, key) in dirs {
            self.sync_dir(&dir)
                .map_err(|e| ObjectError::from_io(key, &e))?;
        }
        Ok(())
    }

    /// Writes the object `key` and flushes it as [`FileRoot::sync`] does. Blocks.
    pub(crate) fn put_durable(&self, key: &str, data: &[u8]) -> Result<(), ObjectError> {
        let put = || {
            self.put(key, std::iter::once(data), true)?;
            match self.path(key).parent() {
                Some(dir) => self.sync_dir(dir),
                None => Ok(()),
            }
        };
        put().map_err(|e| ObjectError::from_io(key, &e))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        flush(dir)?;
        let mut child = dir;
        // Whoever made a directory, this client or another, may have made its parents as well.
        while child.starts_with(self.bucket())
            && child != self.bucket()
            && !self.anchored().contains(child)
        {
            let Some(parent) = child.parent() else { break };
            flush(parent)?;
            self.anchored().insert(child);
            child = parent;
        }
        Ok(())
    }
}

fn flush(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_durable_put_anchors_its_directories_too() {
        let tmp = tempfile::tempdir().unwrap();
        let root = FileRoot::new(tmp.path(), "v");
        root.put_durable("a/b/k", b"xy").unwrap();
        assert_eq!(&root.get("a/b/k", None).unwrap()[..], b"xy");
        for dir in ["v", "v/a", "v/a/b"] {
            assert!(root.anchored().contains(&tmp.path().join(dir)), "{dir}");
        }
        root.put_durable("a/b/k", b"z").unwrap();
        assert_eq!(&root.get("a/b/k", None).unwrap()[..], b"z");
        assert!(root.put_durable("a/b/k/below", b"z").is_err());
    }

    #[test]
    fn new_directories_are_anchored_up_to_the_bucket() {
        let tmp = tempfile::tempdir().unwrap();
        let root = FileRoot::new(tmp.path(), "v");
        root.put("a/b/k", [&b"x"[..]].into_iter(), false).unwrap();
        root.sync(&["a/b/k".to_string()]).unwrap();
        for dir in ["v", "v/a", "v/a/b"] {
            assert!(root.anchored().contains(&tmp.path().join(dir)), "{dir}");
        }
        assert!(!root.anchored().contains(tmp.path()));
        let e = root.sync(&["a/none".to_string()]).unwrap_err();
        assert!(e.is_not_found() && e.key == "a/none");
    }
}
