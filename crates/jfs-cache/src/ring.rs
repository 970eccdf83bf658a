//! The hash ring: it assigns each block to one of several cache directories by consistent hashing. The reference
//! client computes the same ring, so both find each other's blocks (docs/FORMAT.md, local cache directory).

/// Points of one directory on the ring.
const POINTS: usize = 100;

/// The ring. Immutable; cheap to search.
pub(crate) struct Ring {
    /// (hash, directory), by hash.
    points: Vec<(u32, usize)>,
}

impl Ring {
    /// A ring of directories, each named by the identity in its `.lock` file.
    pub(crate) fn new(ids: &[String]) -> Ring {
        let mut points: Vec<(u32, usize)> = ids
            .iter()
            .enumerate()
            .flat_map(|(dir, id)| {
                (0..POINTS).map(move |n| (murmur3(format!("{n}{id}").as_bytes()), dir))
            })
            .collect();
        points.sort_unstable();
        Ring { points }
    }

    /// The directory of a key, then the next ones on the ring, for the case that the first is out. A directory may come
    /// several times.
    pub(crate) fn order(&self, key: &str) -> impl Iterator<Item = usize> {
        let hash = murmur3(key.as_bytes());
        let start = self.points.partition_point(|(point, _)| *point < hash);
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|(_, dir)| *dir)
    }
}

/// MurmurHash3, 32 bits, seed 0 (Austin Appleby's public-domain algorithm).
fn murmur3(data: &[u8]) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let mix = |k: u32| k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let (words, tail) = data.as_chunks::<4>();
    let mut h = 0u32;
    for word in words {
        h ^= mix(u32::from_le_bytes(*word));
        h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !tail.is_empty() {
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        h ^= mix(u32::from_le_bytes(last));
    }
    h ^= data.len() as u32;
    h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_hashes() {
        for (text, hash) in [
            ("", 0),
            ("a", 0x3c25_69b2),
            ("abc", 0xb3dd_93fa),
            ("Hello, world!", 0xc036_3e43),
            ("The quick brown fox jumps over the lazy dog", 0x2e4f_f723),
        ] {
            assert_eq!(murmur3(text.as_bytes()), hash, "{text}");
        }
    }

    #[test]
    fn keys_spread_and_stay_when_one_goes() {
        let ids: Vec<String> = ["one", "two", "three"].map(String::from).into();
        let ring = Ring::new(&ids);
        let mut counts = [0; 3];
        for n in 0..3000 {
            let key = format!("chunks/0/0/{n}_0_4096");
            let mut order = ring.order(&key);
            let first = order.next().unwrap_or(9);
            counts[first] += 1;
            let next = order.find(|dir| *dir != first);
            assert!(next.is_some());
        }
        assert!(counts.iter().all(|n| *n > 500), "{counts:?}");
    }
}
