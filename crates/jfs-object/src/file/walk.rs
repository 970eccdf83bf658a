//! Listing files in the byte order of their keys, without holding more than one directory per level.

use super::FileRoot;
use crate::ObjectInfo;
use jfs_types::descriptors;
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::UNIX_EPOCH;

impl FileRoot {
    /// The first `limit` files whose key begins with `prefix` and is greater than `after`, sorted.
    /// A missing place holds nothing; what vanishes during the walk is left out.
    pub(super) fn list(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> io::Result<Vec<ObjectInfo>> {
        let mut walk = Walk {
            prefix,
            after,
            limit,
            found: Vec::new(),
        };
        // Whole directories of the prefix need not be searched for.
        let base = prefix.rfind('/').map_or("", |slash| &prefix[..=slash]);
        walk.directory(&self.dir().join(base), base)?;
        Ok(walk.found)
    }
}

struct Walk<'a> {
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    found: Vec<ObjectInfo>,
}

impl Walk<'_> {
    /// Adds the files below `dir`, whose keys begin with `base`.
    fn directory(&mut self, dir: &Path, base: &str) -> io::Result<()> {
        let entries = match descriptors::retry(|| std::fs::read_dir(dir)) {
            Err(e) if gone(&e) => return Ok(()),
            other => other?,
        };
        // A directory sorts as its name with a slash: "a.b" comes before "a/b".
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(mut name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = entry.file_type()?;
            let is_dir = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
            if is_dir {
                name.push('/');
            }
            if self.wanted(&format!("{base}{name}"), is_dir) {
                names.push(name);
            }
        }
        names.sort_unstable();
        for name in names {
            if self.found.len() >= self.limit {
                return Ok(());
            }
            let key = format!("{base}{name}");
            let path = dir.join(&name);
            if name.ends_with('/') {
                self.directory(&path, &key)?;
                continue;
            }
            match std::fs::metadata(&path) {
                Ok(meta) => self.found.push(describe(key, &meta)),
                Err(e) if gone(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Whether `key` is to be listed, or for a directory whether something in it may be.
    fn wanted(&self, key: &str, is_dir: bool) -> bool {
        if is_dir {
            let in_prefix = key.starts_with(self.prefix) || self.prefix.starts_with(key);
            in_prefix && (key > self.after || self.after.starts_with(key))
        } else {
            key.starts_with(self.prefix) && key > self.after
        }
    }
}

/// A file as a listing shows it.
pub(super) fn describe(key: String, meta: &Metadata) -> ObjectInfo {
    let mtime = meta
        .modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    ObjectInfo {
        key,
        size: meta.len(),
        mtime_sec: mtime.map_or(0, |d| d.as_secs() as i64),
    }
}

fn gone(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
