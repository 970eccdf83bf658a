//! Making files survive a power cut: the file, its directory, and the directories above it that may
//! be new.

use super::FileRoot;
use crate::{ErrorKind, ObjectError};
use parking_lot::Mutex;
use std::collections::HashSet;
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
    /// bucket that was not flushed into its parent before. `Unflushed` for a key that the disk has
    /// refused to flush, now or before, since it was put. Blocks.
    pub(crate) fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        let mut dirs: Vec<(PathBuf, &str)> = Vec::new();
        let mut result = Ok(());
        for key in keys {
            let path = self.path(key);
            // A failure does not stop the flushes of the others.
            let flushed = self.flush(&path);
            result = result.and(flushed.map_err(|e| (key, e)));
            if let Some(dir) = path.parent()
                && !dirs.iter().any(|(known, _)| known == dir)
            {
                dirs.push((dir.to_path_buf(), key));
            }
        }
        if result.is_ok() {
            for (dir, key) in dirs {
                if let Err(e) = self.sync_dir(&dir) {
                    return Err(self.refused(keys).unwrap_or(ObjectError::from_io(key, &e)));
                }
            }
        }
        let failed = result.map_err(|(key, e)| ObjectError::from_io(key, &e));
        match self.refused(keys) {
            Some(refused) => Err(refused),
            None => failed,
        }
    }

    /// Writes the object `key` and flushes it as [`FileRoot::sync`] does. A flush that fails is an error
    /// that may pass: a repetition writes everything anew. Blocks.
    pub(crate) fn put_durable(&self, key: &str, data: &[u8]) -> Result<(), ObjectError> {
        let put = || {
            self.put(key, std::iter::once(data), true)?;
            match self.path(key).parent() {
                Some(dir) => self.sync_dir(dir),
                None => Ok(()),
            }
        };
        put().map_err(|e| ObjectError::from_io(key, &e))?;
        match self.refused(&[key.to_string()]) {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    /// Whether one of `keys` may be lost although it was put and flushed: see [`super::flush`].
    pub(crate) fn refused(&self, keys: &[String]) -> Option<ObjectError> {
        let is_refused = |key: &&String| {
            let path = self.path(key);
            self.flushes().is_refused(&path, self.bucket())
        };
        let key = keys.iter().find(is_refused)?;
        let message = "the disk refused to flush it; what it should hold may be lost";
        Some(ObjectError::new(ErrorKind::Unflushed, key, message))
    }

    fn flush(&self, path: &Path) -> io::Result<()> {
        let is_safe = |child: &Path| self.anchored().contains(child);
        self.flushes().flush(path, &is_safe)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.flush(dir)?;
        let mut child = dir;
        // The creator of a directory, this client or another, may have made its parents as well.
        while child.starts_with(self.bucket())
            && child != self.bucket()
            && !self.anchored().contains(child)
            && !self.flushes().is_refused(child, self.bucket())
        {
            let Some(parent) = child.parent() else { break };
            self.flush(parent)?;
            if !self.flushes().is_refused(child, self.bucket()) {
                self.anchored().insert(child);
            }
            child = parent;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::flush::Flushes;
    use super::*;
    use std::sync::Arc;

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

    /// A place on a disk whose flushes of `path` fail while `Disk::bad` names it.
    fn bad_disk(dir: &Path) -> (FileRoot, Arc<Mutex<Option<PathBuf>>>) {
        let bad: Arc<Mutex<Option<PathBuf>>> = Arc::default();
        let refuses = bad.clone();
        let flushes = Flushes::new(move |file, path| {
            // A temporary file counts as what it becomes.
            let name = path.to_string_lossy();
            let mut bad = refuses.lock();
            if bad
                .as_ref()
                .is_some_and(|b| name.contains(&*b.to_string_lossy()))
            {
                *bad = None; // told once
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            file.sync_all()
        });
        (
            FileRoot::with_flushes(dir, "v", Box::leak(Box::new(flushes))),
            bad,
        )
    }

    fn put(root: &FileRoot, keys: &[&str]) {
        for key in keys {
            root.put(key, [&b"x"[..]].into_iter(), false).unwrap();
        }
    }

    fn sync(root: &FileRoot, key: &str) -> Result<(), ErrorKind> {
        root.sync(&[key.to_string()]).map_err(|e| e.kind)
    }

    #[test]
    fn a_file_whose_flush_failed_stays_failed_until_it_is_written_anew() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, bad) = bad_disk(tmp.path());
        put(&root, &["a/k", "a/l"]);
        *bad.lock() = Some(tmp.path().join("v/a/k"));
        for _ in 0..3 {
            assert_eq!(sync(&root, "a/k"), Err(ErrorKind::Unflushed));
        }
        assert_eq!(sync(&root, "a/l"), Ok(()), "its neighbour is all right");
        put(&root, &["a/k"]);
        assert_eq!(sync(&root, "a/k"), Ok(()));
        *bad.lock() = Some(tmp.path().join("v/a/k"));
        assert_eq!(sync(&root, "a/k"), Err(ErrorKind::Unflushed));
        root.delete("a/k").unwrap();
        assert_eq!(sync(&root, "a/k"), Err(ErrorKind::NotFound));
    }

    #[test]
    fn a_directory_whose_flush_failed_may_have_lost_every_name() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, bad) = bad_disk(tmp.path());
        put(&root, &["a/b/k", "a/b/l", "a/c/m"]);
        *bad.lock() = Some(tmp.path().join("v/a/b"));
        // The files are flushed before their directories.
        let e = root.sync_dir(&tmp.path().join("v/a/b")).unwrap_err();
        assert_eq!(e.raw_os_error().or(Some(libc::EIO)), Some(libc::EIO));
        for key in ["a/b/k", "a/b/l"] {
            assert_eq!(sync(&root, key), Err(ErrorKind::Unflushed), "{key}");
        }
        assert_eq!(sync(&root, "a/c/m"), Ok(()));
        put(&root, &["a/b/n", "a/b/l"]);
        for key in ["a/b/n", "a/b/l"] {
            assert_eq!(sync(&root, key), Ok(()), "{key} was put later");
        }
        assert_eq!(sync(&root, "a/b/k"), Err(ErrorKind::Unflushed));
    }

    #[test]
    fn a_directory_above_whose_flush_failed_fails_what_is_new_below_it() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, bad) = bad_disk(tmp.path());
        put(&root, &["a/old/k"]);
        assert_eq!(sync(&root, "a/old/k"), Ok(()));
        put(&root, &["a/new/k"]);
        root.flush(&root.path("a/new/k")).unwrap();
        root.flush(&root.path("a/new")).unwrap();
        *bad.lock() = Some(root.path("a"));
        assert!(root.flush(&root.path("a")).is_err());
        assert_eq!(sync(&root, "a/new/k"), Err(ErrorKind::Unflushed));
        put(&root, &["a/new/k", "a/old/l", "a/newer/k"]);
        assert_eq!(sync(&root, "a/new/k"), Err(ErrorKind::Unflushed));
        let e = root.put_durable("a/new/k", b"x").unwrap_err();
        assert_eq!(e.kind, ErrorKind::Unflushed);
        for key in ["a/old/l", "a/newer/k"] {
            assert_eq!(sync(&root, key), Ok(()), "{key}");
        }
    }

    #[test]
    fn a_durable_put_that_failed_is_written_anew() {
        let tmp = tempfile::tempdir().unwrap();
        let (root, bad) = bad_disk(tmp.path());
        for refused in [".jfs.k.tmp", "v/a"] {
            *bad.lock() = Some(PathBuf::from(refused));
            let e = root.put_durable("a/k", b"x").unwrap_err();
            assert!(e.kind.is_retryable(), "{refused}: {e}");
            root.put_durable("a/k", b"x").unwrap();
            assert_eq!(sync(&root, "a/k"), Ok(()));
        }
    }
}
