//! Blocks as stores and caches hold them, and what programs write to `.control`.

use bytes::Bytes;
use jfs_cache::fuzzing::read_block_file;
use jfs_cache::{BlockKey, Checksum};
use jfs_chunk::Compression;
use std::cell::OnceCell;
use tempfile::TempDir;

/// Largest block, bytes.
const BLOCK_MAX: u32 = 16 << 20;

/// One byte says how it is compressed, four the size that the metadata claims, the rest is the object.
pub(super) fn compressed(data: &[u8]) {
    let Some((&[how, a, b, c, d], stored)) = data.split_first_chunk::<5>() else {
        return;
    };
    let compression = match how % 3 {
        0 => Compression::None,
        1 => Compression::Lz4,
        _ => Compression::Zstd,
    };
    let size = (u32::from_be_bytes([a, b, c, d]) % (BLOCK_MAX + 1)) as usize;
    if let Ok(block) = compression.decode(Bytes::copy_from_slice(stored), size) {
        assert_eq!(block.len(), size);
    }
}

/// Two bytes each for the size of the block, where to read and how much; one for the level of
/// checking; the rest is the file.
pub(super) fn cached(data: &[u8]) {
    let Some((&[size, size_low, off, off_low, len, len_low, level], file)) =
        data.split_first_chunk::<7>()
    else {
        return;
    };
    let number = |high, low| u32::from(u16::from_be_bytes([high, low]));
    let level = match level % 4 {
        0 => Checksum::None,
        1 => Checksum::Full,
        2 => Checksum::Shrink,
        _ => Checksum::Extend,
    };
    let key = BlockKey {
        slice_id: 1,
        index: 0,
        size: number(size, size_low),
    };
    thread_local!(static DIR: OnceCell<TempDir> = const { OnceCell::new() });
    DIR.with(|dir| {
        let dir = dir.get_or_init(|| tempfile::tempdir_in("/dev/shm").unwrap());
        let path = dir.path().join("block");
        std::fs::write(&path, file).unwrap();
        let mut out = vec![0; number(len, len_low) as usize];
        let off = number(off, off_low) as usize;
        if read_block_file(&path, &key, level, off, &mut out) {
            assert_eq!(out, file[off..off + out.len()]);
        }
    });
}

/// One byte says in how large pieces the rest arrives.
pub(super) fn control(data: &[u8]) {
    let Some((piece, request)) = data.split_first() else {
        return;
    };
    let (answer, kept) = jfs_control::fuzzing::control_request(request, usize::from(*piece));
    assert!(answer.len() <= 1 && kept <= 72, "{answer:?}, {kept} kept");
}
