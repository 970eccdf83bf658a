//! The library's front door on Redis: two clients in one process work on one tree by paths.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs::{ErrorKind, File, FormatOptions, OpenOptions, Volume};
use jfs_testkit::scratch_dir;
use jfs_tests::{Db, Kind};
use std::collections::HashSet;
use tokio::task::JoinSet;

const WRITERS: usize = 4;
const LINES: usize = 25;

#[test]
fn two_clients_share_a_tree() {
    jfs_tests::run(Kind::Redis, share_a_tree);
}

async fn share_a_tree(kind: Kind) {
    let db = Db::new(kind).await;
    let bucket = scratch_dir().unwrap();
    let options = FormatOptions::new()
        .name("test")
        .bucket(bucket.path().display().to_string())
        .trash_days(0);
    Volume::format(&db.url(), options).await.unwrap();
    let clients = [
        Volume::open(&db.url(), OpenOptions::new()).await.unwrap(),
        Volume::open(&db.url(), OpenOptions::new()).await.unwrap(),
    ];
    let [here, there] = [clients[0].fs(), clients[1].fs()];
    here.create_dir_all("/tree/a/b").await.unwrap();

    // Lines of both, none lost and none torn.
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let fs = clients[writer % 2].fs();
        writers.spawn(async move {
            for n in 0..LINES {
                let append = fs.options().append(true).create(true);
                let file = append.open("/tree/log").await.unwrap();
                file.write_at(0, format!("{writer}-{n}\n")).await.unwrap();
                file.close().await.unwrap();
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    let log = there.read_to_string("/tree/log").await.unwrap();
    let lines: HashSet<&str> = log.lines().collect();
    assert_eq!(
        (log.lines().count(), lines.len()),
        (WRITERS * LINES, WRITERS * LINES)
    );

    // Close-to-open, and a lock that one holds and both see.
    here.write("/tree/a/b/f", "first").await.unwrap();
    assert_eq!(there.read("/tree/a/b/f").await.unwrap(), b"first");
    let mine: File = here.open("/tree/a/b/f").await.unwrap();
    let theirs = there.open("/tree/a/b/f").await.unwrap();
    mine.lock().await.unwrap();
    let refused = theirs.try_lock().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    mine.close().await.unwrap();
    theirs.try_lock().await.unwrap();
    drop(theirs);

    // A directory that Redis lists in no order.
    here.create_dir("/tree/many").await.unwrap();
    let mut makers = JoinSet::new();
    for maker in 0..8 {
        let fs = here.clone();
        makers.spawn(async move {
            for n in 0..250 {
                let new = fs.options().write(true).create_new(true);
                let path = format!("/tree/many/{maker}-{n}");
                new.open(path).await.unwrap().close().await.unwrap();
            }
        });
    }
    while let Some(made) = makers.join_next().await {
        made.unwrap();
    }
    let (mut names, mut entries) = (HashSet::new(), there.read_dir("/tree/many").await.unwrap());
    while let Some(entry) = entries.next_entry().await.unwrap() {
        assert!(
            names.insert(entry.file_name().to_owned()),
            "{entry:?} twice"
        );
    }
    drop(entries);
    assert_eq!(names.len(), 2000);
    there.remove_dir_all("/tree").await.unwrap();
    assert!(!here.try_exists("/tree").await.unwrap());
    for client in clients {
        client.close().await.unwrap();
    }
}
