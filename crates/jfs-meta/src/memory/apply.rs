//! Applying intentions to the records in memory.

use super::records::State;
use crate::engine::{DirStat, EngineError, Receipt, Write};
use crate::wire::{RECORD_BYTES, encode_record};
use jfs_types::Time;

impl State {
    pub(super) fn apply_all(&mut self, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        // Only these two can fail: look before anything is changed.
        let taken = writes.iter().any(|write| match write {
            Write::NewEntry { dir, name, .. } => self.entries.contains_key(&(*dir, name.clone())),
            Write::NewNode { ino, .. } => self.attrs.contains_key(ino),
            _ => false,
        });
        if taken {
            return Err(EngineError::Conflict);
        }
        let mut receipt = Receipt::default();
        for write in writes {
            self.apply(write, at, &mut receipt);
        }
        Ok(receipt)
    }

    fn apply(&mut self, write: &Write, at: Time, receipt: &mut Receipt) {
        match write {
            Write::NewEntry { dir, name, entry } | Write::ReplaceEntry { dir, name, entry } => {
                self.entries.insert((*dir, name.clone()), *entry);
            }
            Write::DelEntry { dir, name } => {
                self.entries.remove(&(*dir, name.clone()));
            }
            Write::NewNode { ino, attr }
            | Write::PutAttr { ino, attr }
            | Write::TouchDir { ino, attr, .. } => {
                self.attrs.insert(*ino, attr.clone());
            }
            Write::DelNode { ino } => {
                self.attrs.remove(ino);
            }
            Write::NewSymlink { ino, target } => {
                self.symlinks.insert(*ino, target.clone());
            }
            Write::DelSymlink { ino } => {
                self.symlinks.remove(ino);
            }
            Write::PutXattr { ino, name, value } => {
                self.xattrs.insert((*ino, name.clone()), value.clone());
            }
            Write::DelXattr { ino, name } => {
                self.xattrs.remove(&(*ino, name.clone()));
            }
            Write::DelXattrs { ino } => self.xattrs.retain(|(i, _), _| i != ino),
            Write::AddParent { ino, parent, delta } => {
                *self
                    .parents
                    .entry(*ino)
                    .or_default()
                    .entry(*parent)
                    .or_insert(0) += delta;
            }
            Write::DelParents { ino } => {
                self.parents.remove(ino);
            }
            Write::AppendSlice { ino, index, record } => {
                let list = self.chunks.entry((*ino, *index)).or_default();
                list.extend_from_slice(&encode_record(record));
                receipt.records_in_chunk = (list.len() / RECORD_BYTES) as u64;
            }
            Write::AppendToExisting {
                ino,
                from,
                to,
                record,
            } => {
                for (_, list) in self.chunks.range_mut((*ino, *from)..(*ino, *to)) {
                    list.extend_from_slice(&encode_record(record));
                }
            }
            Write::NewSlice { id, size } => {
                self.slice_users.insert((*id, *size), 1);
            }
            Write::AddSliceUsers { id, size, delta } => {
                let users = self.slice_users.entry((*id, *size)).or_insert(1);
                *users += delta;
                if *users <= 0 && !receipt.unused_slices.contains(&(*id, *size)) {
                    receipt.unused_slices.push((*id, *size));
                }
            }
            Write::ForgetSlice { id, size } => {
                self.slice_users.remove(&(*id, *size));
            }
            Write::DelChunk { ino, index } => {
                self.chunks.remove(&(*ino, *index));
            }
            Write::MergeSlices {
                ino,
                index,
                kept,
                merged,
                record,
            } => {
                let list = self.chunks.entry((*ino, *index)).or_default();
                let record = record.iter().flat_map(encode_record);
                let from = kept.len() * RECORD_BYTES;
                let to = from + merged * RECORD_BYTES;
                list.splice(from..to, record);
            }
            Write::Delay { id, time, entries } => {
                self.delayed.insert((*id, *time), entries.to_vec());
            }
            Write::DelDelayed { id, time } => {
                self.delayed.remove(&(*id, *time));
            }
            Write::MarkDeleted { ino, length } => {
                self.deleted.insert((*ino, *length), at.sec);
            }
            Write::ClearDeleted { ino, length } => {
                self.deleted.remove(&(*ino, *length));
            }
            Write::Sustain { sid, ino } => {
                self.sustained.insert((*sid, *ino));
            }
            Write::Unsustain { sid, ino } => {
                self.sustained.remove(&(*sid, *ino));
            }
            Write::PutLock {
                ino,
                kind,
                sid,
                owner,
                value,
            } => {
                let locks = self.locks.entry((*ino, *kind)).or_default();
                locks.insert((*sid, *owner), value.clone());
            }
            Write::DelLock {
                ino,
                kind,
                sid,
                owner,
                ..
            } => {
                if let Some(locks) = self.locks.get_mut(&(*ino, *kind)) {
                    locks.remove(&(*sid, *owner));
                }
            }
            Write::NewDirStat { dir } => {
                self.dir_stats.insert(*dir, DirStat::default());
            }
            Write::DelDirStat { dir } => {
                self.dir_stats.remove(dir);
                self.quotas.remove(dir);
            }
            Write::DelSession { sid } => {
                self.sessions.remove(sid);
            }
            Write::PutCounter { counter, value } => {
                self.counters.insert(*counter, *value);
            }
            Write::AddUsage { space, inodes } => self.add_usage(*space, *inodes),
            Write::Log(line) => self.log(std::slice::from_ref(line), 0),
        }
    }
}
