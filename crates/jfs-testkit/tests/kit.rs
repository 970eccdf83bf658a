//! The helpers themselves: a server that is really killed and comes back, a mount of the reference client
//! that really serves and really goes away, trees that differ where they were made to.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_testkit::{
    Field, Fixture, KitError, MountArgs, RedisOptions, RedisServer, Reference, content, diff,
    process_alive, scratch_dir, wait_until, walk,
};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn redis_keeps_what_it_synced_over_a_kill() {
    let options = RedisOptions {
        append_only: true,
        load_rdb: None,
    };
    let mut redis = RedisServer::start_with(options).unwrap();
    let first = redis.pid();
    assert_eq!(
        redis.command(3, &[b"SET", b"k", b"v\r\n"]).unwrap(),
        b"+OK\r\n"
    );
    assert_eq!(redis.command(2, &[b"GET", b"k"]).unwrap(), b"$-1\r\n");
    // From here on the server answers only after a sync, which takes the earlier write along.
    redis
        .command(0, &[b"CONFIG", b"SET", b"appendfsync", b"always"])
        .unwrap();
    assert_eq!(redis.command(3, &[b"SET", b"l", b"w"]).unwrap(), b"+OK\r\n");
    redis.kill9().unwrap();
    assert!(!process_alive(first.cast_signed()));
    redis.command(3, &[b"PING"]).unwrap_err();
    redis.restart().unwrap();
    assert_eq!(
        redis.command(3, &[b"GET", b"k"]).unwrap(),
        b"$3\r\nv\r\n\r\n"
    );
    assert_eq!(redis.command(3, &[b"KEYS", b"*"]).unwrap()[..2], *b"*2");
    let second = redis.pid().cast_signed();
    drop(redis);
    assert!(!process_alive(second));
}

#[test]
fn many_servers_at_once_have_ports_of_their_own() {
    let start = || RedisServer::start().unwrap();
    let servers = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap())
            .collect::<Vec<_>>()
    });
    let mut ports: Vec<_> = servers.iter().map(RedisServer::port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), servers.len());
}

#[test]
fn differences_are_found_in_each_fact() {
    let (a, b) = (scratch_dir().unwrap(), scratch_dir().unwrap());
    for dir in [a.path(), b.path()] {
        std::fs::create_dir(dir.join("d")).unwrap();
        std::fs::write(dir.join("d/same"), content(1, 5000)).unwrap();
        std::fs::write(dir.join("d/other"), content(1, 5000)).unwrap();
        std::os::unix::fs::symlink("same", dir.join("d/link")).unwrap();
    }
    let both = || (walk(a.path()).unwrap(), walk(b.path()).unwrap());
    let (one, two) = both();
    assert_eq!(one.len(), 5);
    assert_eq!(diff(&one, &two, Field::LIKE), Vec::<String>::new());

    std::fs::write(b.path().join("d/other"), content(2, 5000)).unwrap();
    std::fs::set_permissions(b.path().join("d/same"), PermissionsExt::from_mode(0o4711)).unwrap();
    std::fs::remove_file(b.path().join("d/link")).unwrap();
    std::fs::write(b.path().join("new"), b"").unwrap();
    let (one, two) = both();
    let lines = diff(&one, &two, Field::LIKE);
    assert_eq!(lines[0], "/d/link: only in the first");
    assert!(lines[1].starts_with("/d/other: Content "), "{lines:?}");
    assert_eq!(
        lines[2],
        format!("/d/same: Mode {:04o} and 4711", one[&b"/d/same"[..]].mode)
    );
    assert_eq!(lines[3..], ["/new: only in the second"]);
    assert!(
        diff(&one, &two, &[Field::Target])
            .iter()
            .all(|l| l.contains("only in"))
    );
}

#[test]
fn the_reference_shows_a_fixture_as_its_manifest_says() {
    let reference = Reference::find().unwrap();
    let fixture = Fixture::unpack("plain").unwrap();
    assert!(fixture.objects().join("chunks").is_dir());
    let bucket = fixture.bucket();
    let more = ["--enable-xattr", "--enable-ioctl"];
    let flags = ["--read-only", "--no-usage-report", "--bucket", &bucket];
    let flags = [&flags[..], &more].concat();
    let mount = reference
        .mount(MountArgs::new(fixture.meta_url()).flags(flags))
        .unwrap();
    let seen = walk(mount.path()).unwrap();
    assert_eq!(
        diff(&fixture.manifest().entries, &seen, Field::ALL),
        Vec::<String>::new()
    );
    assert!(fixture.manifest().trash.len() > 5);
    let pids = mount.pids();
    assert!(!pids.is_empty());
    let log = mount.unmount().unwrap();
    assert!(log.contains("is ready at"), "{log}");
    assert!(!pids.into_iter().any(process_alive));
}

#[test]
fn a_mount_that_cannot_be_is_an_error_with_its_log() {
    let reference = Reference::find().unwrap();
    let dir = scratch_dir().unwrap();
    let url = format!("sqlite3://{}/none.db", dir.path().display());
    let Err(KitError::Failed { what, output }) = reference.mount(MountArgs::new(url)) else {
        panic!("mounted nothing")
    };
    assert!(what.contains("instead of serving"), "{what}");
    assert!(output.contains("not formatted"), "{output}");
}

#[test]
fn a_killed_or_dropped_mount_leaves_nothing() {
    let reference = Reference::find().unwrap();
    let dir = scratch_dir().unwrap();
    let url = format!("sqlite3://{}/meta.db", dir.path().display());
    reference
        .format(&url, "kill", &dir.path().join("objects"), &[])
        .unwrap();
    for hard in [true, false] {
        let flags = ["--no-usage-report", "--backup-meta", "0"];
        let mount = reference.mount(MountArgs::new(&url).flags(flags)).unwrap();
        let (pids, path) = (mount.pids(), mount.path().to_owned());
        std::fs::write(mount.at("file"), b"content").unwrap();
        if hard {
            mount.kill9().unwrap()
        } else {
            drop(mount)
        }
        assert!(!pids.into_iter().any(process_alive));
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(path.to_str().unwrap()));
    }
}

/// Not a test by itself: the process that [`a_killed_test_process_takes_its_children_along`] kills.
#[test]
fn victim() {
    if std::env::var_os("JFS_TESTKIT_VICTIM").is_none() {
        return;
    }
    let redis = RedisServer::start().unwrap();
    println!("\nredis {} {}", redis.pid(), redis.socket().display());
    std::io::stdin().lines().next();
}

#[test]
fn a_killed_test_process_takes_its_children_along() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
        .env("JFS_TESTKIT_VICTIM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let line = lines.into_iter().find(|l| l.starts_with("redis ")).unwrap();
    let (pid, socket) = line
        .strip_prefix("redis ")
        .unwrap()
        .split_once(' ')
        .unwrap();
    let pid = pid.parse::<i32>().unwrap();
    assert!(process_alive(pid) && Path::new(socket).exists());
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(
        "the server of a killed process to end",
        Duration::from_secs(10),
        || Ok((!process_alive(pid)).then_some(())),
    )
    .unwrap();
}
