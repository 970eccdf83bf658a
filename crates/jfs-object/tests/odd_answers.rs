//! A server that speaks S3, but not the truth: what it sends in the place of an object must never be
//! taken for the object. (Another file system has stored the text of an error as data.)

#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_object::{ErrorKind, Location, ObjectStore, StoreOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Length of the object that is asked for.
const LENGTH: usize = 1000;
/// Answers of services in trouble, sometimes with the wrong status.
const ERROR: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
    <Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>";

/// A server that gives every request the same answer and counts them.
fn server(answer: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else {
                return;
            };
            if read_head(&mut connection) {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = connection.write_all(&answer);
            }
        }
    });
    (port, asked)
}

/// Reads up to the empty line of a request; GET has nothing behind it.
fn read_head(connection: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).unwrap_or(0) == 0 {
            return false;
        }
        head.push(byte[0]);
    }
    true
}

/// An answer that says it is `length` bytes long and holds `body`.
fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    answer_with(status, "", length, body)
}

/// As [`answer`], with more lines in its head.
fn answer_with(status: &str, more: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: \"e\"\r\nConnection: close\r\n\
         {more}Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn store(port: u16) -> ObjectStore {
    store_of("s3", port)
}

fn store_of(storage: &str, port: u16) -> ObjectStore {
    let location = Location {
        storage: storage.into(),
        bucket: format!("http://127.0.0.1:{port}/bucket"),
        volume_name: "vol".into(),
        access_key: "key".into(),
        secret_key: "secret".into(),
        ..Location::default()
    };
    let options = StoreOptions {
        io_retries: 1,
        retry_pause: Duration::from_millis(1),
        ..StoreOptions::default()
    };
    ObjectStore::open_at(&location, &options).unwrap()
}

#[tokio::test]
async fn an_answer_that_is_not_the_object_is_an_error() {
    let object: Vec<u8> = (0..LENGTH).map(|n| n as u8).collect();
    let half = &object[..LENGTH / 2];
    let xml = ERROR.as_bytes();
    let part = "206 Partial Content";
    // Every request gets the same answer, a HEAD too: objects look as long as the answers say.
    for (what, answer) in [
        // An error as if it were the object.
        ("200 and XML", answer("200 OK", xml.len(), xml)),
        ("206 and XML", answer(part, xml.len(), xml)),
        // Less than there is, said and unsaid; more; nothing.
        ("a short one", answer(part, half.len(), half)),
        ("cut off", answer(part, LENGTH, half)),
        ("a long one", answer(part, 2 * LENGTH, &object.repeat(2))),
        ("nothing", answer(part, 0, b"")),
        // Errors that say so.
        ("500", answer("500 Oops", xml.len(), xml)),
        ("503", answer("503 Slow Down", xml.len(), xml)),
        ("no HTTP", b"what do you want?".to_vec()),
    ] {
        let (port, asked) = server(answer);
        let got = store(port).get("k", Some(0..LENGTH as u64)).await;
        let e = got.expect_err(what);
        let kinds = [ErrorKind::Short, ErrorKind::Transient];
        assert!(kinds.contains(&e.kind), "{what}: {e}");
        assert!(asked.load(Ordering::SeqCst) > 0, "{what}");
    }
    // The whole object is what the server says it is, but never a part of that.
    let (port, _) = server(answer("200 OK", LENGTH, half));
    store(port).get("k", None).await.unwrap_err();
    let (port, _) = server(answer("200 OK", LENGTH, &object));
    let whole = store(port).get("k", None).await.unwrap();
    assert_eq!(whole, object);
}

/// The object that the answers below are about, and the checksum that was stored with it.
fn object() -> (Vec<u8>, u32) {
    let object: Vec<u8> = (0..LENGTH).map(|n| n as u8).collect();
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &object);
    (object, checksum as u32)
}

/// The line of an answer that carries a checksum.
fn carrying(checksum: impl std::fmt::Display) -> String {
    format!("x-amz-meta-Crc32c: {checksum}\r\n")
}

/// A byte that changed in the store, or on the way, within the object's length.
#[tokio::test]
async fn a_whole_object_that_its_checksum_does_not_fit_is_an_error() {
    let (object, checksum) = object();
    let mut changed = object.clone();
    changed[LENGTH / 2] ^= 1;
    let line = carrying(checksum);
    let all = format!("{line}Content-Range: bytes 0-{}/{LENGTH}\r\n", LENGTH - 1);
    for (range, status, head) in [
        (None, "200 OK", &line),
        // A block is asked for as the range that it is known to have: that is the whole object, too.
        (Some(0..LENGTH as u64), "206 Partial Content", &all),
    ] {
        let get = |storage: &'static str, body: &[u8]| {
            let (port, asked) = server(answer_with(status, head, LENGTH, body));
            let range = range.clone();
            async move {
                let got = store_of(storage, port).get("a/k", range).await;
                (got, asked.load(Ordering::SeqCst))
            }
        };
        let (got, asked) = get("s3", &changed).await;
        let e = got.expect_err(status);
        assert_eq!((e.kind, e.key.as_str()), (ErrorKind::Altered, "a/k"), "{e}");
        assert_eq!(asked, 2, "it may have happened on the way: once more");

        let (got, asked) = get("s3", &object).await;
        assert_eq!((got.unwrap(), asked), (object.clone().into(), 1));
        // The reference neither writes nor verifies it there.
        let (got, asked) = get("minio", &changed).await;
        assert_eq!((got.unwrap(), asked), (changed.clone().into(), 1));
    }
}

#[tokio::test]
async fn what_has_no_checksum_to_compare_is_taken_as_it_is() {
    let (object, checksum) = object();
    // The same 32 bits as a signed number; what is no number says nothing.
    let signed = carrying(i64::from(checksum as i32));
    for head in [
        "",
        &signed,
        &carrying(""),
        &carrying("c0ffee"),
        &carrying("1e9"),
    ] {
        let (port, asked) = server(answer_with("200 OK", head, LENGTH, &object));
        let got = store(port).get("k", None).await;
        assert_eq!(got.expect(head), object, "{head}");
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{head}");
    }
    // The checksum is that of the whole object.
    for (from, to) in [(0, LENGTH / 2), (LENGTH / 2, LENGTH)] {
        let head = format!(
            "{}Content-Range: bytes {from}-{}/{LENGTH}\r\n",
            carrying(checksum),
            to - 1
        );
        let part = &object[from..to];
        let (port, _) = server(answer_with("206 Partial Content", &head, part.len(), part));
        let got = store(port).get("k", Some(from as u64..to as u64)).await;
        assert_eq!(got.unwrap(), part);
    }
}

/// An upload counts only when the server says that it does.
#[tokio::test]
async fn an_upload_that_is_not_acknowledged_is_an_error() {
    for answer in [
        answer("500 Oops", ERROR.len(), ERROR.as_bytes()),
        answer("302 Found", 0, b""),
        b"HTTP/1.1 200".to_vec(),
        Vec::new(),
    ] {
        let (port, _) = server(answer.clone());
        let put = store(port).put("k", vec![7; 10].into()).await;
        put.expect_err(&String::from_utf8_lossy(&answer));
    }
}
