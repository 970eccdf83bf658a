//! Lines of `.accesslog`.

use super::local_volume::{LocalVolume, Meta, ours};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One line, taken apart; panics when it does not have the shape.
fn parse(line: &str) -> (String, String, String) {
    let (time, rest) = line.split_at("2026.01.31 23:59:59.123456".len());
    let shape = time.replace(|c: char| c.is_ascii_digit(), "9");
    assert_eq!(shape, "9999.99.99 99:99:99.999999", "{line}");
    let (who, rest) = rest.strip_prefix(" [").unwrap().split_once("] ").unwrap();
    let ids = who.split(',').zip(["uid:", "gid:", "pid:"]);
    let ids = ids.map(|(text, name)| text.strip_prefix(name).unwrap().parse::<u32>());
    assert_eq!(ids.filter(Result::is_ok).count(), 3, "{line}");
    let (op, rest) = rest.split_once(' ').unwrap();
    let (rest, took) = rest.rsplit_once(" <").unwrap();
    let (seconds, micros) = took.strip_suffix('>').unwrap().split_once('.').unwrap();
    assert!(
        seconds.parse::<u64>().is_ok() && micros.len() == 6,
        "{line}"
    );
    let (text, status) = rest.rsplit_once(" - ").unwrap();
    assert!(text.starts_with('('), "{line}");
    (op.to_string(), text.to_string(), status.to_string())
}

/// Every operation leaves a line that says what it was about, whoever reads.
#[test]
fn every_operation_leaves_a_line() {
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &[]);
    let mount = volume.mount(&ours(), &["--enable-xattr", "--enable-ioctl"]);
    let stop = AtomicBool::new(false);
    let read_log = || {
        let mut log = File::open(mount.at(".accesslog")).unwrap();
        let (mut text, mut part) = (Vec::new(), vec![0; 4096]);
        loop {
            let last = stop.load(Ordering::SeqCst);
            let n = log.read(&mut part).unwrap();
            text.extend_from_slice(&part[..n]);
            if last && &part[..n] == b"#\n" {
                break String::from_utf8(text).unwrap();
            }
        }
    };
    let logs = std::thread::scope(|scope| {
        let readers = [scope.spawn(read_log), scope.spawn(read_log)];
        std::thread::sleep(Duration::from_millis(300));
        std::fs::create_dir(mount.at("dir")).unwrap();
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o640)
            .open(mount.at("dir/s\n2"))
            .unwrap();
        file.write_all_at(b"hello", 3).unwrap();
        file.sync_all().unwrap();
        file.read_exact_at(&mut [0; 8], 0).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o4711))
            .unwrap();
        drop(file);
        std::fs::rename(mount.at("dir/s\n2"), mount.at("new")).unwrap();
        std::fs::hard_link(mount.at("new"), mount.at("hard")).unwrap();
        std::os::unix::fs::symlink("to/nowhere", mount.at("soft")).unwrap();
        std::fs::read_link(mount.at("soft")).unwrap();
        assert_eq!(std::fs::read_dir(mount.path()).unwrap().count(), 4);
        std::fs::remove_file(mount.at("hard")).unwrap();
        std::fs::remove_dir(mount.at("dir")).unwrap();
        assert!(File::open(mount.at("nope")).is_err());
        stop.store(true, Ordering::SeqCst);
        readers.map(|reader| reader.join().unwrap())
    });
    for log in logs {
        let lines: Vec<_> = log.lines().filter(|l| *l != "#").map(parse).collect();
        let has = |op: &str, test: &dyn Fn(&str) -> bool, status: &str| {
            let found = lines
                .iter()
                .any(|(o, t, s)| o == op && test(t) && s == status);
            assert!(found, "no {op} - {status} in {log}");
        };
        has(
            "mkdir",
            &|t| t.starts_with("(1,dir,?rwxrwxrwx:00777): (2,[drwxr-xr-x:0040755,2,"),
            "OK",
        );
        has(
            "create",
            &|t| t.starts_with("(2,s\\n2,-rw-r-----:0100640): (3,[-rw-r-----:0100640,1,"),
            "OK",
        );
        has("write", &|t| t.starts_with("(3,5,3,"), "OK");
        has("fsync", &|t| t == "(3,0)", "OK");
        has(
            "read",
            &|t| t.starts_with("(3,") && t.ends_with(": (8)"),
            "OK",
        );
        has(
            "setattr",
            &|t| t.contains("0x1,[mode=-rws--x--x:04711]): (3,[-rws--x--x:0104711,"),
            "OK",
        );
        has("flush", &|t| t.starts_with("(3,"), "OK");
        has("release", &|t| t.starts_with("(3,"), "OK");
        has("rename", &|t| t.starts_with("(2,s\\n2,1,new,"), "OK");
        has("link", &|t| t.starts_with("(3,1,hard): (3,["), "OK");
        has(
            "symlink",
            &|t| t.starts_with("(1,soft,to/nowhere): (4,[lrwxrwxrwx:0120777,"),
            "OK",
        );
        has("readlink", &|t| t == "(4): (to/nowhere)", "OK");
        has("opendir", &|t| t.starts_with("(1) [fh:"), "OK");
        has("readdir", &|t| t.starts_with("(1,"), "OK");
        has("unlink", &|t| t == "(1,hard)", "OK");
        has("rmdir", &|t| t == "(1,dir)", "OK");
        has("lookup", &|t| t == "(1,nope):", "no such file or directory");
        assert!(!log.contains("read (9223372032559808513"), "{log}");
    }
    mount.unmount().unwrap();
}
