//! The entry of the fuzz targets: reading of block files that any program may have written. Not for users.

use crate::fds::BlockFile;
use crate::{BlockKey, Checksum};
use std::path::Path;

/// Fills `out` from offset `off` of the block file at `path`. `false` when the file is refused.
pub fn read_block_file(
    path: &Path,
    key: &BlockKey,
    level: Checksum,
    off: usize,
    out: &mut [u8],
) -> bool {
    BlockFile::open(path, key, level).is_ok_and(|file| file.read(off, out, level, false).is_ok())
}

/// The checksums that stand behind a block.
pub fn sums(data: &[u8]) -> Vec<u8> {
    crate::checksum::sums(data)
}
