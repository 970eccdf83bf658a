//! Stored records that do not decode, on both engines: EIO for the file concerned, the others are served, and
//! nothing that could not be read is written over.

use super::damaged_volume::{Bed, is_eio};
use jfs_testkit::{Mount, MountArgs};
use jfs_tests::Kind;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

const NAMES: [&str; 7] = ["attr", "entry", "chunk", "list", "link", "good", "dir"];

/// Makes one file for each kind of damage and tells their inodes.
fn fill(bed: &Bed) -> impl Fn(&str) -> u64 + use<> {
    let mount = bed.mount(&[]);
    for name in ["attr", "entry", "chunk", "list", "good"] {
        fs::write(mount.at(name), name).unwrap();
    }
    symlink("good", mount.at("link")).unwrap();
    fs::create_dir(mount.at("dir")).unwrap();
    let inos = NAMES.map(|n| (n, fs::symlink_metadata(mount.at(n)).unwrap().ino()));
    mount.unmount().unwrap();
    move |name| inos.iter().find(|(n, _)| *n == name).unwrap().1
}

#[test]
fn on_sqlite() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let ino = fill(&bed);
    bed.sql(&format!(
        "UPDATE jfs_node SET type = 99 WHERE inode = {};
         UPDATE jfs_edge SET type = 77 WHERE name = CAST('entry' AS BLOB);
         UPDATE jfs_chunk SET slices = x'0102030405' WHERE inode = {};
         UPDATE jfs_chunk SET slices = 5 WHERE inode = {};
         UPDATE jfs_symlink SET target = 7 WHERE inode = {}",
        ino("attr"),
        ino("chunk"),
        ino("list"),
        ino("link"),
    ));
    let stored = || {
        [
            format!("SELECT type FROM jfs_node WHERE inode = {}", ino("attr")),
            "SELECT type FROM jfs_edge WHERE type = 77".to_string(),
            format!(
                "SELECT slices FROM jfs_chunk WHERE inode = {}",
                ino("chunk")
            ),
            format!("SELECT slices FROM jfs_chunk WHERE inode = {}", ino("list")),
            "SELECT target FROM jfs_symlink".to_string(),
        ]
        .map(|statement| bed.sql_text(&statement))
    };
    let before = stored();
    the_others_are_served(&bed);
    assert_eq!(stored(), before);
}

#[test]
fn on_redis() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    let ino = fill(&bed);
    let key = |letter: &str, name: &str| format!("{letter}{}", ino(name)).into_bytes();
    let chunk = |name: &str| format!("c{}_0", ino(name)).into_bytes();
    bed.redis(&[b"SET", &key("i", "attr"), b"short"]);
    bed.redis(&[b"HSET", b"d1", b"entry", b"torn"]);
    // Two torn elements that would make one record.
    bed.redis(&[b"DEL", &chunk("chunk")]);
    bed.redis(&[b"RPUSH", &chunk("chunk"), &[0; 11], &[0; 13]]);
    bed.redis(&[b"SET", &chunk("list"), b"no list"]);
    bed.redis(&[b"DEL", &key("s", "link")]);
    bed.redis(&[b"RPUSH", &key("s", "link"), b"no string"]);
    let stored = || {
        [
            bed.redis(&[b"GET", &key("i", "attr")]),
            bed.redis(&[b"HGET", b"d1", b"entry"]),
            bed.redis(&[b"LRANGE", &chunk("chunk"), b"0", b"1"]),
            bed.redis(&[b"GET", &chunk("list")]),
            bed.redis(&[b"LRANGE", &key("s", "link"), b"0", b"-1"]),
        ]
    };
    let before = stored();
    the_others_are_served(&bed);
    assert_eq!(stored(), before);
}

/// With every kind of damage in one directory.
fn the_others_are_served(bed: &Bed) {
    let mount = bed.mount(&[]);
    let at = |name: &str| mount.at(name);
    // The listing shows all names; looking at a damaged one fails.
    let mut names: Vec<String> = fs::read_dir(mount.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    let mut wanted = NAMES.map(String::from);
    wanted.sort();
    assert_eq!(names, wanted);
    for name in ["attr", "entry"] {
        assert!(is_eio(&fs::symlink_metadata(at(name))), "{name}");
        assert!(is_eio(&File::open(at(name))), "{name}");
        assert!(is_eio(&fs::set_permissions(
            at(name),
            fs::Permissions::from_mode(0o600)
        )));
        assert!(is_eio(&fs::remove_file(at(name))), "{name}");
        assert!(is_eio(&fs::rename(at("good"), at(name))), "over {name}");
        assert!(is_eio(&fs::rename(at(name), at("elsewhere"))), "{name}");
        assert!(is_eio(&fs::write(at(name), b"new")), "{name}");
    }
    for name in ["chunk", "list"] {
        assert_eq!(
            fs::metadata(at(name)).unwrap().len(),
            5.min(name.len() as u64)
        );
        assert!(is_eio(&fs::read(at(name))), "{name}");
    }
    // What would be added behind it could never be read.
    let mut file = OpenOptions::new().append(true).open(at("list")).unwrap();
    let added = file.write_all(b"more").and_then(|()| file.sync_all());
    assert!(is_eio(&added), "{added:?}");
    drop(file);
    assert!(is_eio(&fs::read_link(at("link"))));
    // The others, before and after.
    assert_eq!(fs::read(at("good")).unwrap(), b"good");
    fs::write(at("good"), b"rewritten").unwrap();
    fs::write(at("dir/new"), b"new").unwrap();
    assert_eq!(fs::read(at("good")).unwrap(), b"rewritten");
    assert_eq!(fs::read(at("dir/new")).unwrap(), b"new");
    let log = mount.unmount().unwrap();
    assert!(!log.contains("panicked"), "{log}");
}

/// ACL rules, extended attributes and statistics: what is damaged is left out, new ones are stored all the
/// same.
#[test]
fn rules_and_statistics() {
    for kind in [Kind::Sqlite, Kind::Redis] {
        let bed = Bed::formatted(kind, &["--enable-acl"]);
        let mount = bed.mount(&[]);
        for name in ["bad", "other"] {
            fs::write(mount.at(name), name).unwrap();
        }
        fs::create_dir(mount.at("dir")).unwrap();
        set_acl(&mount, "bad", 5);
        let dir = fs::metadata(mount.at("dir")).unwrap().ino();
        mount.unmount().unwrap();
        match kind {
            Kind::Redis => {
                bed.redis(&[b"HSET", b"acl", b"1", b"torn"]);
                let field = dir.to_string();
                bed.redis(&[b"HSET", b"dirUsedInodes", field.as_bytes(), b"none"]);
                bed.redis(&[b"HSET", b"dirQuota", field.as_bytes(), b"torn"]);
            }
            _ => bed.sql("UPDATE jfs_acl SET named_users = x'0102'"),
        }
        let mount = bed.mount(&[]);
        assert!(is_eio(&acl(&mount, "bad")), "{kind:?}");
        set_acl(&mount, "other", 5);
        assert!(acl(&mount, "other").is_ok(), "{kind:?}");
        fs::write(mount.at("dir/file"), b"counted").unwrap();
        mount.unmount().unwrap();
        if kind == Kind::Redis {
            assert_eq!(bed.redis(&[b"HGET", b"acl", b"1"]), b"$4\r\ntorn\r\n");
            let field = dir.to_string();
            let counted = bed.redis(&[b"HGET", b"dirUsedInodes", field.as_bytes()]);
            assert_eq!(counted, b"$1\r\n1\r\n");
        } else {
            let rules = bed.sql_text("SELECT named_users FROM jfs_acl ORDER BY id");
            assert_eq!(rules[0], "Blob([1, 2])");
        }
    }
}

const ACCESS: &str = "system.posix_acl_access";

fn set_acl(mount: &Mount, name: &str, uid: u8) {
    let entry = |tag: u8, perm: u8, id: [u8; 4]| [&[tag, 0, perm, 0][..], &id].concat();
    let none = [255; 4];
    let value = [
        vec![2, 0, 0, 0],
        entry(1, 6, none),
        entry(2, 6, [uid, 0, 0, 0]),
        entry(4, 4, none),
        entry(16, 6, none),
        entry(32, 4, none),
    ]
    .concat();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(mount.at(name), ACCESS, &value, flags).unwrap();
}

fn acl(mount: &Mount, name: &str) -> std::io::Result<usize> {
    let mut value = [0u8; 200];
    Ok(rustix::fs::getxattr(
        mount.at(name),
        ACCESS,
        &mut value[..],
    )?)
}

/// A session whose description is no JSON is shown, and its client cleaned up after.
#[test]
fn sessions_that_say_nothing() {
    for kind in [Kind::Sqlite, Kind::Redis] {
        let bed = Bed::formatted(kind, &[]);
        match kind {
            Kind::Redis => {
                bed.redis(&[b"ZADD", b"allSessions", b"1000", b"77"]);
                bed.redis(&[b"HSET", b"sessionInfos", b"77", b"{half"]);
                bed.redis(&[b"SADD", b"session77", b"no number"]);
                bed.redis(&[b"ZADD", b"allSessions", b"1000", b"78"]);
            }
            _ => bed.sql("INSERT INTO jfs_session2 (sid, expire, info) VALUES (77, 1000, x'7b'), (78, 1000, x'')"),
        }
        let (code, text) = super::damaged_volume::run(&["status", &bed.url()]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("\"Sid\": 77"), "{text}");
        let mount = bed.mount_with(MountArgs::new(bed.url()).flags(["--heartbeat", "1s"]));
        let gone = || match kind {
            Kind::Redis => bed.redis(&[b"ZSCORE", b"allSessions", b"78"]) == b"$-1\r\n",
            _ => !bed
                .sql_text("SELECT sid FROM jfs_session2")
                .contains(&"Integer(78)".to_string()),
        };
        let limit = std::time::Duration::from_secs(30);
        jfs_testkit::wait_until("stale sessions to go", limit, || Ok(gone().then_some(())))
            .unwrap();
        mount.unmount().unwrap();
    }
}
