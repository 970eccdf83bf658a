//! Volumes in buckets, spread, encrypted, in every layout of keys: what we write the reference reads,
//! and the other way round.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_testkit::{
    Client, Jfs, MINIO_ACCESS_KEY, MINIO_SECRET_KEY, MinioServer, Mount, MountArgs, RedisServer,
    Reference, content, scratch_dir,
};
use jfs_tests::compare_trees::{Facts, differences};
use jfs_tests::fsck;
use jfs_tests::local_volume::Meta;
use jfs_tests::steps::{marks, on_plain_directory, perform, small_steps};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

const PASSPHRASE: &str = "sesame";

fn ours() -> Client {
    (*Jfs::find().unwrap())
        .clone()
        .with_env("JFS_RSA_PASSPHRASE", PASSPHRASE)
}

fn reference() -> Client {
    (*Reference::find().unwrap())
        .clone()
        .with_env("JFS_RSA_PASSPHRASE", PASSPHRASE)
}

/// One server for all tests of this process.
fn minio() -> &'static MinioServer {
    static SERVER: LazyLock<MinioServer> = LazyLock::new(|| MinioServer::start().unwrap());
    &SERVER
}

/// One server for all tests of this process, a database for each volume.
fn redis() -> &'static RedisServer {
    static SERVER: LazyLock<RedisServer> = LazyLock::new(|| RedisServer::start().unwrap());
    &SERVER
}

struct Volume {
    dir: TempDir,
    /// Number of the database in the server; `None`: SQLite.
    database: Option<u32>,
    /// Name of the bucket in the server; `None`: local files.
    bucket: Option<String>,
}

impl Volume {
    /// Formats one. `%d` is added to the bucket when `flags` ask for several.
    fn format(by: &Client, (meta, storage): (Meta, &str), flags: &str) -> Volume {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = scratch_dir().unwrap();
        let verb = if flags.contains("--shards") {
            "-%d"
        } else {
            ""
        };
        let (bucket, address) = match storage {
            "file" => (None, format!("{}/objects{verb}/", dir.path().display())),
            _ => {
                let name = format!("interop-{number}{verb}");
                let address = minio().bucket(&name);
                (Some(name), address)
            }
        };
        let volume = Volume {
            dir,
            database: (meta == Meta::Redis).then_some(number),
            bucket,
        };
        let url = volume.url();
        let mut arguments = vec!["format", "--storage", storage, "--bucket", &address];
        if volume.bucket.is_some() {
            arguments.extend(["--access-key", MINIO_ACCESS_KEY]);
            arguments.extend(["--secret-key", MINIO_SECRET_KEY]);
        }
        arguments.extend(flags.split_whitespace());
        arguments.extend([url.as_str(), "vol"]);
        let output = by.run(&arguments).unwrap().ok().unwrap();
        assert!(
            !output.text().contains(MINIO_SECRET_KEY),
            "{}",
            output.text()
        );
        volume
    }

    fn url(&self) -> String {
        match self.database {
            Some(number) => redis().url(number),
            None => format!("sqlite3://{}", self.dir.path().join("meta.db").display()),
        }
    }

    fn usage(&self) -> [i64; 2] {
        match self.database {
            Some(number) => fsck::usage_in_redis(redis(), number),
            None => fsck::usage_in_sqlite(&self.dir.path().join("meta.db")),
        }
    }

    fn mount(&self, by: &Client, flags: &[&str]) -> Mount {
        by.mount(MountArgs::new(self.url()).flags(flags.iter().copied()))
            .unwrap()
    }

    /// Keys of the volume's objects in bucket number `shard`, sorted.
    fn objects(&self, shard: u32) -> Vec<String> {
        let fill = |text: &str| text.replace("%d", &shard.to_string());
        match &self.bucket {
            Some(bucket) => minio().objects(&fill(bucket)).unwrap().unwrap_or_default(),
            None => {
                let sharded = self.dir.path().join(fill("objects-%d"));
                let top = if sharded.is_dir() {
                    sharded
                } else {
                    self.dir.path().join("objects")
                };
                let tree = jfs_testkit::walk(&top).unwrap();
                let files = tree
                    .iter()
                    .filter(|(_, n)| n.kind == jfs_testkit::Kind::File);
                let names = files.map(|(path, _)| String::from_utf8_lossy(&path[1..]).into_owned());
                names.collect()
            }
        }
    }

    /// The reference finds nothing wrong, and no object that belongs to nobody.
    fn fsck(&self) {
        let url = self.url();
        fsck::everything(&reference(), &url, || self.usage());
        let text = reference().run(&["gc", &url]).unwrap().ok().unwrap().text();
        assert!(text.contains(" 0 leaked"), "{text}");
        for bad in ["<ERROR>", "<FATAL>"] {
            assert!(!text.contains(bad), "{text}");
        }
    }
}

/// The key of this volume's flags, as a path.
fn key(name: &str) -> String {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/jfs-crypt/tests/keys");
    keys.join(format!("{name}.pem")).display().to_string()
}

/// `writer` formats and does the steps; then `fsck`, and both clients show the same in every fact,
/// equal to a plain directory that got the same steps.
fn there_and_back(writer: &Client, place: (Meta, &str), flags: &str) -> Volume {
    let flags = format!("{flags} --block-size 64K --trash-days 0 --enable-acl");
    let volume = Volume::format(writer, place, &flags);
    let list = [small_steps("t", 1 << 16, 5), marks("t")].concat();
    let mount = volume.mount(writer, &["--enable-xattr"]);
    perform(&list, mount.path()).unwrap();
    mount.unmount().unwrap();
    volume.fsck();
    let (_keep, plain) = on_plain_directory(&list).unwrap();
    let we = volume.mount(&ours(), &["--read-only", "--enable-xattr"]);
    let they = volume.mount(&reference(), &["--read-only", "--enable-xattr"]);
    let none = Vec::<String>::new();
    assert_eq!(differences(we.path(), they.path(), Facts::MOUNTS), none);
    assert_eq!(
        differences(&we.at("t"), &plain.join("t"), Facts::PORTABLE),
        none
    );
    we.unmount().unwrap();
    they.unmount().unwrap();
    volume
}

fn encrypted(algorithm: &str, pem: &str) -> String {
    format!("--encrypt-algo {algorithm} --encrypt-rsa-key {}", key(pem))
}

#[test]
fn ours_on_minio() {
    let volume = there_and_back(&ours(), (Meta::Sqlite, "minio"), "");
    let objects = volume.objects(0);
    assert!(
        objects.contains(&"vol/juicefs_uuid".to_string()),
        "{objects:?}"
    );
    assert!(
        objects
            .iter()
            .any(|key| key.starts_with("vol/chunks/0/0/1_0_"))
    );
}

#[test]
fn ours_on_s3_lz4_hash_prefix() {
    let volume = there_and_back(
        &ours(),
        (Meta::Sqlite, "s3"),
        "--compress lz4 --hash-prefix",
    );
    let objects = volume.objects(0);
    assert!(
        objects
            .iter()
            .any(|key| key.starts_with("vol/chunks/01/0/1_0_")),
        "{objects:?}"
    );
}

#[test]
fn ours_on_minio_zstd_encrypted() {
    let flags = format!(
        "--compress zstd {}",
        encrypted("aes256gcm-rsa", "rsa-aes256")
    );
    there_and_back(&ours(), (Meta::Sqlite, "minio"), &flags);
}

#[test]
fn ours_on_minio_shards() {
    let volume = there_and_back(&ours(), (Meta::Sqlite, "minio"), "--shards 3");
    assert!((0..3).all(|shard| !volume.objects(shard).is_empty()));
}

#[test]
fn ours_on_files_chacha20() {
    there_and_back(
        &ours(),
        (Meta::Sqlite, "file"),
        &encrypted("chacha20-rsa", "pkcs8-aes256"),
    );
}

#[test]
fn ours_on_files_sm4_shards_hash_prefix() {
    let flags = format!("--shards 4 --hash-prefix {}", encrypted("sm4gcm", "rsa"));
    there_and_back(&ours(), (Meta::Sqlite, "file"), &flags);
}

#[test]
fn theirs_on_minio_lz4_encrypted_hash_prefix() {
    let flags = encrypted("aes256gcm-rsa", "pkcs8-aes256");
    let flags = format!("--compress lz4 --hash-prefix {flags}");
    there_and_back(&reference(), (Meta::Sqlite, "minio"), &flags);
}

#[test]
fn theirs_on_s3_shards_zstd() {
    there_and_back(
        &reference(),
        (Meta::Sqlite, "s3"),
        "--shards 3 --compress zstd",
    );
}

#[test]
fn theirs_on_files_sm4() {
    there_and_back(
        &reference(),
        (Meta::Sqlite, "file"),
        &encrypted("sm4gcm", "rsa-aes256"),
    );
}

#[test]
fn theirs_on_files_chacha20_shards() {
    let flags = format!("--shards 2 {}", encrypted("chacha20-rsa", "pkcs8"));
    there_and_back(&reference(), (Meta::Sqlite, "file"), &flags);
}

// With the tests above and those of `interop`: every compression and encryption, on both engines, on disk
// and in buckets, made by us.

#[test]
fn ours_on_files_lz4() {
    there_and_back(&ours(), (Meta::Sqlite, "file"), "--compress lz4");
}

#[test]
fn ours_on_minio_zstd() {
    there_and_back(&ours(), (Meta::Sqlite, "minio"), "--compress zstd");
}

#[test]
fn ours_on_redis_and_files() {
    there_and_back(&ours(), (Meta::Redis, "file"), "--hash-prefix");
}

#[test]
fn ours_on_redis_and_files_zstd() {
    there_and_back(&ours(), (Meta::Redis, "file"), "--compress zstd");
}

#[test]
fn ours_on_redis_and_files_encrypted() {
    let flags = encrypted("aes256gcm-rsa", "rsa-aes256");
    there_and_back(&ours(), (Meta::Redis, "file"), &flags);
}

#[test]
fn ours_on_redis_and_minio() {
    there_and_back(&ours(), (Meta::Redis, "minio"), "");
}

#[test]
fn ours_on_redis_and_minio_lz4_hash_prefix() {
    let flags = "--compress lz4 --hash-prefix";
    there_and_back(&ours(), (Meta::Redis, "minio"), flags);
}

#[test]
fn ours_on_redis_and_minio_zstd_encrypted() {
    let flags = format!("--compress zstd {}", encrypted("chacha20-rsa", "rsa"));
    there_and_back(&ours(), (Meta::Redis, "minio"), &flags);
}

#[test]
fn theirs_on_redis_and_minio_zstd_encrypted() {
    let flags = encrypted("aes256gcm-rsa", "rsa-aes256");
    let flags = format!("--compress zstd {flags}");
    there_and_back(&reference(), (Meta::Redis, "minio"), &flags);
}

#[test]
fn theirs_on_redis_and_files_lz4_encrypted_hash_prefix() {
    let flags = encrypted("chacha20-rsa", "pkcs8");
    let flags = format!("--compress lz4 --hash-prefix {flags}");
    there_and_back(&reference(), (Meta::Redis, "file"), &flags);
}

/// Both clients work on one encrypted volume in buckets at the same time.
#[test]
fn taking_turns() {
    let flags = format!("--shards 2 {}", encrypted("aes256gcm-rsa", "rsa-aes256"));
    let volume = Volume::format(&ours(), (Meta::Sqlite, "minio"), &flags);
    let fresh = [
        "--attr-cache",
        "0",
        "--entry-cache",
        "0",
        "--dir-entry-cache",
        "0",
    ];
    let (we, they) = (
        volume.mount(&ours(), &fresh),
        volume.mount(&reference(), &fresh),
    );
    for round in 0..10_u64 {
        let (doer, other) = match round % 2 {
            0 => (we.path(), they.path()),
            _ => (they.path(), we.path()),
        };
        let name = format!("round-{round}");
        let data = content(round, 100_000 + 37_001 * round as usize);
        std::fs::write(doer.join(&name), &data).unwrap();
        assert!(
            std::fs::read(other.join(&name)).unwrap() == data,
            "round {round}"
        );
    }
    we.unmount().unwrap();
    they.unmount().unwrap();
    volume.fsck();
}

/// The smallest and the largest block, cut at their edges.
#[test]
fn smallest_and_largest_blocks() {
    for (writer, reader, storage, size) in [
        (ours(), reference(), "minio", 64 << 10),
        (ours(), reference(), "minio", 16 << 20),
        (reference(), ours(), "minio", 64 << 10),
        (reference(), ours(), "file", 16 << 20),
    ] {
        let flags = format!("--block-size {}K --trash-days 0", size >> 10);
        let volume = Volume::format(&writer, (Meta::Sqlite, storage), &flags);
        let lengths = [1, size - 1, size, size + 1, 2 * size + 17];
        let mount = volume.mount(&writer, &[]);
        for (seed, length) in lengths.into_iter().enumerate() {
            let data = content(seed as u64, length);
            std::fs::write(mount.at(format!("f{length}")), data).unwrap();
        }
        mount.unmount().unwrap();
        // A slow machine cuts a file into several slices; most blocks are whole all the same.
        let objects = volume.objects(0);
        let sizes = objects.iter().filter_map(|key| key.rsplit_once('_'));
        let sizes: Vec<usize> = sizes.filter_map(|(_, size)| size.parse().ok()).collect();
        assert_eq!(sizes.iter().max(), Some(&size), "{objects:?}");
        let sum: usize = sizes.iter().sum();
        assert_eq!(sum, lengths.iter().sum::<usize>(), "{objects:?}");
        volume.fsck();
        let mount = volume.mount(&reader, &["--read-only"]);
        for (seed, length) in lengths.into_iter().enumerate() {
            let data = std::fs::read(mount.at(format!("f{length}"))).unwrap();
            assert!(
                data == content(seed as u64, length),
                "{storage} {size} {length}"
            );
        }
        mount.unmount().unwrap();
    }
}

/// What a mount may say differently from the setting: another bucket, another kind of storage,
/// deadlines, a class; and a test of the storage before anything else.
#[test]
fn flags_of_a_mount() {
    let volume = Volume::format(&ours(), (Meta::Sqlite, "minio"), "--trash-days 0");
    let bucket = minio().bucket(volume.bucket.as_deref().unwrap());
    let place = ["--storage", "s3", "--bucket", &bucket, "--check-storage"];
    let patience = ["--get-timeout", "20s", "--put-timeout", "20"];
    let class = ["--storage-class", "STANDARD"];
    let mount = volume.mount(&ours(), &[&place[..], &patience, &class].concat());
    std::fs::write(mount.at("f"), b"through s3").unwrap();
    mount.unmount().unwrap();
    let mount = volume.mount(&reference(), &[]);
    assert_eq!(std::fs::read(mount.at("f")).unwrap(), b"through s3");
    mount.unmount().unwrap();
    // A bucket that is not there is made by nobody but format and the check.
    let elsewhere = minio().bucket("interop-elsewhere");
    let mount = volume.mount(&ours(), &["--bucket", &elsewhere, "--io-retries", "0"]);
    let error = std::fs::read(mount.at("f")).unwrap_err();
    assert!(error.raw_os_error().is_some(), "{error}");
    mount.unmount().unwrap();
    assert_eq!(minio().objects("interop-elsewhere").unwrap(), None);
    let args = MountArgs::new(volume.url()).flags(["--check-storage", "--storage-class", "NOPE"]);
    let refused = ours().mount(args).unwrap_err().to_string();
    assert!(refused.contains("write a test object"), "{refused}");
    assert!(!refused.contains(MINIO_SECRET_KEY), "{refused}");
}

/// Keys in the setting: sealed in the database, not shown, usable by both, replaceable.
#[test]
fn keys_in_the_setting() {
    let volume = Volume::format(&ours(), (Meta::Sqlite, "s3"), "");
    let db = std::fs::read(volume.dir.path().join("meta.db")).unwrap();
    let holds = |text: &str| db.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds(MINIO_ACCESS_KEY) && !holds(MINIO_SECRET_KEY));
    let url = volume.url();
    for client in [ours(), reference()] {
        let status = client.run(&["status", &url]).unwrap().ok().unwrap().text();
        assert!(status.contains("\"SecretKey\": \"removed\""), "{status}");
        assert!(status.contains("\"KeyEncrypted\": true"), "{status}");
    }
    let wrong = ["format", &url, "vol", "--secret-key", "wrong"];
    let refused = ours().run(&wrong).unwrap();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("SignatureDoesNotMatch"),
        "{}",
        refused.stderr
    );
    let right = [
        "format",
        &url,
        "vol",
        "--secret-key",
        MINIO_SECRET_KEY,
        "--trash-days",
        "3",
    ];
    ours().run(&right).unwrap().ok().unwrap();
    let mount = volume.mount(&reference(), &[]);
    std::fs::write(mount.at("f"), b"x").unwrap();
    mount.unmount().unwrap();
    let mount = volume.mount(&ours(), &[]);
    assert_eq!(std::fs::read(mount.at("f")).unwrap(), b"x");
    mount.unmount().unwrap();
}
