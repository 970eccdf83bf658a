//! Names of blocks.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// One block: block `index` of slice `slice_id`, `size` bytes long. Its text form is its key in the
/// bucket and its path in the cache directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockKey {
    /// The slice.
    pub slice_id: u64,
    /// Position in the slice, blocks from 0.
    pub index: u32,
    /// Uncompressed length, bytes.
    pub size: u32,
}

impl BlockKey {
    /// The key below the volume's name, by the volume's `HashPrefix`.
    pub fn path(&self, hash_prefix: bool) -> String {
        let BlockKey { slice_id: id, .. } = self;
        if hash_prefix {
            format!("chunks/{:02X}/{}/{self}", id % 256, id / 1_000_000)
        } else {
            format!("chunks/{}/{}/{self}", id / 1_000_000, id / 1000)
        }
    }

    /// Reads the last part of a key, `<slice>_<index>_<size>`; `None` for anything else.
    pub fn parse(name: &str) -> Option<BlockKey> {
        let mut parts = name.split('_').map(|part| {
            let plain = part == "0" || !part.starts_with('0');
            (plain && part.bytes().all(|b| b.is_ascii_digit())).then_some(part)
        });
        let key = BlockKey {
            slice_id: parts.next()??.parse().ok()?,
            index: parts.next()??.parse().ok()?,
            size: parts.next()??.parse().ok()?,
        };
        parts.next().is_none().then_some(key)
    }
}

impl fmt::Display for BlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.slice_id, self.index, self.size)
    }
}

/// Hasher for maps by block. Keys come from our own counters, nobody can choose them to collide, so
/// a multiplication per field is enough.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl KeyHasher {
    fn add(&mut self, x: u64) {
        self.0 = (self.0.rotate_left(26) ^ x).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.add(u64::from(*b)));
    }
    fn write_u32(&mut self, x: u32) {
        self.add(u64::from(x));
    }
    fn write_u64(&mut self, x: u64) {
        self.add(x);
    }
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// Builds [`KeyHasher`].
pub(crate) type BuildKeyHasher = BuildHasherDefault<KeyHasher>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form() {
        let key = BlockKey { slice_id: 1_234_567_890, index: 3, size: 4096 };
        assert_eq!(key.path(false), "chunks/1234/1234567/1234567890_3_4096");
        assert_eq!(key.path(true), "chunks/D2/1234/1234567890_3_4096");
        assert_eq!(BlockKey::parse("1234567890_3_4096"), Some(key));
        for bad in ["", "1_2", "1_2_3_4", "1_2_x", "+1_2_3", "01_2_3", "1_2_3.tmp", "1__3", "1_2_99999999999"] {
            assert_eq!(BlockKey::parse(bad), None, "{bad}");
        }
    }
}
