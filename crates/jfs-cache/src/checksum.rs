//! Checksums of cached blocks: one CRC-32C per started 32 KiB, behind the data.

use crc_fast::{CrcAlgorithm, checksum};

/// Bytes that one checksum covers.
pub(crate) const PIECE: usize = 32 << 10;

/// When a cached block is checked (`--verify-cache-checksum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Checksum {
    /// Never; none is written.
    None,
    /// When a block is read whole.
    Full,
    /// The pieces that lie wholly inside what is read.
    Shrink,
    /// Every piece that is touched.
    #[default]
    Extend,
}

fn crc(data: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, data) as u32
}

/// The checksums of a block, joined, big endian.
pub(crate) fn sums(data: &[u8]) -> Vec<u8> {
    data.chunks(PIECE)
        .flat_map(|piece| crc(piece).to_be_bytes())
        .collect()
}

/// Bytes of checksums behind a block of `size` bytes.
pub(crate) fn sums_len(size: usize) -> usize {
    size.div_ceil(PIECE) * 4
}

/// Whether `piece` has the checksum `stored`.
pub(crate) fn matches(piece: &[u8], stored: [u8; 4]) -> bool {
    crc(piece).to_be_bytes() == stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn castagnoli() {
        // The check value of CRC-32C.
        assert_eq!(crc(b"123456789"), 0xE306_9283);
        assert_eq!(sums(&vec![0; PIECE + 1]).len(), sums_len(PIECE + 1));
        assert_eq!(sums_len(0), 0);
    }
}
