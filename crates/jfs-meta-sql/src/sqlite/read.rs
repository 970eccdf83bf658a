//! Reading records.

use super::db::{Db, step};
use super::errors::classify;
use crate::records::asks;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, Key};

/// Answers `keys` in their order, a statement each; a directory and one of its names, in this order,
/// are one statement.
pub(crate) fn answers<'k>(
    db: Db<'_>,
    keys: impl ExactSizeIterator<Item = &'k Key>,
) -> Result<Vec<Answer>, EngineError> {
    let mut all = Vec::with_capacity(keys.len());
    for ask in asks(keys) {
        db.read(&ask.query(), |rows| ask.answer(rows, &mut all))?;
    }
    Ok(all)
}

/// As [`answers`], all from one snapshot.
pub(crate) fn snapshot<'k>(
    db: Db<'_>,
    keys: impl ExactSizeIterator<Item = &'k Key> + Clone,
) -> Result<Vec<Answer>, EngineError> {
    if asks(keys.clone()).nth(1).is_none() {
        return answers(db, keys);
    }
    db.step(step::BEGIN_READ).map_err(classify)?;
    let result = answers(db, keys);
    let end = db.step(step::COMMIT).map_err(classify);
    result.and_then(|answers| end.map(|()| answers))
}
