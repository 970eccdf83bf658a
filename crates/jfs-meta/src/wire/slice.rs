//! Slice records of a chunk and the entries of delayed slices.

use super::WireError;
use jfs_types::{SliceId, SliceRecord};

/// Size of one slice record, bytes.
pub const RECORD_BYTES: usize = 24;

/// Encodes one slice record.
pub fn encode_record(r: &SliceRecord) -> [u8; RECORD_BYTES] {
    let mut b = [0; RECORD_BYTES];
    b[0..4].copy_from_slice(&r.pos.to_be_bytes());
    b[4..12].copy_from_slice(&r.id.0.to_be_bytes());
    b[12..16].copy_from_slice(&r.size.to_be_bytes());
    b[16..20].copy_from_slice(&r.off.to_be_bytes());
    b[20..24].copy_from_slice(&r.len.to_be_bytes());
    b
}

/// Decodes a chunk's joined records. Never panics.
///
/// Errors: a length that is no multiple of 24, a record that leaves its chunk or its slice.
pub fn decode_records(bytes: &[u8]) -> Result<Vec<SliceRecord>, WireError> {
    if !bytes.len().is_multiple_of(RECORD_BYTES) {
        return Err(WireError(format!(
            "{} bytes of slice records, not a multiple of 24",
            bytes.len()
        )));
    }
    bytes
        .chunks_exact(RECORD_BYTES)
        .map(decode_record)
        .collect()
}

fn decode_record(b: &[u8]) -> Result<SliceRecord, WireError> {
    let record = SliceRecord {
        pos: u32_at(b, 0),
        id: SliceId((u64::from(u32_at(b, 4)) << 32) | u64::from(u32_at(b, 8))),
        size: u32_at(b, 12),
        off: u32_at(b, 16),
        len: u32_at(b, 20),
    };
    let end = u64::from(record.pos) + u64::from(record.len);
    let used = u64::from(record.off) + u64::from(record.len);
    let outside = end > jfs_types::CHUNK_SIZE;
    let beyond = record.id != SliceId::ZERO && used > u64::from(record.size);
    if outside || beyond {
        return Err(WireError(format!("impossible slice record {record:?}")));
    }
    Ok(record)
}

/// Decodes a delayed-slices record: (id, size) pairs, repeats included. Never panics.
pub fn decode_delayed(bytes: &[u8]) -> Result<Vec<(u64, u32)>, WireError> {
    if !bytes.len().is_multiple_of(12) {
        return Err(WireError(format!(
            "{} bytes of delayed slices, not a multiple of 12",
            bytes.len()
        )));
    }
    let pair = |b: &[u8]| {
        let id = (u64::from(u32_at(b, 0)) << 32) | u64::from(u32_at(b, 4));
        (id, u32_at(b, 8))
    };
    Ok(bytes.chunks_exact(12).map(pair).collect())
}

/// Encodes a delayed-slices record.
pub fn encode_delayed(slices: &[(u64, u32)]) -> Vec<u8> {
    let mut b = Vec::with_capacity(slices.len() * 12);
    for (id, size) in slices {
        b.extend_from_slice(&id.to_be_bytes());
        b.extend_from_slice(&size.to_be_bytes());
    }
    b
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    let mut be = [0; 4];
    be.copy_from_slice(&b[at..at + 4]);
    u32::from_be_bytes(be)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layout_of_a_record() {
        let r = SliceRecord {
            pos: 1,
            id: SliceId(0x0203),
            size: 0x40,
            off: 5,
            len: 6,
        };
        let b = encode_record(&r);
        assert_eq!(
            b,
            [
                0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0x40, 0, 0, 0, 5, 0, 0, 0, 6
            ]
        );
        assert_eq!(decode_records(&b).unwrap(), [r]);
    }

    #[test]
    fn impossible_records_are_errors() {
        let ok = SliceRecord {
            pos: 0,
            id: SliceId(1),
            size: 10,
            off: 0,
            len: 10,
        };
        for bad in [
            SliceRecord { off: 1, ..ok },
            SliceRecord {
                pos: jfs_types::CHUNK_SIZE as u32,
                ..ok
            },
            SliceRecord {
                pos: u32::MAX,
                len: u32::MAX,
                id: SliceId::ZERO,
                ..ok
            },
        ] {
            assert!(decode_records(&encode_record(&bad)).is_err(), "{bad:?}");
        }
        assert!(decode_records(&[0; 23]).is_err());
        assert!(decode_delayed(&[0; 13]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(records) = decode_records(&bytes) {
                let again: Vec<u8> = records.iter().flat_map(encode_record).collect();
                prop_assert_eq!(again, bytes.clone());
            }
            if let Ok(slices) = decode_delayed(&bytes) {
                prop_assert_eq!(encode_delayed(&slices), bytes);
            }
        }
    }
}
