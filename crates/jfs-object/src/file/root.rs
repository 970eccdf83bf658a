//! Blocking reads and writes of objects that are files.

use super::flush::Flushes;
use super::sync::Anchored;
use crate::buffers::Buffer;
use jfs_types::descriptors;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest part of an object's name kept in the name of its temporary file, bytes.
const TEMP_NAME_MAX: usize = 200;
/// Largest object that is read whole, bytes: far above any block, so that a foreign file in the
/// bucket cannot fill the memory.
const WHOLE_READ_MAX: u64 = 256 << 20;

/// The directory of one volume. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct FileRoot(Arc<Place>);

#[derive(Debug)]
struct Place {
    bucket: PathBuf,
    dir: PathBuf,
    anchored: Anchored,
    flushes: &'static Flushes,
}

impl FileRoot {
    /// The place `bucket`/`volume_name`. Nothing is made until the first put.
    pub(crate) fn new(bucket: &Path, volume_name: &str) -> FileRoot {
        FileRoot::with_flushes(bucket, volume_name, Flushes::of_process())
    }

    /// As [`FileRoot::new`], with another way to flush.
    pub(super) fn with_flushes(
        bucket: &Path,
        volume_name: &str,
        flushes: &'static Flushes,
    ) -> FileRoot {
        let dir = bucket.join(volume_name);
        FileRoot(Arc::new(Place {
            bucket: bucket.into(),
            dir,
            anchored: Anchored::default(),
            flushes,
        }))
    }

    /// The directory that keys are relative to.
    pub(crate) fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The directory that holds volumes.
    pub(super) fn bucket(&self) -> &Path {
        &self.0.bucket
    }

    /// Which directories are known to be safe.
    pub(super) fn anchored(&self) -> &Anchored {
        &self.0.anchored
    }

    /// The flushes of files, and the paths whose flush failed.
    pub(super) fn flushes(&self) -> &Flushes {
        self.0.flushes
    }

    /// The file of `key`.
    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.0.dir.join(key)
    }

    /// Writes `parts` one after the other as the object `key`. With `flush` the contents are on the
    /// disk before the name is; the name itself may not be.
    pub(super) fn put<'a>(
        &self,
        key: &str,
        parts: impl Iterator<Item = &'a [u8]>,
        flush: bool,
    ) -> io::Result<()> {
        let target = self.path(key);
        let temp = temp_path(&target);
        let mut file = descriptors::retry(|| create(&temp))?;
        let write = || -> io::Result<()> {
            for part in parts {
                file.write_all(part)?;
            }
            if flush {
                self.flushes().flush_own(&file, &temp)?;
            }
            std::fs::rename(&temp, &target)?;
            self.flushes().renewed(&target);
            Ok(())
        };
        write().inspect_err(|_| {
            // The error that matters is the one of the write.
            let _ = std::fs::remove_file(&temp);
        })
    }

    /// Reads what there is of a range, or all. At or past the end that is nothing.
    pub(super) fn get(&self, key: &str, range: Option<Range<u64>>) -> io::Result<Buffer> {
        let path = self.path(key);
        let file = descriptors::retry(|| File::open(&path))?;
        let (start, want) = match range {
            Some(r) => (r.start, r.end.saturating_sub(r.start)),
            None => {
                let meta = file.metadata()?;
                if meta.is_dir() {
                    return Err(ErrorKind::IsADirectory.into());
                }
                (0, meta.len())
            }
        };
        if want > WHOLE_READ_MAX {
            return Err(io::Error::new(
                ErrorKind::FileTooLarge,
                "larger than any block",
            ));
        }
        let mut data = Buffer::with_capacity(want as usize);
        read_into(&file, &mut data, start)?;
        Ok(data)
    }

    /// Length and time of `key`; a directory shows up as such.
    pub(super) fn stat(&self, key: &str) -> io::Result<std::fs::Metadata> {
        std::fs::metadata(self.path(key))
    }

    /// Removes the file of `key`; a missing one is no error. Directories stay.
    pub(super) fn delete(&self, key: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path(key)) {
            Err(e) if !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(e),
            _ => {
                self.flushes().renewed(&self.path(key));
                Ok(())
            }
        }
    }
}

/// Creates a new file, and its directories when they are missing.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o666);
    match options.open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            if let Some(dir) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o777).create(dir)?;
            }
            options.open(path)
        }
        done => done,
    }
}

/// `.jfs.<name, cut>.tmp.<random>` beside `target`.
fn temp_path(target: &Path) -> PathBuf {
    let name = target
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    let mut cut = name.len().min(TEMP_NAME_MAX);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "only makes the name of a temporary file unique"
    )]
    let unique = rand::random::<u32>();
    target.with_file_name(format!(".jfs.{}.tmp.{unique}", &name[..cut]))
}

/// Fills the spare room of `data` from offset `start` of `file`, until the end of either.
#[expect(
    unsafe_code,
    reason = "a zeroed buffer would be written twice, 4 MiB each time"
)]
fn read_into(file: &File, data: &mut Vec<u8>, start: u64) -> io::Result<()> {
    let mut at = start;
    loop {
        let room = data.spare_capacity_mut();
        if room.is_empty() {
            return Ok(());
        }
        let offset = libc::off_t::try_from(at).map_err(|_| ErrorKind::InvalidInput)?;
        // SAFETY: the pointer and length describe the vector's own spare capacity, which nobody else
        // can reach while it is borrowed; pread writes at most that many bytes.
        let n = unsafe {
            libc::pread(
                file.as_raw_fd(),
                room.as_mut_ptr().cast(),
                room.len(),
                offset,
            )
        };
        match n {
            0 => return Ok(()),
            n if n < 0 => {
                let e = io::Error::last_os_error();
                if e.kind() != ErrorKind::Interrupted {
                    return Err(e);
                }
            }
            n => {
                let n = n.unsigned_abs();
                at += n as u64;
                // SAFETY: pread just initialised `n` bytes after the current length, within capacity.
                unsafe { data.set_len(data.len() + n) };
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_beside_the_object_and_short() {
        let t = temp_path(Path::new("/b/v/chunks/0/1_0_4"));
        let name = t.file_name().unwrap().to_str().unwrap();
        assert!(t.starts_with("/b/v/chunks/0") && name.starts_with(".jfs.1_0_4.tmp."));
        let long = format!("/b/{}", "ü".repeat(127));
        assert!(temp_path(Path::new(&long)).file_name().unwrap().len() < 255);
    }

    #[test]
    fn a_failed_put_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let root = FileRoot::new(dir.path(), "v");
        std::fs::create_dir_all(dir.path().join("v/a")).unwrap();
        // The target is a directory: the rename fails after the data was written.
        assert!(root.put("a", [&b"x"[..]].into_iter(), false).is_err());
        assert_eq!(std::fs::read_dir(dir.path().join("v")).unwrap().count(), 1);
    }

    #[test]
    fn get_stops_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let root = FileRoot::new(dir.path(), "v");
        root.put("d/k", [&b"01234"[..], b"56789"].into_iter(), false)
            .unwrap();
        assert_eq!(root.get("d/k", None).unwrap()[..], *b"0123456789");
        assert_eq!(root.get("d/k", Some(8..20)).unwrap()[..], *b"89");
        assert!(root.get("d/k", Some(10..20)).unwrap().is_empty());
        assert!(root.get("d", None).is_err(), "a directory is no object");
    }
}
