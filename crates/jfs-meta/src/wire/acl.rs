//! ACL rules: as Redis stores them, as SQL stores their entries, and as the xattrs carry them.

use super::WireError;
use jfs_types::acl::ABSENT;
use jfs_types::{AclEntry, AclRule};

/// Size of one named entry, bytes.
const ENTRY_BYTES: usize = 6;
/// Version byte of the xattr form.
const XATTR_VERSION: u8 = 2;
/// Id of entries without a name in the xattr form.
const NO_ID: u32 = u32::MAX;

/// Tags of the xattr form.
mod tag {
    pub(super) const OWNER: u16 = 0x01;
    pub(super) const USER: u16 = 0x02;
    pub(super) const GROUP: u16 = 0x04;
    pub(super) const NAMED_GROUP: u16 = 0x08;
    pub(super) const MASK: u16 = 0x10;
    pub(super) const OTHER: u16 = 0x20;
}

/// Named entries, joined, without a count.
pub fn encode_acl_entries(entries: &[AclEntry]) -> Vec<u8> {
    let mut b = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for e in entries {
        b.extend_from_slice(&e.id.to_be_bytes());
        b.extend_from_slice(&e.perm.to_be_bytes());
    }
    b
}

/// The opposite of [`encode_acl_entries`]. Never panics.
pub fn decode_acl_entries(bytes: &[u8]) -> Result<Vec<AclEntry>, WireError> {
    if !bytes.len().is_multiple_of(ENTRY_BYTES) {
        return Err(WireError(format!(
            "{} bytes of ACL entries, not a multiple of {ENTRY_BYTES}",
            bytes.len()
        )));
    }
    let entry = |b: &[u8]| AclEntry {
        id: u32::from_be_bytes([b[0], b[1], b[2], b[3]]),
        perm: u16::from_be_bytes([b[4], b[5]]),
    };
    Ok(bytes.chunks_exact(ENTRY_BYTES).map(entry).collect())
}

/// The binary form of a rule: four numbers, then both lists with their counts.
pub fn encode_acl(rule: &AclRule) -> Vec<u8> {
    let mut b = Vec::new();
    for perm in [rule.owner, rule.group, rule.mask, rule.other] {
        b.extend_from_slice(&perm.to_be_bytes());
    }
    for entries in [&rule.named_users, &rule.named_groups] {
        b.extend_from_slice(&(entries.len() as u32).to_be_bytes());
        b.extend_from_slice(&encode_acl_entries(entries));
    }
    b
}

/// The opposite of [`encode_acl`]. Never panics.
pub fn decode_acl(bytes: &[u8]) -> Result<AclRule, WireError> {
    let short = || WireError(format!("an ACL rule of {} bytes", bytes.len()));
    let (numbers, mut rest) = bytes.split_at_checked(8).ok_or_else(short)?;
    let number = |i: usize| u16::from_be_bytes([numbers[2 * i], numbers[2 * i + 1]]);
    let mut lists = [Vec::new(), Vec::new()];
    for list in &mut lists {
        let (count, tail) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let length = u64::from(u32::from_be_bytes(*count)) * ENTRY_BYTES as u64;
        let length = usize::try_from(length).map_err(|_| short())?;
        let (entries, tail) = tail.split_at_checked(length).ok_or_else(short)?;
        *list = decode_acl_entries(entries)?;
        rest = tail;
    }
    if !rest.is_empty() {
        return Err(short());
    }
    let [named_users, named_groups] = lists;
    Ok(AclRule {
        owner: number(0),
        group: number(1),
        mask: number(2),
        other: number(3),
        named_users,
        named_groups,
    })
}

/// The value of `system.posix_acl_access` and `_default`: Linux's layout, little endian.
pub fn encode_acl_xattr(rule: &AclRule) -> Vec<u8> {
    let mut b = vec![XATTR_VERSION, 0, 0, 0];
    let mut put = |tag: u16, perm: u16, id: u32| {
        b.extend_from_slice(&tag.to_le_bytes());
        b.extend_from_slice(&perm.to_le_bytes());
        b.extend_from_slice(&id.to_le_bytes());
    };
    put(tag::OWNER, rule.owner, NO_ID);
    for e in &rule.named_users {
        put(tag::USER, e.perm, e.id);
    }
    put(tag::GROUP, rule.group, NO_ID);
    for e in &rule.named_groups {
        put(tag::NAMED_GROUP, e.perm, e.id);
    }
    if rule.mask != ABSENT {
        put(tag::MASK, rule.mask, NO_ID);
    }
    put(tag::OTHER, rule.other, NO_ID);
    b
}

/// The opposite of [`encode_acl_xattr`]; permissions are cut to three bits. Never panics.
///
/// Errors: another version, a torn entry, an unknown tag, an unnamed entry said twice, named entries
/// without a mask.
pub fn decode_acl_xattr(bytes: &[u8]) -> Result<AclRule, WireError> {
    let bad = |why: &str| WireError(format!("an ACL attribute {why}"));
    let Some((&[XATTR_VERSION, _, _, _], entries)) = bytes.split_first_chunk::<4>() else {
        return Err(bad("of another version"));
    };
    if !entries.len().is_multiple_of(8) {
        return Err(bad("with a torn entry"));
    }
    let mut rule = AclRule::empty();
    for e in entries.chunks_exact(8) {
        let (kind, perm) = (
            u16::from_le_bytes([e[0], e[1]]),
            u16::from_le_bytes([e[2], e[3]]) & 7,
        );
        let id = u32::from_le_bytes([e[4], e[5], e[6], e[7]]);
        let single = match kind {
            tag::OWNER => &mut rule.owner,
            tag::GROUP => &mut rule.group,
            tag::MASK => &mut rule.mask,
            tag::OTHER => &mut rule.other,
            tag::USER => {
                rule.named_users.push(AclEntry { id, perm });
                continue;
            }
            tag::NAMED_GROUP => {
                rule.named_groups.push(AclEntry { id, perm });
                continue;
            }
            _ => return Err(bad("with an unknown tag")),
        };
        if *single != ABSENT {
            return Err(bad("that says one thing twice"));
        }
        *single = perm;
    }
    let named = !rule.named_users.is_empty() || !rule.named_groups.is_empty();
    if named && rule.mask == ABSENT {
        return Err(bad("with named entries and no mask"));
    }
    Ok(rule)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<AclEntry>> {
        proptest::collection::vec(
            (any::<u32>(), 0u16..8).prop_map(|(id, perm)| AclEntry { id, perm }),
            0..5,
        )
    }

    fn rules() -> impl Strategy<Value = AclRule> {
        (0u16..8, 0u16..8, 0u16..8, 0u16..8, entries(), entries()).prop_map(
            |(owner, group, mask, other, named_users, named_groups)| AclRule {
                owner,
                group,
                mask,
                other,
                named_users,
                named_groups,
            },
        )
    }

    #[test]
    fn layouts() {
        let rule = AclRule {
            owner: 7,
            group: 5,
            mask: 6,
            other: ABSENT,
            named_users: vec![AclEntry { id: 258, perm: 4 }],
            named_groups: Vec::new(),
        };
        assert_eq!(
            encode_acl(&rule),
            [
                0, 7, 0, 5, 0, 6, 255, 255, 0, 0, 0, 1, 0, 0, 1, 2, 0, 4, 0, 0, 0, 0
            ]
        );
        assert_eq!(
            encode_acl_xattr(&rule)[..20],
            [
                2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 4, 0, 2, 1, 0, 0
            ]
        );
        assert_eq!(encode_acl_xattr(&rule).len(), 4 + 5 * 8);
    }

    #[test]
    fn what_linux_refuses() {
        let entry = |tag: u8, perm: u8| [tag, 0, perm, 0, 255, 255, 255, 255];
        let of = |entries: &[[u8; 8]]| [&[2, 0, 0, 0][..], &entries.concat()].concat();
        assert!(decode_acl_xattr(&of(&[entry(1, 7), entry(4, 5), entry(32, 0)])).is_ok());
        assert_eq!(decode_acl_xattr(&of(&[])), Ok(AclRule::empty()));
        for bad in [
            of(&[entry(1, 7), entry(1, 7)]),
            of(&[entry(3, 7)]),
            of(&[entry(2, 7), entry(1, 7)]),
            vec![1, 0, 0, 0],
            vec![2, 0, 0],
            vec![2, 0, 0, 0, 1],
            Vec::new(),
        ] {
            assert!(decode_acl_xattr(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn rules_come_back(rule in rules()) {
            prop_assert_eq!(decode_acl(&encode_acl(&rule)).unwrap(), rule.clone());
            prop_assert_eq!(decode_acl_xattr(&encode_acl_xattr(&rule)).unwrap(), rule);
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(rule) = decode_acl(&bytes) {
                prop_assert_eq!(encode_acl(&rule), bytes.clone());
            }
            let _ = decode_acl_xattr(&bytes);
            let _ = decode_acl_entries(&bytes);
            // Most bytes fail at the version: look behind it as well.
            let mut versioned = vec![2, 0, 0, 0];
            versioned.extend_from_slice(&bytes);
            let _ = decode_acl_xattr(&versioned);
        }
    }
}
