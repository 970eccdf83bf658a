//! `bench` on mounts of both clients and on a plain directory, and the reference's `bench` on our mount.

use jfs_testkit::{Client, Jfs, MountArgs, Reference, scratch_dir, wait_until};
use std::path::Path;
use std::time::Duration;

/// Small sizes: two threads, a block of 64 KiB.
const SMALL: [&str; 10] = [
    "--block-size",
    "64K",
    "--big-file-size",
    "2M",
    "--small-file-size",
    "16K",
    "--small-file-count",
    "5",
    "-p",
    "2",
];
/// First word of a value, and the unit.
const ROWS: [(&str, &str); 12] = [
    ("Write big file", "MiB/s"),
    ("Read big file", "MiB/s"),
    ("Write small file", "files/s"),
    ("Read small file", "files/s"),
    ("Stat file", "files/s"),
    ("FUSE operation", "operations"),
    ("Update meta", "operations"),
    ("Put object", "operations"),
    ("Get object", "operations"),
    ("Delete object", "operations"),
    ("Write into cache", "operations"),
    ("Read from cache", "operations"),
];
/// Rows that no mount adds.
const OWN_ROWS: usize = 5;

/// Runs a benchmark; the values of the first `rows` rows, which must be all.
fn bench(client: &Client, path: &Path, rows: usize) -> Vec<f64> {
    let path = path.display().to_string();
    let words: Vec<&str> = ["bench", &path].into_iter().chain(SMALL).collect();
    let output = client.run(&words).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.text());
    let text = output.stdout;
    assert!(
        !text.contains('\x1b'),
        "no colours without a terminal: {text}"
    );
    let settings = "BlockSize: 64 KiB, BigFileSize: 2.0 MiB, SmallFileSize: 16 KiB, SmallFileCount: 5, NumThreads: 2";
    assert!(
        text.starts_with(&format!("Benchmark finished!\n{settings}\n")),
        "{text}"
    );
    let has_usage = text.contains("\nTime used: ") && text.contains("%, Memory: ");
    assert_eq!(has_usage, rows > OWN_ROWS, "{text}");
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("| ")).collect();
    assert_eq!(lines.len(), 1 + rows, "{text}");
    let values = lines
        .into_iter()
        .skip(1)
        .zip(ROWS)
        .map(|(line, (name, unit))| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            assert_eq!(cells[1], name, "{text}");
            let (value, shown) = cells[2].split_once(' ').unwrap();
            assert_eq!(shown, unit, "{text}");
            value.parse().unwrap()
        });
    values.collect()
}

/// What a benchmark on a mount without cached pages must have counted: 4 MiB in 4 MiB blocks, 10 small files.
fn is_sensible(values: &[f64]) {
    assert!(values[..OWN_ROWS].iter().all(|v| *v > 0.0), "{values:?}");
    let [fuse, meta, put, get, delete, into_cache, from_cache] = values[OWN_ROWS..] else {
        panic!("{values:?}");
    };
    assert!(fuse >= 100.0, "64 writes, 12 creates, ...: {values:?}");
    assert!(
        meta >= 24.0,
        "a creation and a slice for each file: {values:?}"
    );
    assert!(
        (12.0..=14.0).contains(&put),
        "an object for each file: {values:?}"
    );
    assert!(delete <= 12.0 && get <= 12.0, "{values:?}");
    assert!((1.0..=14.0).contains(&into_cache), "{values:?}");
    // Reads may come from the kernel's pages.
    assert!(from_cache >= 0.0);
}

fn entries(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name());
    let own = names.filter(|name| !name.to_string_lossy().starts_with('.'));
    own.count()
}

#[test]
fn a_benchmark_has_all_rows_on_mounts_of_both_clients() {
    let (ours, reference) = (Jfs::find().unwrap(), Reference::find().unwrap());
    for (mounted_by, flags) in [
        (&*ours, vec!["--cache-size=1024"]),
        (&*ours, vec!["--prefix-internal", "--cache-size=1024"]),
        (&*reference, vec!["--cache-size=1024"]),
    ] {
        let dir = scratch_dir().unwrap();
        let url = format!("sqlite3://{}/meta.db", dir.path().display());
        let bucket = dir.path().join("objects");
        mounted_by
            .format(&url, "vol", &bucket, &["--trash-days", "0"])
            .unwrap();
        let mount = MountArgs::new(&url).flags(flags.iter().copied());
        let mount = mounted_by.mount(mount).unwrap();
        std::fs::create_dir(mount.at("below")).unwrap();
        is_sensible(&bench(&ours, &mount.at("below"), ROWS.len()));
        if std::ptr::eq(mounted_by, &*ours) {
            is_sensible(&bench(&reference, &mount.at("below"), ROWS.len()));
        }
        assert_eq!(entries(&mount.at("below")), 0);
        mount.unmount().unwrap();
    }
}

#[test]
fn a_benchmark_of_a_plain_directory() {
    let dir = scratch_dir().unwrap();
    let (ours, reference) = (Jfs::find().unwrap(), Reference::find().unwrap());
    for client in [&*ours, &*reference] {
        // A directory that is missing is made, by both.
        let values = bench(client, &dir.path().join("a/b"), OWN_ROWS);
        assert!(values.iter().all(|v| *v > 0.0), "{values:?}");
        assert_eq!(entries(&dir.path().join("a/b")), 0);
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let [a, file] = [&dir.path().join("a"), &file].map(|p| p.display().to_string());
    for bad in [
        &["bench", &file][..],
        &["bench", &a, "--block-size", "0"],
        &["bench", &a, "--threads", "0"],
        &["bench", &a, "--threads", "x"],
        &["bench", &a, "--small-file-count", "-1"],
        &["bench", &a, "--big-file-size", "x"],
        &[
            "bench",
            &a,
            "--big-file-size",
            "0",
            "--small-file-size",
            "0",
        ],
        &[
            "bench",
            &a,
            "--big-file-size",
            "0",
            "--small-file-count",
            "0",
        ],
        &["bench"],
        &["bench", &a, &a],
    ] {
        let [mine, theirs] = [&*ours, &*reference].map(|c| c.run(bad).unwrap().code);
        assert_eq!((mine, theirs), (Some(1), Some(1)), "{bad:?}");
    }
    assert_eq!(entries(&dir.path().join("a")), 1);
}

/// The reference leaves its directory behind.
#[test]
fn an_interrupted_benchmark_leaves_nothing() {
    let dir = scratch_dir().unwrap();
    let ours = Jfs::find().unwrap();
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        // A shell in the background ignores SIGINT, and so does what it starts.
        let mut child = std::process::Command::new("env")
            .arg("--default-signal=INT,TERM")
            .arg(ours.program())
            .args(["bench", "--big-file-size", "1T", "--block-size", "4K"])
            .arg(dir.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_until("its directory is there", Duration::from_secs(20), || {
            Ok((entries(dir.path()) == 1).then_some(()))
        })
        .unwrap();
        let sent = std::process::Command::new("kill")
            .args([format!("-{signal}"), child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let ended = std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap());
        assert_eq!(ended, Some(number));
        assert_eq!(entries(dir.path()), 0);
    }
}
