//! Errors of the data path: a block could not be read or written.

use jfs_object::{ErrorKind, ObjectError};

/// A failure of the data path. The text names the block.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChunkError {
    /// The object storage failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A stored block does not decode to the length that its name says.
    #[error("block {key} is damaged: {reason}")]
    Damaged {
        /// Object key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A write that does not continue the slice, a read past its end: a defect of the caller.
    #[error("{0}")]
    Misuse(String),
}

impl ChunkError {
    /// Whether a block was missing: perhaps another client has replaced it meanwhile.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ChunkError::Object(e) if e.kind == ErrorKind::NotFound)
    }
    /// Whether the disk has refused to flush a block. Another sync of the block is in vain.
    pub fn is_unflushed(&self) -> bool {
        matches!(self, ChunkError::Object(e) if e.kind == ErrorKind::Unflushed)
    }
}
