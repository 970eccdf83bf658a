//! POSIX record locks of one owner: 24-byte records, sorted, not overlapping.

use super::WireError;

/// Size of one lock record, bytes.
const LOCK_BYTES: usize = 24;

/// Kind of a lock, by its stored number (Linux's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum LockType {
    /// Shared.
    Read = 0,
    /// Exclusive.
    Write = 1,
    /// None: what an unlock asks for. Never stored.
    Unlock = 2,
}

impl LockType {
    /// From the stored number.
    pub fn from_number(n: u32) -> Option<LockType> {
        Some(match n {
            0 => LockType::Read,
            1 => LockType::Write,
            2 => LockType::Unlock,
            _ => return None,
        })
    }
}

/// One locked range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRecord {
    /// Kind.
    pub kind: LockType,
    /// Process that asked for it.
    pub pid: u32,
    /// First byte.
    pub start: u64,
    /// Last byte, inclusive.
    pub end: u64,
}

impl LockRecord {
    /// Whether two locks of different owners cannot be held at once.
    pub fn conflicts_with(&self, other: &LockRecord) -> bool {
        let exclusive = self.kind == LockType::Write || other.kind == LockType::Write;
        exclusive && self.start <= other.end && other.start <= self.end
    }
}

/// Joined records.
pub fn encode_locks(locks: &[LockRecord]) -> Vec<u8> {
    let mut b = Vec::with_capacity(locks.len() * LOCK_BYTES);
    for l in locks {
        b.extend_from_slice(&(l.kind as u32).to_be_bytes());
        b.extend_from_slice(&l.pid.to_be_bytes());
        b.extend_from_slice(&l.start.to_be_bytes());
        b.extend_from_slice(&l.end.to_be_bytes());
    }
    b
}

/// The opposite of [`encode_locks`]. Never panics.
pub fn decode_locks(bytes: &[u8]) -> Result<Vec<LockRecord>, WireError> {
    if !bytes.len().is_multiple_of(LOCK_BYTES) {
        return Err(WireError(format!(
            "{} bytes of lock records, not a multiple of {LOCK_BYTES}",
            bytes.len()
        )));
    }
    bytes.chunks_exact(LOCK_BYTES).map(decode_lock).collect()
}

fn decode_lock(b: &[u8]) -> Result<LockRecord, WireError> {
    let number = |range: std::ops::Range<usize>| {
        b[range]
            .iter()
            .fold(0u64, |n, byte| (n << 8) | u64::from(*byte))
    };
    let kind = number(0..4) as u32;
    Ok(LockRecord {
        kind: LockType::from_number(kind)
            .ok_or_else(|| WireError(format!("a lock of kind {kind}")))?,
        pid: number(4..8) as u32,
        start: number(8..16),
        end: number(16..24),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout_of_a_lock() {
        let lock = LockRecord {
            kind: LockType::Write,
            pid: 0x0203,
            start: 5,
            end: u64::MAX,
        };
        let b = encode_locks(&[lock]);
        assert_eq!(
            b,
            [
                0, 0, 0, 1, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 5, 255, 255, 255, 255, 255, 255, 255,
                255
            ]
        );
        assert_eq!(decode_locks(&b).unwrap(), [lock]);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(locks) = decode_locks(&bytes) {
                prop_assert_eq!(encode_locks(&locks), bytes);
            }
        }
    }
}
