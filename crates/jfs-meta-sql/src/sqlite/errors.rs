//! SQLite results as engine errors: the one place that looks at codes.

use jfs_meta::EngineError;
use jfs_types::descriptors;
use rusqlite::{Error, ErrorCode};
use std::fs::File;
use std::path::Path;

/// Classifies an error of anything but `COMMIT`. Nothing was changed when it is `Transient`.
pub(crate) fn classify(e: Error) -> EngineError {
    match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SchemaChanged) => {
            EngineError::Transient(format!("the database is busy: {e}"))
        }
        Some(ErrorCode::ConstraintViolation) => EngineError::Conflict,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => EngineError::Fatal(format!(
            "the database file is damaged or no SQLite database: {e}; restore it from a backup"
        )),
        Some(ErrorCode::DiskFull) => {
            EngineError::Fatal(format!("the disk of the database is full: {e}"))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => EngineError::Fatal(format!(
            "the database file cannot be opened for writing: {e}"
        )),
        Some(ErrorCode::CannotOpen) if no_descriptors() => {
            EngineError::Transient(format!("too many open files: {e}"))
        }
        Some(ErrorCode::CannotOpen) => EngineError::Fatal(format!(
            "the database cannot be opened: {e}; its directory must be writable even for reading, \
             for the files -wal and -shm beside it"
        )),
        _ if e.to_string().contains("no such table") => EngineError::Fatal(format!(
            "the database holds no volume, jfs format makes one: {e}"
        )),
        _ => EngineError::Fatal(format!("SQLite: {e}")),
    }
}

/// Whether descriptors are exhausted, which SQLite does not tell. If so, the cached ones are closed.
fn no_descriptors() -> bool {
    File::open("/dev/null").is_err_and(|e| descriptors::free(&e))
}

/// Classifies an error of `COMMIT`, after which the transaction is gone. SQLite has undone it, but
/// when the disk failed the log may hold all of it, and a restart would bring it back.
pub(crate) fn classify_commit(e: Error) -> EngineError {
    match e.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => EngineError::MaybeCommitted(e.to_string()),
        _ => classify(e),
    }
}

/// A database file that cannot be opened.
pub(crate) fn cannot_open(path: &Path, e: &Error) -> EngineError {
    let shown = path.display();
    if no_descriptors() {
        return EngineError::Transient(format!("{shown}: too many open files: {e}"));
    }
    if path.exists() {
        return EngineError::Fatal(format!("{shown}: {e}"));
    }
    match path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty() && !dir.exists())
    {
        Some(dir) => {
            EngineError::Fatal(format!("{shown}: there is no directory {}", dir.display()))
        }
        None => EngineError::Fatal(format!(
            "{shown}: there is no such file, jfs format makes one"
        )),
    }
}

/// `e` with the name of the database file in front.
pub(crate) fn name_file(path: &Path, e: EngineError) -> EngineError {
    match e {
        EngineError::Fatal(text) => EngineError::Fatal(format!("{}: {text}", path.display())),
        e => e,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::records::answer;
    use jfs_meta::engine::Key;
    use rusqlite::ffi;

    fn failure(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn codes_have_kinds() {
        let kind = |code| classify(failure(code));
        assert!(matches!(kind(ffi::SQLITE_BUSY), EngineError::Transient(_)));
        assert!(matches!(
            kind(ffi::SQLITE_BUSY_SNAPSHOT),
            EngineError::Transient(_)
        ));
        assert!(matches!(
            kind(ffi::SQLITE_LOCKED),
            EngineError::Transient(_)
        ));
        assert!(matches!(
            kind(ffi::SQLITE_SCHEMA),
            EngineError::Transient(_)
        ));
        assert!(matches!(
            kind(ffi::SQLITE_CONSTRAINT_UNIQUE),
            EngineError::Conflict
        ));
        assert!(matches!(kind(ffi::SQLITE_NOTADB), EngineError::Fatal(t) if t.contains("backup")));
        assert!(matches!(kind(ffi::SQLITE_FULL), EngineError::Fatal(t) if t.contains("full")));
        assert!(
            matches!(kind(ffi::SQLITE_READONLY), EngineError::Fatal(t) if t.contains("writing"))
        );
        assert!(matches!(kind(ffi::SQLITE_IOERR), EngineError::Fatal(_)));
    }

    #[test]
    fn a_commit_that_met_a_failing_disk_is_in_doubt() {
        let kind = |code| classify_commit(failure(code));
        assert!(matches!(
            kind(ffi::SQLITE_IOERR_FSYNC),
            EngineError::MaybeCommitted(_)
        ));
        assert!(matches!(kind(ffi::SQLITE_BUSY), EngineError::Transient(_)));
        assert!(matches!(kind(ffi::SQLITE_FULL), EngineError::Fatal(_)));
    }

    #[test]
    fn a_missing_file_or_directory_is_named() {
        let e = failure(ffi::SQLITE_CANTOPEN);
        let text = cannot_open(Path::new("/no/such/dir/a.db"), &e).to_string();
        assert!(
            text.contains("there is no directory /no/such/dir"),
            "{text}"
        );
        let text = cannot_open(Path::new("no-such-file.db"), &e).to_string();
        assert!(
            text.contains("no-such-file.db") && text.contains("jfs format"),
            "{text}"
        );
    }

    #[test]
    fn values_of_a_wrong_type_are_corrupt_records() {
        let c = rusqlite::Connection::open_in_memory().unwrap();
        let mut statement = c.prepare("SELECT 'x' AS refs").unwrap();
        let key = Key::SliceUsers(7, 0);
        let e = answer(&key, &mut statement.query([]).unwrap()).unwrap_err();
        assert!(
            matches!(&e, EngineError::Corrupt { record, .. } if record == "chunk_ref 7"),
            "{e}"
        );
        let e = c.prepare("SELECT 1 FROM jfs_node").unwrap_err();
        assert!(classify(e).to_string().contains("holds no volume"));
    }
}
