//! Buckets that cannot be reached.

use super::damaged_volume::{Bed, ended, is_eio, refused_with};
use super::engine_away::Deaf;
use jfs_tests::Kind;
use std::fs;
use std::io::Write;
use std::net::TcpListener;

fn format_on(bed: &Bed, address: &str, words: &[&str]) {
    let bucket = format!("http://{address}/bucket");
    let args = [
        "format",
        "--storage",
        "minio",
        "--bucket",
        &bucket,
        "--access-key",
        "key",
        "--secret-key",
        "not-to-be-shown",
        &bed.url(),
        "vol",
    ];
    refused_with(&args, words);
    let (_, text) = super::damaged_volume::run(&["status", &bed.url()]);
    assert!(text.contains("not formatted"), "nothing was made: {text}");
}

#[test]
fn a_closed_port() {
    let bed = Bed::new(Kind::Sqlite);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    format_on(
        &bed,
        &port.to_string(),
        &["object storage", &port.to_string()],
    );
}

#[test]
fn a_port_that_never_answers() {
    let bed = Bed::new(Kind::Sqlite);
    let deaf = Deaf::new();
    format_on(&bed, &deaf.address(), &["object storage", &deaf.address()]);
}

#[test]
fn directories_that_cannot_be() {
    let bed = Bed::new(Kind::Sqlite);
    let file = bed.path("file");
    fs::write(&file, b"no directory").unwrap();
    let below = file.join("bucket").display().to_string();
    let args = [
        "format",
        "--storage",
        "file",
        "--bucket",
        &below,
        &bed.url(),
        "vol",
    ];
    refused_with(&args, &["object storage", &below]);
}

/// The bucket of a volume went away: files are EIO, the metadata is served, and it comes back.
#[test]
fn a_bucket_that_goes_away() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let mount = bed.mount(&[]);
    fs::write(mount.at("file"), b"content").unwrap();
    mount.unmount().unwrap();
    let away = bed.path("away");
    fs::rename(bed.bucket(), &away).unwrap();
    fs::write(bed.bucket(), b"in its place").unwrap();
    let mount = bed.mount(&["--io-retries", "2"]);
    let path = mount.at("file");
    assert!(is_eio(&ended("reading".into(), move || fs::read(path))));
    assert_eq!(fs::metadata(mount.at("file")).unwrap().len(), 7);
    let path = mount.at("new");
    let written = ended("writing".into(), move || {
        let mut file = fs::File::create(path)?;
        file.write_all(b"lost?").and_then(|()| file.sync_all())
    });
    assert!(is_eio(&written), "{written:?}");
    fs::create_dir(mount.at("dir")).unwrap();
    fs::remove_file(bed.bucket()).unwrap();
    fs::rename(&away, bed.bucket()).unwrap();
    assert_eq!(fs::read(mount.at("file")).unwrap(), b"content");
    fs::write(mount.at("new"), b"there").unwrap();
    assert_eq!(fs::read(mount.at("new")).unwrap(), b"there");
    mount.unmount().unwrap();
}
