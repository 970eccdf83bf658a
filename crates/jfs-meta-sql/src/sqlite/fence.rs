//! The fence on SQLite: each transaction compares the stored setting with what its caller accepted, and
//! makes sure that the database file is still the one that is open.
//!
//! The setting is read again only when another process has committed, see `commit_group`. A file that was
//! removed or replaced by another one stays open here: what is written to it is lost, and the path leads
//! to something else. So the path is looked at before each transaction.

use super::db::Db;
use crate::records::volume;
use jfs_meta::EngineError;
use std::path::Path;

/// Device and inode of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// The file that `path` leads to, if there is one.
    pub(crate) fn of(path: &Path) -> Option<FileId> {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(path).ok()?;
        Some(FileId(found.dev(), found.ino()))
    }
}

/// Fails when `path` does not lead to the file `opened` any more.
pub(crate) fn check_file(path: &Path, opened: Option<FileId>) -> Result<(), EngineError> {
    if opened.is_none() || FileId::of(path) == opened {
        return Ok(());
    }
    let shown = path.display();
    Err(EngineError::Replaced(match path.exists() {
        true => format!("the database file {shown} was replaced by another one"),
        false => format!("the database file {shown} is gone"),
    }))
}

/// The stored setting, as the transaction that is open sees it.
pub(crate) fn stored(db: Db<'_>) -> Result<Option<Vec<u8>>, EngineError> {
    db.read(&volume::setting(), volume::setting_row)
}
