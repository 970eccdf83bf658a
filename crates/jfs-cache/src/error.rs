//! Why a cache cannot be opened.

use std::path::PathBuf;

/// A cache that cannot be opened. Faults of an open cache are misses, not errors.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The directory cannot be made, read or written.
    #[error("cache directory {}: {source}", dir.display())]
    Directory {
        /// The directory of this volume's cache.
        dir: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The configuration asks for what there is not yet, or makes no sense.
    #[error("{0}")]
    Config(String),
}
