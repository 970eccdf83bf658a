//! Entry points for the fuzz targets: URLs from users, and names in a database that another program may
//! have
//! written. Not for users.

use crate::{attempt, keys, url};
use jfs_meta::EngineError;
use jfs_types::Ino;

/// Reads a metadata URL without connecting.
pub fn check_url(text: &str) -> Result<(), EngineError> {
    url::parse(text).map(|_| ())
}

/// Reads a key or field in every way it can be meant; whether one of them fits.
pub fn parse_name(bytes: &[u8]) -> bool {
    keys::parse_locks(bytes).is_some()
        || keys::parse_lock_owner(bytes).is_some()
        || attempt::chunk_index(Ino(1), bytes).is_some()
}
