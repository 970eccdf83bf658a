//! Checksums of block files: one CRC-32C, big endian, per started 32 KiB.

/// Bytes under one checksum.
pub(crate) const PIECE_BYTES: u32 = 32 << 10;

/// Bytes of one stored checksum.
pub(crate) const SUM_BYTES: u32 = 4;

/// CRC-32C (Castagnoli) of `data`.
pub(crate) fn crc32c(data: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, data) as u32
}

/// Number of pieces of a block of `size` bytes.
pub(crate) fn pieces(size: u32) -> u32 {
    size.div_ceil(PIECE_BYTES)
}

/// The checksums of a block as they are stored.
pub(crate) fn encode(data: &[u8]) -> Vec<u8> {
    data.chunks(PIECE_BYTES as usize).flat_map(|piece| crc32c(piece).to_be_bytes()).collect()
}

/// Reads stored checksums back.
pub(crate) fn decode(stored: &[u8]) -> Box<[u32]> {
    let words = stored.chunks_exact(SUM_BYTES as usize);
    words.map(|word| word.iter().fold(0, |n, byte| n << 8 | u32::from(*byte))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn castagnoli_big_endian_per_piece() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(encode(b"123456789"), [0xE3, 0x06, 0x92, 0x83]);
        let data = vec![1u8; PIECE_BYTES as usize + 1];
        let stored = encode(&data);
        assert_eq!(stored.len(), 8);
        assert_eq!(*decode(&stored), [crc32c(&data[..PIECE_BYTES as usize]), crc32c(&[1])]);
        assert_eq!((pieces(0), pieces(1), pieces(PIECE_BYTES), pieces(PIECE_BYTES + 1)), (0, 1, 1, 2));
    }
}
