//! Servers that are stopped, killed, frozen, or not there.

use super::on_sql_servers;
use super::server::{Bed, DATABASE, url};
use jfs_tests::SqlServer;
use jfs_tests::ending_commands::{ended, is_eio, refused_with, run};
use jfs_tests::syncing_writer::SyncingWriter;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

on_sql_servers! {
    a_stop_and_a_start_under_writers,
    a_kill_and_a_start_under_writers,
    a_server_that_is_not_there,
    a_server_that_never_answers,
    a_server_that_stands_still,
    a_pause_is_waited_out,
    a_long_silence_ends_in_an_error,
}

/// Writers that sync go on when the server is back, and what was acknowledged is there.
fn outage_under_writers(kind: SqlServer, outage: impl Fn(&mut Bed)) {
    let mut bed = Bed::formatted(kind);
    let mount = bed.mount();
    let mut writers = ["one", "two"].map(|name| SyncingWriter::start(&mount, name));
    for _ in 0..2 {
        outage(&mut bed);
        bed.restart();
        writers.iter_mut().for_each(SyncingWriter::wait_for_lines);
    }
    writers.into_iter().for_each(SyncingWriter::stop);
    mount.unmount().unwrap();
}

fn a_stop_and_a_start_under_writers(kind: SqlServer) {
    outage_under_writers(kind, Bed::stop);
}

fn a_kill_and_a_start_under_writers(kind: SqlServer) {
    outage_under_writers(kind, Bed::kill9);
}

/// Every command that needs the server at `address` ends with one line that names it.
fn commands_give_up(kind: SqlServer, address: &str) {
    let dir = jfs_testkit::scratch_dir().unwrap();
    let point = dir.path().join("point");
    fs::create_dir(&point).unwrap();
    let (point, bucket) = (
        point.display().to_string(),
        dir.path().display().to_string(),
    );
    let url = url(kind, address, "someone:s3cr3t", DATABASE);
    for args in [
        &["status", &url][..],
        &["mount", &url, &point],
        &["mount", "-d", &url, &point],
        &[
            "format",
            "--storage",
            "file",
            "--bucket",
            &bucket,
            &url,
            "vol",
        ],
    ] {
        refused_with(args, &[address]);
        let (_, text) = run(args);
        assert!(!text.contains("s3cr3t"), "a password is shown: {text}");
    }
}

fn a_server_that_is_not_there(kind: SqlServer) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    commands_give_up(kind, &port.unwrap().to_string());
}

/// It accepts connections and never says a word.
fn a_server_that_never_answers(kind: SqlServer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    commands_give_up(kind, &address);
}

fn a_server_that_stands_still(kind: SqlServer) {
    let bed = Bed::formatted(kind);
    let frozen = bed.freeze();
    commands_give_up(kind, &bed.address());
    drop(frozen);
    assert_eq!(run(&["status", &bed.url()]).0, 0);
}

/// For a while a program waits and notices nothing.
fn a_pause_is_waited_out(kind: SqlServer) {
    let bed = Bed::formatted(kind);
    let mount = bed.mount();
    fs::write(mount.at("file"), b"before").unwrap();
    let frozen = bed.freeze();
    let path = mount.at("new");
    let writer =
        std::thread::spawn(move || fs::write(&path, b"through").and_then(|()| fs::read(&path)));
    std::thread::sleep(Duration::from_millis(2500));
    drop(frozen);
    assert_eq!(writer.join().unwrap().unwrap(), b"through");
    assert_eq!(fs::read(mount.at("file")).unwrap(), b"before");
    mount.unmount().unwrap();
}

/// Then a program gets an error, a mount can be taken away by force, and the other one serves again when the
/// server does.
fn a_long_silence_ends_in_an_error(kind: SqlServer) {
    let bed = Bed::formatted(kind);
    let (one, two) = (bed.mount(), bed.mount());
    fs::write(one.at("file"), b"before").unwrap();
    let frozen = bed.freeze();
    let requests = ["file", "new"].map(|name| {
        let path = one.at(name);
        std::thread::spawn(move || {
            ended(format!("a request for {name}"), move || match name {
                "new" => fs::write(path, b"new").map(|()| 0),
                _ => fs::metadata(path).map(|m| m.len()),
            })
        })
    });
    let forced = two.path().display().to_string();
    let (code, text) = run(&["umount", "--force", &forced]);
    assert_eq!(code, 0, "{text}");
    for request in requests {
        let result = request.join().unwrap();
        assert!(is_eio(&result), "{result:?}");
    }
    drop(frozen);
    assert_eq!(fs::read(one.at("file")).unwrap(), b"before");
    fs::write(one.at("again"), b"again").unwrap();
    assert_eq!(fs::read(one.at("again")).unwrap(), b"again");
    one.unmount().unwrap();
    drop(two);
}
