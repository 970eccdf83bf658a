//! `.control` tells a process what it could find out by walking from the root of the mount.

use super::local_volume::{LocalVolume, Meta, ours};
use super::users::run_as;
use jfs_testkit::{Mount, wait_until};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode as SysMode;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

const INFO: u32 = 1005;
const SUMMARY: u32 = 1007;
/// Some user without rights.
const NOBODY: u32 = 65534;
/// A supplementary group.
const TEAM: u32 = 4711;

/// What a process of `uid` with `groups` gets of `.control` in the root of a mount.
fn asked(
    mount: &Mount,
    opcode: u32,
    ino: u64,
    extra: &[u8],
    (uid, groups): (u32, &[u32]),
) -> String {
    // The way to the mount is not everybody's.
    let root = File::open(mount.path()).unwrap();
    run_as(uid, groups, || {
        let control = nix::fcntl::openat(&root, ".control", OFlag::O_RDWR, SysMode::empty());
        let mut control = File::from(control.unwrap());
        let length = (8 + extra.len() as u32).to_be_bytes();
        let request = [
            &opcode.to_be_bytes(),
            &length,
            &ino.to_be_bytes()[..],
            extra,
        ]
        .concat();
        control.write_all(&request).unwrap();
        let mut answer = Vec::new();
        wait_until("an answer", Duration::from_secs(20), || {
            control.read_to_end(&mut answer).unwrap();
            Ok(answer.ends_with(b"}").then_some(()))
        })
        .unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    })
}

fn info(mount: &Mount, ino: u64, uid: u32, groups: &[u32]) -> String {
    asked(mount, INFO, ino, &[1, 0, 1], (uid, groups))
}

fn tree(mount: &Mount, ino: u64, uid: u32) -> String {
    asked(mount, SUMMARY, ino, &[5, 100, 1], (uid, &[]))
}

fn ino(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn control_tells_what_its_caller_could_walk_to() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "1"]);
    let mount = volume.mount(&ours(), &[]);
    let at = |name: &str| mount.at(name);
    let make = |name: &str, bits: u32| {
        fs::create_dir(at(name)).unwrap();
        mode(&at(name), bits);
    };
    let file = |name: &str| fs::write(at(name), name.repeat(1000)).unwrap();
    make("open", 0o755);
    make("open/search-only", 0o711);
    make("private", 0o700);
    make("private/deep", 0o755);
    make("team", 0o750);
    make("team/deep", 0o755);
    chown(at("team"), None, Some(TEAM)).unwrap();
    for name in [
        "open/plain",
        "open/closed",
        "open/search-only/hidden",
        "private/secret",
        "private/deep/secret",
        "team/deep/shared",
        "open/removed",
    ] {
        file(name);
    }
    mode(&at("open/closed"), 0o600);
    fs::hard_link(at("private/secret"), at("open/linked")).unwrap();
    let removed = ino(&at("open/removed"));
    fs::remove_file(at("open/removed")).unwrap();

    let failed = |text: &str| text.contains("\"Failed\":true");
    let reason = |text: &str, why: &str| assert!(failed(text) && text.contains(why), "{text}");
    let tells = |text: &str, what: &str| assert!(!failed(text) && text.contains(what), "{text}");
    let secret = ino(&at("private/deep/secret"));
    // What somebody may walk to.
    let open = info(&mount, ino(&at("open/plain")), NOBODY, &[]);
    tells(&open, "\"/open/plain\"");
    tells(&open, "vol/chunks/");
    tells(
        &info(&mount, ino(&at("open/search-only/hidden")), NOBODY, &[]),
        "/search-only/hidden",
    );
    // What he may look at, and not read.
    let closed = info(&mount, ino(&at("open/closed")), NOBODY, &[]);
    tells(&closed, "\"Length\":11000");
    assert!(!closed.contains("chunks/"), "{closed}");
    // What he may not walk to.
    for name in ["private/deep", "private/deep/secret", "team/deep/shared"] {
        reason(
            &info(&mount, ino(&at(name)), NOBODY, &[]),
            "permission denied",
        );
        let tree = tree(&mount, ino(&at(name)), NOBODY);
        assert!(
            tree.contains("\"Errno\":13") && !tree.contains("shared"),
            "{tree}"
        );
    }
    assert!(
        failed(&info(&mount, removed, NOBODY, &[])),
        "the trash is the super-user's"
    );
    tells(&info(&mount, removed, 0, &[]), "/.trash/");
    // Groups count, supplementary ones too.
    let shared = ino(&at("team/deep/shared"));
    tells(&info(&mount, shared, NOBODY, &[TEAM]), "/team/deep/shared");
    // Of several names those that lead there.
    let linked = info(&mount, ino(&at("open/linked")), NOBODY, &[]);
    tells(&linked, "[\"/open/linked\"]");
    tells(
        &info(&mount, ino(&at("open/linked")), 0, &[]),
        "/private/secret",
    );
    // Of what may not be listed only the directory itself is counted.
    for strict in [0, 1] {
        let sum = |uid: u32| asked(&mount, INFO, 1, &[1, 0, strict], (uid, &[]));
        tells(&sum(0), "\"Files\":7,\"Dirs\":7");
        // open, search-only, private, team and the root; plain, closed and linked.
        tells(&sum(NOBODY), "\"Files\":3,\"Dirs\":5");
    }
    let all = tree(&mount, 1, NOBODY);
    assert!(
        all.contains("\"linked\"") || all.contains("open/linked"),
        "{all}"
    );
    for unseen in ["secret", "hidden", "shared", "deep"] {
        assert!(!all.contains(unseen), "{unseen}: {all}");
    }
    assert!(tree(&mount, 1, 0).contains("secret"));

    // Nothing outside of the root of a mount, for nobody.
    let sub = volume.mount(&ours(), &["--subdir", "/open"]);
    for uid in [0, NOBODY] {
        for outside in [secret, ino(&at("private")), shared, removed] {
            assert!(failed(&info(&sub, outside, uid, &[])), "{uid}");
            assert!(tree(&sub, outside, uid).contains("\"Errno\":2"), "{uid}");
        }
        tells(
            &info(&sub, ino(&at("open/linked")), uid, &[]),
            "[\"/linked\"]",
        );
        tells(&info(&sub, 1, uid, &[]), "\"Dirs\":2");
    }
    sub.unmount().unwrap();
    // A super-user who counts as somebody else has the rights of that one.
    let squashed = volume.mount(&ours(), &["--root-squash", "65534:65534"]);
    reason(&info(&squashed, secret, 0, &[]), "permission denied");
    squashed.unmount().unwrap();
    mount.unmount().unwrap();
}

/// Also where the kernel checks nothing.
#[test]
fn the_log_and_the_settings_are_not_for_everybody() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    for flags in [
        &[][..],
        &["--non-default-permission"],
        &["--all-squash", "5:5"],
    ] {
        let mount = volume.mount(&ours(), flags);
        let root = File::open(mount.path()).unwrap();
        let open = |name: &str, how: OFlag| {
            let opened = nix::fcntl::openat(&root, name, how, SysMode::empty());
            opened.map(drop).map_err(|e| e as i32)
        };
        for (name, how, nobody) in [
            (".accesslog", OFlag::O_RDONLY, Err(libc::EACCES)),
            (".config", OFlag::O_RDONLY, Err(libc::EACCES)),
            (".stats", OFlag::O_RDONLY, Ok(())),
            (".control", OFlag::O_RDWR, Ok(())),
        ] {
            assert_eq!(
                run_as(NOBODY, &[], || open(name, how)),
                nobody,
                "{name} {flags:?}"
            );
            assert_eq!(open(name, how), Ok(()), "{name} {flags:?}");
        }
        drop(root);
        mount.unmount().unwrap();
    }
}

/// Holes have no records: they cost nothing.
#[test]
fn info_reads_the_chunks_that_exist() {
    for meta in [Meta::Sqlite, Meta::Redis] {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--trash-days", "0"]);
        let mount = volume.mount(&ours(), &[]);
        let sparse = File::create(mount.at("sparse")).unwrap();
        let parts = [0u64, 3 << 30, (1 << 56) - 100];
        for part in parts {
            std::os::unix::fs::FileExt::write_all_at(&sparse, b"x", part).unwrap();
        }
        sparse.sync_all().unwrap();
        let begin = std::time::Instant::now();
        let text = info(&mount, ino(&mount.at("sparse")), NOBODY, &[]);
        assert_eq!(text.matches("vol/chunks/").count(), parts.len(), "{text}");
        let chunk = format!("\"ChunkIndex\":{}", (parts[2]) >> 26);
        assert!(
            text.contains("\"ChunkIndex\":48") && text.contains(&chunk),
            "{text}"
        );
        assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
        drop(sparse);
        mount.unmount().unwrap();
    }
}
