//! Objects as files below a local directory: written under a temporary name and renamed.
//!
//! Every request is one call on the blocking pool. `put` does not wait for the disk; [`sync`] makes
//! files and their directories durable (docs/SEMANTICS.md, fsync).
//!
//! [`sync`]: crate::Backend::sync

use crate::{Backend, ErrorKind, ObjectError, ObjectInfo};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a key's last part that go into the temporary name.
const TMP_NAME_MAX: usize = 200;

/// A local directory.
pub(crate) struct FileBackend {
    root: Arc<PathBuf>,
}

impl FileBackend {
    /// Objects go below `root`, which is made when the first one is put.
    pub(crate) fn new(root: PathBuf) -> FileBackend {
        FileBackend { root: Arc::new(root) }
    }

    async fn run<T: Send + 'static>(
        &self,
        key: &str,
        f: impl FnOnce(&Path, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ObjectError> {
        if key.split('/').any(|part| part == "..") {
            return Err(ObjectError::new(ErrorKind::Permanent, key, "not a key"));
        }
        let (root, owned) = (self.root.clone(), key.to_string());
        let task = tokio::task::spawn_blocking(move || f(&root, &owned));
        match task.await {
            Ok(result) => result.map_err(|e| convert(key, &e)),
            Err(e) => Err(ObjectError::new(ErrorKind::Permanent, key, e.to_string())),
        }
    }
}

fn convert(key: &str, e: &io::Error) -> ObjectError {
    let kind = match e.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => ErrorKind::Transient,
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        _ => ErrorKind::Permanent,
    };
    ObjectError::new(kind, key, e.to_string())
}

#[async_trait]
impl Backend for FileBackend {
    fn location(&self) -> String {
        format!("file://{}/", self.root.display())
    }

    async fn put(&self, key: &str, data: Bytes) -> Result<(), ObjectError> {
        self.run(key, move |root, key| put(&root.join(key), &data)).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, ObjectError> {
        self.run(key, move |root, key| get(&root.join(key), range)).await
    }

    async fn head(&self, key: &str) -> Result<u64, ObjectError> {
        self.run(key, |root, key| fs::metadata(root.join(key)).map(|m| m.len())).await
    }

    async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        self.run(key, |root, key| match fs::remove_file(root.join(key)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
        .await
    }

    async fn list(&self, prefix: &str, start_after: &str, limit: usize) -> Result<Vec<ObjectInfo>, ObjectError> {
        let start_after = start_after.to_string();
        self.run(prefix, move |root, prefix| {
            let mut found = Vec::new();
            walk(root, "", &mut |key, size| {
                if key.starts_with(prefix) && *key > *start_after {
                    found.push(ObjectInfo { key: key.to_string(), size });
                }
            })?;
            found.sort_by(|a, b| a.key.cmp(&b.key));
            found.truncate(limit);
            Ok(found)
        })
        .await
    }

    async fn sync(&self, keys: &[String]) -> Result<(), ObjectError> {
        let all = keys.to_vec();
        self.run("", move |root, _| sync(root, &all)).await
    }
}

fn put(path: &Path, data: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut cut = name.len().min(TMP_NAME_MAX);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let tmp = dir.join(format!(".jfs.{}.tmp.{}", &name[..cut], rand::random::<u32>()));
    let mut file = match File::create_new(&tmp) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(dir)?;
            File::create_new(&tmp)?
        }
        other => other?,
    };
    let written = file.write_all(data).and_then(|()| fs::rename(&tmp, path));
    if written.is_err() {
        let _ = fs::remove_file(&tmp);
    }
    written
}

fn get(path: &Path, range: Option<Range<u64>>) -> io::Result<Bytes> {
    let mut file = File::open(path)?;
    let Some(range) = range else {
        let size = file.metadata()?.len();
        let mut data = Vec::with_capacity(size as usize + 1);
        file.read_to_end(&mut data)?;
        return Ok(data.into());
    };
    let mut data = vec![0; (range.end - range.start) as usize];
    let mut done = 0;
    while done < data.len() {
        match file.read_at(&mut data[done..], range.start + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    data.truncate(done);
    Ok(data.into())
}

fn walk(dir: &Path, prefix: &str, f: &mut dyn FnMut(&str, u64)) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{key}/"), f)?;
        } else if kind.is_file() {
            match entry.metadata() {
                Ok(meta) => f(&key, meta.len()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

/// Files first, then every directory on the way from them up to the root.
fn sync(root: &Path, keys: &[String]) -> io::Result<()> {
    let mut dirs = BTreeSet::new();
    for key in keys {
        let path = root.join(key);
        File::open(&path)?.sync_all()?;
        let mut dir = path.parent();
        while let Some(d) = dir.filter(|d| d.starts_with(root)) {
            dirs.insert(d.to_path_buf());
            dir = d.parent();
        }
    }
    for dir in dirs {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}
