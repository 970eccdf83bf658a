//! Times of files: what changes them.

use super::local_volume::{LocalVolume, Meta, ours};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

fn open(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path).unwrap()
}

/// Setting what is there already changes the times, as POSIX says.
#[test]
fn the_same_again_changes_times() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let path = mount.at("f");
    let is_old = |path: &Path| path.metadata().unwrap().mtime() == 1_000_000;
    for data in [&b""[..], b"12345"] {
        std::fs::write(&path, data).unwrap();
        let file = open(&path);
        file.set_modified(long_ago).unwrap();
        assert!(is_old(&path));
        file.set_len(data.len() as u64).unwrap();
        assert!(!is_old(&path), "ftruncate to the same length");
        file.set_modified(long_ago).unwrap();
        let length = data.len() as i64;
        nix::unistd::truncate(&path, length).unwrap();
        assert!(!is_old(&path), "truncate to the same length");
        file.set_modified(long_ago).unwrap();
        drop(File::create(&path).unwrap());
        assert!(!is_old(&path), "open with O_TRUNC");
        file.set_modified(long_ago).unwrap();
        let changed = |m: std::fs::Metadata| (m.ctime(), m.ctime_nsec());
        let before = changed(file.metadata().unwrap());
        file.set_modified(long_ago).unwrap();
        assert!(
            changed(file.metadata().unwrap()) > before,
            "the same time again"
        );
    }
    mount.unmount().unwrap();
}
