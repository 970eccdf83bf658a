//! Several volumes in one database file, apart by the prefix of their tables, for both clients.

use crate::odd_rows::schema;
use crate::scratch_volume::*;
use jfs_meta::Engine;
use jfs_meta::engine::*;
use jfs_testkit::Reference;
use jfs_types::*;

const PREFIX: &str = "?table_prefix=Our_1";

/// The setting's name of a volume, through an engine with these options.
async fn volume(bed: &Bed, options: &str) -> Option<String> {
    let engine = bed.with_options(options);
    let json = engine.load_setting().await.unwrap()?;
    Some(Format::from_json(&json).unwrap().name)
}

#[tokio::test]
async fn volumes_share_a_file() {
    let reference = Reference::find().unwrap();
    let bed = Bed::empty();
    let bucket = bed.dir.path().join("bucket");
    let url = |options: &str| format!("sqlite3://{}{options}", bed.path().display());
    for (options, name) in [("", "plain"), ("?table_prefix=Their", "theirs")] {
        reference.format(&url(options), name, &bucket, &[]).unwrap();
    }
    let ours = bed.with_options(PREFIX);
    assert_eq!(ours.load_setting().await.unwrap(), None);
    let plain = bed.engine.load_setting().await.unwrap().unwrap();
    let json = String::from_utf8(plain).unwrap().replace("plain", "ours");
    ours.create_volume(json.as_bytes(), &directory(), Some(&directory()), false)
        .await
        .unwrap();
    let entry = Entry {
        kind: FileType::Directory,
        ino: Ino(5),
    };
    let writes = [
        Write::NewEntry {
            dir: Ino::ROOT,
            name: name("made-by-us"),
            entry,
        },
        Write::NewNode {
            ino: entry.ino,
            attr: Attr {
                nlink: 2,
                ..directory()
            },
        },
        Write::NewDirStat { dir: entry.ino },
    ];
    attempt(&ours, &[own(Key::Attr(Ino::ROOT))], &writes)
        .await
        .unwrap();
    ours.shutdown().await.unwrap();

    // Each volume sees itself alone.
    for (options, name) in [
        ("", Some("plain")),
        ("?table_prefix=Their", Some("theirs")),
        (PREFIX, Some("ours")),
        ("?table_prefix=our", None),
    ] {
        assert_eq!(volume(&bed, options).await.as_deref(), name, "{options}");
    }
    for (options, there) in [("", false), ("?table_prefix=Their", false), (PREFIX, true)] {
        let dump = ["dump", &url(options)];
        let dump = reference.run(&dump).unwrap().ok().unwrap().stdout;
        assert_eq!(dump.contains("made-by-us"), there, "{options}");
    }
    // Our tables and indexes under another name are theirs, byte for byte.
    let of = |prefix: &str| -> Vec<(String, Option<String>)> {
        let all = schema(&bed).into_iter();
        let all = all.filter(|(name, _)| name.contains(&format!("jfs_{prefix}_")));
        let plain = |text: String| text.replace(prefix, "P");
        let mut all: Vec<_> = all
            .map(|(name, sql)| (plain(name), sql.map(plain)))
            .collect();
        all.sort();
        all
    };
    assert_eq!(of("Our_1"), of("Their"));
    assert_eq!(of("Our_1").len(), 32);
    // Nothing is missing in theirs, and what is emptied is ours alone.
    let theirs = bed.with_options("?table_prefix=Their");
    theirs.prepare_writes().await.unwrap();
    let ours = bed.with_options(PREFIX);
    ours.create_volume(json.as_bytes(), &directory(), None, true)
        .await
        .unwrap();
    assert!(theirs.load_setting().await.unwrap().is_some());
    let key = Key::Entry(Ino::ROOT, name("made-by-us"));
    let found = ours.fetch(&[key]).await.unwrap();
    assert_eq!(found, [Answer::Entry(None)]);
}
