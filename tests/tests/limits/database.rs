//! Metadata that is damaged, missing, of another version or behind a password.

use super::damaged_volume::{Bed, refused_with, run};
use jfs_tests::Kind;

/// Everything that opens a volume.
fn every_command_refuses(bed: &Bed, words: &[&str]) {
    let (url, point) = (bed.url(), bed.path("point"));
    let (bucket, point) = (
        bed.bucket().display().to_string(),
        point.display().to_string(),
    );
    std::fs::create_dir_all(&point).unwrap();
    refused_with(&["status", &url], words);
    refused_with(&["mount", &url, &point], words);
    refused_with(
        &[
            "format",
            "--storage",
            "file",
            "--bucket",
            &bucket,
            &url,
            "vol",
        ],
        words,
    );
}

#[test]
fn files_that_are_no_database() {
    let bed = Bed::formatted(Kind::Sqlite, &[]);
    let file = bed.path("meta.db");
    let whole = std::fs::read(&file).unwrap();
    let garbage: Vec<u8> = (0..50_000u32).map(|n| (n * 7 % 251) as u8).collect();
    for (broken, words) in [
        (garbage, ["meta.db", "no SQLite database", "backup"]),
        (whole[..5000].to_vec(), ["meta.db", "damaged", "backup"]),
        (vec![0; 100], ["meta.db", "damaged", "backup"]),
    ] {
        std::fs::write(&file, &broken).unwrap();
        every_command_refuses(&bed, &words);
        assert_eq!(std::fs::read(&file).unwrap(), broken, "left as it was");
    }
}

#[test]
fn tables_and_rows_that_are_missing() {
    for (damage, words) in [
        (
            "DROP TABLE jfs_node",
            &["jfs_node", "missing", "backup"][..],
        ),
        ("DROP TABLE jfs_edge", &["jfs_edge", "missing", "backup"]),
        (
            "DROP TABLE jfs_chunk_ref",
            &["jfs_chunk_ref", "missing", "backup"],
        ),
    ] {
        let bed = Bed::formatted(Kind::Sqlite, &[]);
        bed.sql(damage);
        every_command_refuses(&bed, words);
    }
    for damage in ["DELETE FROM jfs_setting", "DROP TABLE jfs_setting"] {
        let bed = Bed::formatted(Kind::Sqlite, &[]);
        bed.sql(damage);
        let point = bed.path("point").display().to_string();
        std::fs::create_dir(&point).unwrap();
        refused_with(&["status", &bed.url()], &["not formatted", "format"]);
        refused_with(&["mount", &bed.url(), &point], &["not formatted", "format"]);
    }
}

#[test]
fn a_root_that_is_missing_or_damaged() {
    for (damage, word) in [
        ("DELETE FROM jfs_node WHERE inode = 1", "is missing"),
        (
            "UPDATE jfs_node SET type = 77 WHERE inode = 1",
            "cannot be read",
        ),
    ] {
        let bed = Bed::formatted(Kind::Sqlite, &[]);
        bed.sql(damage);
        let point = bed.path("point").display().to_string();
        std::fs::create_dir(&point).unwrap();
        let words = ["root directory", word, "backup"];
        refused_with(&["mount", &bed.url(), &point], &words);
        assert!(
            bed.sql_text("SELECT sid FROM jfs_session2").is_empty(),
            "no session is left"
        );
    }
}

#[test]
fn a_file_that_is_not_there() {
    let bed = Bed::new(Kind::Sqlite);
    let point = bed.path("point").display().to_string();
    std::fs::create_dir(&point).unwrap();
    for args in [&["status", &bed.url()][..], &["mount", &bed.url(), &point]] {
        refused_with(args, &["not formatted", "format"]);
    }
    assert!(!bed.path("meta.db").exists(), "looking makes no database");
    let url = format!("sqlite3://{}", bed.path("no/such/meta.db").display());
    let bucket = bed.bucket().display().to_string();
    let words = ["meta.db", "there is no directory"];
    refused_with(
        &[
            "format",
            "--storage",
            "file",
            "--bucket",
            &bucket,
            &url,
            "vol",
        ],
        &words,
    );
}

/// Settings that this client must not work by, on both engines.
#[test]
fn settings_that_do_not_fit() {
    for kind in [Kind::Sqlite, Kind::Redis] {
        let bed = Bed::formatted(kind, &[]);
        let good = stored_setting(&bed);
        for (text, words) in [
            ("{half".to_string(), &["setting", "damaged", "backup"][..]),
            ("[]".to_string(), &["setting", "damaged", "backup"]),
            (
                good.replace("\"MetaVersion\": 1", "\"MetaVersion\": 2"),
                &["metadata of version 2", "use a newer one"],
            ),
            (
                good.replace("1.1.0-A", "9.1.0"),
                &["minimum client version is 9.1.0", "upgrade"],
            ),
            (
                good.replace(
                    "\"DirStats\"",
                    "\"MaxClientVersion\": \"1.0.0\",\n\"DirStats\"",
                ),
                &["maximum client version is 1.0.0", "older client"],
            ),
        ] {
            assert_ne!(text, good);
            store_setting(&bed, &text);
            every_command_refuses(&bed, words);
            assert_eq!(stored_setting(&bed), text, "left as it was");
        }
        store_setting(&bed, &good);
        assert_eq!(run(&["status", &bed.url()]).0, 0);
    }
}

/// While the volume is mounted, a setting that does not decode stops no operation.
#[test]
fn a_setting_that_is_damaged_under_a_mount() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    let mount = bed.mount(&["--heartbeat", "1s"]);
    store_setting(&bed, "{half");
    jfs_testkit::wait_until(
        "the heartbeat to notice",
        std::time::Duration::from_secs(30),
        || Ok(mount.log().contains("the volume's setting").then_some(())),
    )
    .unwrap();
    std::fs::write(mount.at("a"), b"still served").unwrap();
    assert_eq!(std::fs::read(mount.at("a")).unwrap(), b"still served");
    mount.unmount().unwrap();
}

#[test]
fn wrong_passwords() {
    let bed = Bed::formatted(Kind::Redis, &[]);
    bed.redis(&[b"CONFIG", b"SET", b"requirepass", b"sesame"]);
    let port = bed.redis.as_ref().unwrap().port();
    let point = bed.path("point").display().to_string();
    std::fs::create_dir(&point).unwrap();
    for (user, word) in [
        (":wrong@", "refuses user or password"),
        ("", "wants a password"),
    ] {
        let url = format!("redis://{user}127.0.0.1:{port}/1");
        for args in [&["status", &url][..], &["mount", &url, &point]] {
            refused_with(args, &[word, "REDIS_PASSWORD"]);
        }
    }
    assert_eq!(
        run(&["status", &format!("redis://:sesame@127.0.0.1:{port}/1")]).0,
        0
    );
}

fn stored_setting(bed: &Bed) -> String {
    if bed.redis.is_none() {
        let db = rusqlite::Connection::open(bed.path("meta.db")).unwrap();
        return db
            .query_row("SELECT value FROM jfs_setting", [], |row| row.get(0))
            .unwrap();
    }
    let reply = String::from_utf8(bed.redis(&[b"GET", b"setting"])).unwrap();
    let (_, text) = reply.split_once("\r\n").unwrap();
    text.trim_end_matches("\r\n").to_string()
}

fn store_setting(bed: &Bed, text: &str) {
    if bed.redis.is_none() {
        let db = rusqlite::Connection::open(bed.path("meta.db")).unwrap();
        db.execute("UPDATE jfs_setting SET value = ?", [text])
            .unwrap();
    } else {
        bed.redis(&[b"SET", b"setting", text.as_bytes()]);
    }
}
