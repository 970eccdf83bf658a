//! Records as statements and back: pure, the same for every database, without a driver.
//!
//! [`query`] and [`answer`] turn a [`Key`](jfs_meta::engine::Key) into a statement and its rows into an answer. [`changes`] and [`settle`] turn writes
//! into statements and check what each has done. The other modules do the same for what lies outside
//! of attempts. Nothing here runs a statement, locks, or begins a transaction.

pub(crate) mod acl;
pub(crate) mod change_log;
pub(crate) mod cleanup;
pub(crate) mod counters;
pub(crate) mod existing;
mod key;
pub(crate) mod listing;
pub(crate) mod locks;
pub(crate) mod node;
pub(crate) mod owners;
pub(crate) mod scan;
pub(crate) mod schema;
pub(crate) mod sessions;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
pub(crate) mod volume;
mod write;

pub(crate) use key::{Ask, answer, asks, query};
pub(crate) use write::{Change, Expect, changes, settle};

use crate::statement::Statement;
use crate::value::{Params, Value};
use jfs_meta::EngineError;

/// A statement with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// The statement.
    pub(crate) statement: Statement,
    /// Its parameters, `$1` first.
    pub(crate) params: Params,
}

impl Query {
    /// A statement with its parameters.
    pub(crate) fn new<const N: usize>(statement: Statement, params: [Value; N]) -> Query {
        Query {
            statement,
            params: params.into(),
        }
    }
}

/// Names the record in an error about a corrupt one.
pub(crate) fn name_record(e: EngineError, record: impl FnOnce() -> String) -> EngineError {
    match e {
        EngineError::Corrupt { reason, .. } => EngineError::Corrupt {
            record: record(),
            reason,
        },
        e => e,
    }
}

/// A copy of `e`, for another caller that waits for the same result.
pub(crate) fn again(e: &EngineError) -> EngineError {
    match e {
        EngineError::Conflict => EngineError::Conflict,
        EngineError::Transient(text) => EngineError::Transient(text.clone()),
        EngineError::MaybeCommitted(text) => EngineError::MaybeCommitted(text.clone()),
        EngineError::Corrupt { record, reason } => EngineError::corrupt(record, reason),
        EngineError::Fatal(text) => EngineError::Fatal(text.clone()),
        EngineError::SettingChanged => EngineError::SettingChanged,
        EngineError::Replaced(text) => EngineError::Replaced(text.clone()),
    }
}

/// A limit as a parameter.
fn limit(limit: usize) -> Value {
    Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))
}
