//! truncate: another length, with zero records so that what was cut off never shows again.

use super::kept_by_trash;
use crate::engine::{Answer, DirStat, Key, Write, own};
use crate::meta::Meta;
use crate::perm;
use crate::run::{Operation, Proof};
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::slice::MAX_FILE_LENGTH;
use jfs_types::{Attr, CHUNK_SIZE, Caller, ChunkIndex, Errno, Ino, SliceId, SliceRecord};

struct Truncate<'a> {
    caller: &'a Caller,
    ino: Ino,
    length: u64,
    /// Asked for through a handle.
    open: bool,
}

impl Meta {
    /// Sets the length of a regular file, found by a path: EPERM in the trash. An equal length changes the
    /// times alone. EFBIG from 2^57 on, EPERM for what is no file.
    pub async fn truncate(&self, caller: &Caller, ino: Ino, length: u64) -> Result<Attr, Errno> {
        self.set_length(caller, ino, length, false).await
    }

    /// As [`Meta::truncate`] for a file that is open here: it may have gone to the trash since.
    pub async fn truncate_open(
        &self,
        caller: &Caller,
        ino: Ino,
        length: u64,
    ) -> Result<Attr, Errno> {
        self.set_length(caller, ino, length, true).await
    }

    async fn set_length(
        &self,
        caller: &Caller,
        ino: Ino,
        length: u64,
        open: bool,
    ) -> Result<Attr, Errno> {
        if length > MAX_FILE_LENGTH {
            return Err(Errno::EFBIG);
        }
        let (before, after) = self
            .transact(&Truncate {
                caller,
                ino,
                length,
                open,
            })
            .await?;
        self.open_files.changed(ino, &before, &after, None);
        Ok(after)
    }
}

impl Operation for Truncate<'_> {
    type Out = (Attr, Attr);
    const NAME: &'static str = "truncate";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(Attr, Attr), Stop> {
        tx.load(&[own(Key::Attr(self.ino))]).await?;
        let before = tx.attr(self.ino)?.ok_or(Errno::ENOENT)?;
        if !before.is_file()
            || before.parent.is_trash() && !self.open
            || kept_by_trash(meta, self.ino, &before)
            || before.flags & (flags::IMMUTABLE | flags::APPEND) != 0
        {
            return Err(Errno::EPERM.into());
        }
        meta.may(self.caller, &before, perm::WRITE).await?;
        let mut after = before.clone();
        after.length = self.length;
        after.mode = perm::mode_after_write(self.caller, &before);
        (after.mtime, after.ctime) = (tx.now, tx.now);
        meta.check_file_growth(tx, self.ino, &before, &after)
            .await?;
        // The times change in any case, as with every truncation.
        for zeros in zero_spans(before.length, self.length) {
            tx.write(zeros.into_write(self.ino))?;
        }
        tx.write(Write::PutAttr {
            ino: self.ino,
            attr: after.clone(),
        })?;
        count_growth(tx, self.ino, &before, &after).await?;
        Ok((before, after))
    }

    fn proof(&self, (_, after): &(Attr, Attr)) -> Proof {
        // Run again after it was applied, it would find the length it wants, and the growth would be
        // counted nowhere.
        let after = after.clone();
        let ours = move |a: &Answer| matches!(a, Answer::Attr(Some(attr)) if *attr == after);
        Proof::Record(Key::Attr(self.ino), Box::new(ours))
    }
}

/// Counts a change of length to the usage and to the statistics of every directory with a name of
/// the file.
pub(crate) async fn count_growth(
    tx: &mut Txn,
    ino: Ino,
    before: &Attr,
    after: &Attr,
) -> Result<(), Stop> {
    let length = after.length as i64 - before.length as i64;
    let space = after.space() - before.space();
    if length == 0 {
        return Ok(());
    }
    tx.add_usage(space, 0);
    if before.nlink == 0 {
        return Ok(()); // no directory names it any more, whatever its parent field says
    }
    for (dir, names) in tx.parents(ino, before).await? {
        let delta = DirStat {
            length: length * names,
            space: space * names,
            inodes: 0,
        };
        tx.add_dir_stat(dir, delta);
    }
    Ok(())
}

/// Zeros over a part of a file.
#[derive(Debug, PartialEq, Eq)]
enum Zeros {
    /// In one chunk, whose list is created if need be.
    In {
        index: ChunkIndex,
        pos: u32,
        len: u32,
    },
    /// Over the whole of every chunk in the range that has a list.
    Existing { from: ChunkIndex, to: ChunkIndex },
}

/// The zero records of a change of length from `old` to `new` (docs/FORMAT.md, truncate): from the
/// smaller to the larger length, whichever way it goes.
fn zero_spans(old: u64, new: u64) -> Vec<Zeros> {
    let (left, right) = (old.min(new), old.max(new));
    if left == right {
        return Vec::new();
    }
    let (first, last) = (left / CHUNK_SIZE, right / CHUNK_SIZE);
    let end = right.min((first + 1) * CHUNK_SIZE);
    let mut spans = vec![Zeros::In {
        index: first as u32,
        pos: (left % CHUNK_SIZE) as u32,
        len: (end - left) as u32,
    }];
    if last > first + 1 {
        spans.push(Zeros::Existing {
            from: first as u32 + 1,
            to: last as u32,
        });
    }
    if last > first && right % CHUNK_SIZE > 0 {
        spans.push(Zeros::In {
            index: last as u32,
            pos: 0,
            len: (right % CHUNK_SIZE) as u32,
        });
    }
    spans
}

impl Zeros {
    fn into_write(self, ino: Ino) -> Write {
        let record = |pos, len| SliceRecord {
            pos,
            id: SliceId::ZERO,
            size: 0,
            off: 0,
            len,
        };
        match self {
            Zeros::In { index, pos, len } => Write::AppendSlice {
                ino,
                index,
                record: record(pos, len),
            },
            Zeros::Existing { from, to } => Write::AppendToExisting {
                ino,
                from,
                to,
                record: record(0, CHUNK_SIZE as u32),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: u64 = CHUNK_SIZE;

    #[test]
    fn spans_do_not_depend_on_the_direction() {
        assert_eq!(zero_spans(5, 5), []);
        for (a, b) in [(0, 5), (C, 3 * C), (10, 2 * C + 7), (C - 1, C), (C, C + 1)] {
            assert_eq!(zero_spans(a, b), zero_spans(b, a));
        }
    }

    #[test]
    fn spans_at_chunk_borders() {
        assert_eq!(
            zero_spans(0, 5),
            [Zeros::In {
                index: 0,
                pos: 0,
                len: 5
            }]
        );
        assert_eq!(
            zero_spans(3, C),
            [Zeros::In {
                index: 0,
                pos: 3,
                len: C as u32 - 3
            }]
        );
        assert_eq!(
            zero_spans(C, C + 1),
            [Zeros::In {
                index: 1,
                pos: 0,
                len: 1
            }]
        );
        assert_eq!(
            zero_spans(C - 1, C + 1),
            [
                Zeros::In {
                    index: 0,
                    pos: C as u32 - 1,
                    len: 1
                },
                Zeros::In {
                    index: 1,
                    pos: 0,
                    len: 1
                }
            ]
        );
        assert_eq!(
            zero_spans(5, 4 * C + 6),
            [
                Zeros::In {
                    index: 0,
                    pos: 5,
                    len: C as u32 - 5
                },
                Zeros::Existing { from: 1, to: 4 },
                Zeros::In {
                    index: 4,
                    pos: 0,
                    len: 6
                }
            ]
        );
        assert_eq!(
            zero_spans(0, 3 * C),
            [
                Zeros::In {
                    index: 0,
                    pos: 0,
                    len: C as u32
                },
                Zeros::Existing { from: 1, to: 3 }
            ]
        );
    }
}
