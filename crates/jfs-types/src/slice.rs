//! Chunks and the slice records that fill them.

/// Size of a chunk, bytes: the span of a file that one list of slice records describes.
pub const CHUNK_SIZE: u64 = 1 << 26;

/// Index of a chunk in its file: offset / 64 MiB.
pub type ChunkIndex = u32;

/// Largest file length: below 2^31 chunks (docs/FORMAT.md, limits).
pub const MAX_FILE_LENGTH: u64 = (1 << 57) - 1;

/// Volume-wide number of a slice. 0 means zeros (a hole).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceId(pub u64);

impl SliceId {
    /// The id of a record that reads as zeros.
    pub const ZERO: SliceId = SliceId(0);
}

/// One entry of a chunk's list: `len` bytes from offset `off` of slice `id` appear at `pos` of the
/// chunk. Later records hide earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceRecord {
    /// Offset inside the chunk where the data appears, bytes.
    pub pos: u32,
    /// The slice, 0 = zeros.
    pub id: SliceId,
    /// Full size of the slice, bytes; object names need it.
    pub size: u32,
    /// First byte of the slice that is used.
    pub off: u32,
    /// Number of bytes used.
    pub len: u32,
}

/// A visible piece of a chunk: `len` bytes at the running position, taken from offset `off` of slice
/// `id`, or zeros when `id` is [`SliceId::ZERO`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Offset inside the chunk.
    pub pos: u32,
    /// The slice, 0 = zeros.
    pub id: SliceId,
    /// Full size of the slice, bytes. Of zeros: 0 when they were written, `len` when nothing was.
    pub size: u32,
    /// First byte of the slice.
    pub off: u32,
    /// Length, bytes.
    pub len: u32,
}

/// What a reader sees of a chunk: the records painted in order, walked from left to right, zero
/// pieces filling the gaps between covered ranges. Bytes after the last piece are zeros.
///
/// Records that stick out of the chunk are cut at 64 MiB. Cost: O(n log n) in the number of records
/// for lists without heavy overlap.
pub fn overlay(records: &[SliceRecord]) -> Vec<Piece> {
    use std::collections::BTreeMap;
    let mut map: BTreeMap<u32, Piece> = BTreeMap::new();
    for r in records {
        let end = u64::from(r.pos) + u64::from(r.len);
        let end = end.min(CHUNK_SIZE) as u32;
        if r.pos >= end {
            continue;
        }
        // A piece that starts before us and reaches into us is cut, and split when it also ends
        // after us.
        if let Some((_, before)) = map.range_mut(..r.pos).next_back() {
            let before_end = before.pos + before.len;
            if before_end > r.pos {
                let whole = *before;
                before.len = r.pos - before.pos;
                if before_end > end {
                    map.insert(end, right_part(whole, end));
                }
            }
        }
        let hidden: Vec<u32> = map.range(r.pos..end).map(|(k, _)| *k).collect();
        for k in hidden {
            if let Some(old) = map.remove(&k)
                && old.pos + old.len > end
            {
                map.insert(end, right_part(old, end));
            }
        }
        map.insert(
            r.pos,
            Piece {
                pos: r.pos,
                id: r.id,
                size: r.size,
                off: r.off,
                len: end - r.pos,
            },
        );
    }
    let mut pieces = Vec::with_capacity(map.len());
    let mut at = 0;
    for piece in map.into_values() {
        if piece.pos > at {
            pieces.push(Piece {
                pos: at,
                id: SliceId::ZERO,
                size: piece.pos - at,
                off: 0,
                len: piece.pos - at,
            });
        }
        at = piece.pos + piece.len;
        pieces.push(piece);
    }
    pieces
}

/// The part of `p` from chunk offset `at` on.
fn right_part(p: Piece, at: u32) -> Piece {
    let cut = at - p.pos;
    let off = if p.id == SliceId::ZERO {
        0
    } else {
        p.off.saturating_add(cut) // more than there is only in a damaged record
    };
    Piece {
        pos: at,
        off,
        len: p.len - cut,
        ..p
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rec(pos: u32, id: u64, size: u32, off: u32, len: u32) -> SliceRecord {
        SliceRecord {
            pos,
            id: SliceId(id),
            size,
            off,
            len,
        }
    }

    /// The slow truth: paint byte by byte (scaled down).
    fn painted(records: &[SliceRecord], n: usize) -> Vec<(u64, u32)> {
        let mut bytes = vec![(0u64, 0u32); n];
        for r in records {
            for i in 0..r.len {
                if let Some(b) = bytes.get_mut((r.pos + i) as usize) {
                    *b = if r.id == SliceId::ZERO {
                        (0, 0)
                    } else {
                        (r.id.0, r.off + i)
                    };
                }
            }
        }
        bytes
    }

    fn flatten(pieces: &[Piece], n: usize) -> Vec<(u64, u32)> {
        let mut bytes = vec![(0, 0); n];
        let mut at = 0;
        for p in pieces {
            assert_eq!(p.pos, at, "pieces follow each other without gap");
            at += p.len;
            for i in 0..p.len {
                bytes[(p.pos + i) as usize] = if p.id == SliceId::ZERO {
                    (0, 0)
                } else {
                    (p.id.0, p.off + i)
                };
            }
        }
        bytes
    }

    #[test]
    fn later_records_hide_earlier_ones() {
        let records = [
            rec(0, 1, 100, 0, 100),
            rec(10, 2, 20, 5, 10),
            rec(90, 3, 30, 0, 30),
        ];
        assert_eq!(flatten(&overlay(&records), 120), painted(&records, 120));
    }

    #[test]
    fn gaps_are_pieces_of_zeros() {
        let records = [
            rec(10, 1, 5, 0, 5),
            rec(15, 2, 9, 2, 3),
            rec(30, 3, 1, 0, 1),
        ];
        let piece = |pos, id, size, off, len| Piece {
            pos,
            id: SliceId(id),
            size,
            off,
            len,
        };
        let want = [
            piece(0, 0, 10, 0, 10),
            piece(10, 1, 5, 0, 5),
            piece(15, 2, 9, 2, 3),
            piece(18, 0, 12, 0, 12),
            piece(30, 3, 1, 0, 1),
        ];
        assert_eq!(overlay(&records), want);
        assert_eq!(overlay(&records[1..2])[0], piece(0, 0, 15, 0, 15));
    }

    #[test]
    fn random_lists_equal_painting() {
        // A small generator with a fixed seed is enough here: every failing list is printed.
        let mut x = 0x9E37_79B9_7F4A_7C15u64;
        let mut next = |n: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x % n) as u32
        };
        for _ in 0..2000 {
            let records: Vec<SliceRecord> = (0..next(12))
                .map(|i| {
                    let len = 1 + next(40);
                    let off = next(10);
                    let id = if next(5) == 0 { 0 } else { u64::from(i) + 1 };
                    let (size, off) = if id == 0 { (0, 0) } else { (off + len, off) };
                    rec(next(100), id, size, off, len)
                })
                .collect();
            assert_eq!(
                flatten(&overlay(&records), 160),
                painted(&records, 160),
                "{records:?}"
            );
        }
    }

    #[test]
    fn records_beyond_the_chunk_are_cut() {
        let records = [rec(CHUNK_SIZE as u32 - 1, 1, 100, 0, 100)];
        let pieces = overlay(&records);
        assert_eq!(pieces.last().map(|p| p.len), Some(1));
        assert!(overlay(&[rec(u32::MAX, 1, 1, 0, 1)]).is_empty());
    }
}
