//! Records of a metadata engine.

use jfs_cache::BlockKey;
use jfs_meta::engine::{LockKind, LockRow};
use jfs_meta::wire::*;
use jfs_meta::{InodeLocks, SessionInfo};
use jfs_types::acl::ABSENT;
use jfs_types::slice::overlay;
use jfs_types::{CHUNK_SIZE, Format, SliceId};

pub(super) fn attr(data: &[u8]) {
    let Ok(attr) = decode_attr(data) else { return };
    // A rewrite keeps all that was read, what is not known included.
    assert_eq!(decode_attr(&encode_attr(&attr)).as_ref(), Ok(&attr));
}

pub(super) fn entry(data: &[u8]) {
    if let Ok(entry) = decode_entry(data) {
        assert_eq!(encode_entry(entry), data);
    }
}

pub(super) fn slices(data: &[u8]) {
    let Ok(records) = decode_records(data) else {
        return;
    };
    let again: Vec<u8> = records.iter().flat_map(encode_record).collect();
    assert_eq!(again, data);
    let mut at = 0;
    for piece in overlay(&records) {
        assert_eq!(piece.pos, at, "pieces follow each other");
        at += piece.len;
        let used = u64::from(piece.off) + u64::from(piece.len);
        assert!(piece.id == SliceId::ZERO || used <= u64::from(piece.size));
    }
    assert!(u64::from(at) <= CHUNK_SIZE);
}

pub(super) fn delayed(data: &[u8]) {
    if let Ok(slices) = decode_delayed(data) {
        assert_eq!(encode_delayed(&slices), data);
    }
}

pub(super) fn acl(data: &[u8]) {
    if let Ok(rule) = decode_acl(data) {
        assert_eq!(encode_acl(&rule), data);
        let _ = decode_acl_xattr(&encode_acl_xattr(&rule));
    }
    let _ = decode_acl_entries(data);
    // The kernel sends all three of owner, group and others; without one of them nothing is promised.
    if let Ok(rule) = decode_acl_xattr(data)
        && ![rule.owner, rule.group, rule.other].contains(&ABSENT)
    {
        assert_eq!(
            decode_acl_xattr(&encode_acl_xattr(&rule)).as_ref(),
            Ok(&rule)
        );
        assert_eq!(decode_acl(&encode_acl(&rule)).as_ref(), Ok(&rule));
    }
}

pub(super) fn locks(data: &[u8]) {
    if let Ok(locks) = decode_locks(data) {
        assert_eq!(encode_locks(&locks), data);
    }
    let row = LockRow {
        sid: 1,
        owner: 2,
        value: data.to_vec().into(),
    };
    let mut shown = InodeLocks::default();
    for kind in [LockKind::Flock, LockKind::Posix] {
        let _ = shown.add(kind, &row);
    }
}

pub(super) fn session(data: &[u8]) {
    if let Ok(info) = serde_json::from_slice::<SessionInfo>(data) {
        let again = serde_json::to_vec(&info).unwrap();
        assert_eq!(serde_json::from_slice::<SessionInfo>(&again).unwrap(), info);
    }
}

pub(super) fn setting(data: &[u8]) {
    let Ok(format) = Format::from_json(data) else {
        return;
    };
    assert_eq!(
        Format::from_json(format.to_json().as_bytes()).as_ref(),
        Ok(&format)
    );
    assert!((64 << 10..=16 << 20).contains(&format.block_bytes()));
    let _ = format.check_version("1.4.2");
    let shown = format.without_secrets().to_json();
    for secret in [
        &format.secret_key,
        &format.session_token,
        &format.encrypt_key,
    ] {
        let by_chance = format.unknown.len() + secret.len() < 12 || *secret == "removed";
        let elsewhere = |text: &str| !secret.is_empty() && text.contains(secret.as_str());
        assert!(
            by_chance || !elsewhere(&shown) || elsewhere(&public_part(&format)),
            "a secret shows"
        );
    }
}

/// The setting without its secrets: what may hold the same text by chance.
fn public_part(format: &Format) -> String {
    let mut bare = format.clone();
    for secret in [
        &mut bare.secret_key,
        &mut bare.session_token,
        &mut bare.encrypt_key,
    ] {
        secret.clear();
    }
    bare.to_json()
}

/// Keys of objects, files of a cache, keys and fields of Redis.
pub(super) fn names(data: &[u8]) {
    jfs_meta_redis::fuzzing::parse_name(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let file = text.rsplit('/').next().unwrap_or_default();
    if let Some(key) = BlockKey::from_file_name(file) {
        for hashed in [false, true] {
            let path = key.path(hashed);
            assert!(jfs_object::fuzzing::check_key(&path), "{path}");
            let name = path.rsplit('/').next().unwrap_or_default();
            assert_eq!(BlockKey::from_file_name(name), Some(key));
        }
    }
    if jfs_object::fuzzing::check_key(text) {
        assert!(!text.split('/').any(|part| part == ".."));
    }
}
