//! `.control` with requests that no tool sends: each is answered, none hangs, none costs memory.

use super::local_volume::{LocalVolume, Meta, ours};
use jfs_testkit::{Mount, wait_until};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

const EINVAL: &[u8] = &[0x16];
const EIO: &[u8] = &[5];

fn open(mount: &Mount) -> File {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .open(mount.at(".control"))
        .unwrap()
}

fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&opcode.to_be_bytes(), &length, body].concat()
}

/// Everything up to the last piece: a status, or data.
fn answer(file: &mut File) -> Vec<u8> {
    let mut got = Vec::new();
    wait_until("an answer", Duration::from_secs(10), || {
        let mut part = [0; 4096];
        let n = file.read(&mut part).unwrap();
        got.extend_from_slice(&part[..n]);
        let mut rest = &got[..];
        while rest.first() == Some(&0xFE) && rest.len() >= 17 {
            rest = &rest[17..];
        }
        let whole = match rest {
            [0xFF, a, b, c, d, data @ ..] => {
                data.len() >= u32::from_be_bytes([*a, *b, *c, *d]) as usize
            }
            [0xFE | 0xFF, ..] | [] => false,
            _ => true,
        };
        Ok(whole.then_some(()))
    })
    .unwrap();
    got
}

#[test]
fn bad_requests_are_answered_at_once() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let root = 1u64.to_be_bytes();
    let mut extra = request(1005, &root);
    extra.push(7);
    let huge = [1005u32.to_be_bytes(), u32::MAX.to_be_bytes()].concat();
    for (bytes, expected) in [
        (request(1234, b""), EINVAL),
        (request(0, &root), EINVAL),
        (request(1000, &root), EINVAL),
        (request(1002, &[0; 20]), EINVAL),
        (request(1004, &[0; 100_000]), EINVAL),
        (request(1006, &[0; 40]), EINVAL),
        (request(1008, &[0; 10]), EINVAL),
        (request(1005, b""), EINVAL),
        (request(1005, b"short"), EINVAL),
        (request(1003, &[0; 11]), EINVAL),
        (request(1007, &[0; 64]), EINVAL),
        (request(1007, &[0; 65]), EINVAL),
        (huge, EINVAL),
        (vec![0xFF; 70_000], EINVAL),
        (extra, EIO),
    ] {
        let mut file = open(&mount);
        file.write_all(&bytes).unwrap();
        let shown = &bytes[..bytes.len().min(20)];
        assert_eq!(answer(&mut file), expected, "{shown:?}");
        assert_eq!(
            file.read(&mut [0; 100]).unwrap(),
            0,
            "more after the status: {shown:?}"
        );
    }
    mount.unmount().unwrap();
}

/// The head and every prefix of a request wait for the rest; it may come byte by byte, and the answer
/// lies behind the request in the same stream.
#[test]
fn requests_come_in_pieces_and_one_after_the_other() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &[]);
    let bytes = request(1005, &1u64.to_be_bytes());
    for cut in 0..bytes.len() {
        let mut file = open(&mount);
        file.write_all(&bytes[..cut]).unwrap();
        assert_eq!(file.read(&mut [0; 100]).unwrap(), 0);
        file.write_all(&bytes[cut..]).unwrap();
        let text = String::from_utf8_lossy(&answer(&mut file)).into_owned();
        assert!(text.contains("\"Failed\":false"), "{text}");
        let mut begin = vec![0; bytes.len()];
        file.read_exact_at(&mut begin, 0).unwrap();
        assert_eq!(begin, bytes, "the request is the beginning of the stream");
    }
    let mut file = open(&mount);
    for expected in ["\"Failed\":false", "\"Failed\":true"] {
        let ino: u64 = if expected.contains("true") { 4711 } else { 1 };
        file.write_all(&request(1005, &ino.to_be_bytes())).unwrap();
        let text = String::from_utf8_lossy(&answer(&mut file)).into_owned();
        assert!(text.contains(expected), "{text}");
    }
    drop(file);
    // Closed in the middle of everything.
    for _ in 0..50 {
        let mut file = open(&mount);
        file.write_all(&request(1007, &1u64.to_be_bytes())).unwrap();
    }
    mount.unmount().unwrap();
}

/// Old tools ask another way.
#[test]
fn the_old_request_is_answered_with_text() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--block-size", "64K"]);
    let mount = volume.mount(&ours(), &[]);
    std::fs::write(mount.at("file"), vec![1; 100_000]).unwrap();
    let text = |body: &[u8]| {
        let mut file = open(&mount);
        file.write_all(&request(1003, body)).unwrap();
        let mut got = Vec::new();
        wait_until("an answer", Duration::from_secs(10), || {
            let mut part = [0; 4096];
            let n = file.read(&mut part).unwrap();
            got.extend_from_slice(&part[..n]);
            let length = got
                .first_chunk::<4>()
                .map(|n| u32::from_be_bytes(*n) as usize);
            Ok((length == Some(got.len().saturating_sub(4))).then_some(()))
        })
        .unwrap();
        String::from_utf8(got.split_off(4)).unwrap()
    };
    assert_eq!(
        text(&[0, 0, 0, 0, 0, 0, 0, 2]),
        "  inode: 2\n  files: 1\n   dirs: 0\n length: 97.66 KiB (100000 Bytes)\n   \
         size: 100.00 KiB (102400 Bytes)\n   path: /file\nobjects:\n\
         \t0:\tvol/chunks/0/0/1_0_65536\t65536\t0\t65536\n\t0:\tvol/chunks/0/0/1_1_34464\t34464\t0\t34464\n"
    );
    assert!(
        text(&[0, 0, 0, 0, 0, 0, 0, 2, 0, 1]).ends_with(" chunks:\n\t0:\t1\t100000\t0\t100000\n")
    );
    assert_eq!(text(&[0, 0, 0, 0, 0, 0, 9, 9]), "no such file or directory");
    mount.unmount().unwrap();
}
