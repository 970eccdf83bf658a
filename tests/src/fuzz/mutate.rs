//! Small random changes of golden bytes: what bit rot, torn writes and careless programs do, and the
//! numbers that arithmetic trips over.

use crate::Rng;

/// Longest mutated input, bytes.
const LENGTH_MAX: usize = 64 << 10;

/// One to four changes. `other` is a seed to cross with.
pub(super) fn mutate(data: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        change(data, other, rng);
    }
    data.truncate(LENGTH_MAX);
}

fn change(data: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let below = |rng: &mut Rng, n: usize| rng.below(n.max(1) as u64) as usize;
    let at = below(rng, data.len());
    match rng.below(9) {
        0 if !data.is_empty() => data[at] ^= 1 << rng.below(8),
        1 if !data.is_empty() => data[at] = rng.below(256) as u8,
        2 => data.truncate(at),
        3 => data.insert(at, rng.below(256) as u8),
        4 => {
            // A number at its edges, in 1 to 8 bytes of either order.
            let numbers = [
                0,
                1,
                u64::MAX,
                u64::MAX - 1,
                1 << 63,
                (1 << 63) - 1,
                1 << 31,
                1 << 26,
            ];
            let number = numbers[below(rng, numbers.len())];
            let width = 1 << rng.below(4);
            let bytes = match rng.below(2) {
                0 => number.to_be_bytes()[8 - width..].to_vec(),
                _ => number.to_le_bytes()[..width].to_vec(),
            };
            let end = (at + width).min(data.len());
            data.splice(at..end, bytes);
        }
        5 => {
            let end = at + below(rng, data.len() - at + 1);
            data.drain(at..end);
        }
        6 => {
            let end = at + below(rng, data.len() - at + 1);
            let copy = data[at..end].to_vec();
            data.splice(at..at, copy);
        }
        7 => {
            let from = below(rng, other.len());
            let to = from + below(rng, other.len() - from + 1);
            let end = (at + to - from).min(data.len());
            data.splice(at..end, other[from..to].iter().copied());
        }
        _ => data.extend((0..rng.below(16)).map(|_| 0xFF)),
    }
}
