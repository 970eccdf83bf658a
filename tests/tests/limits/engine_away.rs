//! A metadata engine that hangs or goes away.

use super::damaged_volume::{Bed, ended, is_eio, refused_with, run};
use jfs_tests::Kind;
use jfs_tests::syncing_writer::SyncingWriter;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::TcpListener;
use std::time::Duration;

/// A server that accepts connections and never says a word.
pub(crate) struct Deaf(TcpListener);

impl Deaf {
    pub(crate) fn new() -> Deaf {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let accepting = listener.try_clone().unwrap();
        std::thread::spawn(move || accepting.incoming().collect::<Vec<_>>());
        Deaf(listener)
    }

    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}

/// Holds the server still; it goes on with the value.
struct Still(Pid);

impl Still {
    fn new(bed: &Bed) -> Still {
        let pid = Pid::from_raw(bed.redis.as_ref().unwrap().pid().cast_signed());
        kill(pid, Signal::SIGSTOP).unwrap();
        Still(pid)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

fn commands_give_up(url: &str, bed: &Bed, server: &str) {
    let (bucket, point) = (
        bed.bucket().display().to_string(),
        bed.path("point").display().to_string(),
    );
    fs::create_dir_all(&point).unwrap();
    refused_with(&["status", url], &[server]);
    refused_with(&["mount", url, &point], &[server]);
    refused_with(&["mount", "-d", url, &point], &[server]);
    refused_with(
        &[
            "format",
            "--storage",
            "file",
            "--bucket",
            &bucket,
            url,
            "vol",
        ],
        &[server],
    );
}

#[test]
fn a_server_that_never_answers() {
    let (bed, deaf) = (Bed::new(Kind::Sqlite), Deaf::new());
    let url = format!("redis://{}/1?read-timeout=1s", deaf.address());
    commands_give_up(&url, &bed, &deaf.address());
}

#[test]
fn a_server_that_is_not_there() {
    let bed = Bed::new(Kind::Sqlite);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    commands_give_up(&format!("redis://{port}/1"), &bed, &port.to_string());
}

#[test]
fn a_server_that_stands_still() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    let still = Still::new(&bed);
    let server = format!("127.0.0.1:{}", bed.redis.as_ref().unwrap().port());
    commands_give_up(&bed.url(), &bed, &server);
    drop(still);
    assert_eq!(run(&["status", &bed.url()]).0, 0);
}

/// For a while a program waits and notices nothing.
#[test]
fn a_pause_is_waited_out() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    let mount = bed.mount(&[]);
    fs::write(mount.at("file"), b"before").unwrap();
    let still = Still::new(&bed);
    let path = mount.at("new");
    let (sender, began) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        sender.send(()).unwrap();
        fs::write(&path, b"through the pause").and_then(|()| fs::read(&path))
    });
    began.recv().unwrap();
    // Longer than one round trip may take.
    std::thread::sleep(Duration::from_millis(2500));
    drop(still);
    assert_eq!(writer.join().unwrap().unwrap(), b"through the pause");
    assert_eq!(fs::read(mount.at("file")).unwrap(), b"before");
    mount.unmount().unwrap();
}

/// Then it gets an error, the mount can be taken away by force, and what comes back is served again.
#[test]
fn a_long_silence_ends_in_an_error() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    let (one, two) = (bed.mount(&[]), bed.mount(&[]));
    fs::write(one.at("file"), b"before").unwrap();
    let still = Still::new(&bed);
    let requests: Vec<_> = ["file", "new"]
        .map(|name| {
            let path = one.at(name);
            std::thread::spawn(move || {
                ended(format!("a request for {name}"), move || match name {
                    "new" => fs::write(path, b"new").map(|()| 0),
                    _ => fs::metadata(path).map(|m| m.len()),
                })
            })
        })
        .into();
    let forced = two.path().display().to_string();
    let (code, text) = run(&["umount", "--force", &forced]);
    assert_eq!(code, 0, "{text}");
    for request in requests {
        let result = request.join().unwrap();
        assert!(is_eio(&result), "{result:?}");
    }
    drop(still);
    assert_eq!(fs::read(one.at("file")).unwrap(), b"before");
    fs::write(one.at("new"), b"again").unwrap();
    assert_eq!(fs::read(one.at("new")).unwrap(), b"again");
    one.unmount().unwrap();
    drop(two);
}

/// kill -9 of the server under a writer that syncs, and a start on the same files: the writer goes on, and
/// what was acknowledged is there.
#[test]
fn a_server_that_is_killed_and_comes_back() {
    let mut bed = Bed::formatted(Kind::Redis, &[]);
    bed.redis(&[b"CONFIG", b"SET", b"appendfsync", b"always"]);
    let mount = bed.mount(&[]);
    let mut writer = SyncingWriter::start(&mount, "log");
    let redis = bed.redis.as_mut().unwrap();
    redis.kill9().unwrap();
    redis.restart().unwrap();
    writer.wait_for_lines();
    writer.stop();
    mount.unmount().unwrap();
}
