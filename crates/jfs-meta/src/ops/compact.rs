//! Compaction: many slice records of a chunk become one new slice.
//!
//! The merge is planned and committed here. The owner of a chunk store copies the data in between. The
//! commit replaces the records only if the list still begins with exactly those that
//! were planned. What they used is given up by one user per record, at once or, with a trash, when its
//! period is over: a slice that a copy uses too keeps that user, and its objects.

use crate::EngineError;
use crate::change_log::Event;
use crate::engine::{Answer, Key, Write, own};
use crate::meta::Meta;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::wire::{RECORD_BYTES, decode_records, encode_delayed, encode_record};
use jfs_types::slice::{Piece, overlay};
use jfs_types::{ChunkIndex, Errno, Ino, SliceId, SliceRecord};

/// Records taken up at a time; what follows waits for the next compaction.
const RECORDS_MAX: usize = 1000;
/// A first record below this length is not worth being spared.
const BIG: u32 = 1 << 20;
/// A first record is spared when it is at least one part in this many of what it would be merged to.
const BIG_SHARE: u64 = 5;

/// The plan of the compaction of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactPlan {
    /// The file.
    pub ino: Ino,
    /// Chunk index.
    pub index: ChunkIndex,
    /// Position of the new slice in the chunk.
    pub pos: u32,
    /// The pieces of the new slice, in order and without gaps. Zeros have the id 0.
    pub pieces: Vec<Piece>,
    /// Records the list begins with: the ones that are spared, then the merged ones.
    head: Vec<SliceRecord>,
    spared: usize,
}

impl CompactPlan {
    /// Length of the new slice, bytes.
    pub fn size(&self) -> u32 {
        self.pieces.iter().map(|p| p.len).sum()
    }

    /// Number of records that become one.
    pub fn merged(&self) -> usize {
        self.head.len() - self.spared
    }
}

/// The outcome of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compacted {
    /// The compaction was done. These slices have no user left: their objects can go, then
    /// [`Meta::forget_slice`].
    Done(Vec<(u64, u32)>),
    /// The list had changed. Nothing was done, and the new slice has no user.
    Changed,
}

struct Commit<'a> {
    plan: &'a CompactPlan,
    record: SliceRecord,
}

impl Meta {
    /// Plans the compaction of a chunk; `None` when there is nothing to gain. One round trip.
    pub async fn plan_compaction(
        &self,
        ino: Ino,
        index: ChunkIndex,
    ) -> Result<Option<CompactPlan>, Errno> {
        let answers = self
            .within("compact", self.fetch(&[Key::Chunk(ino, index)]))
            .await?;
        let bytes = match answers.into_iter().next().map(Answer::into_bytes) {
            Some(Ok(bytes)) => bytes.unwrap_or_default(),
            _ => return Err(Errno::EIO),
        };
        let records = decode_records(&bytes).map_err(|e| {
            let what = format!("chunk {index} of {ino:?}");
            self.to_errno("compact", &EngineError::corrupt(what, e.0))
        })?;
        // The list, the new slice, and each slice that loses a user.
        let most = self.records_of_a_commit().saturating_sub(2).max(2);
        Ok(plan(ino, index, &records[..records.len().min(most)]))
    }

    /// Puts the slice `id`, which holds what the plan says and is stored for good, in the place of the
    /// merged records. After EIO it may be in use: its objects have to stay.
    pub async fn commit_compaction(&self, plan: &CompactPlan, id: u64) -> Result<Compacted, Errno> {
        let size = plan.size();
        let record = SliceRecord {
            pos: plan.pos,
            id: SliceId(id),
            size,
            off: 0,
            len: size,
        };
        let done = self.transact_with_receipt(&Commit { plan, record }).await?;
        if !done.out && done.doubted {
            // The list may be different because another client went on with what this one had put there.
            // Blocks without a record do less harm than records without their blocks.
            tracing::warn!(
                "whether slice {id} is used is not known: its objects stay until somebody collects them"
            );
            return Err(Errno::EIO);
        }
        if !done.out {
            return Ok(Compacted::Changed);
        }
        self.open_files.forget_views(plan.ino);
        Ok(Compacted::Done(done.receipt.unused_slices))
    }
}

impl Operation for Commit<'_> {
    /// Whether the list was still the one that was planned with.
    type Out = bool;
    const NAME: &'static str = "compact";

    fn locks(&self) -> Vec<Ino> {
        vec![self.plan.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<bool, Stop> {
        let CompactPlan {
            ino,
            index,
            head,
            spared,
            ..
        } = self.plan;
        let key = Key::Chunk(*ino, *index);
        tx.load(&[own(key.clone())]).await?;
        let list = tx.bytes(&key)?.unwrap_or_default();
        let planned: Vec<u8> = head.iter().flat_map(encode_record).collect();
        debug_assert_eq!(planned.len(), head.len() * RECORD_BYTES);
        if !list.starts_with(&planned) {
            return Ok(false);
        }
        let (kept, merged) = head.split_at(*spared);
        tx.write(Write::MergeSlices {
            ino: *ino,
            index: *index,
            kept: kept.to_vec(),
            merged: merged.len(),
            record: Some(self.record),
        })?;
        tx.write(Write::NewSlice {
            id: self.record.id.0,
            size: self.record.size,
        })?;
        tx.log(&Event::Compact {
            ino: *ino,
            index: *index,
            skipped: kept.len(),
            merged: merged.len(),
            record: self.record,
        });
        let used: Vec<(u64, u32)> = merged
            .iter()
            .filter(|r| r.id != SliceId::ZERO)
            .map(|r| (r.id.0, r.size))
            .collect();
        if meta.format().trash_days > 0 {
            if !used.is_empty() {
                tx.write(Write::Delay {
                    id: self.record.id.0,
                    time: tx.now.sec,
                    entries: encode_delayed(&used).into(),
                })?;
            }
            return Ok(true);
        }
        for (id, size) in used {
            tx.write(Write::AddSliceUsers {
                id,
                size,
                delta: -1,
            })?;
        }
        Ok(true)
    }

    fn proof(&self, done: &bool) -> Proof {
        if !done {
            return Proof::Rerun;
        }
        Proof::chunk_has(self.plan.ino, self.plan.index, self.record.id)
    }
}

fn plan(ino: Ino, index: ChunkIndex, records: &[SliceRecord]) -> Option<CompactPlan> {
    let head = &records[..records.len().min(RECORDS_MAX)];
    let spared = spared(head);
    let merged = &head[spared..];
    if merged.len() < 2 {
        return None;
    }
    let (pos, pieces) = merge(merged);
    let plan = CompactPlan {
        ino,
        index,
        pos,
        pieces,
        head: head.to_vec(),
        spared,
    };
    (plan.size() > 0).then_some(plan)
}

/// What records show, without zeros in front and behind; of nothing but zeros one byte is left. Where
/// it begins, and the pieces.
fn merge(records: &[SliceRecord]) -> (u32, Vec<Piece>) {
    let mut pieces = overlay(records);
    while pieces.len() > 1 && pieces.last().is_some_and(|p| p.id == SliceId::ZERO) {
        pieces.pop();
    }
    let zeros = pieces.iter().take_while(|p| p.id == SliceId::ZERO).count();
    pieces.drain(..zeros.min(pieces.len().saturating_sub(1)));
    if let [only] = &mut pieces[..]
        && only.id == SliceId::ZERO
    {
        only.len = only.len.min(1);
    }
    (pieces.first().map_or(0, |p| p.pos), pieces)
}

/// How many records in front stay as they are: big ones that nothing hides, so that their data is not
/// copied over and over.
fn spared(records: &[SliceRecord]) -> usize {
    let mut spared = 0;
    while let [first, rest @ ..] = &records[spared..] {
        let (_, pieces) = merge(&records[spared..]);
        let size: u64 = pieces.iter().map(|p| u64::from(p.len)).sum();
        let worth = first.len >= BIG && u64::from(first.len) * BIG_SHARE >= size && size > 0;
        let untouched = pieces.first().is_some_and(|p| {
            (p.pos, p.id, p.off, p.len) == (first.pos, first.id, first.off, first.len)
        });
        if !worth || !untouched || rest.contains(first) {
            break;
        }
        spared += 1;
    }
    spared
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const M: u32 = 1 << 20;

    fn rec(pos: u32, id: u64, off: u32, len: u32) -> SliceRecord {
        SliceRecord {
            pos,
            id: SliceId(id),
            size: if id == 0 { 0 } else { off + len },
            off: if id == 0 { 0 } else { off },
            len,
        }
    }

    /// Records spared, length of the new slice, its pieces (slice, offset, length).
    type Brief = (usize, u32, Vec<(u64, u32, u32)>);

    fn brief(records: &[SliceRecord]) -> Option<Brief> {
        let plan = plan(Ino(5), 0, records)?;
        let pieces = plan.pieces.iter().map(|p| (p.id.0, p.off, p.len)).collect();
        Some((plan.spared, plan.pos, pieces))
    }

    #[test]
    fn what_is_merged() {
        assert_eq!(brief(&[]), None);
        assert_eq!(brief(&[rec(0, 1, 0, 10)]), None);
        assert_eq!(
            brief(&[rec(0, 1, 0, 10), rec(5, 2, 0, 10)]),
            Some((0, 0, vec![(1, 0, 5), (2, 0, 10)]))
        );
        // Zeros at both ends are left out, those between are not.
        assert_eq!(
            brief(&[
                rec(0, 0, 0, 10),
                rec(20, 1, 0, 5),
                rec(30, 2, 0, 5),
                rec(35, 0, 0, 9)
            ]),
            Some((0, 20, vec![(1, 0, 5), (0, 0, 5), (2, 0, 5)]))
        );
        let (_, _, pieces) = brief(&[rec(10, 1, 0, 10), rec(0, 0, 0, 30)]).unwrap();
        assert_eq!(pieces, [(0, 0, 1)]);
    }

    #[test]
    fn big_slices_in_front_are_spared() {
        let tail = [rec(8 * M, 2, 0, 10), rec(8 * M + 10, 3, 0, 10)];
        let with = |first: SliceRecord| {
            let all = [&[first][..], &tail].concat();
            brief(&all).map(|(spared, pos, _)| (spared, pos))
        };
        assert_eq!(with(rec(0, 1, 0, 8 * M)), Some((1, 8 * M)));
        assert_eq!(with(rec(0, 1, 0, M - 1)), Some((0, 0)));
        // Hidden in part: it has to be merged, or its data would show again.
        assert_eq!(with(rec(M, 1, 0, 7 * M + 5)), Some((0, M)));
        // A fifth of the whole is enough.
        let far = [
            rec(0, 1, 0, M),
            rec(4 * M, 2, 0, M),
            rec(5 * M - 1, 3, 0, 1),
        ];
        assert_eq!(brief(&far).map(|b| b.0), Some(1));
        let farther = [
            rec(0, 1, 0, M),
            rec(5 * M, 2, 0, M),
            rec(6 * M - 1, 3, 0, 1),
        ];
        assert_eq!(brief(&farther).map(|b| b.0), Some(0));
        // The same record again hides nothing of it.
        let twice = [rec(0, 1, 0, 2 * M), rec(9, 2, 0, 1), rec(0, 1, 0, 2 * M)];
        assert_eq!(brief(&twice).map(|b| b.0), Some(0));
    }

    #[test]
    fn long_lists_are_taken_in_parts() {
        let records: Vec<_> = (0..1500)
            .map(|n| rec(n * 10, u64::from(n) + 1, 0, 10))
            .collect();
        let plan = plan(Ino(5), 0, &records).unwrap();
        assert_eq!((plan.merged(), plan.size()), (1000, 10_000));
    }

    /// A chunk shows the same before and after, for any list.
    #[test]
    fn compaction_changes_nothing_that_shows() {
        let mut x = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = |n: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x % n) as u32
        };
        // Everything lies on multiples of one step, but for a byte of zeros: one look a step is enough.
        let shown = |records: &[SliceRecord]| {
            let mut bytes = vec![(0u64, 0u32); 400];
            for p in overlay(records).iter().filter(|p| p.id != SliceId::ZERO) {
                for n in (0..p.len).step_by(M as usize / 16) {
                    bytes[((p.pos + n) / (M / 16)) as usize] = (p.id.0, p.off + n);
                }
            }
            bytes
        };
        for _ in 0..2000 {
            let step = M / 16;
            let records: Vec<_> = (0..2 + next(8))
                .map(|n| {
                    let id = if next(4) == 0 { 0 } else { u64::from(n) + 1 };
                    let long = if next(3) == 0 { 40 } else { 4 };
                    rec(
                        next(300) * step,
                        id,
                        next(3) * step,
                        (1 + next(long)) * step,
                    )
                })
                .collect();
            let Some(plan) = plan(Ino(5), 0, &records) else {
                continue;
            };
            // The new slice holds the pieces: paint them in its place.
            let mut after = records[..plan.spared].to_vec();
            let mut at = plan.pos;
            for p in &plan.pieces {
                after.push(SliceRecord {
                    pos: at,
                    id: p.id,
                    size: p.size,
                    off: p.off,
                    len: p.len,
                });
                at += p.len;
            }
            assert_eq!(shown(&after), shown(&records), "{records:?}");
        }
    }
}
