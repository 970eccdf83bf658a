//! The binary form of an attribute record.

use super::WireError;
use jfs_types::{Attr, FileType, Ino, Time};

/// Bytes up to and including rdev: what the oldest clients wrote.
const OLDEST: usize = 63;

/// Encodes an attribute record the way the reference client does, its zero pad byte included: 72
/// bytes plain, 80 with ACL ids, one more with a tier. Unknown trailing bytes follow.
pub fn encode_attr(a: &Attr) -> Vec<u8> {
    let mut b = Vec::with_capacity(82 + a.unknown.len());
    b.push(a.flags);
    b.extend_from_slice(&(((a.kind as u16) << 12) | (a.mode & 0o7777)).to_be_bytes());
    b.extend_from_slice(&a.uid.to_be_bytes());
    b.extend_from_slice(&a.gid.to_be_bytes());
    for t in [a.atime, a.mtime, a.ctime] {
        b.extend_from_slice(&t.sec.to_be_bytes());
        b.extend_from_slice(&t.nsec.to_be_bytes());
    }
    b.extend_from_slice(&a.nlink.to_be_bytes());
    b.extend_from_slice(&a.length.to_be_bytes());
    b.extend_from_slice(&a.rdev.to_be_bytes());
    b.extend_from_slice(&a.parent.0.to_be_bytes());
    // The tier and seven unknown bytes would be taken for ACL ids by a reader that finds none before them.
    if a.access_acl != 0 || a.default_acl != 0 || a.unknown.len() >= 7 {
        b.extend_from_slice(&a.access_acl.to_be_bytes());
        b.extend_from_slice(&a.default_acl.to_be_bytes());
    }
    if a.tier != 0 {
        b.push(a.tier);
    }
    if a.unknown.is_empty() {
        b.push(0);
    } else {
        if a.tier == 0 {
            b.push(0);
        }
        b.extend_from_slice(&a.unknown);
    }
    b
}

/// Decodes an attribute record of any client version. Never panics.
pub fn decode_attr(bytes: &[u8]) -> Result<Attr, WireError> {
    let mut r = Reader { rest: bytes };
    if bytes.len() < OLDEST {
        return Err(WireError(format!(
            "attribute of {} bytes, at least {OLDEST} expected",
            bytes.len()
        )));
    }
    let flags = r.u8();
    let type_mode = r.u16();
    let kind = FileType::from_number((type_mode >> 12) as u8)
        .ok_or_else(|| WireError(format!("attribute with file type {}", type_mode >> 12)))?;
    let mut a = Attr::new(kind);
    a.flags = flags;
    a.mode = type_mode & 0o7777;
    a.uid = r.u32();
    a.gid = r.u32();
    for t in [&mut a.atime, &mut a.mtime, &mut a.ctime] {
        *t = Time {
            sec: r.u64() as i64,
            nsec: r.u32(),
        };
    }
    a.nlink = r.u32();
    a.length = r.u64();
    a.rdev = r.u32();
    if r.rest.len() >= 8 {
        a.parent = Ino(r.u64());
    }
    if r.rest.len() >= 8 {
        a.access_acl = r.u32();
        a.default_acl = r.u32();
    }
    if !r.rest.is_empty() {
        a.tier = r.u8();
    }
    // The rest: the pad of a tiered record, or unknown bytes, which are kept.
    a.unknown = if r.rest == [0] {
        Vec::new()
    } else {
        r.rest.to_vec()
    };
    Ok(a)
}

/// Reads from the front; missing bytes read as zero (the caller checked the length).
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let n = N.min(self.rest.len());
        out[..n].copy_from_slice(&self.rest[..n]);
        self.rest = &self.rest[n..];
        out
    }
    fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.take())
    }
    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }
    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }
    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Attr {
        let mut a = Attr::new(FileType::Regular);
        a.mode = 0o644;
        a.uid = 1000;
        a.gid = 100;
        a.mtime = Time {
            sec: -5,
            nsec: 999_999_999,
        };
        a.length = 1 << 40;
        a.rdev = 0x1111_0370;
        a.parent = Ino(1);
        a
    }

    #[test]
    fn lengths_are_those_of_the_reference() {
        let mut a = sample();
        assert_eq!(encode_attr(&a).len(), 72);
        a.tier = 2;
        assert_eq!(encode_attr(&a).len(), 73);
        a.access_acl = 1;
        assert_eq!(encode_attr(&a).len(), 81);
        a.tier = 0;
        assert_eq!(encode_attr(&a).len(), 80);
    }

    #[test]
    fn every_field_comes_back() {
        let mut a = sample();
        for (tier, acl) in [(0, 0), (3, 0), (0, 7), (3, 7)] {
            a.tier = tier;
            a.default_acl = acl;
            assert_eq!(decode_attr(&encode_attr(&a)).unwrap(), a);
        }
    }

    #[test]
    fn records_of_old_clients() {
        let a = sample();
        let whole = encode_attr(&a);
        let mut old = a.clone();
        old.parent = Ino(0);
        assert_eq!(decode_attr(&whole[..63]).unwrap(), old);
        assert_eq!(decode_attr(&whole[..71]).unwrap(), a);
        assert!(decode_attr(&whole[..62]).is_err());
        assert!(decode_attr(&[]).is_err());
    }

    #[test]
    fn unknown_tail_survives_a_rewrite() {
        for acl in [0, 9] {
            let mut a = sample();
            a.access_acl = acl;
            a.tier = 1;
            let mut stored = encode_attr(&a);
            stored.extend_from_slice(&[1, 2, 3, 4, 5]);
            let mut read = decode_attr(&stored).unwrap();
            if acl == 0 {
                // 7 bytes after the parent: tier and 6 unknown ones.
                assert_eq!(read.tier, 1);
            }
            read.nlink += 1;
            let again = encode_attr(&read);
            assert_eq!(again.len(), stored.len());
            assert_eq!(again[stored.len() - 5..], [1, 2, 3, 4, 5]);
            assert_eq!(decode_attr(&again).unwrap(), read);
        }
    }

    /// Found by fuzzing: zero ACL ids in front of what is not known.
    #[test]
    fn a_tail_of_any_length_survives() {
        for length in 0..20 {
            let mut a = sample();
            a.unknown = vec![7; length];
            assert_eq!(decode_attr(&encode_attr(&a)).unwrap(), a, "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(a) = decode_attr(&bytes) {
                prop_assert_eq!(decode_attr(&encode_attr(&a)).unwrap(), a);
            }
        }
    }
}
