//! truncate: another length, with zero records so that what was cut off never shows again.

use super::kept_by_trash;
use super::zeros::{self, Known, Lists};
use crate::change_log::{Event, mask};
#[cfg(doc)]
use crate::engine::EXISTING_MAX;
use crate::engine::{DirStat, Write};
use crate::meta::Meta;
use crate::perm;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::slice::MAX_FILE_LENGTH;
use jfs_types::{Attr, CHUNK_SIZE, Caller, ChunkIndex, Errno, Ino};
use std::ops::Range;

struct Truncate<'a> {
    caller: &'a Caller,
    ino: Ino,
    length: u64,
    known: &'a Known,
}

impl Meta {
    /// Sets the length of a regular file: EPERM in the trash, unless this client has had it open since
    /// before it came there. An equal length changes the times alone. EFBIG from 2^57 on, EPERM for what is no file.
    ///
    /// One commit, unless more than [`EXISTING_MAX`] chunks have data in what is cut off (640 GB), or more than
    /// the engine changes in one commit. Such a file gets shorter in steps, each of which others may see.
    pub async fn truncate(&self, caller: &Caller, ino: Ino, length: u64) -> Result<Attr, Errno> {
        if length > MAX_FILE_LENGTH {
            return Err(Errno::EFBIG);
        }
        let known = Known::default();
        let op = Truncate {
            caller,
            ino,
            length,
            known: &known,
        };
        loop {
            let (before, after) = self.transact(&op).await?;
            self.open_files.changed(ino, &before, &after, None);
            if after.length == length {
                return Ok(after);
            }
        }
    }
}

impl Operation for Truncate<'_> {
    type Out = (Attr, Attr);
    const NAME: &'static str = "truncate";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(Attr, Attr), Stop> {
        let before = tx.own_attr(self.ino).await?;
        if !before.is_file()
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
        let chunks = between(before.length, self.length);
        let lists = meta
            .lists_of(self.ino, &before, &chunks, self.known)
            .await?;
        after.length = step(before.length, self.length, &lists, meta.zeros_of_a_commit());
        // The times change in any case, as with every truncation.
        for zeros in zero_spans(before.length, after.length) {
            for write in zeros.into_writes(self.ino, &lists) {
                tx.write(write)?;
            }
        }
        tx.put_attr(self.ino, &after)?;
        self.log(tx, &before, &after);
        count_growth(tx, self.ino, &before, &after).await?;
        self.known.keep(&after, lists);
        Ok((before, after))
    }

    fn proof(&self, (_, after): &(Attr, Attr)) -> Proof {
        // Run again after it was applied, it would find the length it wants, and the growth would be
        // counted nowhere.
        Proof::attr_is(self.ino, after)
    }
}

impl Truncate<'_> {
    fn log(&self, tx: &mut Txn, before: &Attr, after: &Attr) {
        let (ino, old, new) = (self.ino, before.length, after.length);
        let mut changed = 0;
        if old == new {
            changed |= mask::MTIME;
        } else {
            tx.log(&Event::Truncate { ino, old, new });
        }
        log_mode(tx, ino, changed, before, after);
    }
}

/// Logs what a change of the content changes beside it: the mode, which loses setuid and setgid, and the
/// attributes of `changed`.
pub(super) fn log_mode(tx: &mut Txn, ino: Ino, changed: u16, before: &Attr, after: &Attr) {
    let mode = if before.mode == after.mode {
        0
    } else {
        mask::MODE
    };
    let (mask, attr) = (changed | mode, after);
    if mask != 0 {
        tx.log(&Event::SetAttr { ino, mask, attr });
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
    tx.add_usage(before, space, 0);
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

/// The chunks strictly between those that two lengths end in.
fn between(old: u64, new: u64) -> Range<ChunkIndex> {
    let (left, right) = (old.min(new) / CHUNK_SIZE, old.max(new) / CHUNK_SIZE);
    (left + 1) as ChunkIndex..right.max(left + 1) as ChunkIndex
}

/// The length after one commit on the way from `old` to `new`, `lists` being those between: as far as
/// `most` of them reach.
fn step(old: u64, new: u64, lists: &Lists, most: usize) -> u64 {
    let at = |index: ChunkIndex| u64::from(index) * CHUNK_SIZE;
    match lists {
        Lists::Found(all) if all.len() > most && new < old => at(all[all.len() - most]),
        Lists::Found(all) if all.len() > most => at(all[most]),
        _ => new,
    }
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
    fn into_writes(self, ino: Ino, lists: &Lists) -> Vec<Write> {
        match self {
            Zeros::In { index, pos, len } => vec![Write::AppendSlice {
                ino,
                index,
                record: zeros::record(pos, len),
            }],
            Zeros::Existing { from, to } => zeros::over_chunks(ino, from..to, lists),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EXISTING_MAX;

    const C: u64 = CHUNK_SIZE;

    #[test]
    fn steps_of_a_file_with_much_data() {
        let most = EXISTING_MAX;
        assert_eq!(between(5, C - 1), 1..1);
        assert_eq!(between(0, C), 1..1);
        assert_eq!(between(3 * C, 10), 1..3);
        let lists = |n: u32| Lists::Found((1..=n).map(|i| i * 2).collect());
        let (old, new) = (u64::from(most) * 10 * C, 5);
        assert_eq!(step(old, new, &Lists::Short, most as usize), new);
        assert_eq!(step(old, new, &lists(most), most as usize), new);
        // Shrinking, the last ones go first.
        assert_eq!(step(old, new, &lists(most + 7), most as usize), 8 * 2 * C);
        let to = u64::from(most + 1) * 2 * C;
        assert_eq!(step(new, old, &lists(most + 7), most as usize), to);
        assert!(zero_spans(new, to).len() == 2);
    }

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
