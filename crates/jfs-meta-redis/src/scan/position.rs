//! Positions of a SCAN over the keys of the database.

use super::key_shapes::Numbers;
use jfs_meta::engine::{CursorPart, ScanCursor, ScanKind};

/// A position: what SCAN goes on with, and what the last SCAN has named.
pub(super) struct Position {
    /// Cursor of the next SCAN; 0 after the last one.
    pub(super) outer: u64,
    /// Cursor inside of the first pending key; 0 at its beginning.
    pub(super) inner: u64,
    /// Keys not read so far.
    pub(super) pending: Vec<Numbers>,
}

impl Position {
    /// The position as a cursor.
    pub(super) fn print(&self, kind: ScanKind) -> ScanCursor {
        let mut parts = vec![self.outer.into(), self.inner.into()];
        for (number, index) in &self.pending {
            parts.push((*number).into());
            if kind == ScanKind::Chunks {
                parts.push(u64::from(*index).into());
            }
        }
        ScanCursor::at(kind, parts)
    }

    /// The opposite of [`Position::print`]; `None` for the position of another engine.
    pub(super) fn read(kind: ScanKind, parts: &[CursorPart]) -> Option<Position> {
        let number = |part: &CursorPart| match part {
            CursorPart::Number(n) => Some(*n as u64),
            CursorPart::Bytes(_) => None,
        };
        let numbers: Vec<u64> = parts.iter().map(number).collect::<Option<_>>()?;
        let [outer, inner, pending @ ..] = &numbers[..] else {
            return None;
        };
        let pending = match kind {
            ScanKind::Chunks => {
                let pair = |pair: &[u64]| match pair {
                    [ino, index] => Some((*ino, u32::try_from(*index).ok()?)),
                    _ => None,
                };
                pending.chunks(2).map(pair).collect::<Option<_>>()?
            }
            _ => pending.iter().map(|n| (*n, 0)).collect(),
        };
        Some(Position {
            outer: *outer,
            inner: *inner,
            pending,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_printed_and_read() {
        let at = Position {
            outer: 5 << 40,
            inner: 3,
            pending: vec![(7, 1), (7, 9)],
        };
        let cursor = at.print(ScanKind::Chunks);
        assert_eq!(cursor.to_string(), "chunks:5497558138880,3,7,1,7,9");
        let parts = cursor.position().unwrap_or_default();
        let again = Position::read(ScanKind::Chunks, parts);
        assert_eq!(again.map(|at| at.pending), Some(at.pending));
        assert!(Position::read(ScanKind::Chunks, &parts[..5]).is_none());
        assert!(Position::read(ScanKind::Entries, &parts[..1]).is_none());
    }
}
