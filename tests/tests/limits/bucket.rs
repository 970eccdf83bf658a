//! Buckets that cannot be reached.

use super::damaged_volume::{Bed, ended, is_eio, refused_with, run};
use super::engine_away::Deaf;
use jfs_testkit::Jfs;
use jfs_tests::Kind;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

fn format_on(bed: &Bed, scheme: &str, address: &str, words: &[&str]) {
    let bucket = format!("{scheme}://{address}/bucket");
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
    let (_, text) = run(&["status", &bed.url()]);
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
        "http",
        &port.to_string(),
        &["object storage", &port.to_string()],
    );
}

#[test]
fn a_port_that_never_answers() {
    let began = Instant::now();
    std::thread::scope(|s| {
        for scheme in ["http", "https"] {
            s.spawn(move || {
                let (bed, deaf) = (Bed::new(Kind::Sqlite), Deaf::new());
                let address = deaf.address();
                format_on(&bed, scheme, &address, &["object storage", &address]);
            });
        }
    });
    // Four tries of 10 s.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(50), "{took:?}");
}

/// A store that keeps one object and answers 503 to every listing.
fn without_listings(listener: TcpListener) {
    let mut object = Vec::new();
    for connection in listener.incoming() {
        let mut connection = BufReader::new(connection.unwrap());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && connection.read_until(b'\n', &mut head).unwrap() > 0 {
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |l| l.parse().unwrap())];
        connection.read_exact(&mut body).unwrap();
        let (status, answer) = match head.split_once(' ').unwrap() {
            ("put", _) => {
                object = body;
                ("200 OK", &b""[..])
            }
            ("get", rest) if rest.contains("?list-type") => ("503 Busy", &b"busy"[..]),
            ("get", _) => ("200 OK", &object[..]),
            _ => ("204 No Content", &b""[..]),
        };
        let length = answer.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        let answer = [head.as_bytes(), answer].concat();
        connection.get_mut().write_all(&answer).unwrap();
    }
}

/// A bucket that does not answer listings cannot be shown to be empty, so it is refused.
#[test]
fn a_store_that_does_not_list() {
    let bed = Bed::new(Kind::Sqlite);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bucket = format!("http://{}/bucket", listener.local_addr().unwrap());
    std::thread::spawn(move || without_listings(listener));
    let (code, text) = run(&[
        "format",
        "--storage",
        "s3",
        "--bucket",
        &bucket,
        "--access-key",
        "key",
        "--secret-key",
        "secret",
        &bed.url(),
        "vol",
    ]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("failed: busy"), "{text}");
}

/// Keys are looked for where the vendor's tools do, and their lack is told in one line.
#[test]
fn a_volume_without_keys() {
    let bed = Bed::new(Kind::Sqlite);
    let metadata = Deaf::new();
    let mut command = Command::new(Jfs::find().unwrap().program());
    command
        .args(["format", "--no-color", "--storage", "s3", "--bucket"])
        .args(["http://127.0.0.1:1/bucket", &bed.url(), "vol"])
        .env_clear()
        .env("HOME", bed.path(""))
        // A service that hangs, as the address of the real one may outside of the vendor's cloud.
        .env(
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            format!("http://{}", metadata.address()),
        );
    let began = Instant::now();
    let output = ended("format".into(), move || command.output().unwrap());
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in ["there are no keys", "--access-key", "AWS_ACCESS_KEY_ID"] {
        assert!(text.contains(word), "{text}");
    }
    assert!(
        !text.contains("Provider") && !text.contains("WARNING"),
        "{text}"
    );
    let took = began.elapsed();
    assert!(took < Duration::from_secs(9), "{took:?}: {text}");
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
