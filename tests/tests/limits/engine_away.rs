//! A metadata engine that hangs or goes away.

use super::damaged_volume::{Bed, ended, is_eio, refused_with, run};
use jfs_testkit::wait_until;
use jfs_tests::Kind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::TcpListener;
use std::process::Command;
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

/// Writes and syncs numbered lines until it is stopped, and notes the last one that was acknowledged.
const WRITER: &str = r#"n=0
while [ ! -e "$2/stop" ]; do
  n=$((n + 1))
  printf '%06d\n' $n | dd of="$1" oflag=append conv=notrunc,fsync status=none || exit 1
  echo $n > "$2/new" && mv "$2/new" "$2/acknowledged"
done"#;

/// kill -9 of the server under a writer that syncs, and a start on the same files: the writer goes on, and
/// what was acknowledged is there.
///
/// The writer is another process: a program that this one starts would close its copies of our open files, and
/// so wait for the server that it is.
#[test]
fn a_server_that_is_killed_and_comes_back() {
    let mut bed = Bed::formatted(Kind::Redis, &[]);
    bed.redis(&[b"CONFIG", b"SET", b"appendfsync", b"always"]);
    let mount = bed.mount(&[]);
    let mut writer = Command::new("sh")
        .args(["-c", WRITER, "sh"])
        .args([mount.at("log"), bed.dir.path().to_owned()])
        .spawn()
        .unwrap();
    let acknowledged = bed.path("acknowledged");
    let last = || -> usize {
        let text = fs::read_to_string(&acknowledged).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    };
    let more_than = |n: usize| {
        let limit = Duration::from_secs(60);
        wait_until("acknowledged lines", limit, || {
            Ok((last() > n).then_some(()))
        })
        .unwrap();
    };
    more_than(5);
    let redis = bed.redis.as_mut().unwrap();
    redis.kill9().unwrap();
    redis.restart().unwrap();
    more_than(last() + 5);
    fs::write(bed.path("stop"), b"").unwrap();
    assert!(writer.wait().unwrap().success(), "{}", mount.log());
    let wanted: String = (1..=last()).map(|n| format!("{n:06}\n")).collect();
    assert_eq!(fs::read_to_string(mount.at("log")).unwrap(), wanted);
    mount.unmount().unwrap();
}
