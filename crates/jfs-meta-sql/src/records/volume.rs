//! The volume as a whole: its setting and its first rows.

use super::existing::Existing;
use super::schema::Schema;
use super::{Change, Expect, Query, counters, node};
use crate::statement::Statement as S;
use crate::value::{Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::Fence;
use jfs_types::{Attr, Ino};

/// The table of the setting. Without it a database holds no volume.
pub(crate) const SETTING_TABLE: &str = "setting";

/// Counters of a new volume.
const FIRST_COUNTERS: [(&str, i64); 6] = [
    ("nextInode", 2),
    ("nextChunk", 1),
    ("nextSession", 0),
    ("usedSpace", 0),
    ("totalInodes", 0),
    ("nextCleanupSlices", 0),
];

/// A setting document as a parameter. The setting is stored as text.
pub(crate) fn document(json: &[u8]) -> Result<Value, EngineError> {
    match std::str::from_utf8(json) {
        Ok(text) => Ok(Value::text(text.as_bytes())),
        Err(_) => Err(EngineError::Fatal(
            "the volume's setting is not UTF-8".into(),
        )),
    }
}

/// Reads the setting document.
pub(crate) fn setting() -> Query {
    Query::new(S::Setting, [])
}

/// The document in the rows of [`setting`].
pub(crate) fn setting_row(rows: &mut dyn Rows) -> Result<Option<Vec<u8>>, EngineError> {
    rows.first(|row| row.bytes(0).map(<[u8]>::to_vec))
}

/// Replaces the setting document if it is `expect`.
pub(crate) fn replace_setting(expect: Value, json: Value) -> Change {
    Change {
        statement: S::SettingUpdate,
        params: vec![json, expect],
        expect: Expect::SomeRow,
    }
}

/// The first rows of a new volume, whose tables are there and empty.
pub(crate) fn first_rows(json: Value, root: &Attr, trash: Option<&Attr>) -> Vec<Query> {
    let mut rows = vec![Query::new(S::SettingInsert, [json])];
    rows.extend(FIRST_COUNTERS.map(|(name, value)| counters::put(name, value)));
    let nodes = [(Ino::ROOT, Some(root)), (Ino::TRASH, trash)];
    rows.extend(nodes.into_iter().filter_map(|(ino, attr)| {
        Some(Query {
            statement: S::NodeInsert,
            params: node::values(attr?, ino),
        })
    }));
    rows
}

/// Fails when tables of a volume that has a setting are missing.
pub(crate) fn check_tables(schema: &Schema, existing: &Existing) -> Result<(), EngineError> {
    match schema.damage(existing) {
        None => Ok(()),
        Some(missing) => Err(EngineError::Fatal(format!(
            "the database is damaged, table {missing} is missing: restore it from a backup"
        ))),
    }
}

/// Fails when the setting is that of another volume than the fence's.
pub(crate) fn check_volume(fence: &Fence, stored: Option<&[u8]>) -> Result<(), EngineError> {
    if fence.is_same_volume(stored) {
        return Ok(());
    }
    let why = match stored {
        None => "the volume's setting is gone",
        Some(_) => "another volume has taken the place of this one",
    };
    Err(EngineError::Replaced(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_volume_is_refused() {
        let format = |uuid: &str| {
            let format = jfs_types::Format {
                name: "v".into(),
                uuid: uuid.into(),
                block_size: 4096,
                ..Default::default()
            };
            format.to_json().into_bytes()
        };
        let fence = Fence::new(&format("u-1"), "u-1");
        assert!(check_volume(&fence, Some(&format("u-1"))).is_ok());
        for (stored, word) in [(None, "gone"), (Some(format("u-2")), "another volume")] {
            let refused = check_volume(&fence, stored.as_deref());
            assert!(
                matches!(&refused, Err(EngineError::Replaced(text)) if text.contains(word)),
                "{refused:?}"
            );
        }
    }
}
