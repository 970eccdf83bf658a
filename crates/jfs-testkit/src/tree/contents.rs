//! Bytes that look random and are the same on every run and at every offset.

/// The first `length` bytes of the stream `seed`.
pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fill(seed, 0, &mut bytes);
    bytes
}

/// Fills `bytes` with the stream `seed` from `offset` on, so that a part can be checked alone.
pub fn fill(seed: u64, offset: u64, bytes: &mut [u8]) {
    let mut at = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let word = mix(seed ^ (at / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes();
        let from = (at % 8) as usize;
        let count = rest.len().min(8 - from);
        let (head, tail) = rest.split_at_mut(count);
        head.copy_from_slice(&word[from..from + count]);
        rest = tail;
        at += count as u64;
    }
}

/// The finisher of splitmix64: each word depends on its position alone.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::{content, fill};

    #[test]
    fn a_part_equals_the_whole_there() {
        let whole = content(7, 1000);
        for (from, length) in [(0, 3), (5, 11), (8, 8), (991, 9)] {
            let mut part = vec![0; length];
            fill(7, from as u64, &mut part);
            assert_eq!(part, whole[from..from + length]);
        }
        assert_ne!(content(8, 1000), whole);
    }
}
