//! `format` and `status` on a volume in SQLite with local storage.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn jfs(&self, line: &str) -> Output {
        self.jfs_env(line, &[])
    }

    fn jfs_env(&self, line: &str, env: &[(&str, &str)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_jfs"))
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env_remove("ACCESS_KEY")
            .env_remove("SECRET_KEY")
            .env_remove("SESSION_TOKEN")
            .env_remove("JFS_NO_CHECK_OBJECT_STORAGE")
            .envs(env.iter().copied())
            .output()
            .unwrap()
    }

    /// Formats; answers the setting that the log shows, and checks the lines around it.
    fn format(&self, flags: &str) -> Value {
        let output = self.jfs(&format!("format sqlite3://v.db vol {flags}"));
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{flags}: {err}");
        assert!(
            err.contains(" <INFO>: Meta address: sqlite3://v.db ["),
            "{err}"
        );
        let data = format!(" <INFO>: Data use file://{}/b/vol/ [", self.root());
        assert!(err.contains(&data), "{data}: {err}");
        let (_, setting) = err.split_once(" <INFO>: Volume is formatted as ").unwrap();
        serde_json::from_str(setting.rsplit_once(" [").unwrap().0).unwrap()
    }

    fn status(&self) -> Value {
        let output = self.jfs("status -q sqlite3://v.db");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn root(&self) -> String {
        self.path().canonicalize().unwrap().display().to_string()
    }

    /// The message of a refused command line.
    fn refusal(&self, line: &str) -> String {
        let output = self.jfs(line);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}: {err}");
        let (_, rest) = err.split_once(" <FATAL>: ").unwrap();
        rest.trim_end().rsplit_once(" [").unwrap().0.to_string()
    }
}

#[test]
fn a_new_volume_has_the_references_setting() {
    let place = Place::new();
    let mut setting =
        place.format("--bucket b --trash-days 3 --inodes 100 --capacity 1 --block-size 64");
    let names: Vec<&str> = setting
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "Name",
            "UUID",
            "Storage",
            "Tiers",
            "Bucket",
            "BlockSize",
            "Compression",
            "Capacity",
            "Inodes",
            "EncryptAlgo",
            "TrashDays",
            "MetaVersion",
            "MinClientVersion",
            "DirStats",
            "EnableACL"
        ]
    );
    let uuid = setting["UUID"].take();
    assert_eq!(uuid.as_str().unwrap().len(), 36);
    assert_eq!(
        setting,
        json!({
            "Name": "vol", "UUID": null, "Storage": "file",
            "Tiers": { "0": { "ID": 0, "StorageClass": "", "Tag": "" } },
            "Bucket": format!("{}/b/", place.root()), "BlockSize": 64, "Compression": "none",
            "Capacity": 1 << 30, "Inodes": 100, "EncryptAlgo": "aes256gcm-rsa", "TrashDays": 3,
            "MetaVersion": 1, "MinClientVersion": "1.1.0-A", "DirStats": true, "EnableACL": false
        })
    );
    let mark = std::fs::read_to_string(place.path().join("b/vol/juicefs_uuid")).unwrap();
    assert_eq!(mark, uuid.as_str().unwrap());

    let status = place.status();
    assert_eq!(status["Setting"]["UUID"], uuid);
    assert_eq!(status["Sessions"], json!([]));
    assert_eq!(
        status["Stat"],
        json!({ "UsedSpace": 0, "AvailableSpace": 1 << 30, "UsedInodes": 0, "AvailableInodes": 100 })
    );
}

#[test]
fn without_limits_the_reference_promises_a_pebibyte() {
    let place = Place::new();
    place.format("--bucket b");
    assert_eq!(
        place.status()["Stat"],
        json!({
            "UsedSpace": 0, "AvailableSpace": 1_u64 << 50, "UsedInodes": 0,
            "AvailableInodes": 10_485_760
        })
    );
}

#[test]
fn an_existing_volume_takes_new_limits_and_nothing_that_is_fixed() {
    let place = Place::new();
    let first = place.format("--bucket b");
    let second = place.format("--trash-days 5 --capacity 2 --inodes 7");
    assert_eq!(first["UUID"], second["UUID"]);
    assert_eq!(
        (&second["TrashDays"], &second["Capacity"], &second["Inodes"]),
        (&json!(5), &json!(2_u64 << 30), &json!(7))
    );
    // What is not given stays.
    let third = place.format("--inodes 0");
    assert_eq!(
        (&third["TrashDays"], third.get("Inodes")),
        (&json!(5), None)
    );

    for (line, want) in [
        (
            "format sqlite3://v.db vol --block-size 1M",
            "block size from 4096 to 1024",
        ),
        (
            "format sqlite3://v.db vol --compress lz4",
            "compression from none to lz4",
        ),
        ("format sqlite3://v.db other", "name from vol to other"),
    ] {
        let message = place.refusal(line);
        assert!(
            message.contains("cannot update") && message.ends_with(want),
            "{line}: {message}"
        );
    }
    assert_eq!(place.status()["Setting"]["BlockSize"], 4096);

    let kept = place.jfs("format sqlite3://v.db vol --no-update --trash-days 9");
    assert_eq!(kept.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&kept.stderr).contains("formatted as"));
    assert_eq!(place.status()["Setting"]["TrashDays"], 5);
}

#[test]
fn force_changes_what_is_fixed() {
    let place = Place::new();
    place.format("--bucket b");
    let line = "format --force sqlite3://v.db vol --compress lz4 --block-size 256K";
    let output = place.jfs(line);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(
        err.contains("<WARNING>: the volume that is there is given up: {"),
        "{err}"
    );
    let setting = place.status()["Setting"].take();
    assert_eq!(
        (&setting["Compression"], &setting["BlockSize"]),
        (&json!("lz4"), &json!(256))
    );
}

#[test]
fn values_are_checked_before_anything_is_written() {
    let place = Place::new();
    let rule = "3 to 63 of a-z, 0-9 and -, with a letter or digit at both ends";
    for bad in ["Vol", "ab", "vol-", "v_l", &"x".repeat(64)] {
        let message = place.refusal(&format!("format sqlite3://v.db {bad}"));
        assert_eq!(
            message,
            format!("\"{bad}\" is no name for a volume: {rule}")
        );
    }
    assert_eq!(
        place.refusal("format sqlite3://v.db vol --compress gz"),
        "--compress \"gz\" is unknown: none, lz4 or zstd"
    );
    assert_eq!(
        place.refusal("format sqlite3://v.db vol --trash-days -1"),
        "--trash-days -1: a number of days is needed, 0 for no trash"
    );
    assert!(
        std::fs::read_dir(place.path()).unwrap().next().is_none(),
        "nothing was written"
    );
    let message = place.refusal("status sqlite3://v.db");
    assert!(message.contains("database is not formatted"), "{message}");
    let message = place.refusal("status nosuch://v.db");
    assert!(message.contains("nosuch"), "{message}");
}

#[test]
fn block_sizes_are_rounded_with_one_warning() {
    for (given, want, warned) in [
        ("5M", 4096, 1),
        ("3000", 2048, 1),
        ("10", 64, 1),
        ("0", 64, 1),
        ("64M", 16384, 1),
        ("1M", 1024, 0),
    ] {
        let place = Place::new();
        let output = place.jfs(&format!(
            "format sqlite3://v.db vol --bucket b --block-size {given}"
        ));
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{given}: {err}");
        assert_eq!(
            err.matches("<WARNING>: block size").count(),
            warned,
            "{given}: {err}"
        );
        assert_eq!(place.status()["Setting"]["BlockSize"], want, "{given}");
    }
}

#[test]
fn the_storage_test_can_be_left_out() {
    let place = Place::new();
    std::fs::write(place.path().join("file"), "").unwrap();
    let line = "format sqlite3://v.db vol --bucket file/b";
    let refused = place.jfs(line);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("<FATAL>: format: "));
    let output = place.jfs_env(line, &[("JFS_NO_CHECK_OBJECT_STORAGE", "1")]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn log_switches() {
    let place = Place::new();
    place.format("--bucket b");
    let err = |line: &str| String::from_utf8(place.jfs(line).stderr).unwrap();
    assert_eq!(err("status -q sqlite3://v.db"), "");
    assert_eq!(err("status --log-level=error sqlite3://v.db"), "");
    assert!(err("status sqlite3://v.db --log-id abc").starts_with("[abc] 20"));
    let line = err("--no-color status sqlite3://v.db");
    let shape: String = line
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert!(
        shape.starts_with("9999/99/99 99:99:99.999999 juicefs["),
        "{line}"
    );
    assert!(
        line.contains("] <INFO>: Meta address: sqlite3://v.db [volume@volume.rs:"),
        "{line}"
    );
}

#[test]
fn keys_in_the_environment_are_not_dropped_in_silence() {
    let place = Place::new();
    let output = place.jfs_env(
        "format sqlite3://v.db vol --bucket b",
        &[("SECRET_KEY", "hush")],
    );
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(
        err.contains("<WARNING>: SECRET_KEY in the environment is not used"),
        "{err}"
    );
    assert!(!err.contains("hush"), "{err}");
}

fn key(name: &str) -> String {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/jfs-crypt/tests/keys");
    keys.join(format!("{name}.pem")).display().to_string()
}

/// Without looking at the bucket: what is stored and what is shown.
#[test]
fn keys_of_a_bucket_are_stored_sealed() {
    for (flags, env) in [
        (
            "--access-key me --secret-key hush --session-token hist --storage-class STANDARD_IA",
            &[][..],
        ),
        (
            "--storage-class STANDARD_IA",
            &[
                ("ACCESS_KEY", "me"),
                ("SECRET_KEY", "hush"),
                ("SESSION_TOKEN", "hist"),
            ],
        ),
    ] {
        let place = Place::new();
        let line = format!(
            "format sqlite3://v.db vol --storage S3 --bucket http://127.0.0.1:1/bucket {flags}"
        );
        let env = [&[("JFS_NO_CHECK_OBJECT_STORAGE", "1")][..], env].concat();
        let output = place.jfs_env(&line, &env);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert!(
            err.contains(" <INFO>: Data use s3://127.0.0.1:1/bucket/vol/ ["),
            "{err}"
        );
        assert!(!err.contains("hush") && !err.contains("hist"), "{err}");
        let setting = place.status()["Setting"].take();
        for (name, want) in [
            ("Storage", json!("s3")),
            ("StorageClass", json!("STANDARD_IA")),
            ("AccessKey", json!("me")),
            ("SecretKey", json!("removed")),
            ("SessionToken", json!("removed")),
            ("KeyEncrypted", json!(true)),
        ] {
            assert_eq!(setting[name], want, "{name}");
        }
        assert_eq!(setting["Tiers"]["0"]["StorageClass"], "STANDARD_IA");
        let db = std::fs::read(place.path().join("v.db")).unwrap();
        assert!(!db.windows(4).any(|w| w == b"hush" || w == b"hist"));
    }
}

#[test]
fn an_encrypted_volume_on_files() {
    let place = Place::new();
    let line = format!(
        "format sqlite3://v.db vol --bucket b --encrypt-rsa-key {} --encrypt-algo chacha20-rsa \
         --hash-prefix --shards 0",
        key("rsa-aes256")
    );
    let message = place.refusal(&line);
    assert!(
        message.ends_with("the variable JFS_RSA_PASSPHRASE has to hold it"),
        "{message}"
    );
    let output = place.jfs_env(&line, &[("JFS_RSA_PASSPHRASE", "sesame")]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("/b/vol/(encrypted) ["), "{err}");
    assert!(!err.contains("BEGIN") && !err.contains("sesame"), "{err}");
    let setting = place.status()["Setting"].take();
    assert_eq!(setting["EncryptKey"], "removed");
    assert_eq!(setting["EncryptAlgo"], "chacha20-rsa");
    assert_eq!(setting["KeyEncrypted"], true);
    assert_eq!(setting["HashPrefix"], true);
    let mark = std::fs::read(place.path().join("b/vol/juicefs_uuid")).unwrap();
    assert_eq!(mark.len(), 3 + 256 + 12 + 36 + 16);
    // It cannot be changed afterwards.
    let line = "format sqlite3://v.db vol --encrypt-algo sm4gcm --trash-days 4";
    let output = place.jfs_env(line, &[("JFS_RSA_PASSPHRASE", "sesame")]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("--encrypt-algo changes nothing"), "{err}");
    let setting = place.status()["Setting"].take();
    assert_eq!(
        (&setting["EncryptAlgo"], &setting["TrashDays"]),
        (&json!("chacha20-rsa"), &json!(4))
    );
}

#[test]
fn shards_on_files() {
    let place = Place::new();
    let output = place.jfs("format sqlite3://v.db vol --bucket s%d --shards 3");
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    let data = format!(
        " <INFO>: Data use shard3://file://{}/s0/vol/ [",
        place.root()
    );
    assert!(err.contains(&data), "{err}");
    assert_eq!(place.status()["Setting"]["Shards"], 3);
    let marks = (0..3).filter(|n| place.path().join(format!("s{n}/vol/juicefs_uuid")).exists());
    assert_eq!(marks.count(), 1);
}

#[test]
fn places_and_keys_that_make_no_sense() {
    let place = Place::new();
    for (flags, want) in [
        (
            "--storage gs --bucket b",
            "storage \"gs\" is not supported yet",
        ),
        (
            "--storage s3 --bucket http://127.0.0.1:1",
            "names no bucket",
        ),
        (
            "--storage s3 --bucket http://me:hush@h/b",
            "keys do not belong into the bucket's address",
        ),
        ("--bucket b --shards 2", "names no bucket for each shard"),
        ("--bucket b%d --shards 257", "--shards 257 is too many"),
        (
            "--bucket b --encrypt-rsa-key none.pem",
            "--encrypt-rsa-key \"none.pem\" cannot be read",
        ),
        (
            &format!("--bucket b --encrypt-rsa-key {}", key("sm2")),
            "SM2 keys are not supported",
        ),
        (
            &format!("--bucket b --encrypt-rsa-key {}", key("small")),
            "2048 to 8192 bits",
        ),
        (
            &format!(
                "--bucket b --encrypt-rsa-key {} --encrypt-algo rot13",
                key("rsa")
            ),
            "unknown encryption algorithm \"rot13\"",
        ),
    ] {
        let message = place.refusal(&format!("format sqlite3://v.db vol {flags}"));
        assert!(message.contains(want), "{flags}: {message}");
        assert!(!message.contains("hush"), "{message}");
    }
    let message = place.refusal("status sqlite3://v.db");
    assert!(message.contains("database is not formatted"), "{message}");
}

/// Scripts format at every start.
#[test]
fn enable_acl_again_is_no_error() {
    let place = Place::new();
    let line = "format sqlite3://v.db vol --bucket b --enable-acl";
    let stored = place.format("--bucket b --enable-acl");
    assert_eq!(stored["EnableACL"], json!(true));
    assert_eq!(place.jfs(line).status.code(), Some(0));
    assert!(
        place
            .refusal(&format!("{line}=false"))
            .contains("cannot be undone")
    );
    assert_eq!(place.status()["Setting"]["EnableACL"], json!(true));
    // A volume without stays without, and that is said.
    let place = Place::new();
    place.format("--bucket b");
    let output = place.jfs(line);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(err.contains("use `juicefs config`"), "{err}");
    assert_eq!(place.status()["Setting"]["EnableACL"], json!(false));
}

#[test]
fn what_files_cannot_do_is_said() {
    let place = Place::new();
    let output = place.jfs("format sqlite3://v.db vol --bucket b --encrypt-algo chacha20-rsa");
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.contains("<WARNING>: Set storage tier: not supported ["),
        "{err}"
    );
    assert!(
        err.contains("<WARNING>: encrypt-algo without encrypt-rsa-key"),
        "{err}"
    );
    let refusal = place.refusal("format sqlite3://w.db vol --bucket b --encrypt-algo rot13");
    assert!(
        refusal.contains("unknown encryption algorithm"),
        "{refusal}"
    );
    assert!(!place.path().join("w.db").exists());
}
