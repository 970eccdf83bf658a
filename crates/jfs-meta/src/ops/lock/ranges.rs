//! Ranges of record locks.

use crate::wire::{LockRecord, LockType};

/// Last byte of a lock that reaches to the end of the file, however long that becomes. Mounts store this number:
/// it is the largest offset of a kernel. A kernel refuses a lock that is said to end above it, with EIO.
pub const LOCK_END_MAX: u64 = i64::MAX as u64;

/// A range as it is stored. `None` for an impossible one. What drops locks reaches as far as any client may have
/// stored one.
pub(super) fn storable(record: LockRecord) -> Option<LockRecord> {
    if record.start > record.end || record.start > LOCK_END_MAX {
        return None;
    }
    let end = match (record.kind, record.end) {
        (LockType::Unlock, LOCK_END_MAX..) => u64::MAX,
        (_, end) => end.min(LOCK_END_MAX),
    };
    Some(LockRecord { end, ..record })
}

/// One owner's locks after `new` replaced what it overlaps: sorted, not overlapping, neighbours that
/// say the same joined. `locks` may be any, they come from the database.
pub(super) fn updated(locks: &[LockRecord], new: LockRecord) -> Vec<LockRecord> {
    let mut all: Vec<LockRecord> = Vec::with_capacity(locks.len() + 2);
    for l in locks.iter().filter(|l| l.start <= l.end) {
        if l.end < new.start || new.end < l.start {
            all.push(*l);
            continue;
        }
        if l.start < new.start {
            let end = new.start - 1;
            all.push(LockRecord { end, ..*l });
        }
        if new.end < l.end {
            let start = new.end + 1;
            all.push(LockRecord { start, ..*l });
        }
    }
    if new.kind != LockType::Unlock {
        all.push(new);
    }
    all.sort_unstable_by_key(|l| l.start);
    let mut joined: Vec<LockRecord> = Vec::with_capacity(all.len());
    for l in all {
        match joined.last_mut() {
            Some(last)
                if (last.kind, last.pid) == (l.kind, l.pid)
                    && last.end.checked_add(1) == Some(l.start) =>
            {
                last.end = l.end;
            }
            _ => joined.push(l),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: LockType, start: u64, end: u64) -> LockRecord {
        LockRecord {
            kind,
            pid: 1,
            start,
            end,
        }
    }

    #[test]
    fn ranges_split_and_join() {
        use LockType::{Read, Unlock, Write};
        let one = [record(Read, 10, 29)];
        let brief = |locks: Vec<LockRecord>| -> Vec<(LockType, u64, u64)> {
            locks.iter().map(|l| (l.kind, l.start, l.end)).collect()
        };
        let after = |new| brief(updated(&one, new));
        assert_eq!(after(record(Read, 30, 39)), [(Read, 10, 39)]);
        assert_eq!(
            after(record(Write, 15, 19)),
            [(Read, 10, 14), (Write, 15, 19), (Read, 20, 29)]
        );
        assert_eq!(
            after(record(Unlock, 15, 19)),
            [(Read, 10, 14), (Read, 20, 29)]
        );
        assert_eq!(after(record(Unlock, 0, u64::MAX)), []);
        assert_eq!(after(record(Write, 0, u64::MAX)), [(Write, 0, u64::MAX)]);
        assert_eq!(after(record(Read, 12, 20)), [(Read, 10, 29)]);
    }

    proptest! {
        /// Against locks kept per byte.
        #[test]
        fn equals_locks_of_single_bytes(steps in proptest::collection::vec((0u32..3, 0u64..20, 0u64..8), 1..20)) {
            let mut bytes = [None; 32];
            let mut locks = Vec::new();
            for (kind, start, len) in steps {
                let kind = LockType::from_number(kind).unwrap_or(LockType::Unlock);
                locks = updated(&locks, record(kind, start, start + len));
                for at in start..=start + len {
                    bytes[at as usize] = (kind != LockType::Unlock).then_some(kind);
                }
                let mut shown = [None; 32];
                for l in &locks {
                    for at in l.start..=l.end {
                        prop_assert!(shown[at as usize].is_none());
                        shown[at as usize] = Some(l.kind);
                    }
                }
                prop_assert_eq!(shown, bytes);
                prop_assert!(locks.windows(2).all(|w| w[0].end + 1 < w[1].start || w[0].kind != w[1].kind));
            }
        }
    }
}
