//! Extended attributes and ACLs as steps: binary values, odd names, rules that are inherited and masked.

use super::Step;

/// Whom an entry of an ACL is about, as extended attributes spell it.
const OWNER: u16 = 1;
const USER: u16 = 2;
const OWNING_GROUP: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;
/// For entries that name nobody.
const NOBODY: u32 = u32::MAX;

/// Steps for a volume with ACLs that is mounted with `--enable-xattr`, in a directory `marks` below `top`,
/// which must exist.
pub fn marks(top: &str) -> Vec<Step> {
    let path = |below: &str| format!("{top}/marks{below}").into_bytes();
    let xattr = |below: &str, name: &[u8], value: &[u8]| Step::Xattr {
        path: path(below),
        name: name.to_vec(),
        value: value.to_vec(),
    };
    let file = |below: &str, seed| Step::Create {
        path: path(below),
        len: 10_000,
        seed,
    };
    let chmod = |below: &str, mode| Step::Chmod {
        path: path(below),
        mode,
    };
    let everything: Vec<u8> = (0..=255).collect();
    let access: &[u8] = b"system.posix_acl_access";
    let default: &[u8] = b"system.posix_acl_default";
    let rule = acl(&[
        (OWNER, 7, NOBODY),
        (USER, 5, 1000),
        (USER, 6, 4_000_000_000),
        (OWNING_GROUP, 5, NOBODY),
        (GROUP, 4, 1001),
        (MASK, 7, NOBODY),
        (OTHER, 0, NOBODY),
    ]);
    let short = acl(&[
        (OWNER, 6, NOBODY),
        (USER, 4, 77),
        (OWNING_GROUP, 0, NOBODY),
        (MASK, 4, NOBODY),
        (OTHER, 4, NOBODY),
    ]);
    vec![
        Step::Dir(path("")),
        file("/values", 1),
        xattr("/values", b"user.text", b"value"),
        xattr("/values", b"user.empty", b""),
        xattr("/values", b"user.zeros", &[0; 7]),
        xattr("/values", b"user.every-byte", &everything),
        xattr("/values", b"user.long", &everything.repeat(6)),
        xattr("/values", b"trusted.root-only", b"\x00\xff\n\0"),
        file("/names", 2),
        xattr("/names", b"user.with space", b"1"),
        xattr("/names", b"user.\xff\xfe", b"2"),
        xattr("/names", "user.日本語".as_bytes(), b"3"),
        xattr("/names", &[&b"user."[..], &[b'n'; 250]].concat(), b"4"),
        file("/changed", 3),
        xattr("/changed", b"user.replaced", b"old"),
        xattr("/changed", b"user.replaced", b"new\0"),
        xattr("/changed", b"user.gone", b"gone"),
        Step::NoXattr {
            path: path("/changed"),
            name: b"user.gone".to_vec(),
        },
        Step::Symlink {
            target: b"values".to_vec(),
            path: path("/link"),
        },
        xattr("/link", b"trusted.of-the-link", b"\0"),
        Step::Dir(path("/dir")),
        xattr("/dir", b"user.of-a-dir", b"\x01\x00"),
        // Rules of access, one with its mask changed by chmod, one with nothing but the mode left.
        file("/acl", 4),
        xattr("/acl", access, &rule),
        file("/masked", 5),
        xattr("/masked", access, &rule),
        chmod("/masked", 0o641),
        file("/same", 6),
        xattr("/same", access, &rule),
        file("/dropped", 7),
        xattr("/dropped", access, &short),
        Step::NoXattr {
            path: path("/dropped"),
            name: access.to_vec(),
        },
        // Inherited by files, directories and what lies below them, until it changes.
        Step::Dir(path("/default")),
        xattr("/default", default, &rule),
        xattr("/default", access, &short),
        file("/default/file", 8),
        Step::Dir(path("/default/dir")),
        file("/default/dir/file", 9),
        xattr("/default", default, &short),
        file("/default/later", 10),
        Step::Rename {
            from: path("/default/dir"),
            to: path("/moved"),
        },
        file("/moved/inherits", 11),
        Step::Link {
            from: path("/acl"),
            to: path("/default/linked"),
        },
        Step::Chown {
            path: path("/default/later"),
            uid: 77,
            gid: 78,
        },
    ]
}

/// The stored form of a list of entries: tag, permissions, whose.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::on_plain_directory;
    use super::*;
    use crate::compare_trees::{Facts, differences};

    #[test]
    fn marks_are_part_of_the_comparison() {
        let list = [vec![Step::Dir(b"t".to_vec())], marks("t")].concat();
        let (_one, a) = on_plain_directory(&list).unwrap();
        let (_two, b) = on_plain_directory(&list).unwrap();
        let compare = || differences(&a, &b, Facts::PORTABLE);
        assert_eq!(compare(), Vec::<String>::new());
        let inherited = jfs_testkit::xattrs(&a.join("t/marks/moved/inherits")).unwrap();
        assert!(inherited.contains_key(&b"system.posix_acl_access"[..]));
        for (file, name) in [
            ("acl", "system.posix_acl_access"),
            ("default", "system.posix_acl_default"),
            ("link", "trusted.of-the-link"),
        ] {
            rustix::fs::lremovexattr(b.join("t/marks").join(file), name).unwrap();
        }
        let found = compare();
        // Without its rule a file has the mode of a file without one as well.
        assert!(found.len() >= 3, "{found:?}");
    }
}
