//! What the kernel was told of files and may still believe.
//!
//! An open asks the engine, but its answer to the kernel carries no attributes: the kernel goes on with
//! the length it has cached, up to `--attr-cache` old, and a reader gets a piece of the new content cut
//! to the old length. So an open that finds a file changed since the kernel was last told has the cached
//! attributes dropped before it answers.

use jfs_types::{Attr, Ino, Time};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Number of independently locked parts.
const SHARDS: usize = 16;
/// Files remembered, per shard.
const FILES_MAX: usize = 1024;

struct File {
    mtime: Time,
    length: u64,
    at: Instant,
    /// The size that the kernel holds, if only one is possible: what it was told, or has written since.
    size: Option<u64>,
}

#[derive(Default)]
struct Shard {
    files: HashMap<Ino, File>,
    /// When files that still counted were forgotten.
    forgot: Option<Instant>,
}

/// Time of change and length of files as the kernel was told.
pub(crate) struct KernelAttributes {
    shards: Vec<Mutex<Shard>>,
    life: Duration,
}

impl KernelAttributes {
    /// The kernel keeps attributes for `life`.
    pub(crate) fn new(life: Duration) -> KernelAttributes {
        KernelAttributes {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            life,
        }
    }

    fn shard(&self, ino: Ino) -> &Mutex<Shard> {
        &self.shards[(ino.0 % SHARDS as u64) as usize]
    }

    /// The kernel is told `attr`.
    pub(crate) fn note(&self, ino: Ino, attr: &Attr) {
        if !attr.is_file() {
            return;
        }
        let mut shard = self.shard(ino).lock();
        let now = Instant::now();
        if shard.files.len() >= FILES_MAX {
            shard.files.retain(|_, f| now - f.at < self.life);
            if shard.files.len() >= FILES_MAX {
                shard.files.clear();
                shard.forgot = Some(now);
            }
        }
        let file = File {
            mtime: attr.mtime,
            length: attr.length,
            at: now,
            size: Some(attr.length),
        };
        shard.files.insert(ino, file);
    }

    /// The kernel holds this size of a file that it was told of; `None` if several are possible.
    pub(crate) fn holds(&self, ino: Ino, size: Option<u64>) {
        if let Some(file) = self.shard(ino).lock().files.get_mut(&ino) {
            file.size = size;
        }
    }

    /// The size that the kernel holds, if that is known. However old: the kernel appends to the size that
    /// it holds without asking for a newer one.
    pub(crate) fn size(&self, ino: Ino) -> Option<u64> {
        self.shard(ino).lock().files.get(&ino)?.size
    }

    /// Whether the kernel may believe something else than `attr`.
    pub(crate) fn may_differ(&self, ino: Ino, attr: &Attr) -> bool {
        if self.life.is_zero() {
            return false;
        }
        let shard = self.shard(ino).lock();
        match shard.files.get(&ino) {
            Some(f) => {
                (f.mtime, f.length) != (attr.mtime, attr.length) && f.at.elapsed() < self.life
            }
            None => shard.forgot.is_some_and(|at| at.elapsed() < self.life),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::FileType;

    fn file(length: u64) -> Attr {
        let mut attr = Attr::new(FileType::Regular);
        attr.length = length;
        attr
    }

    #[test]
    fn only_what_differs_and_is_still_believed_counts() {
        let told = KernelAttributes::new(Duration::from_secs(60));
        assert!(!told.may_differ(Ino(2), &file(5)), "never told");
        told.note(Ino(2), &file(5));
        assert!(!told.may_differ(Ino(2), &file(5)));
        assert!(told.may_differ(Ino(2), &file(6)));
        let none = KernelAttributes::new(Duration::ZERO);
        none.note(Ino(2), &file(5));
        assert!(!none.may_differ(Ino(2), &file(6)));
        let short = KernelAttributes::new(Duration::from_millis(1));
        short.note(Ino(2), &file(5));
        std::thread::sleep(Duration::from_millis(2));
        assert!(
            !short.may_differ(Ino(2), &file(6)),
            "the kernel asks by itself"
        );
    }

    #[test]
    fn what_was_forgotten_counts_as_different() {
        let told = KernelAttributes::new(Duration::from_secs(60));
        for n in 0..=FILES_MAX as u64 {
            told.note(Ino(1 + n * SHARDS as u64), &file(5));
        }
        assert!(told.may_differ(Ino(1), &file(5)));
        assert!(told.shard(Ino(1)).lock().files.len() <= FILES_MAX);
    }
}
