//! Applying intentions inside the writer's transaction: one statement each, relative where the
//! record allows it.

use crate::db::{Db, Text, get};
use crate::read::int;
use crate::{locks, node, sql};
use jfs_meta::EngineError;
use jfs_meta::engine::{Receipt, Write};
use jfs_meta::wire::{RECORD_BYTES, encode_record};
use jfs_types::{Attr, Ino, SliceRecord, Time};
use rusqlite::{params, params_from_iter};
use std::collections::BTreeMap;

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
}

/// The target of writes: a connection inside a transaction.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) db: Db<'a>,
    /// The time of the attempt.
    pub(crate) at: Time,
}

impl Target<'_> {
    /// Applies writes in their order. Records that are appended to one chunk in a row, or with nothing but
    /// new slices between them, go there by one statement: each statement copies the whole list.
    pub(crate) fn apply_all(
        &self,
        writes: &[Write],
        receipt: &mut Receipt,
    ) -> Result<(), EngineError> {
        let mut appends = Appends::default();
        for write in writes {
            match write {
                Write::AppendSlice { ino, index, record } => appends.add(*ino, *index, record),
                // Stored apart from any list.
                Write::NewSlice { .. } => self.apply(write, receipt)?,
                _ => {
                    self.append_all(&mut appends, receipt)?;
                    self.apply(write, receipt)?;
                }
            }
        }
        self.append_all(&mut appends, receipt)
    }

    fn append_all(&self, appends: &mut Appends, receipt: &mut Receipt) -> Result<(), EngineError> {
        let last = appends.last.take();
        for ((ino, index), records) in std::mem::take(&mut appends.records) {
            let count = self.append(ino, index, &records)?;
            if last == Some((ino, index)) {
                receipt.records_in_chunk = count;
            }
        }
        Ok(())
    }

    /// Applies one write. `Conflict` when what it changes is not there, or when its place is taken.
    pub(crate) fn apply(&self, write: &Write, receipt: &mut Receipt) -> Result<(), EngineError> {
        let db = self.db;
        match write {
            Write::NewEntry { dir, name, entry } => {
                let kind = entry.kind as i64;
                db.run(
                    sql::EDGE_INSERT,
                    params![int(*dir), name.as_bytes(), int(entry.ino), kind],
                )?;
            }
            Write::ReplaceEntry { dir, name, entry } => {
                let kind = entry.kind as i64;
                db.run_some(
                    sql::EDGE_UPDATE,
                    params![int(entry.ino), kind, int(*dir), name.as_bytes()],
                )?;
            }
            Write::DelEntry { dir, name } => {
                db.run_some(sql::EDGE_DELETE, params![int(*dir), name.as_bytes()])?;
            }
            Write::NewNode { ino, attr } => self.new_node(*ino, attr)?,
            Write::PutAttr { ino, attr } => {
                db.run_some(sql::NODE_UPDATE, params_from_iter(node::values(attr, *ino)))?;
            }
            Write::TouchDir {
                ino,
                attr,
                nlink_delta,
                times,
            } => {
                self.touch_dir(*ino, attr, *nlink_delta, *times)?;
            }
            Write::DelNode { ino } => self.delete(sql::NODE_DELETE, *ino)?,
            Write::NewSymlink { ino, target } => {
                db.run(sql::SYMLINK_INSERT, params![int(*ino), target])?;
            }
            Write::DelSymlink { ino } => self.delete(sql::SYMLINK_DELETE, *ino)?,
            Write::PutXattr { ino, name, value } => {
                db.run(
                    sql::XATTR_PUT,
                    params![int(*ino), Text(name), value.as_ref()],
                )?;
            }
            Write::DelXattr { ino, name } => {
                db.run_some(sql::XATTR_DELETE_ONE, params![int(*ino), Text(name)])?;
            }
            Write::DelXattrs { ino } => self.delete(sql::XATTR_DELETE, *ino)?,
            // Parents are derived from the entries; usage is flushed by the caller, see Capabilities.
            Write::AddParent { .. } | Write::DelParents { .. } | Write::AddUsage { .. } => {}
            Write::AppendSlice { ino, index, record } => {
                receipt.records_in_chunk = self.append(*ino, *index, &encode_record(record))?;
            }
            Write::AppendToExisting {
                ino,
                from,
                to,
                record,
            } => {
                let record = &encode_record(record)[..];
                db.run(
                    sql::CHUNK_APPEND_RANGE,
                    params![record, int(*ino), from, to],
                )?;
            }
            Write::NewSlice { id, size } => {
                db.run(sql::REFS_INSERT, params![*id as i64, size])?;
            }
            Write::AddSliceUsers { id, size, delta } => {
                self.add_slice_users(*id, *size, *delta, receipt)?;
            }
            Write::ForgetSlice { id, .. } => {
                db.run(sql::REFS_DELETE, [*id as i64])?;
            }
            Write::DelChunk { ino, index } => {
                db.run(sql::CHUNK_DELETE, params![int(*ino), index])?;
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
                let record: Vec<u8> = record.iter().flat_map(encode_record).collect();
                db.run_some(
                    sql::CHUNK_MERGE,
                    params![int(*ino), index, kept as i64, record, rest as i64],
                )?;
            }
            Write::Delay { id, time, entries } => {
                db.run(
                    sql::DELAYED_INSERT,
                    params![*id as i64, time, entries.as_ref()],
                )?;
            }
            Write::DelDelayed { id, time } => {
                db.run(sql::DELAYED_DELETE, [*id as i64, *time])?;
            }
            Write::MarkDeleted { ino, length } => {
                db.run(
                    sql::DELETED_INSERT,
                    [int(*ino), *length as i64, self.at.sec],
                )?;
            }
            Write::ClearDeleted { ino, length } => {
                db.run(sql::DELETED_DELETE, [int(*ino), *length as i64])?;
            }
            Write::Sustain { sid, ino } => {
                db.run(sql::SUSTAINED_INSERT, [*sid as i64, int(*ino)])?;
            }
            Write::Unsustain { sid, ino } => {
                db.run(sql::SUSTAINED_DELETE, [*sid as i64, int(*ino)])?;
            }
            Write::PutLock {
                ino,
                kind,
                sid,
                owner,
                value,
            } => locks::put(db, *ino, *kind, (*sid, *owner), Some(value))?,
            Write::DelLock {
                ino,
                kind,
                sid,
                owner,
                ..
            } => locks::put(db, *ino, *kind, (*sid, *owner), None)?,
            Write::NewDirStat { dir } => {
                db.run(sql::STATS_PUT, [int(*dir), 0, 0, 0])?;
            }
            Write::DelSession { sid } => {
                db.run(sql::SESSION_DELETE, [*sid as i64])?;
            }
            Write::PutCounter { counter, value } => {
                db.run(sql::COUNTER_PUT, params![counter.name(), value])?;
            }
            Write::DelDirStat { dir } => {
                self.delete(sql::STATS_DELETE, *dir)?;
                self.delete(sql::QUOTA_DELETE, *dir)?;
            }
        }
        Ok(())
    }

    fn delete(&self, sql: &str, ino: Ino) -> Result<(), EngineError> {
        self.db.run(sql, [int(ino)]).map(|_| ())
    }

    pub(crate) fn new_node(&self, ino: Ino, attr: &Attr) -> Result<(), EngineError> {
        self.db
            .run(sql::NODE_INSERT, params_from_iter(node::values(attr, ino)))
            .map(|_| ())
    }

    /// The link count changes relatively: the reference client's create does not lock the directory.
    fn touch_dir(
        &self,
        ino: Ino,
        attr: &Attr,
        nlink_delta: i32,
        times: bool,
    ) -> Result<(), EngineError> {
        let delta = i64::from(nlink_delta);
        if times {
            let [mtime, mnsec, ctime, cnsec] = node::touch_values(attr);
            self.db.run_some(
                sql::NODE_TOUCH,
                [delta, mtime, mnsec, ctime, cnsec, int(ino)],
            )
        } else if delta != 0 {
            self.db.run_some(sql::NODE_NLINK, [delta, int(ino)])
        } else {
            Ok(())
        }
    }

    /// Appends encoded records. Returns how many the list has then.
    fn append(&self, ino: Ino, index: u32, records: &[u8]) -> Result<u64, EngineError> {
        let length = |row: &rusqlite::Row<'_>| get::<i64>(row, 0);
        let bytes = self
            .db
            .one(sql::CHUNK_APPEND, params![int(ino), index, records], length)?;
        let bytes = bytes.unwrap_or(0) as u64;
        if !bytes.is_multiple_of(RECORD_BYTES as u64) {
            // Behind a torn record nothing could be read again: refused, and undone.
            return Err(EngineError::corrupt(
                format!("chunk {index} of {ino}"),
                format!("{bytes} bytes after adding a record, not a multiple of {RECORD_BYTES}"),
            ));
        }
        Ok(bytes / RECORD_BYTES as u64)
    }

    fn add_slice_users(
        &self,
        id: u64,
        size: u32,
        delta: i64,
        receipt: &mut Receipt,
    ) -> Result<(), EngineError> {
        let left = |row: &rusqlite::Row<'_>| get::<i64>(row, 0);
        let users = self
            .db
            .one(sql::REFS_ADD, params![delta, id as i64, size], left)?;
        if users.is_some_and(|n| n <= 0) && !receipt.unused_slices.contains(&(id, size)) {
            receipt.unused_slices.push((id, size));
        }
        Ok(())
    }
}
