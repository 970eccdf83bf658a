//! What df shows below directories with quotas, asked of both clients.

use super::local_volume::{LocalVolume, Meta, ours, reference};
use jfs_testkit::{Client, wait_until};
use nix::sys::statvfs::statvfs;
use std::fs;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Where it is asked: at directories and files, in and outside of quotas.
const PLACES: [&str; 8] = [
    "",
    "out",
    "q",
    "q/file",
    "q/deep",
    "q/deep/er",
    "over",
    "many/x",
];

fn numbers(path: &Path) -> [u64; 6] {
    let s = statvfs(path).unwrap();
    [
        s.blocks(),
        s.blocks_free(),
        s.blocks_available(),
        s.files(),
        s.files_free(),
        s.fragment_size(),
    ]
}

/// What both clients say, by `flags`, about PLACES below a mount and about the roots of `--subdir` mounts.
fn asked(volume: &LocalVolume, client: &Client, flags: &[&str]) -> Vec<(String, [u64; 6])> {
    let mut all = Vec::new();
    // A mount that is taken away before it has seen its own root fails.
    let start = |flags: &[&str]| {
        let mount = volume.mount(client, flags);
        wait_until("the mount to be ready", PATIENCE, || {
            Ok(mount.log().contains("is ready at").then_some(()))
        })
        .unwrap();
        mount
    };
    let mount = start(flags);
    for name in PLACES {
        all.push((name.to_string(), numbers(&mount.at(name))));
    }
    mount.unmount().unwrap();
    for dir in ["/q", "/q/deep/er", "/out"] {
        let mount = start(&[&["--subdir", dir], flags].concat());
        all.push((format!("root {dir}"), numbers(mount.path())));
        mount.unmount().unwrap();
    }
    all
}

#[test]
fn df_below_quotas_is_that_of_the_reference() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--trash-days", "0"]);
    let mount = volume.mount(&ours(), &[]);
    for dir in ["q/deep/er", "out", "over", "many"] {
        fs::create_dir_all(mount.at(dir)).unwrap();
    }
    for (name, length) in [
        ("q/file", 3 << 20),
        ("q/deep/er/f", 7 << 20),
        ("over/f", 2 << 30),
    ] {
        let file = fs::File::create(mount.at(name)).unwrap();
        file.set_len(length).unwrap();
    }
    for n in 0..5 {
        fs::File::create(mount.at(format!("many/{n}"))).unwrap();
    }
    fs::create_dir(mount.at("many/x")).unwrap();
    // Its statistics, which a new quota begins with, are flushed.
    mount.unmount().unwrap();
    for (dir, limits) in [
        ("/q", &["--capacity", "10", "--inodes", "1000"][..]),
        ("/q/deep", &["--capacity", "20", "--inodes", "5000"]),
        ("/over", &["--capacity", "1"]),
        ("/many", &["--inodes", "3"]),
    ] {
        let url = volume.url();
        let set = [&["quota", "set", &url, "--path", dir][..], limits].concat();
        let set: Vec<String> = set.iter().map(|s| s.to_string()).collect();
        reference().run(&set).unwrap().ok().unwrap();
    }
    let theirs = asked(&volume, &reference(), &[]);
    for flags in [&[][..], &["--fast-statfs"]] {
        let mine = asked(&volume, &ours(), flags);
        for (mine, theirs) in mine.iter().zip(&theirs) {
            assert_eq!(mine, theirs, "{flags:?}");
        }
    }
    let shown = |name: &str| theirs.iter().find(|(n, _)| n == name).unwrap().1;
    assert_eq!(shown("q")[0], (10 << 30) / 4096);
    assert_eq!((shown("over")[1], shown("many/x")[4]), (0, 0));
}
