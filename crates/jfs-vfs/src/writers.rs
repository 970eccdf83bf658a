//! The files being written on this mount.

use crate::write_failures::WriteFailures;
use crate::writer::FileWriter;
use jfs_types::Ino;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// Number of independently locked parts.
const SHARDS: usize = 16;

/// Writers by inode. A writer is kept while a handle that can write is open or the file is dirty.
pub(crate) struct Writers {
    /// The write failures of all files.
    pub(crate) failures: Arc<WriteFailures>,
    shards: Vec<RwLock<HashMap<Ino, Arc<FileWriter>>>>,
}

impl Writers {
    pub(crate) fn new() -> Writers {
        Writers {
            failures: Arc::default(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }

    fn shard(&self, ino: Ino) -> &RwLock<HashMap<Ino, Arc<FileWriter>>> {
        &self.shards[(ino.0 % SHARDS as u64) as usize]
    }

    /// Number of the newest write failure of any file. A handle that is opened now reports later ones.
    pub(crate) fn newest_failure(&self) -> u64 {
        self.failures.newest()
    }

    pub(crate) fn get(&self, ino: Ino) -> Option<Arc<FileWriter>> {
        self.shard(ino).read().get(&ino).cloned()
    }

    /// The writer of a file, made if there is none. Counts one more handle.
    pub(crate) fn open(&self, ino: Ino) -> Arc<FileWriter> {
        let mut shard = self.shard(ino).write();
        let writer = shard
            .entry(ino)
            .or_insert_with(|| Arc::new(FileWriter::new(ino, self.failures.clone())))
            .clone();
        writer.add_handle();
        writer
    }

    /// Counts one handle less. The last one takes the writer along unless the file is dirty.
    pub(crate) fn close(&self, ino: Ino) {
        let mut shard = self.shard(ino).write();
        if let Some(writer) = shard.get(&ino)
            && writer.drop_handle()
        {
            shard.remove(&ino);
        }
    }

    /// Removes a writer that has become clean after its last handle was closed.
    pub(crate) fn forget_if_idle(&self, ino: Ino) {
        let mut shard = self.shard(ino).write();
        if shard.get(&ino).is_some_and(|w| w.is_idle()) {
            shard.remove(&ino);
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<FileWriter>> {
        self.shards
            .iter()
            .flat_map(|s| s.read().values().cloned().collect::<Vec<_>>())
            .collect()
    }
}
