//! What metadata operations ask of the data side. `jfs-maint` listens.

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
    /// Nobody uses these slices any more: (id, size).
    DeleteSlices(Vec<(u64, u32)>),
    /// A chunk has many slice records: compacting it makes reading cheaper.
    Compact {
        /// The file.
        ino: Ino,
        /// Chunk index.
        index: ChunkIndex,
    },
}
