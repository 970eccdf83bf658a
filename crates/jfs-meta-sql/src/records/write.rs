//! Writing records: intentions as statements, one each, relative where the record allows it.

use super::{Query, change_log, counters, locks, node, sessions};
use crate::statement::Statement as S;
use crate::value::{Params, Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::{Receipt, Write};
use jfs_meta::wire::{RECORD_BYTES, encode_record};
use jfs_types::{Attr, Ino, SliceRecord, Time};
use std::collections::BTreeMap;

/// A statement that changes records, and what it has to have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The statement.
    pub(crate) statement: S,
    /// Its parameters, `$1` first.
    pub(crate) params: Params,
    /// What must be true afterwards.
    pub(crate) expect: Expect,
}

/// The result that a change must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Any.
    Nothing,
    /// At least one row was changed: what the attempt has read is still there.
    SomeRow,
    /// The statement returns the length of a chunk's list in bytes, a multiple of a record.
    ListLength {
        /// The file.
        ino: Ino,
        /// Chunk index.
        index: u32,
        /// The length goes into the receipt: no later write of the commit appends to a list.
        reported: bool,
    },
    /// The statement returns the number of users that a slice has left, or no row.
    UsersLeft {
        /// Slice id.
        id: u64,
        /// Full size, bytes.
        size: u32,
    },
}

impl Expect {
    /// The error of a change that has not done what it must, on servers that notice this themselves.
    pub(crate) fn failed(&self) -> EngineError {
        match self {
            Expect::ListLength { ino, index, .. } => torn(*ino, *index, "its length"),
            Expect::Nothing | Expect::SomeRow | Expect::UsersLeft { .. } => EngineError::Conflict,
        }
    }
}

impl From<Query> for Change {
    fn from(Query { statement, params }: Query) -> Change {
        Change {
            statement,
            params,
            expect: Expect::Nothing,
        }
    }
}

/// Checks what a change has done, and notes in the receipt what its rows say. `affected` counts the rows
/// that it changed. `Conflict`: the row that must change is not there any more.
pub(crate) fn settle(
    change: &Change,
    affected: u64,
    rows: &mut dyn Rows,
    receipt: &mut Receipt,
) -> Result<(), EngineError> {
    match change.expect {
        Expect::Nothing => {}
        Expect::SomeRow if affected == 0 => return Err(EngineError::Conflict),
        Expect::SomeRow => {}
        Expect::ListLength {
            ino,
            index,
            reported,
        } => {
            let bytes = rows.first(|row| row.id(0))?.unwrap_or(0);
            if !bytes.is_multiple_of(RECORD_BYTES as u64) {
                // Behind a torn record nothing could be read again: refused, and undone.
                return Err(torn(ino, index, &format!("{bytes} bytes")));
            }
            if reported {
                receipt.records_in_chunk = bytes / RECORD_BYTES as u64;
            }
        }
        Expect::UsersLeft { id, size } => {
            let users = rows.first(|row| row.int(0))?;
            if users.is_some_and(|n| n <= 0) && !receipt.unused_slices.contains(&(id, size)) {
                receipt.unused_slices.push((id, size));
            }
        }
    }
    Ok(())
}

fn torn(ino: Ino, index: u32, length: &str) -> EngineError {
    EngineError::corrupt(
        format!("chunk {index} of {ino}"),
        format!("{length} after adding a record, not a multiple of {RECORD_BYTES}"),
    )
}

/// The statements that apply `writes` in their order. `at` is the time of the attempt. Records that are appended to one chunk in
/// a row, or with nothing but new slices between them, go there by one statement: each statement copies
/// the whole list.
pub(crate) fn changes(writes: &[Write], at: Time) -> Vec<Change> {
    let mut out = Vec::with_capacity(writes.len());
    let mut appends = Appends::default();
    for write in writes {
        match write {
            Write::AppendSlice { ino, index, record } => appends.add(*ino, *index, record),
            // Stored apart from any list.
            Write::NewSlice { .. } => push(&mut out, write, at),
            _ => {
                appends.flush(&mut out);
                push(&mut out, write, at);
            }
        }
    }
    appends.flush(&mut out);
    out
}

/// Records to be appended, by their chunk.
#[derive(Default)]
struct Appends {
    records: BTreeMap<(Ino, u32), Vec<u8>>,
    /// The chunk of the newest one.
    last: Option<(Ino, u32)>,
}

impl Appends {
    fn add(&mut self, ino: Ino, index: u32, record: &SliceRecord) {
        let records = self.records.entry((ino, index)).or_default();
        records.extend_from_slice(&encode_record(record));
        self.last = Some((ino, index));
    }

    fn flush(&mut self, out: &mut Vec<Change>) {
        let last = self.last.take();
        for ((ino, index), records) in std::mem::take(&mut self.records) {
            out.push(Change {
                statement: S::ChunkAppend,
                params: vec![ino.into(), index.into(), Value::Bytes(records.into())],
                expect: Expect::ListLength {
                    ino,
                    index,
                    reported: last == Some((ino, index)),
                },
            });
        }
    }
}

/// Adds the statements of one write. Appends are in [`Appends`].
fn push(out: &mut Vec<Change>, write: &Write, at: Time) {
    let mut add = |statement, expect, params: Params| {
        out.push(Change {
            statement,
            params,
            expect,
        });
    };
    use Expect::{Nothing, SomeRow};
    match write {
        Write::NewEntry { dir, name, entry } => add(
            S::EdgeInsert,
            Nothing,
            vec![
                (*dir).into(),
                Value::bytes(name.as_bytes()),
                entry.ino.into(),
                Value::Int(entry.kind as i64),
            ],
        ),
        Write::ReplaceEntry { dir, name, entry } => add(
            S::EdgeUpdate,
            SomeRow,
            vec![
                entry.ino.into(),
                Value::Int(entry.kind as i64),
                (*dir).into(),
                Value::bytes(name.as_bytes()),
            ],
        ),
        Write::DelEntry { dir, name } => add(
            S::EdgeDelete,
            SomeRow,
            vec![(*dir).into(), Value::bytes(name.as_bytes())],
        ),
        Write::NewNode { ino, attr } => add(S::NodeInsert, Nothing, node::values(attr, *ino)),
        Write::PutAttr { ino, attr } => add(S::NodeUpdate, SomeRow, node::values(attr, *ino)),
        Write::TouchDir {
            ino,
            attr,
            nlink_delta,
            times,
        } => out.extend(touch_dir(*ino, attr, *nlink_delta, *times)),
        Write::DelNode { ino } => add(S::NodeDelete, Nothing, vec![(*ino).into()]),
        Write::NewSymlink { ino, target } => add(
            S::SymlinkInsert,
            Nothing,
            vec![(*ino).into(), Value::bytes(target)],
        ),
        Write::DelSymlink { ino } => add(S::SymlinkDelete, Nothing, vec![(*ino).into()]),
        Write::PutXattr { ino, name, value } => add(
            S::XattrPut,
            Nothing,
            vec![
                (*ino).into(),
                Value::Text(name.clone()),
                Value::Bytes(value.clone()),
            ],
        ),
        Write::DelXattr { ino, name } => add(
            S::XattrDeleteOne,
            SomeRow,
            vec![(*ino).into(), Value::Text(name.clone())],
        ),
        Write::DelXattrs { ino } => add(S::XattrDelete, Nothing, vec![(*ino).into()]),
        // Parents are derived from the entries; usage is flushed by the caller, see Capabilities. Appends are
        // joined before.
        Write::AddParent { .. }
        | Write::DelParents { .. }
        | Write::AddUsage { .. }
        | Write::AppendSlice { .. } => {}
        Write::AppendToExisting {
            ino,
            from,
            to,
            record,
        } => add(
            S::ChunkAppendRange,
            Nothing,
            vec![
                Value::bytes(&encode_record(record)),
                (*ino).into(),
                (*from).into(),
                (*to).into(),
            ],
        ),
        Write::NewSlice { id, size } => {
            add(S::RefsInsert, Nothing, vec![(*id).into(), (*size).into()]);
        }
        Write::AddSliceUsers { id, size, delta } => add(
            S::RefsAdd,
            Expect::UsersLeft {
                id: *id,
                size: *size,
            },
            vec![(*delta).into(), (*id).into(), (*size).into()],
        ),
        Write::ForgetSlice { id, .. } => add(S::RefsDelete, Nothing, vec![(*id).into()]),
        Write::DelChunk { ino, index } => {
            add(
                S::ChunkDelete,
                Nothing,
                vec![(*ino).into(), (*index).into()],
            );
        }
        Write::MergeSlices {
            ino,
            index,
            kept,
            merged,
            record,
        } => {
            let kept = kept.len() * RECORD_BYTES;
            // Positions of substr count from 1.
            let rest = kept + merged * RECORD_BYTES + 1;
            add(
                S::ChunkMerge,
                SomeRow,
                vec![
                    (*ino).into(),
                    (*index).into(),
                    kept.into(),
                    record.map_or(Value::bytes(b""), |r| Value::bytes(&encode_record(&r))),
                    rest.into(),
                ],
            );
        }
        Write::Delay { id, time, entries } => add(
            S::DelayedInsert,
            Nothing,
            vec![(*id).into(), (*time).into(), Value::Bytes(entries.clone())],
        ),
        Write::DelDelayed { id, time } => {
            add(
                S::DelayedDelete,
                Nothing,
                vec![(*id).into(), (*time).into()],
            );
        }
        Write::MarkDeleted { ino, length } => add(
            S::DeletedInsert,
            Nothing,
            vec![(*ino).into(), (*length).into(), at.sec.into()],
        ),
        Write::ClearDeleted { ino, length } => add(
            S::DeletedDelete,
            Nothing,
            vec![(*ino).into(), (*length).into()],
        ),
        Write::Sustain { sid, ino } => {
            add(
                S::SustainedInsert,
                Nothing,
                vec![(*sid).into(), (*ino).into()],
            );
        }
        Write::Unsustain { sid, ino } => {
            add(
                S::SustainedDelete,
                Nothing,
                vec![(*sid).into(), (*ino).into()],
            );
        }
        Write::PutLock {
            ino,
            kind,
            sid,
            owner,
            value,
        } => out.push(locks::put(*ino, *kind, (*sid, *owner), Some(value)).into()),
        Write::DelLock {
            ino,
            kind,
            sid,
            owner,
            ..
        } => out.push(locks::put(*ino, *kind, (*sid, *owner), None).into()),
        Write::DelSession { sid } => out.push(sessions::remove(*sid).into()),
        Write::PutCounter { counter, value } => {
            out.push(counters::put(counters::name(*counter), *value).into());
        }
        Write::Log(line) => out.push(change_log::add(line, 0).into()),
        Write::NewDirStat { dir } => add(
            S::StatsPut,
            Nothing,
            vec![(*dir).into(), 0.into(), 0.into(), 0.into()],
        ),
        Write::DelDirStat { dir } => {
            add(S::StatsDelete, Nothing, vec![(*dir).into()]);
            add(S::QuotaDelete, Nothing, vec![(*dir).into()]);
        }
    }
}

/// The link count changes relatively: the reference client's create does not lock the directory.
fn touch_dir(ino: Ino, attr: &Attr, nlink_delta: i32, times: bool) -> Option<Change> {
    let (statement, params) = match (times, nlink_delta) {
        (true, _) => {
            let [mtime, mnsec, ctime, cnsec] = node::touch_values(attr);
            let params = vec![nlink_delta.into(), mtime, mnsec, ctime, cnsec, ino.into()];
            (S::NodeTouch, params)
        }
        (false, 0) => return None,
        (false, _) => (S::NodeNlink, vec![nlink_delta.into(), ino.into()]),
    };
    Some(Change {
        statement,
        params,
        expect: Expect::SomeRow,
    })
}
