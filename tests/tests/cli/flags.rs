//! Flags that no other test gives: what a mount is told arrives, and a missing function is refused by name.

use jfs_testkit::{Jfs, MountArgs, scratch_dir};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BLOCK: usize = 4 << 20;

/// A value that means off, and one that asks for a function that is missing.
const NOT_YET_OF_MOUNT: [(&str, &str, &str); 15] = [
    ("--backup-skip-trash", "false", "true"),
    ("--consul", "", "127.0.0.1:8500"),
    ("--disable-transparent-hugepage", "false", "true"),
    ("--download-limit", "0", "100"),
    ("--enable-cap", "false", "true"),
    ("--enable-selinux", "false", "true"),
    ("--max-stage-write", "0", "4"),
    ("--network-interfaces", "", "eth0"),
    ("--skip-dir-nlink", "0", "20"),
    ("--tag", "", "a=b"),
    ("--upload-delay", "0", "1h"),
    ("--upload-hours", "", "0,6"),
    ("--upload-limit", "0", "100"),
    ("--writeback", "false", "true"),
    ("--writeback-threshold-size", "0", "4K"),
];

const NOT_YET_OF_FORMAT: [(&str, &str); 3] = [
    ("--kerberos-config-file", "/etc/krb5.conf"),
    ("--ranger-rest-url", "http://127.0.0.1:6080"),
    ("--ranger-service", "files"),
];

const NOT_YET_OF_CONFIG: [(&str, &str); 3] = [
    ("--download-limit", "100"),
    ("--encrypt-secret", "true"),
    ("--upload-limit", "100"),
];

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| {
        if path.is_dir() {
            files_below(&path)
        } else {
            vec![path]
        }
    });
    below.collect()
}

/// A volume in a scratch directory: the directory, the address of the volume, and the program.
fn formatted() -> (TempDir, String, Jfs) {
    let dir = scratch_dir().unwrap();
    let (url, bucket) = (
        format!("sqlite3://{}", dir.path().join("meta.db").display()),
        dir.path().join("objects"),
    );
    let jfs = Jfs::find().unwrap();
    jfs.format(&url, "vol", &bucket, &[]).unwrap();
    (dir, url, jfs)
}

/// Every flag of `mount` about caches, transfers and background jobs with a value that is not its default.
/// `.config` repeats them; what shows outside is looked at, too.
#[test]
fn a_mount_does_what_its_flags_say() {
    let (dir, url, jfs) = formatted();
    let given: [(&str, &str, &str, &str, Value); 16] = [
        (
            "--cache-eviction",
            "lru",
            "Chunk",
            "CacheEviction",
            json!("lru"),
        ),
        (
            "--cache-expire",
            "2h",
            "Chunk",
            "CacheExpire",
            json!(7_200_000_000_000_u64),
        ),
        ("--cache-items", "5000", "Chunk", "CacheItems", json!(5000)),
        (
            "--cache-large-write",
            "true",
            "Chunk",
            "CacheLargeWrite",
            json!(true),
        ),
        ("--cache-mode", "0640", "Chunk", "CacheMode", json!(0o640)),
        (
            "--cache-partial-only",
            "false",
            "Chunk",
            "CacheFullBlock",
            json!(true),
        ),
        (
            "--cache-scan-interval",
            "5m",
            "Chunk",
            "CacheScanInterval",
            json!(300_000_000_000_u64),
        ),
        (
            "--verify-cache-checksum",
            "full",
            "Chunk",
            "CacheChecksum",
            json!("full"),
        ),
        ("--prefetch", "3", "Chunk", "Prefetch", json!(3)),
        ("--max-uploads", "7", "Chunk", "MaxUpload", json!(7)),
        ("--max-downloads", "9", "Chunk", "MaxDownload", json!(9)),
        ("--io-retries", "4", "Chunk", "MaxRetries", json!(4)),
        ("--max-deletes", "3", "Meta", "MaxDeletes", json!(3)),
        ("--no-bgjob", "true", "Meta", "NoBGJob", json!(true)),
        (
            "--open-cache-limit",
            "777",
            "Meta",
            "OpenCacheLimit",
            json!(777),
        ),
        (
            "--skip-dir-mtime",
            "250ms",
            "Meta",
            "SkipDirMtime",
            json!(250_000_000),
        ),
    ];
    let asked = given
        .iter()
        .map(|(flag, value, ..)| format!("{flag}={value}"));
    let off = NOT_YET_OF_MOUNT
        .iter()
        .map(|(flag, off, _)| format!("{flag}={off}"));
    let flags: Vec<String> = asked
        .chain(off)
        .chain(["--max-readahead=8M".to_owned()])
        .collect();
    let cache = dir.path().join("cache");
    let mount = jfs
        .mount(MountArgs::new(&url).flags(flags).cache_dir(&cache))
        .unwrap();

    let config = std::fs::read_to_string(mount.at(".config")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    for (flag, _, part, name, want) in &given {
        assert_eq!(config[part][name], *want, "{flag}");
    }
    // --cache-large-write keeps whole blocks that were written and never read; --cache-mode is the mode of their files.
    std::fs::write(mount.at("file"), vec![7; 8 * BLOCK]).unwrap();
    mount.unmount().unwrap();
    let blocks = files_below(&cache.join(volume_uuid(&jfs, &url)).join("raw"));
    assert!(!blocks.is_empty());
    for block in blocks {
        let mode = block.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{}", block.display());
    }
}

fn volume_uuid(jfs: &Jfs, url: &str) -> String {
    let status = jfs.run(&["status", url]).unwrap().ok().unwrap();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    status["Setting"]["UUID"].as_str().unwrap().to_owned()
}

/// Written blocks are cached with `--cache-large-write` only; with `--cache-partial-only` those of a sequential read are not.
#[test]
fn whole_blocks_are_cached_as_the_flags_say() {
    let (dir, url, jfs) = formatted();
    let uuid = volume_uuid(&jfs, &url);
    let cache = dir.path().join("writer");
    let writer = jfs.mount(MountArgs::new(&url).cache_dir(&cache)).unwrap();
    std::fs::write(writer.at("file"), vec![7; 8 * BLOCK]).unwrap();
    writer.unmount().unwrap();
    let whole = |cache: &Path| {
        let mut blocks = files_below(&cache.join(&uuid).join("raw"));
        // A block at the end of a slice is shorter.
        blocks.retain(|path| path.to_string_lossy().ends_with(&format!("_{BLOCK}")));
        blocks
    };
    let written = whole(&cache);
    assert!(
        written.is_empty(),
        "without --cache-large-write: {written:?}"
    );
    for (flag, cached) in [
        ("--cache-partial-only=false", true),
        ("--cache-partial-only", false),
    ] {
        let cache = dir.path().join(format!("cache-{cached}"));
        let reader = jfs
            .mount(MountArgs::new(&url).flags([flag]).cache_dir(&cache))
            .unwrap();
        assert_eq!(std::fs::read(reader.at("file")).unwrap().len(), 8 * BLOCK);
        reader.unmount().unwrap();
        let blocks = whole(&cache);
        assert_eq!(!blocks.is_empty(), cached, "{flag}: {blocks:?}");
    }
}

/// Scripts learn by name what is missing, and nothing is mounted, formatted or changed.
#[test]
fn a_flag_whose_function_is_missing_is_refused_by_name() {
    let dir = scratch_dir().unwrap();
    let (url, bucket) = (
        format!("sqlite3://{}", dir.path().join("meta.db").display()),
        dir.path().join("objects"),
    );
    let jfs = Jfs::find().unwrap();
    let refused = |words: &[&str], flag: &str| {
        let output = jfs.run(words).unwrap();
        assert_eq!(output.code, Some(1), "{words:?}: {}", output.stderr);
        let want = format!("{flag} is not supported yet");
        assert!(
            output.stderr.contains(&want),
            "{words:?}: {}",
            output.stderr
        );
    };
    let bucket = bucket.display().to_string();
    for (flag, value) in NOT_YET_OF_FORMAT {
        refused(
            &[
                "format",
                "--storage",
                "file",
                "--bucket",
                &bucket,
                &format!("{flag}={value}"),
                &url,
                "vol",
            ],
            flag,
        );
    }
    assert!(!Path::new(&bucket).exists(), "nothing is formatted");
    jfs.format(&url, "vol", Path::new(&bucket), &[]).unwrap();
    for (flag, value) in NOT_YET_OF_CONFIG {
        refused(&["config", &format!("{flag}={value}"), &url], flag);
    }
    let point = dir.path().join("mnt");
    std::fs::create_dir(&point).unwrap();
    for (flag, _, value) in NOT_YET_OF_MOUNT {
        refused(
            &[
                "mount",
                &format!("{flag}={value}"),
                &url,
                &point.display().to_string(),
            ],
            flag,
        );
    }
}

/// `--trace` and the others set which lines are written.
#[test]
fn the_log_has_the_level_that_is_asked_for() {
    let (_dir, url, jfs) = formatted();
    let log_of = |flag: &str| {
        jfs.run(&[flag, "config", "--trash-days", "2", &url])
            .unwrap()
            .ok()
            .unwrap()
            .stderr
    };
    assert_eq!(log_of("--quiet"), "");
    assert!(
        log_of("--trace").contains("<INFO>"),
        "{}",
        log_of("--trace")
    );
}
