//! Work on data that metadata operations leave to the background. `jfs-maint` listens.

use jfs_types::{ChunkIndex, Ino};

/// One piece of background work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A removed file's data can go.
    DeleteFile {
        /// The file.
        ino: Ino,
        /// Its length, bytes.
        length: u64,
    },
    /// These slices have no users left: (id, size).
    DeleteSlices(Vec<(u64, u32)>),
    /// A chunk has many slice records: compacting it makes reading cheaper.
    Compact {
        /// The file.
        ino: Ino,
        /// Chunk index.
        index: ChunkIndex,
    },
}
