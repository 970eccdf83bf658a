//! The golden volumes: what our mount shows is what the reference wrote down.

use super::place::{ours, reference};
use jfs_testkit::{Client, Field, Fixture, MountArgs, RedisOptions, RedisServer, diff, walk};

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

fn equals_its_manifest(name: &str) {
    let fixture = Fixture::unpack(name).unwrap();
    shows(&ours(), &fixture, &fixture.meta_url());
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
    let mount = client
        .mount(MountArgs::new(url).flags(["--read-only", "--bucket", &bucket]))
        .unwrap();
    let tree = walk(mount.path()).unwrap();
    let lines = diff(&fixture.manifest().entries, &tree, Field::ALL);
    assert!(lines.is_empty(), "{}\n{}", lines.join("\n"), mount.log());
    let totals = nix_statvfs(mount.path());
    assert_eq!(totals, fixture.manifest().statfs.used_bytes);
    mount.unmount().unwrap();
}

/// Used bytes as statvfs(2) says.
fn nix_statvfs(path: &std::path::Path) -> u64 {
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
