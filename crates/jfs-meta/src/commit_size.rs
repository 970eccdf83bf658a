//! The number of records that a commit holds and writes, against the limit of the engine.
//!
//! This is the one place that looks at [`crate::engine::Capabilities::records_max`]. Operations that may
//! take several commits ask [`Txn::room`](crate::txn::Txn::room) while they write, or
//! [`Meta::records_of_a_commit`] while they plan. Each of their commits is safe by itself:
//!
//! - data of removed files, and slices that a compaction replaced: the records that are done leave the
//!   list in the commit that takes their users away;
//! - zeros over many chunks: the file has its new length, or the zeros, up to a border between chunks;
//! - a copy of a range: the call may copy less than it was asked for;
//! - slices of a flush, compactions, locks of a session: the caller gives as many as fit.
//!
//! All other operations have a small number of records. Should one have more than the engine takes, it
//! fails before anything is sent.

use crate::engine::{Capabilities, EngineError, Key, Read, Strength, Write};
use crate::meta::Meta;
use std::collections::HashSet;

/// Usage counters, which a commit changes besides what the operation writes.
const USAGE_RECORDS: usize = 2;

/// The records of one commit. Counts only where there is a limit.
pub(crate) struct CommitSize(Option<Box<Counted>>);

struct Counted {
    limit: usize,
    keys: HashSet<Key>,
    /// Records that no key names, and those that are added at the end.
    others: usize,
    engine: &'static str,
}

impl CommitSize {
    pub(crate) fn new(capabilities: &Capabilities) -> CommitSize {
        let counted = |limit| Counted {
            limit,
            keys: HashSet::new(),
            others: reserved(capabilities),
            engine: capabilities.name,
        };
        CommitSize(
            capabilities
                .records_max
                .map(|limit| Box::new(counted(limit))),
        )
    }

    /// Counts a record that the attempt has read.
    pub(crate) fn read(&mut self, read: &Read) {
        if let Some(counted) = &mut self.0
            && read.strength != Strength::Peek
        {
            counted.keys.insert(read.key.clone());
        }
    }

    /// Counts the records of a write.
    pub(crate) fn write(&mut self, write: &Write) {
        if let Some(counted) = &mut self.0 {
            counted.others += add_keys(write, &mut counted.keys);
        }
    }

    /// Records that still fit.
    pub(crate) fn room(&self) -> usize {
        let left = |counted: &Counted| counted.limit.saturating_sub(counted.records());
        self.0.as_deref().map_or(usize::MAX, left)
    }

    /// Fails when there are more records than the engine takes.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        match self.0.as_deref() {
            Some(counted) if counted.records() > counted.limit => {
                let (records, engine, limit) = (counted.records(), counted.engine, counted.limit);
                Err(EngineError::Fatal(format!(
                    "the operation needs {records} records in one commit, and {engine} takes {limit}"
                )))
            }
            _ => Ok(()),
        }
    }
}

impl Counted {
    fn records(&self) -> usize {
        self.keys.len() + self.others
    }
}

impl Meta {
    /// Records that an operation may hold and write in one commit; `usize::MAX` without a limit.
    pub(crate) fn records_of_a_commit(&self) -> usize {
        let capabilities = self.engine().capabilities();
        capabilities.records_max.map_or(usize::MAX, |limit| {
            limit.saturating_sub(reserved(capabilities))
        })
    }
}

fn reserved(capabilities: &Capabilities) -> usize {
    match capabilities.usage_in_transaction {
        true => USAGE_RECORDS,
        false => 0,
    }
}

/// Adds the keys of the records that a write changes. Returns the number of those without a key.
fn add_keys(write: &Write, keys: &mut HashSet<Key>) -> usize {
    let key = match write {
        Write::NewEntry { dir, name, .. }
        | Write::ReplaceEntry { dir, name, .. }
        | Write::DelEntry { dir, name } => Key::Entry(*dir, name.clone()),
        Write::NewNode { ino, .. }
        | Write::PutAttr { ino, .. }
        | Write::TouchDir { ino, .. }
        | Write::DelNode { ino } => Key::Attr(*ino),
        Write::NewSymlink { ino, .. } | Write::DelSymlink { ino } => Key::Symlink(*ino),
        Write::PutXattr { ino, name, .. } | Write::DelXattr { ino, name } => {
            Key::Xattr(*ino, name.clone())
        }
        // Ranges: one instruction each, where the number of records matters.
        Write::DelXattrs { ino } => Key::Xattrs(*ino),
        Write::DelParents { .. } | Write::AddParent { .. } => return 1,
        // Databases with a limit (etcd) keep no change log.
        Write::Log(_) => return 0,
        Write::AppendSlice { ino, index, .. }
        | Write::DelChunk { ino, index }
        | Write::MergeSlices { ino, index, .. } => Key::Chunk(*ino, *index),
        Write::AppendToExisting { ino, from, to, .. } => {
            keys.extend((*from..*to).map(|index| Key::Chunk(*ino, index)));
            return 0;
        }
        Write::NewSlice { id, size }
        | Write::AddSliceUsers { id, size, .. }
        | Write::ForgetSlice { id, size } => Key::SliceUsers(*id, *size),
        Write::Delay { id, time, .. } | Write::DelDelayed { id, time } => Key::Delayed(*id, *time),
        Write::MarkDeleted { ino, length } | Write::ClearDeleted { ino, length } => {
            Key::Deleted(*ino, *length)
        }
        Write::Sustain { .. } | Write::Unsustain { .. } => return 1,
        Write::PutLock { ino, kind, .. } | Write::DelLock { ino, kind, .. } => {
            Key::Locks(*ino, *kind)
        }
        Write::NewDirStat { dir } => Key::DirStat(*dir),
        Write::DelDirStat { dir } => {
            keys.insert(Key::DirStat(*dir));
            // The quota.
            return 1;
        }
        // The expiry and the description.
        Write::DelSession { .. } => return 2,
        Write::PutCounter { counter, .. } => Key::Counter(*counter),
        // Counted from the beginning.
        Write::AddUsage { .. } => return 0,
    };
    keys.insert(key);
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Counter, hold, own, peek};
    use jfs_types::{Attr, FileType, Ino};

    fn size(limit: Option<usize>) -> CommitSize {
        CommitSize::new(&Capabilities {
            name: "test",
            counts_acl_ids: true,
            usage_in_transaction: true,
            settles_lost_answers: true,
            is_remote: false,
            records_max: limit,
        })
    }

    #[test]
    fn records_count_once() {
        let mut size = size(Some(10));
        assert_eq!(size.room(), 8);
        size.read(&peek(Key::Attr(Ino(1))));
        assert_eq!(size.room(), 8);
        size.read(&own(Key::Attr(Ino(1))));
        size.read(&hold(Key::Attr(Ino(2))));
        assert_eq!(size.room(), 6);
        size.write(&Write::PutAttr {
            ino: Ino(1),
            attr: Attr::new(FileType::Regular),
        });
        assert_eq!(size.room(), 6);
        let users = |id| Write::AddSliceUsers {
            id,
            size: 1,
            delta: 1,
        };
        (0..6).for_each(|id| size.write(&users(id)));
        assert_eq!(size.room(), 0);
        assert!(size.check().is_ok());
        size.write(&users(6));
        let error = size.check().unwrap_err().to_string();
        assert!(
            error.contains("11 records") && error.contains("10"),
            "{error}"
        );
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let mut size = size(None);
        size.read(&own(Key::Counter(Counter::UsedSpace)));
        size.write(&Write::DelSession { sid: 1 });
        assert_eq!(size.room(), usize::MAX);
        assert!(size.check().is_ok());
    }
}
