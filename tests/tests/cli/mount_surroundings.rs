//! What a mount finds around it: links on the way to its mount point, a mask for permissions, places that
//! cannot be written, relative paths, odd descriptors, signals and limits.

use jfs_testkit::{Jfs, RedisServer, scratch_dir};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Runs a script of bash, in a mount namespace of its own, in a new directory that holds a formatted
/// volume `a.db`. `mnt FLAGS POINT` mounts that as a daemon, `gone POINT` waits until it is not mounted.
fn script(text: &str) -> (TempDir, String) {
    let dir = scratch_dir().unwrap();
    let jfs = Jfs::find().unwrap();
    let url = format!("sqlite3://{}", dir.path().join("a.db").display());
    jfs.format(&url, "vol", &dir.path().join("objects"), &[])
        .unwrap();
    run_in(&dir, text, &[])
}

fn run_in(dir: &TempDir, text: &str, variables: &[(&str, &str)]) -> (TempDir, String) {
    let before = r#"
        set -eu
        cd "$DIR"
        mnt() { timeout 60 "$JFS" mount -d --metrics "" --no-syslog --cache-dir memory --log "$DIR/log" "sqlite3://$DIR/a.db" "$@"; }
        serves() { grep -q "^JuiceFS:vol $1 " /proc/mounts; }
        server() { pgrep -f "jfs-mount.* $1\$"; }
        gone() { for _ in $(seq 200); do serves "$1" || return 0; sleep 0.05; done; return 1; }
        trap 'tail -n 5 "$DIR/log" >&2 || true; grep " $DIR" /proc/mounts | cut -d" " -f2 | tac | while read -r m; do "$JFS" umount --force "$m" || true; done' EXIT
    "#;
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "bash", "-c"])
        .arg(format!("{before}{text}"))
        .env("JFS", Jfs::find().unwrap().program())
        .env("DIR", dir.path())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{out}{err}");
    let kept = scratch_dir().unwrap();
    (kept, format!("{out}{err}"))
}

/// A second mount is noticed through links, SIGTERM takes the mount away at once, and `umount` and `info`
/// find it by every name.
#[test]
fn links_on_the_way_to_a_mount_point() {
    let (_dir, said) = script(
        r#"
        mkdir real base base/m
        ln -s "$DIR/real" link
        ln -s base blink
        ln -s "$DIR/blink/m" far
        mnt link/
        serves "$DIR/real"
        for again in link ./link blink/../real "$DIR/base/../link"; do
            if mnt "$again"; then exit 9; fi
        done
        [ "$(grep -c "$DIR/real " /proc/mounts)" = 1 ]
        pid=$(server "$DIR/link")
        start=$(date +%s%N)
        kill -TERM "$pid"
        gone "$DIR/real"
        echo "ended in $(( ($(date +%s%N) - start) / 1000000 )) ms"
        ls link/

        mnt far
        serves "$DIR/base/m"
        mkdir far/d
        echo x > far/d/f
        ln -s "$DIR/far/d/f" outside
        "$JFS" info far/d/.. blink/m/d/f outside
        pid=$(server "$DIR/far")
        "$JFS" umount blink/../far
        [ ! -d "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status"

        for words in umount status; do "$JFS" $words "" 2>&1 | grep ' is empty'; done
        mnt "blink/new one
and \\ more/deep"
        "$JFS" umount "base/new one
and \\ more/deep"
        "#,
    );
    assert!(said.contains("is mounted already"), "{said}");
    assert_eq!(said.matches("  inode: ").count(), 3, "{said}");
    let ms = said
        .split("ended in ")
        .nth(1)
        .and_then(|s| s.split(' ').next());
    let ms: u64 = ms.unwrap().parse().unwrap();
    assert!(ms < 5000, "{said}");
}

/// Of mounts on top of each other `umount` takes the upper one and waits for its process alone, whether it
/// lives or was killed.
#[test]
fn a_stack_of_mounts_is_taken_away_from_the_top() {
    let (_dir, said) = script(
        r#"
        "$JFS" format --storage file --bucket "$DIR/o2" "sqlite3://$DIR/b.db" upper
        upper() { timeout 60 "$JFS" mount -d --metrics "" --no-syslog --cache-dir memory --log "$DIR/log" --force "sqlite3://$DIR/b.db" "$DIR/m"; }
        mnt m
        lower=$(server "$DIR/m")
        runs() { [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status"; }
        for way in living killed; do
            upper
            top=$(server "$DIR/m" | grep -v "^$lower\$")
            echo x > m/f
            if [ $way = killed ]; then kill -KILL "$top"; fi
            timeout 20 "$JFS" umount m
            if runs "$top"; then exit 8; fi
            runs "$lower"
            serves "$DIR/m"
            [ ! -e m/f ]
        done
        "$JFS" umount m
        if runs "$lower"; then exit 9; fi
        "#,
    );
    assert!(!said.contains("has not ended"), "{said}");
}

/// The process works with mask 0; what it makes for itself has permissions of its own.
#[test]
fn files_of_a_mount_are_writable_by_their_owner_alone() {
    let (_dir, said) = script(
        r#"
        umask 000
        "$JFS" mount -d --metrics "" --no-syslog --cache-dir "$DIR/cache/deep" --log "$DIR/logs/new/log" "sqlite3://$DIR/a.db" x/y/m
        echo data > x/y/m/f
        cat x/y/m/f > /dev/null
        pid=$(server "$DIR/x/y/m")
        mv logs/new logs/old
        kill -HUP "$pid"
        for _ in $(seq 100); do [ -e logs/new/log ] && break; sleep 0.05; done
        ls -a cache/deep/*/
        "$JFS" umount x/y/m
        "$JFS" format --storage file --bucket "$DIR/o2" "sqlite3://$DIR/b.db" other
        find x logs cache a.db* b.db* -printf '%m %y %p\n'
        "#,
    );
    let modes = said.lines().filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        Some((mode, words.next()?, words.next()?))
    });
    let modes: Vec<_> = modes.collect();
    let mode = |path: &str| modes.iter().find(|m| m.2 == path).map(|m| m.0);
    for (path, want) in [
        ("x/y/m", 0o755),
        ("x", 0o755),
        ("logs/new", 0o755),
        ("logs/new/log", 0o644),
        ("logs/old/log", 0o644),
        ("b.db", 0o600),
    ] {
        assert_eq!(mode(path), Some(want), "{path}: {said}");
    }
    for (mode, _, path) in &modes {
        assert_eq!(mode & 0o022, 0, "{path} is {mode:o}: {said}");
        if path.starts_with("cache/") && !path.ends_with(".lock") {
            assert_eq!(mode & 0o077, 0, "{path} is {mode:o}: {said}");
        }
    }
}

/// Neither the log nor the cache is the volume: it is mounted without them, and that is said once.
#[test]
fn a_log_or_a_cache_that_cannot_be_written() {
    let (_dir, said) = script(
        r#"
        mkdir ro m
        mount -t tmpfs -o ro tmpfs ro
        for more in "" "--no-syslog"; do
            echo "--- log $more"
            timeout 60 "$JFS" mount -d --metrics "" $more --cache-dir "$DIR/ro/cache" --log "$DIR/ro/log" "sqlite3://$DIR/a.db" m 2>&1 | cat
            serves "$DIR/m"
            echo works > m/f
            "$JFS" umount m
        done
        echo "--- home"
        env -i PATH="$PATH" "$JFS" mount -d --no-syslog --metrics "" "sqlite3://$DIR/a.db" "$DIR/m" --cache-dir "$DIR/ro/c:$DIR/ro/d" --log ro/log
        grep works m/f
        "$JFS" umount m
        mnt --cache-dir "$DIR/ro/cache" m
        "$JFS" umount m
        echo "--- the log"
        cat log
        "#,
    );
    let parts: Vec<&str> = said.split("--- ").collect();
    assert_eq!(
        parts[1].matches("ro/log: Read-only file system").count(),
        1,
        "{said}"
    );
    assert!(parts[1].contains("to the system log only"), "{said}");
    assert!(parts[2].contains("there is no log"), "{said}");
    let log = parts.last().unwrap();
    assert_eq!(log.matches("ro/cache").count(), 1, "{said}");
    assert!(log.contains("blocks are kept in memory only"), "{said}");
}

/// A daemon leaves the directory in which it was started; what was said there stays true.
#[test]
fn relative_paths_of_a_daemon() {
    let (server, dir) = (RedisServer::start().unwrap(), scratch_dir().unwrap());
    let socket = server.socket();
    std::os::unix::fs::symlink(&socket, dir.path().join("r.sock")).unwrap();
    server
        .command(0, &[b"CONFIG", b"SET", b"requirepass", b"sesame"])
        .unwrap();
    std::fs::write(dir.path().join("pw"), "sesame\n").unwrap();
    let port = server.port().to_string();
    run_in(
        &dir,
        r#"
        export META_PASSWORD_FILE=pw
        flags='--metrics= --no-syslog --cache-dir cache --log logs/log'
        check() { echo x > m/f; pid=$(server "$DIR/m"); [ "$(readlink /proc/$pid/cwd)" = / ]; "$JFS" umount m; }
        "$JFS" format --storage file --bucket objects "redis://127.0.0.1:$PORT/1" vol
        "$JFS" mount -d $flags "redis://127.0.0.1:$PORT/1" m
        check
        "$JFS" mount -d $flags "unix://r.sock?db=1" m
        check
        "$JFS" mount -d $flags --bucket objects "unix://:sesame@r.sock?db=1" m
        check
        [ -s logs/log ]
        [ -d cache ]
        n=2
        mkdir 'odd?dir'
        cd 'odd?dir'
        for url in sqlite3://a.db 'sqlite3://file:b%20c.db?cache=shared' sqlite3://./../d.db; do
            "$JFS" format --storage file --bucket "../o$((n = n + 1))" "$url" vol
            "$JFS" status "$url" > /dev/null
            "$JFS" mount -d $flags "$url" ../m
            check() { echo x > ../m/f; "$JFS" umount ../m; }
            check
        done
        [ -f a.db ] && [ -f 'b c.db' ] && [ -f ../d.db ]
        # Nowhere at all.
        mkdir "$DIR/removed"
        cd "$DIR/removed"
        rmdir "$DIR/removed"
        "$JFS" mount -d --metrics= --no-syslog --cache-dir memory --log "$DIR/log" "sqlite3://$DIR/d.db" "$DIR/m"
        "$JFS" umount "$DIR/m"
        "#,
        &[("PORT", &port)],
    );
}

/// What a shell hands down: closed descriptors, ignored and blocked signals, limits.
#[test]
fn what_a_process_inherits() {
    let python = r#"
import os, signal, resource, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD])
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 5000))
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, resource.RLIM_INFINITY))
resource.setrlimit(resource.RLIMIT_CPU, (1000, resource.RLIM_INFINITY))
os.set_inheritable(os.open("held", os.O_CREAT | os.O_RDWR), True)
for fd in (0, 1, 2):
    os.close(fd)
os.execv(sys.argv[1], sys.argv[1:])
"#;
    let dir = scratch_dir().unwrap();
    std::fs::write(dir.path().join("odd.py"), python).unwrap();
    let jfs = Jfs::find().unwrap();
    let url = format!("sqlite3://{}", dir.path().join("a.db").display());
    jfs.format(&url, "vol", &dir.path().join("objects"), &[])
        .unwrap();
    let (_kept, said) = run_in(
        &dir,
        r#"
        for program in "$JFS mount" "${JFS}-mount"; do
            python3 odd.py $program -d --metrics "" --no-syslog --cache-dir memory --log "$DIR/log" "sqlite3://$DIR/a.db" m
            pid=$(server "$DIR/m")
            grep -E 'open files|file size|cpu time' "/proc/$pid/limits"
            readlink "/proc/$pid/fd/0"
            if ls -l "/proc/$pid/fd" | grep held; then exit 9; fi
            head -c 10M /dev/zero > m/big
            sync m/big
            kill -TERM "$pid"
            gone "$DIR/m"
        done
        # Without a terminal, as nohup starts it: SIGHUP is not for this process.
        (trap '' HUP; exec "$JFS" mount --metrics "" --cache-dir memory "sqlite3://$DIR/a.db" "$DIR/m" 2>/dev/null) &
        for _ in $(seq 200); do serves "$DIR/m" && break; sleep 0.05; done
        kill -HUP $!
        sleep 0.3
        serves "$DIR/m"
        "$JFS" umount m
        wait
        "#,
        &[],
    );
    assert_eq!(
        said.matches("Max open files            5000").count(),
        2,
        "{said}"
    );
    assert_eq!(
        said.matches("Max file size             unlimited").count(),
        2,
        "{said}"
    );
    assert_eq!(
        said.matches("Max cpu time              unlimited").count(),
        2,
        "{said}"
    );
    assert_eq!(said.matches("/dev/null").count(), 2, "{said}");
    assert!(Path::new(&url[10..]).exists());
}
