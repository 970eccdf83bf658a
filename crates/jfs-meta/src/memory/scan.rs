//! Scans of the records in memory: pages in the order of keys, resumed behind the last key.

use super::PAGE;
use super::records::State;
use crate::engine::{
    CursorPart, Delayed, Deleted, EngineError, Record, ScanCursor, ScanKind, ScanPage,
    SessionRecord,
};
use jfs_types::{Ino, Name};
use std::ops::Bound::{Excluded, Unbounded};

type Position = Vec<CursorPart>;

impl State {
    /// One page of `from`.
    pub(super) fn scan(&self, from: &ScanCursor) -> Result<ScanPage, EngineError> {
        let one = || Ok::<_, EngineError>(from.numbers::<1>()?.map(|[n]| n as u64));
        let two = || {
            let numbers = from.numbers::<2>()?;
            Ok::<_, EngineError>(numbers.map(|[a, b]| (a as u64, b as u64)))
        };
        let ino = || Ok::<_, EngineError>(one()?.map(Ino));
        match from.kind() {
            ScanKind::Inodes => page(from, after(&self.attrs, ino()?), |(ino, attr)| {
                let (ino, attr) = (*ino, attr.clone());
                (vec![ino.into()], Record::Inode { ino, attr })
            }),
            ScanKind::Entries => {
                let key = named(from)?.map(|(dir, name)| (dir, Name::stored(&name)));
                page(from, after(&self.entries, key), |((dir, name), entry)| {
                    let position = vec![(*dir).into(), name.as_bytes().into()];
                    let (dir, name, entry) = (*dir, name.clone(), *entry);
                    (position, Record::Entry { dir, name, entry })
                })
            }
            ScanKind::Chunks => {
                let key = two()?.map(|(ino, index)| (Ino(ino), index as u32));
                page(from, after(&self.chunks, key), |((ino, index), list)| {
                    let (ino, index, slices) = (*ino, *index, list.clone().into());
                    let position = vec![ino.into(), u64::from(index).into()];
                    (position, Record::Chunk { ino, index, slices })
                })
            }
            ScanKind::SliceUsers => {
                let key = two()?.map(|(id, size)| (id, size as u32));
                page(
                    from,
                    after(&self.slice_users, key),
                    |((id, size), users)| {
                        let (id, size, users) = (*id, *size, *users);
                        let position = vec![id.into(), u64::from(size).into()];
                        (position, Record::SliceUsers { id, size, users })
                    },
                )
            }
            ScanKind::Symlinks => page(from, after(&self.symlinks, ino()?), |(ino, target)| {
                let (ino, target) = (*ino, target.clone().into());
                (vec![ino.into()], Record::Symlink { ino, target })
            }),
            ScanKind::Xattrs => {
                let key = named(from)?.map(|(ino, name)| (ino, name.into()));
                page(from, after(&self.xattrs, key), |((ino, name), value)| {
                    let position = vec![(*ino).into(), name[..].into()];
                    let (ino, name, value) = (*ino, name.clone(), value.clone());
                    (position, Record::Xattr { ino, name, value })
                })
            }
            ScanKind::Parents => {
                let last = two()?.map(|(ino, parent)| (Ino(ino), Ino(parent)));
                let from_file = last.map_or(Ino(0), |(ino, _)| ino);
                let counts = self.parents.range(from_file..);
                let counts = counts.flat_map(|(ino, of)| of.iter().map(|(p, n)| (*ino, *p, *n)));
                let counts = counts.filter(|(ino, p, n)| *n > 0 && last < Some((*ino, *p)));
                page(from, counts, |(ino, parent, count)| {
                    let position = vec![ino.into(), parent.into()];
                    (position, Record::Parent { ino, parent, count })
                })
            }
            ScanKind::Sustained => {
                let last = two()?.map(|(sid, ino)| (sid, Ino(ino)));
                let from_key = last.map_or(Unbounded, Excluded);
                let all = self.sustained.range((from_key, Unbounded));
                page(from, all, |(sid, ino)| {
                    let (sid, ino) = (*sid, *ino);
                    (vec![sid.into(), ino.into()], Record::Sustained { sid, ino })
                })
            }
            ScanKind::Deleted => {
                let key = two()?.map(|(ino, length)| (Ino(ino), length));
                page(from, after(&self.deleted, key), |((ino, length), time)| {
                    let (ino, length, time) = (*ino, *length, *time);
                    let record = Record::Deleted(Deleted { ino, length, time });
                    (vec![ino.into(), length.into()], record)
                })
            }
            ScanKind::Delayed => {
                let key = two()?.map(|(id, time)| (id, time as i64));
                page(from, after(&self.delayed, key), |((id, time), entries)| {
                    let (id, time, entries) = (*id, *time, entries.clone().into());
                    let record = Record::Delayed(Delayed { id, time, entries });
                    (vec![id.into(), time.into()], record)
                })
            }
            ScanKind::Sessions => page(
                from,
                after(&self.sessions, one()?),
                |(sid, (expire, info))| {
                    let (sid, expire, info) = (*sid, *expire, info.clone());
                    let record = Record::Session(SessionRecord { sid, expire, info });
                    (vec![sid.into()], record)
                },
            ),
            ScanKind::DirStats => page(from, after(&self.dir_stats, ino()?), |(dir, stat)| {
                let (dir, stat) = (*dir, *stat);
                (vec![dir.into()], Record::DirStat { dir, stat })
            }),
            ScanKind::Quotas => page(from, after(&self.quotas, ino()?), |(dir, quota)| {
                let (dir, quota) = (*dir, *quota);
                (vec![dir.into()], Record::Quota { dir, quota })
            }),
            ScanKind::Acls => {
                let known = one()?.unwrap_or(0) as usize;
                let rules = (1..).zip(&self.acls).skip(known);
                page(from, rules, |(id, rule): (u32, _)| {
                    let rule = rule.clone();
                    (vec![u64::from(id).into()], Record::Acl { id, rule })
                })
            }
        }
    }
}

/// The records behind `key`.
fn after<K: Ord, V>(
    records: &std::collections::BTreeMap<K, V>,
    key: Option<K>,
) -> impl Iterator<Item = (&K, &V)> {
    records.range((key.map_or(Unbounded, Excluded), Unbounded))
}

/// The position (inode, name).
fn named(from: &ScanCursor) -> Result<Option<(Ino, Vec<u8>)>, EngineError> {
    match from.position() {
        None => Ok(None),
        Some([CursorPart::Number(ino), CursorPart::Bytes(name)]) => {
            Ok(Some((Ino(*ino as u64), name.clone())))
        }
        Some(_) => Err(from.foreign()),
    }
}

/// Takes one page off `records`.
fn page<T>(
    from: &ScanCursor,
    records: impl Iterator<Item = T>,
    record: impl Fn(T) -> (Position, Record),
) -> Result<ScanPage, EngineError> {
    let mut page = ScanPage::default();
    let mut last = Vec::new();
    let mut records = records.peekable();
    while page.records.len() < PAGE && !page.is_full() {
        let Some(next) = records.next() else {
            return Ok(page);
        };
        let (position, record) = record(next);
        page.add(Ok(record))?;
        last = position;
    }
    if records.peek().is_some() {
        page.next = Some(ScanCursor::at(from.kind(), last));
    }
    Ok(page)
}
