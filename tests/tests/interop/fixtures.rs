//! The golden volumes: what our mount shows is what the reference wrote down.

use super::local_volume::{ours, reference};
use jfs_testkit::{Client, Field, Fixture, MountArgs, RedisOptions, RedisServer, Tree, diff, walk};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Of the private keys of the encrypted volumes; others do not mind it.
const PASSPHRASE: &str = "fixture-passphrase";

#[test]
fn plain() {
    equals_its_manifest("plain");
}

#[test]
fn lz4() {
    equals_its_manifest("lz4");
}

#[test]
fn zstd() {
    equals_its_manifest("zstd");
}

/// AES-256-GCM; everything else as `plain`.
#[test]
fn encrypted() {
    equals_its_manifest("encrypted");
}

#[test]
fn chacha20() {
    equals_its_manifest("mini-chacha20");
}

/// Compressed, then encrypted.
#[test]
fn lz4_and_aes() {
    equals_its_manifest("mini-lz4-aes");
}

#[test]
fn hash_prefix() {
    equals_its_manifest("mini-hash");
}

/// Neither without the passphrase nor with a wrong one: refused before anything is mounted.
#[test]
fn the_passphrase_is_needed() {
    let fixture = Fixture::unpack("mini-lz4-aes").unwrap();
    for (passphrase, want) in [
        (
            "",
            "please set the 'JFS_RSA_PASSPHRASE' environment variable",
        ),
        ("wrong", "does not open with this passphrase"),
    ] {
        let client = ours().with_env("JFS_RSA_PASSPHRASE", passphrase);
        let args = MountArgs::new(fixture.meta_url()).flags(["--bucket", &fixture.bucket()]);
        let refused = client.mount(args).unwrap_err().to_string();
        assert!(refused.contains(want), "{passphrase:?}: {refused}");
    }
}

/// A changed byte in a block: reading that file fails, nothing else does.
#[test]
fn a_tampered_block_is_an_error() {
    let fixture = Fixture::unpack("mini-chacha20").unwrap();
    let blocks = walk(&fixture.objects()).unwrap();
    let (path, _) = blocks
        .iter()
        .find(|(path, _)| path.ends_with(b"_35200"))
        .unwrap();
    let path = fixture.objects().join(OsStr::from_bytes(&path[1..]));
    let mut stored = std::fs::read(&path).unwrap();
    *stored.last_mut().unwrap() ^= 1;
    std::fs::write(&path, stored).unwrap();
    let client = ours().with_env("JFS_RSA_PASSPHRASE", PASSPHRASE);
    let bucket = fixture.bucket();
    let flags = ["--read-only", "--bucket", &bucket];
    let mount = client
        .mount(MountArgs::new(fixture.meta_url()).flags(flags))
        .unwrap();
    let error = std::fs::read(mount.at("rand35200")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc_eio()), "{error}");
    assert_eq!(std::fs::read(mount.at("text150k")).unwrap().len(), 150_500);
    assert!(mount.log().contains("damaged"), "{}", mount.log());
    mount.unmount().unwrap();
}

/// EIO of Linux.
fn libc_eio() -> i32 {
    5
}

fn equals_its_manifest(name: &str) {
    let fixture = Fixture::unpack(name).unwrap();
    let client = ours().with_env("JFS_RSA_PASSPHRASE", PASSPHRASE);
    shows(&client, &fixture, &fixture.meta_url());
}

/// The one that the reference's Redis engine wrote.
#[test]
fn redis() {
    let fixture = Fixture::unpack("redis").unwrap();
    let options = RedisOptions {
        load_rdb: Some(fixture.rdb()),
        ..RedisOptions::default()
    };
    let server = RedisServer::start_with(options).unwrap();
    shows(&ours(), &fixture, &server.url(1));
}

/// The reference itself passes: the comparison asks for nothing that is not there.
#[test]
fn the_reference_shows_it_too() {
    let fixture = Fixture::unpack("lz4").unwrap();
    shows(&reference(), &fixture, &fixture.meta_url());
}

fn shows(client: &Client, fixture: &Fixture, url: &str) {
    let bucket = fixture.bucket();
    let flags = ["--read-only", "--enable-xattr", "--enable-ioctl"];
    let flags = [&flags[..], &["--bucket", &bucket]].concat();
    let mount = client.mount(MountArgs::new(url).flags(flags)).unwrap();
    let manifest = fixture.manifest();
    let mut lines = diff(&manifest.entries, &walk(mount.path()).unwrap(), Field::ALL);
    lines.extend(diff(
        &manifest.trash,
        &trash(mount.path(), &manifest.trash),
        Field::ALL,
    ));
    assert!(lines.is_empty(), "{}\n{}", lines.join("\n"), mount.log());
    let totals = nix_statvfs(mount.path());
    assert_eq!(totals, manifest.statfs.used_bytes);
    mount.unmount().unwrap();
}

/// The trash, with paths as manifests have them. `.trash` itself is as old as the mount: its times are
/// not compared.
fn trash(top: &Path, wanted: &Tree) -> Tree {
    let mut tree = Tree::new();
    let Ok(found) = walk(&top.join(".trash")) else {
        return tree;
    };
    for (path, mut node) in found {
        if let (b"/", Some(wanted)) = (&path[..], wanted.get(&b"/.trash"[..])) {
            (node.mtime_ns, node.ctime_ns) = (wanted.mtime_ns, wanted.ctime_ns);
        }
        let below = if path == b"/" { &b""[..] } else { &path };
        tree.insert([b"/.trash", below].concat(), node);
    }
    tree
}

/// Used bytes as statvfs(2) says.
fn nix_statvfs(path: &Path) -> u64 {
    let output = std::process::Command::new("stat")
        .args(["-f", "-c", "%b %f %S"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    (numbers[0] - numbers[1]) * numbers[2]
}
