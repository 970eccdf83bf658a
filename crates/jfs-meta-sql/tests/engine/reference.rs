//! The reference client beside us: the rows of a new volume, and its check of what we wrote.

use crate::scratch_volume::*;
use jfs_meta::Engine;
use jfs_meta::engine::*;
use jfs_testkit::Reference;
use jfs_types::*;
use rusqlite::types::Value;
use std::collections::BTreeMap;

type Rows = BTreeMap<String, Vec<Vec<Value>>>;

/// Every row of every table, sorted, times of nodes left out.
fn rows(bed: &Bed) -> Rows {
    let c = bed.raw();
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'jfs%'";
    let mut s = c.prepare(sql).unwrap();
    let tables: Vec<String> = s
        .query_map([], |r| r.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut all = Rows::new();
    for table in tables {
        let mut s = c
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1"))
            .unwrap();
        let keep: Vec<usize> = (0..s.column_count())
            .filter(|i| !s.column_name(*i).unwrap().contains("time"))
            .collect();
        let rows = s
            .query_map([], |r| keep.iter().map(|i| r.get(*i)).collect())
            .unwrap();
        all.insert(table, rows.map(Result::unwrap).collect());
    }
    all
}

#[tokio::test]
async fn a_new_volume_has_the_same_rows() {
    let reference = Reference::find().unwrap();
    let theirs = Bed::empty();
    let bucket = theirs.dir.path().join("bucket");
    let url = format!("sqlite3://{}", theirs.path().display());
    reference.format(&url, "vol", &bucket, &[]).unwrap();
    let json = theirs.engine.load_setting().await.unwrap().unwrap();
    let root = attr(&theirs.engine, 1).await.unwrap();
    let trash = attr(&theirs.engine, Ino::TRASH.0).await.unwrap();
    assert_eq!((root.mode, root.nlink, root.length), (0o777, 2, 4096));

    let ours = Bed::empty();
    ours.engine
        .create_volume(&json, &root, Some(&trash), false)
        .await
        .unwrap();
    assert_eq!(attr(&ours.engine, 1).await, Some(root));
    let (their_rows, our_rows) = (rows(&theirs), rows(&ours));
    assert_eq!(
        their_rows.keys().collect::<Vec<_>>(),
        our_rows.keys().collect::<Vec<_>>()
    );
    for (table, theirs) in &their_rows {
        assert_eq!(&our_rows[table], theirs, "{table}");
    }
}

/// The engine's volume passes the reference's own check, and its mount leaves our tables alone.
#[tokio::test]
async fn the_reference_checks_what_we_wrote() {
    let reference = Reference::find().unwrap();
    let bed = Bed::empty();
    let bucket = bed.dir.path().join("bucket");
    let url = format!("sqlite3://{}", bed.path().display());
    reference
        .format(&url, "vol", &bucket, &["--trash-days", "0"])
        .unwrap();

    let odd = b"n\xc3\xa4me with \x01 and spaces";
    let dir = Ino(5);
    let dir_attr = Attr {
        nlink: 2,
        ..directory()
    };
    let entry = Entry {
        kind: FileType::Directory,
        ino: dir,
    };
    let touched = Attr {
        nlink: 3,
        ..directory()
    };
    let link = Attr {
        length: 4,
        parent: dir,
        ..Attr::new(FileType::Symlink)
    };
    let to_link = Entry {
        kind: FileType::Symlink,
        ino: Ino(7),
    };
    let writes = [
        Write::NewEntry {
            dir: Ino::ROOT,
            name: name("dir"),
            entry,
        },
        Write::NewNode {
            ino: dir,
            attr: dir_attr,
        },
        Write::NewDirStat { dir },
        Write::TouchDir {
            ino: Ino::ROOT,
            attr: touched,
            nlink_delta: 1,
            times: true,
        },
        new_entry(dir, odd, 6),
        Write::NewNode {
            ino: Ino(6),
            attr: Attr {
                parent: dir,
                ..file()
            },
        },
        Write::NewEntry {
            dir,
            name: name("link"),
            entry: to_link,
        },
        Write::NewNode {
            ino: Ino(7),
            attr: link,
        },
        Write::NewSymlink {
            ino: Ino(7),
            target: b"file".to_vec(),
        },
    ];
    let reads = [
        own(Key::Attr(Ino::ROOT)),
        own(Key::Entry(Ino::ROOT, name("dir"))),
    ];
    attempt(&bed.engine, &reads, &writes).await.unwrap();
    let stat = DirStat {
        length: 0,
        space: 2 * 4096,
        inodes: 2,
    };
    bed.engine.put_dir_stat(dir, stat, &[]).await.unwrap();
    bed.engine
        .put_dir_stat(
            Ino::ROOT,
            DirStat {
                length: 0,
                space: 4096,
                inodes: 1,
            },
            &[],
        )
        .await
        .unwrap();
    bed.engine.add_usage(3 * 4096, 3).await.unwrap();
    let sid = bed
        .engine
        .new_session(
            NOW.sec + 1_000_000_000,
            "{\"Version\":\"1.4.2\",\"HostName\":\"h\"}",
            &[],
        )
        .await
        .unwrap();
    bed.engine.shutdown().await.unwrap();

    let status = reference.run(&["status", &url]).unwrap().ok().unwrap();
    assert!(
        status.stdout.contains("\"HostName\": \"h\""),
        "session {sid} in: {}",
        status.stdout
    );
    let check = ["fsck", "--path", "/", "-r", "--sync-dir-stat", &url];
    let fsck = reference.run(&check).unwrap().ok().unwrap().text();
    // It always mentions that files have no tiers, and on a busy machine that the database is slow.
    let usual = ["<INFO>", "Set storage tier", "latency to database"];
    let complaints: Vec<&str> = fsck
        .lines()
        .filter(|line| !usual.iter().any(|word| line.contains(word)))
        .collect();
    assert!(
        complaints.is_empty() && !fsck.contains("repaired"),
        "{fsck}"
    );
    assert!(fsck.contains("Checked 3 nodes"), "{fsck}");

    let dump = reference.run(&["dump", &url]).unwrap().ok().unwrap().stdout;
    let dump: serde_json::Value = serde_json::from_str(&dump).unwrap();
    let found = &dump["FSTree"]["entries"]["dir"]["entries"];
    let escaped = "n\u{e4}me%20with%20%01%20and%20spaces";
    assert_eq!(found[escaped]["attr"]["uid"], 3_000_000_000u64, "{found:#}");
    assert_eq!(found["link"]["symlink"], "file");
    assert_eq!(dump["FSTree"]["attr"]["nlink"], 3);
}
