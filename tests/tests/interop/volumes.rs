//! Whole volumes: the steps of one client, everything read by the other, checked by `fsck`.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::Client;
use jfs_tests::compare_trees::{Facts, differences};
use jfs_tests::steps::{marks, on_plain_directory, perform, steps};

/// Nothing the kernel remembers, no background job that would do work behind our back.
const FRESH: [&str; 6] = [
    "--attr-cache",
    "0",
    "--entry-cache",
    "0",
    "--dir-entry-cache",
    "0",
];

#[test]
fn ours_on_sqlite_read_by_the_reference() {
    there_and_back(
        Meta::Sqlite,
        &ours(),
        &["--block-size", "1M", "--trash-days", "0"],
        1 << 20,
    );
}

#[test]
fn ours_on_sqlite_compressed_small_blocks_with_trash() {
    there_and_back(
        Meta::Sqlite,
        &ours(),
        &[
            "--block-size",
            "64K",
            "--compress",
            "zstd",
            "--trash-days",
            "1",
        ],
        1 << 16,
    );
}

#[test]
fn ours_on_redis_read_by_the_reference() {
    there_and_back(
        Meta::Redis,
        &ours(),
        &[
            "--block-size",
            "1M",
            "--compress",
            "lz4",
            "--trash-days",
            "0",
        ],
        1 << 20,
    );
}

#[test]
fn the_references_on_sqlite_read_by_us() {
    there_and_back(
        Meta::Sqlite,
        &reference(),
        &[
            "--block-size",
            "64K",
            "--compress",
            "lz4",
            "--trash-days",
            "0",
        ],
        1 << 16,
    );
}

#[test]
fn the_references_on_redis_read_by_us() {
    there_and_back(
        Meta::Redis,
        &reference(),
        &[
            "--block-size",
            "1M",
            "--compress",
            "zstd",
            "--trash-days",
            "1",
        ],
        1 << 20,
    );
}

/// `writer` formats, does the steps in two mounts (the second one finds what the first one left); then
/// `fsck`, and both clients show the same in every fact, equal to a plain directory that got the same
/// steps.
pub(super) fn there_and_back(meta: Meta, writer: &Client, format: &[&str], block: u64) {
    let volume = LocalVolume::new(meta);
    volume.format(writer, &[format, &["--enable-acl"]].concat());
    let list = volume.steps([steps("t", block, 7), marks("t")].concat());
    let (first, second) = list.split_at(list.len() / 2);
    for half in [first, second] {
        let mount = volume.mount(writer, &["--enable-xattr"]);
        perform(half, mount.path()).unwrap();
        mount.unmount().unwrap();
    }
    volume.fsck();
    let (_keep, plain) = on_plain_directory(&list).unwrap();
    let read_only = [&FRESH[..], &["--read-only", "--enable-xattr"]].concat();
    let we = volume.mount(&ours(), &read_only);
    let they = volume.mount(&reference(), &read_only);
    assert_eq!(
        differences(we.path(), they.path(), Facts::MOUNTS),
        Vec::<String>::new()
    );
    let facts = Facts {
        links: !format.contains(&"1"),
        ..Facts::PORTABLE
    };
    assert_eq!(
        differences(&we.at("t"), &plain.join("t"), facts),
        Vec::<String>::new()
    );
    we.unmount().unwrap();
    they.unmount().unwrap();
}

/// The check above is worth something.
#[test]
fn fsck_notices_wrong_statistics() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&reference(), &[]);
    let mount = volume.mount(&reference(), &[]);
    std::fs::create_dir(mount.at("d")).unwrap();
    std::fs::write(mount.at("d/f"), b"x").unwrap();
    mount.unmount().unwrap();
    volume.fsck();
    volume.spoil();
    let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| volume.fsck()));
    assert!(noticed.is_err());
}
