//! Both clients on one volume at the same time, taking turns: each sees at once what the other
//! has closed.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::{content, xattrs};
use jfs_tests::Rng;
use jfs_tests::compare_trees::{Facts, differences};
use jfs_tests::steps::{marks, perform, small_steps};
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// No caching of attributes and entries: a look is a question.
const FRESH: [&str; 7] = [
    "--enable-xattr",
    "--attr-cache",
    "0",
    "--entry-cache",
    "0",
    "--dir-entry-cache",
    "0",
];

#[test]
fn taking_turns_on_redis() {
    taking_turns(Meta::Redis);
}

/// Changes of many kinds by turns, then a whole tree by each client.
pub(super) fn taking_turns(meta: Meta) {
    let volume = LocalVolume::new(meta);
    let flags = ["--block-size", "64K", "--trash-days", "0", "--enable-acl"];
    volume.format(&reference(), &flags);
    let (we, they) = (
        volume.mount(&ours(), &FRESH),
        volume.mount(&reference(), &FRESH),
    );
    let mut rng = Rng::new(3);
    for round in 0..48u64 {
        let (doer, other) = if round % 2 == 0 {
            (we.path(), they.path())
        } else {
            (they.path(), we.path())
        };
        turn(round, doer, other, &mut rng);
    }
    // Each a whole tree, then everything side by side.
    for (top, seed, mount) in [("ours", 11, &we), ("theirs", 12, &they)] {
        let list = [small_steps(top, 1 << 16, seed), marks(top)].concat();
        perform(&volume.steps(list), mount.path()).unwrap();
    }
    assert_eq!(
        differences(we.path(), they.path(), Facts::MOUNTS),
        Vec::<String>::new()
    );
    we.unmount().unwrap();
    they.unmount().unwrap();
    volume.fsck();
}

/// One client changes something, the other looks at once.
fn turn(round: u64, doer: &Path, other: &Path, rng: &mut Rng) {
    let shared = "shared";
    let whole = |path: &Path| std::fs::read(path).unwrap();
    match round % 12 {
        0 | 1 => {
            let data = content(round, 1 + rng.below(300_000) as usize);
            std::fs::write(doer.join(shared), &data).unwrap();
            assert!(whole(&other.join(shared)) == data, "round {round}: written");
        }
        2 | 3 => {
            let mut expected = whole(&doer.join(shared));
            let data = content(round, 1 + rng.below(100_000) as usize);
            let mut file = OpenOptions::new()
                .append(true)
                .open(doer.join(shared))
                .unwrap();
            file.write_all(&data).unwrap();
            file.sync_all().unwrap();
            expected.extend(&data);
            // Synced, not closed: an open from now on sees it.
            assert!(
                whole(&other.join(shared)) == expected,
                "round {round}: appended"
            );
        }
        4 | 5 => {
            let file = OpenOptions::new()
                .write(true)
                .open(doer.join(shared))
                .unwrap();
            let length = rng.below(400_000);
            file.set_len(length).unwrap();
            drop(file);
            assert_eq!(other.join(shared).metadata().unwrap().len(), length);
            assert!(
                whole(&other.join(shared)) == whole(&doer.join(shared)),
                "round {round}: cut or grown"
            );
        }
        6 | 7 => {
            let mut expected = whole(&other.join(shared));
            expected.resize(expected.len().max(70_000), 0);
            let file = OpenOptions::new()
                .write(true)
                .open(doer.join(shared))
                .unwrap();
            let length = expected.len() as u64;
            file.set_len(length).unwrap();
            let at = rng.below(length - 65_000);
            let data = content(round, 65_000);
            file.write_all_at(&data, at).unwrap();
            drop(file);
            expected[at as usize..at as usize + data.len()].copy_from_slice(&data);
            assert!(
                whole(&other.join(shared)) == expected,
                "round {round}: written in place"
            );
        }
        8 | 9 => attributes(round, &doer.join(shared), &other.join(shared)),
        _ => {
            let dir = format!("dir-{round}");
            std::fs::create_dir(doer.join(&dir)).unwrap();
            File::create(other.join(&dir).join("by-the-other")).unwrap();
            std::fs::hard_link(doer.join(shared), doer.join(&dir).join("link")).unwrap();
            assert_eq!(other.join(shared).metadata().unwrap().nlink(), 2);
            std::fs::rename(
                other.join(&dir).join("link"),
                other.join(&dir).join("moved"),
            )
            .unwrap();
            assert!(doer.join(&dir).join("link").metadata().is_err());
            std::fs::remove_file(doer.join(&dir).join("moved")).unwrap();
            assert_eq!(other.join(shared).metadata().unwrap().nlink(), 1);
            assert_eq!(
                std::fs::remove_dir(other.join(&dir))
                    .unwrap_err()
                    .raw_os_error(),
                Some(libc_enotempty())
            );
        }
    }
}

/// One client sets attributes, an ACL and a mode, the other sees them and takes them away.
fn attributes(round: u64, doer: &Path, other: &Path) {
    let any = rustix::fs::XattrFlags::empty();
    let value = content(round, 1 + round as usize * 7);
    rustix::fs::setxattr(doer, "user.turn", &value, any).unwrap();
    assert_eq!(xattrs(other).unwrap()[&b"user.turn"[..]], value);
    rustix::fs::setxattr(doer, "system.posix_acl_access", &RULE, any).unwrap();
    let masked = Permissions::from_mode(0o640);
    std::fs::set_permissions(doer, masked).unwrap();
    assert_eq!(other.metadata().unwrap().mode() & 0o777, 0o640);
    assert_eq!(xattrs(doer).unwrap(), xattrs(other).unwrap());
    rustix::fs::removexattr(other, "user.turn").unwrap();
    rustix::fs::removexattr(other, "system.posix_acl_access").unwrap();
    assert_eq!(xattrs(doer).unwrap().len(), 0);
}

/// The xattr form of: owner rw-, user 1000 r-x, group r--, mask rwx, other nothing.
const RULE: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 5, 0, 0xe8, 3, 0, 0, 4, 0, 4, 0, 255, 255,
    255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];

fn libc_enotempty() -> i32 {
    39
}
