//! What people type: sizes that are none, names that are too long, paths that belong to no volume.

use super::damaged_volume::{Bed, refused, refused_with};
use jfs_tests::Kind;
use std::fs;
use std::io;

#[test]
fn sizes_and_numbers_that_are_none() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let (url, point) = (bed.url(), bed.path("point").display().to_string());
    fs::create_dir(&point).unwrap();
    for (flag, value) in [
        ("--block-size", "4X"),
        ("--block-size", "1.2.3M"),
        ("--capacity", "-5"),
        ("--capacity", "99999999E"),
        ("--inodes", "many"),
        ("--trash-days", "x"),
    ] {
        let given = format!("{flag}={value}");
        let words = [value, flag.trim_start_matches("--")];
        refused_with(&["format", &given, &url, "vol"], &words);
    }
    for (flag, value) in [
        ("--cache-size", "1.2.3"),
        ("--buffer-size", "4Q"),
        ("--max-fuse-io", "lots"),
        ("--heartbeat", "soon"),
        ("--free-space-ratio", "half"),
        ("--umask", "9z"),
    ] {
        let given = format!("{flag}={value}");
        refused_with(
            &["mount", &given, &url, &point],
            &[flag.trim_start_matches("--")],
        );
    }
    refused_with(&["format", &url, "No_Name"], &["No_Name", "3 to 63"]);
}

#[test]
fn names_of_256_bytes() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let mount = bed.mount(&["--enable-xattr"]);
    let (fits, long) = ("x".repeat(255), "x".repeat(256));
    fs::write(mount.at(&fits), b"fits").unwrap();
    fs::write(mount.at("short"), b"short").unwrap();
    let too_long = |result: io::Result<()>| {
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));
    };
    too_long(fs::write(mount.at(&long), b"no"));
    too_long(fs::create_dir(mount.at(&long)));
    too_long(fs::rename(mount.at("short"), mount.at(&long)));
    too_long(fs::hard_link(mount.at("short"), mount.at(&long)));
    too_long(std::os::unix::fs::symlink("short", mount.at(&long)));
    too_long(fs::metadata(mount.at(&long)).map(|_| ()));
    too_long(fs::remove_file(mount.at(&long)));
    let mut names: Vec<String> = fs::read_dir(mount.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    assert_eq!(names, ["short".to_string(), fits]);
    mount.unmount().unwrap();
}

#[test]
fn paths_that_are_no_volume() {
    let bed = Bed::new(Kind::Sqlite);
    let plain = bed.path("plain").display().to_string();
    fs::create_dir(&plain).unwrap();
    let missing = bed.path("missing").display().to_string();
    for args in [&["umount", &plain][..], &["umount", "--force", &plain]] {
        refused_with(args, &[args[args.len() - 1], "not mounted"]);
    }
    refused_with(&["umount", &missing], &[&missing]);
    refused_with(&["umount", "/proc"], &["/proc", "not a volume"]);
    for path in [&plain, &missing] {
        let (code, text) = super::damaged_volume::run(&["info", path]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(path.as_str()), "{text}");
    }
    let file = bed.path("file").display().to_string();
    fs::write(&file, b"no directory").unwrap();
    let (url, bucket) = (bed.url(), bed.bucket().display().to_string());
    super::damaged_volume::run(&[
        "format",
        "--storage",
        "file",
        "--bucket",
        &bucket,
        &url,
        "vol",
    ]);
    refused_with(&["mount", &url, &file], &[&file]);
    for url in ["nonsense://x", "mysql://u:secret@h/db", "sqlite3://"] {
        let line = refused(&["status", url]);
        assert!(!line.contains("secret"), "{line}");
    }
}
