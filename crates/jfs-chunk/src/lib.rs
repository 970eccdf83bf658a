//! Slices to blocks and back: split, compress, upload, download, remove.
//!
//! [`ChunkStore`] reads, prefetches and removes slices; [`SliceWriter`] buffers and uploads a new
//! one. Knows slices and blocks, not inodes.

#![forbid(unsafe_code)]

pub mod budget;
mod compress;
mod download;
mod downloaded_blocks;
mod error;
mod store;
mod writer;

pub use budget::Budget;
pub use compress::Compression;
pub use error::ChunkError;
pub use store::{ChunkConfig, ChunkStore};
pub use writer::{FinishedSlice, SliceWriter, Uploads};
