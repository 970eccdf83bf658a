//! Bytes to write: never zero, and different for every write, so that holes, stale bytes and bytes of
//! the wrong block are recognized.

use std::sync::OnceLock;

const TABLE: usize = 1 << 20;

/// `len` bytes that belong to write number `seed`.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    let table = BYTES.get_or_init(|| {
        let mut x = 0x9E37_79B9_7F4A_7C15u64;
        (0..TABLE)
            .map(|_| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                (x % 255) as u8 + 1
            })
            .collect()
    });
    let start = (seed.wrapping_mul(7919) % (TABLE as u64 / 2)) as usize;
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        let n = (len - out.len()).min(TABLE - start);
        out.extend_from_slice(&table[start..start + n]);
    }
    out
}

/// Panics with the place of the first difference.
pub(crate) fn assert_same(got: &[u8], expected: &[u8], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}: length");
    if let Some(at) = (0..got.len()).find(|i| got[*i] != expected[*i]) {
        let end = (at + 8).min(got.len());
        panic!(
            "{what}: byte {at} of {}: {:?} instead of {:?}",
            got.len(),
            &got[at..end],
            &expected[at..end]
        );
    }
}
