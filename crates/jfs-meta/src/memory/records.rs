//! The records of a volume in memory, and how a key is answered from them.

use crate::engine::{
    Answer, Counter, DirQuota, DirStat, Key, LockKind, LockRow, LogLine, LogPart, QuotaOwner,
};
use crate::wire::RECORD_BYTES;
use bytes::Bytes;
use jfs_types::{AclRule, Attr, Entry, Ino, Name};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Everything a volume stores.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) setting: Option<Vec<u8>>,
    pub(super) attrs: BTreeMap<Ino, Attr>,
    pub(super) entries: BTreeMap<(Ino, Name), Entry>,
    pub(super) parents: BTreeMap<Ino, BTreeMap<Ino, i64>>,
    pub(super) chunks: BTreeMap<(Ino, u32), Vec<u8>>,
    pub(super) symlinks: BTreeMap<Ino, Vec<u8>>,
    pub(super) xattrs: BTreeMap<(Ino, Bytes), Bytes>,
    /// Rule number n is at n - 1.
    pub(super) acls: Vec<AclRule>,
    pub(super) locks: BTreeMap<(Ino, LockKind), BTreeMap<(u64, u64), Bytes>>,
    pub(super) quotas: BTreeMap<Ino, DirQuota>,
    pub(super) slice_users: BTreeMap<(u64, u32), i64>,
    pub(super) delayed: BTreeMap<(u64, i64), Vec<u8>>,
    pub(super) deleted: BTreeMap<(Ino, u64), i64>,
    pub(super) dir_stats: BTreeMap<Ino, DirStat>,
    pub(super) counters: HashMap<Counter, i64>,
    pub(super) next_inode: u64,
    pub(super) next_slice: u64,
    pub(super) sessions: BTreeMap<u64, (i64, Vec<u8>)>,
    pub(super) sustained: BTreeSet<(u64, Ino)>,
    pub(super) owner_quotas: BTreeMap<QuotaOwner, DirQuota>,
    pub(super) log: VecDeque<String>,
    /// Entries of the log that were removed.
    pub(super) log_trimmed: u64,
}

impl State {
    pub(super) fn answer(&self, key: &Key) -> Answer {
        match key {
            Key::Attr(ino) => Answer::Attr(self.attrs.get(ino).cloned()),
            Key::Entry(dir, name) => {
                Answer::Entry(self.entries.get(&(*dir, name.clone())).copied())
            }
            Key::DirIsEmpty(dir) => Answer::Flag(self.entries_of(*dir, None).next().is_none()),
            Key::Parents(ino) => {
                let counts = self.parents.get(ino).into_iter().flatten();
                Answer::Parents(
                    counts
                        .filter(|(_, n)| **n > 0)
                        .map(|(p, n)| (*p, *n))
                        .collect(),
                )
            }
            Key::Chunk(ino, index) => {
                Answer::Bytes(self.chunks.get(&(*ino, *index)).map(|b| b.clone().into()))
            }
            Key::Symlink(ino) => Answer::Bytes(self.symlinks.get(ino).map(|b| b.clone().into())),
            Key::Xattr(ino, name) => Answer::Bytes(self.xattrs.get(&(*ino, name.clone())).cloned()),
            Key::Xattrs(ino) => Answer::Names(self.xattrs_of(*ino).cloned().collect()),
            Key::Acl(id) => {
                let rule = (*id as usize).checked_sub(1).and_then(|i| self.acls.get(i));
                Answer::Acl(rule.cloned())
            }
            Key::Locks(ino, kind) => {
                let row = |((sid, owner), value): (&(u64, u64), &Bytes)| LockRow {
                    sid: *sid,
                    owner: *owner,
                    value: value.clone(),
                };
                let locks = self.locks.get(&(*ino, *kind)).into_iter().flatten();
                Answer::Locks(locks.map(row).collect())
            }
            Key::Deleted(ino, length) => Answer::Flag(self.deleted.contains_key(&(*ino, *length))),
            Key::SliceUsers(id, size) => {
                Answer::Number(self.slice_users.get(&(*id, *size)).copied().unwrap_or(1))
            }
            Key::Delayed(id, time) => {
                Answer::Bytes(self.delayed.get(&(*id, *time)).map(|b| b.clone().into()))
            }
            Key::DirStat(dir) => Answer::Stat(self.dir_stats.get(dir).copied()),
            Key::Counter(counter) => {
                Answer::Number(self.counters.get(counter).copied().unwrap_or(0))
            }
        }
    }

    /// Names of the extended attributes of an inode.
    pub(super) fn xattrs_of(&self, ino: Ino) -> impl Iterator<Item = &Bytes> {
        self.xattrs
            .range((ino, Bytes::new())..)
            .take_while(move |((i, _), _)| *i == ino)
            .map(|((_, name), _)| name)
    }

    /// The names of a directory in order, from the first one after `after`.
    pub(super) fn entries_of(
        &self,
        dir: Ino,
        after: Option<&Name>,
    ) -> impl Iterator<Item = (&(Ino, Name), &Entry)> {
        let from = match after {
            Some(name) => std::ops::Bound::Excluded((dir, name.clone())),
            None => std::ops::Bound::Included((dir, Name::stored(b""))),
        };
        self.entries
            .range((from, std::ops::Bound::Unbounded))
            .take_while(move |((d, _), _)| *d == dir)
    }

    /// Adds entries to the change log; `session` is the one that the same call registers.
    pub(super) fn log(&mut self, lines: &[LogLine], session: u64) {
        for line in lines {
            let text = line.text(|part| match part {
                LogPart::Records { ino, index, later } => {
                    let list = self.chunks.get(&(*ino, *index));
                    let records = list.map_or(0, |list| (list.len() / RECORD_BYTES) as u64);
                    records.saturating_sub(*later)
                }
                LogPart::Text(_) | LogPart::Session => session,
            });
            self.log.push_back(text);
        }
    }

    pub(super) fn add_usage(&mut self, space: i64, inodes: i64) {
        *self.counters.entry(Counter::UsedSpace).or_insert(0) += space;
        *self.counters.entry(Counter::TotalInodes).or_insert(0) += inodes;
    }
}
