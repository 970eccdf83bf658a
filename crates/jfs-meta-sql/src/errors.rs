//! SQLite results as engine errors: the one place that looks at codes.

use jfs_meta::EngineError;
use rusqlite::ErrorCode;

/// Classifies an error. Nothing was changed when it is `Transient`.
pub(crate) fn classify(e: rusqlite::Error) -> EngineError {
    match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            EngineError::Transient(format!("the database is busy: {e}"))
        }
        Some(ErrorCode::ConstraintViolation) => EngineError::Conflict,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => EngineError::Fatal(format!(
            "the database file is damaged or no SQLite database: {e}; restore it from a backup"
        )),
        Some(ErrorCode::DiskFull) => EngineError::Fatal("the disk of the database is full".into()),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            EngineError::Fatal(format!("the database file cannot be opened for writing: {e}"))
        }
        _ => EngineError::Fatal(format!("SQLite: {e}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    #[test]
    fn codes_have_kinds() {
        assert!(matches!(classify(failure(rusqlite::ffi::SQLITE_BUSY)), EngineError::Transient(_)));
        assert!(matches!(classify(failure(rusqlite::ffi::SQLITE_LOCKED)), EngineError::Transient(_)));
        assert!(matches!(classify(failure(rusqlite::ffi::SQLITE_CONSTRAINT)), EngineError::Conflict));
        assert!(matches!(classify(failure(rusqlite::ffi::SQLITE_NOTADB)), EngineError::Fatal(_)));
        assert!(matches!(classify(failure(rusqlite::ffi::SQLITE_FULL)), EngineError::Fatal(_)));
    }
}
