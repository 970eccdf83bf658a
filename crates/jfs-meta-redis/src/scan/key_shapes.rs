//! Keys by inode, chunk or session: their names, and the commands that read them.

use crate::keys;
use jfs_meta::engine::{SCAN_PAGE, SCAN_PAGE_BYTES, ScanKind};
use jfs_meta::wire::RECORD_BYTES;
use jfs_types::Ino;

/// Fields of extended attributes, of up to 64 KiB each, that are read at a time.
const XATTRS: usize = 64;

/// The numbers of a key: inode or session, and the chunk index.
pub(super) type Numbers = (u64, u32);

/// How the records of one key are read.
pub(super) struct Shape {
    /// What the keys begin with.
    pub(super) prefix: &'static str,
    /// Commands that tell the number of elements, read all, and read some from a cursor on.
    pub(super) length: &'static str,
    pub(super) whole: &'static str,
    pub(super) some: Option<&'static str>,
    /// Elements that are read at a time.
    pub(super) most: usize,
}

/// What the keys of a kind begin with.
pub(super) fn prefix(kind: ScanKind) -> &'static str {
    match kind {
        ScanKind::Inodes => "i",
        ScanKind::Symlinks => "s",
        _ => shape(kind).prefix,
    }
}

/// How the keys of a kind are read that are no strings.
pub(super) fn shape(kind: ScanKind) -> Shape {
    let hash = |prefix, most| Shape {
        prefix,
        length: "HLEN",
        whole: "HGETALL",
        some: Some("HSCAN"),
        most,
    };
    match kind {
        ScanKind::Xattrs => hash("x", XATTRS),
        ScanKind::Parents => hash("p", SCAN_PAGE),
        ScanKind::Sustained => Shape {
            prefix: "session",
            length: "SCARD",
            whole: "SMEMBERS",
            some: Some("SSCAN"),
            most: SCAN_PAGE,
        },
        ScanKind::Chunks => Shape {
            prefix: "c",
            length: "LLEN",
            whole: "LRANGE",
            some: None,
            most: SCAN_PAGE_BYTES / RECORD_BYTES,
        },
        _ => hash("d", SCAN_PAGE),
    }
}

/// A key by its numbers.
pub(super) fn name(kind: ScanKind, (number, index): Numbers) -> String {
    match kind {
        ScanKind::Chunks => keys::chunk(Ino(number), index),
        _ => format!("{}{number}", prefix(kind)),
    }
}

/// The numbers of a key; `None` for a key of another program.
pub(super) fn parse(kind: ScanKind, key: &[u8]) -> Option<Numbers> {
    let text = std::str::from_utf8(key).ok()?;
    let numbers = text.strip_prefix(prefix(kind))?;
    let parsed = match numbers.split_once('_') {
        Some((ino, index)) if kind == ScanKind::Chunks => (ino.parse().ok()?, index.parse().ok()?),
        _ => (numbers.parse().ok()?, 0),
    };
    // `i007` is no key of a volume.
    (name(kind, parsed) == text).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_other_programs_are_left_out() {
        let chunk = |key: &str| parse(ScanKind::Chunks, key.as_bytes());
        assert_eq!(chunk("c12_3"), Some((12, 3)));
        for other in ["c12", "c12_", "c12_3_4", "c012_3", "c12_x", "c+1_2"] {
            assert_eq!(chunk(other), None, "{other}");
        }
        let inode = |key: &[u8]| parse(ScanKind::Inodes, key);
        assert_eq!(inode(b"i18446744073709551615"), Some((u64::MAX, 0)));
        for other in [&b"i"[..], b"i1_2", b"i1:x", b"i01", b"i1\xff"] {
            assert_eq!(inode(other), None, "{other:?}");
        }
        assert_eq!(parse(ScanKind::Sustained, b"session7"), Some((7, 0)));
        assert_eq!(parse(ScanKind::Sustained, b"sessions"), None);
    }
}
