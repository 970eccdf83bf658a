//! Temporary files of blocks that are being written.
//!
//! Several processes may share a cache directory, on one machine or through a shared disk, and the reference client may be
//! one of them. So a temporary file has a name that no other write has, and its writer holds a lock on it: a file without a
//! lock belongs to a process that has ended, whatever machine or container it ran in.

use jfs_types::descriptors;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// The end of every temporary name. The reference client skips such names, and removes them when they are a minute old.
const SUFFIX: &str = ".tmp";
/// The mark before the part of a name that differs for each write.
const MARK: &str = ".jfs-";
/// Age of a left-over of another program. Other programs lock nothing.
const FOREIGN_AGE: Duration = Duration::from_secs(600);
/// Age of an empty left-over of ours. The writer may be about to lock a younger file.
const EMPTY_AGE: Duration = Duration::from_secs(60);

/// A number of this process that no other process has.
#[expect(
    clippy::disallowed_methods,
    reason = "only makes names of temporary files unique"
)]
static PROCESS: LazyLock<u64> = LazyLock::new(rand::random);
/// Number of the next write of this process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A temporary file, removed when dropped unless it was renamed.
pub(crate) struct Temporary {
    path: PathBuf,
    /// Locked where its file system has locks, until it is closed.
    file: File,
    renamed: bool,
}

impl Temporary {
    /// Creates a file beside `target` with permissions `mode`.
    pub(crate) fn create(target: &Path, mode: u32) -> io::Result<Temporary> {
        let path = fresh_name(target);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let file = descriptors::retry(|| options.open(&path))?;
        // The lock is free: a scan that looks at the file right now leaves it, since it is empty and new.
        // Without locks of the file system a scan cannot take one either, and leaves the file.
        let _ = file.try_lock();
        Ok(Temporary {
            path,
            file,
            renamed: false,
        })
    }

    /// The file, for writing.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file a second name, which must not be in use.
    pub(crate) fn link(&self, target: &Path) -> io::Result<()> {
        fs::hard_link(&self.path, target)
    }

    /// Gives the file its name, in place of another file with that name.
    pub(crate) fn rename(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `<target>.jfs-<process>-<number>.tmp`.
fn fresh_name(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    target.with_file_name(format!("{name}{MARK}{:016x}-{number}{SUFFIX}", *PROCESS))
}

/// Whether a name is that of a temporary file, ours or the reference client's.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// Removes a temporary file when its writer has ended.
pub(crate) fn remove_left_over(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !name.contains(MARK) {
        if age(path).is_some_and(|age| age > FOREIGN_AGE) {
            let _ = fs::remove_file(path);
        }
        return;
    }
    let Ok(file) = descriptors::retry(|| File::open(path)) else {
        return;
    };
    // The lock is held while the file is removed, so that a writer which has just created it stays without a lock.
    if file.try_lock().is_ok() {
        let written = file.metadata().is_ok_and(|meta| meta.len() > 0);
        if written || age(path).is_some_and(|age| age > EMPTY_AGE) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Time since a file was written to last.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with times of files, which the kernel sets"
)]
fn age(path: &Path) -> Option<Duration> {
    let modified = fs::symlink_metadata(path).and_then(|m| m.modified()).ok()?;
    SystemTime::now().duration_since(modified).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn two_writes_of_one_block_do_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("1_0_4");
        let mut one = Temporary::create(&target, 0o600).unwrap();
        let mut two = Temporary::create(&target, 0o600).unwrap();
        one.file().write_all(b"ab").unwrap();
        two.file().write_all(b"abcd").unwrap();
        two.rename(&target).unwrap();
        one.file().write_all(b"cd").unwrap();
        one.rename(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"abcd");
        drop(Temporary::create(&target, 0o600).unwrap());
        assert_eq!(names(dir.path()), ["1_0_4"]);
    }

    #[test]
    fn left_overs_go_and_what_is_being_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let set_age = |name: &str, age: Duration| {
            let file = File::options().append(true).open(path(name)).unwrap();
            #[expect(
                clippy::disallowed_methods,
                reason = "ages of files count from the clock of the machine"
            )]
            let now = SystemTime::now();
            file.set_modified(now - age).unwrap();
        };
        let mut live = Temporary::create(&path("1_0_4"), 0o600).unwrap();
        live.file().write_all(b"ab").unwrap();
        let live_name = names(dir.path()).remove(0);
        set_age(&live_name, FOREIGN_AGE * 9);
        for (name, data, age) in [
            ("2_0_4.jfs-00-1.tmp", "ab", Duration::ZERO),
            ("3_0_4.jfs-00-2.tmp", "", Duration::ZERO),
            ("4_0_4.jfs-00-3.tmp", "", EMPTY_AGE * 2),
            ("5_0_4.tmp", "ab", EMPTY_AGE * 2),
            ("6_0_4.tmp", "ab", FOREIGN_AGE * 2),
        ] {
            fs::write(path(name), data).unwrap();
            set_age(name, age);
        }
        for name in names(dir.path()) {
            assert!(is_temporary(&name));
            remove_left_over(&path(&name));
        }
        let kept = [&live_name, "3_0_4.jfs-00-2.tmp", "5_0_4.tmp"];
        assert_eq!(names(dir.path()), kept);
    }
}
