//! Errors of engines, in the kinds that the caller can act on.

use thiserror::Error;

/// Outcome of a failed engine call. The text names the operation and never holds a secret.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Something that was read has changed: run the attempt again.
    #[error("conflict with another client")]
    Conflict,
    /// Nothing was changed and a later try may succeed (busy database, connection refused, server
    /// loading).
    #[error("{0}")]
    Transient(String),
    /// The stored setting is not the one of the fence. Nothing was changed: read the setting, then run
    /// the attempt again if it still may.
    #[error("the volume's setting has changed")]
    SettingChanged,
    /// The database holds another volume, or none, in the place of the fence's. Nothing was changed.
    #[error("{0}")]
    Replaced(String),
    /// The commit was sent, its answer was lost, and the engine does not know whether it was applied. From
    /// a commit that wrote something only.
    #[error("the answer to a commit was lost: {0}")]
    MaybeCommitted(String),
    /// A stored record does not decode. Names the record.
    #[error("corrupt record {record}: {reason}")]
    Corrupt {
        /// The record, in the engine's own terms.
        record: String,
        /// The defect of the record.
        reason: String,
    },
    /// Trying again does not help (bad address, wrong password, wrong schema, disk full).
    #[error("{0}")]
    Fatal(String),
}

impl EngineError {
    /// A [`EngineError::Corrupt`] from its parts.
    pub fn corrupt(record: impl Into<String>, reason: impl Into<String>) -> EngineError {
        EngineError::Corrupt {
            record: record.into(),
            reason: reason.into(),
        }
    }
}
