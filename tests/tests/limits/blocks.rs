//! Objects that are missing, short, longer or changed: EIO for that file, never other bytes.

use super::damaged_volume::{Bed, ended, is_eio};
use jfs_testkit::{Jfs, MountArgs, content};
use jfs_tests::Kind;
use std::fs;
use std::path::Path;

/// How an object is damaged, under the name of the file it belongs to.
const DAMAGE: [&str; 4] = ["missing", "short", "longer", "changed"];
/// Compressible and not, several pieces of a block.
const LENGTH: usize = 50_000;

fn bytes_of(name: &str) -> Vec<u8> {
    let mut bytes = content(name.len() as u64, LENGTH);
    bytes[..LENGTH / 2].fill(7);
    bytes
}

/// A volume with one file for each damage and a whole one, a single object each.
fn damaged(flags: &[&str], env: &[(&str, &str)]) -> Bed {
    let bed = Bed::new(Kind::Sqlite);
    let mut jfs = jfs_testkit::Client::at(Jfs::find().unwrap().program());
    for (name, value) in env {
        jfs = jfs.with_env(*name, *value);
    }
    let flags = [&["--trash-days", "0"], flags].concat();
    jfs.format(&bed.url(), "vol", &bed.bucket(), &flags)
        .unwrap();
    let mount = mount(&bed, env);
    let mut before = Vec::new();
    for name in DAMAGE.iter().chain(&["whole"]) {
        fs::write(mount.at(name), bytes_of(name)).unwrap();
        let mut new = bed.objects();
        new.retain(|o| !before.contains(o));
        let [object] = &new[..] else {
            panic!("{new:?}")
        };
        damage(object, name);
        before.extend(new);
    }
    mount.unmount().unwrap();
    bed
}

fn mount(bed: &Bed, env: &[(&str, &str)]) -> jfs_testkit::Mount {
    let mut args = MountArgs::new(bed.url()).flags(["--io-retries", "2"]);
    for (name, value) in env {
        args = args.env(*name, *value);
    }
    bed.mount_with(args)
}

fn damage(object: &Path, how: &str) {
    let mut bytes = fs::read(object).unwrap();
    let middle = bytes.len() / 2;
    match how {
        "missing" => return fs::remove_file(object).unwrap(),
        "short" => bytes.truncate(middle),
        "longer" => bytes.extend([1; 100]),
        "changed" => bytes[middle] ^= 0x55,
        _ => return,
    }
    fs::write(object, bytes).unwrap();
}

/// Reads every file; `unnoticed` are damages that this kind of volume cannot tell.
fn check(bed: &Bed, env: &[(&str, &str)], unnoticed: &[&str]) {
    let mount = mount(bed, env);
    let top = mount.path().to_owned();
    for name in DAMAGE {
        let path = top.join(name);
        let read = ended(format!("reading {name}"), move || fs::read(path));
        match read {
            Err(_) => assert!(is_eio(&read), "{name}: {read:?}"),
            Ok(_) => assert!(unnoticed.contains(&name), "{name}: other bytes are shown"),
        }
    }
    assert_eq!(fs::read(top.join("whole")).unwrap(), bytes_of("whole"));
    fs::write(top.join("new"), b"new").unwrap();
    let log = mount.unmount().unwrap();
    assert!(!log.contains("panicked"), "{log}");
    // Who looks for the reason finds the object.
    assert!(log.contains("chunks/"), "{log}");
}

/// What is stored plainly has no checksum: a byte that changes within its length shows, as with the
/// reference; bytes behind the end do no harm.
#[test]
fn plain() {
    check(
        &damaged(&["--compress", "none"], &[]),
        &[],
        &["changed", "longer"],
    );
}

/// An LZ4 block has no checksum either: a changed literal shows.
#[test]
fn lz4() {
    check(&damaged(&["--compress", "lz4"], &[]), &[], &["changed"]);
}

#[test]
fn zstd() {
    check(
        &damaged(&["--compress", "zstd"], &[]),
        &[],
        &["changed", "longer"],
    );
}

#[test]
fn encrypted() {
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/pem/mini");
    let env = [("JFS_RSA_PASSPHRASE", "fixture-passphrase")];
    check(&damaged(&["--encrypt-rsa-key", pem], &env), &env, &[]);
}
