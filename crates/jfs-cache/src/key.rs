//! Names of blocks.

/// A block: piece `index` of slice `slice_id`, `size` bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockKey {
    /// Slice.
    pub slice_id: u64,
    /// Number of the block in its slice.
    pub index: u32,
    /// Uncompressed length, bytes.
    pub size: u32,
}

impl BlockKey {
    /// The object key below the volume's name, which is also the path below `raw/` of a cache.
    pub fn path(&self, hash_prefix: bool) -> String {
        let BlockKey {
            slice_id: id,
            index,
            size,
        } = *self;
        if hash_prefix {
            format!(
                "chunks/{:02X}/{}/{id}_{index}_{size}",
                id % 256,
                id / 1_000_000
            )
        } else {
            format!(
                "chunks/{}/{}/{id}_{index}_{size}",
                id / 1_000_000,
                id / 1000
            )
        }
    }

    /// Parses the last part of a key.
    pub fn from_file_name(name: &str) -> Option<BlockKey> {
        let mut parts = name.split('_');
        let key = BlockKey {
            slice_id: parts.next()?.parse().ok()?,
            index: parts.next()?.parse().ok()?,
            size: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_format() {
        let key = BlockKey {
            slice_id: 1_234_567,
            index: 3,
            size: 4096,
        };
        assert_eq!(key.path(false), "chunks/1/1234/1234567_3_4096");
        assert_eq!(key.path(true), "chunks/87/1/1234567_3_4096");
        assert_eq!(BlockKey::from_file_name("1234567_3_4096"), Some(key));
        for bad in ["1_2", "1_2_3_4", "x_2_3", "1_2_3.tmp", ""] {
            assert_eq!(BlockKey::from_file_name(bad), None);
        }
    }
}
