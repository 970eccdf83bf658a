//! Memory: a mount stays within `--buffer-size` and a fixed rest, and works where it gets no more than that.

use super::damaged_volume::Bed;
use jfs_testkit::{Mount, content};
use jfs_tests::Kind;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// What a container might give to a mount, bytes.
const CONTAINER: u64 = 256 << 20;
/// `--buffer-size`, MiB, and what a mount may need besides.
const BUFFER_MIB: u64 = 32;
const REST_MIB: u64 = 128;
const BLOCK: u64 = 16 << 20;
const BLOCKS: u64 = 12;

/// A control group that limits memory; gone with the value, which its processes have to leave before.
struct Container(PathBuf);

impl Container {
    /// `None` where no control group can be made; the reason is printed.
    fn new() -> Option<Container> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let path = |prefix: &str| {
            own.lines()
                .find_map(|l| l.split_once(prefix).map(|(_, p)| p.to_owned()))
        };
        let name = format!("jfs-test-{}", std::process::id());
        let places = [
            (
                path(":memory:"),
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
            ),
            (path("0::"), "/sys/fs/cgroup", "memory.max"),
        ];
        for (own, root, limit) in places {
            let Some(own) = own else { continue };
            let dir = PathBuf::from(format!("{root}{own}/{name}"));
            if fs::create_dir(&dir).is_err() {
                continue;
            }
            let container = Container(dir);
            if fs::write(container.0.join(limit), CONTAINER.to_string()).is_ok() {
                return Some(container);
            }
        }
        println!("no control group can be made here: only the peak of memory is looked at");
        None
    }

    fn take(&self, mount: &Mount) {
        for pid in mount.pids() {
            fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Most memory that a process of the mount had at any time, MiB.
fn peak_mib(mount: &Mount) -> u64 {
    let peak = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kib / 1024)
    };
    mount.pids().into_iter().filter_map(peak).max().unwrap()
}

fn within_its_limit(mount: &Mount, what: &str) {
    let peak = peak_mib(mount);
    assert!(
        peak > 0 && peak <= BUFFER_MIB + REST_MIB,
        "{what}: {peak} MiB"
    );
}

/// Many readers of large compressed blocks at once, each of a few bytes; then one after the other; with a
/// cache on disk and without one.
#[test]
fn a_mount_lives_in_a_small_container() {
    let bed = Bed::formatted(Kind::Sqlite, &["--block-size", "16M", "--compress", "lz4"]);
    let buffer = format!("{BUFFER_MIB}M");
    for cache in ["0", "1G"] {
        let container = Container::new();
        let mount = bed.mount(&["--buffer-size", &buffer, "--cache-size", cache]);
        if let Some(container) = &container {
            container.take(&mount);
        }
        let path = mount.at("file");
        if !path.exists() {
            let mut file = File::create(&path).unwrap();
            // Bytes that do not compress: an unoptimised build is slow at those that do.
            let data = content(1, 1 << 20);
            (0..(BLOCK * BLOCKS) >> 20).for_each(|_| file.write_all(&data).unwrap());
        }
        within_its_limit(&mount, "writing");
        let file = File::open(&path).unwrap();
        std::thread::scope(|s| {
            for n in 0..BLOCKS {
                let file = &file;
                s.spawn(move || {
                    let mut out = [0; 4096];
                    file.read_exact_at(&mut out, n * BLOCK + 5000).unwrap();
                    assert_eq!(out, content(1, 1 << 20)[5000..5000 + 4096]);
                });
            }
        });
        within_its_limit(&mount, "reading small parts");
        let length = std::io::copy(&mut &file, &mut std::io::sink()).unwrap();
        assert_eq!(length, BLOCK * BLOCKS);
        within_its_limit(&mount, "reading in order");
        drop(file);
        mount.unmount().unwrap();
    }
}
