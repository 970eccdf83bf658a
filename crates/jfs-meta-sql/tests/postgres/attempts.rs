//! Attempts: their locks, their connections, and failures of the server in the middle of them.

use crate::server::*;
use jfs_meta::EngineError;
use jfs_meta::engine::*;
use jfs_types::*;
use std::time::{Duration, Instant};

/// Attempts that are given up give their connections and locks back, however many there are.
#[tokio::test]
async fn attempts_that_are_given_up() {
    let (db, engine) = volume("&max_open_conns=4").await;
    for _ in 0..50 {
        let mut attempt = engine.begin().await.unwrap();
        attempt.read(&[own(Key::Attr(Ino::ROOT))]).await.unwrap();
        drop(attempt);
    }
    let other = open(&db, "").await;
    let began = Instant::now();
    let mut attempt = other.begin().await.unwrap();
    attempt.read(&[own(Key::Attr(Ino::ROOT))]).await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{db}' AND application_name = 'jfs'"
    );
    let open = server().query(&db, &count).unwrap();
    let open: u32 = open[0][0].parse().unwrap();
    assert!(open <= 4 + 2, "{open} connections");
}

/// While all connections are with attempts, calls outside of them go on; one more attempt waits and is told so.
#[tokio::test]
async fn connections_are_bounded() {
    let (_, engine) = volume("&max_open_conns=4").await;
    let mut held = Vec::new();
    for ino in 10..13 {
        let mut attempt = engine.begin().await.unwrap();
        attempt.read(&[own(Key::Attr(Ino(ino)))]).await.unwrap();
        held.push(attempt);
    }
    assert!(engine.reserve_ids(IdKind::Inode, 1, &[]).await.is_ok());
    let mut late = engine.begin().await.unwrap();
    let reads = [own(Key::Attr(Ino(13)))];
    let waiting = tokio::time::timeout(Duration::from_millis(200), late.read(&reads));
    assert!(waiting.await.is_err(), "a fourth attempt has a connection");
    held.clear();
    late.read(&reads).await.unwrap();
}

/// Two that lock in opposite order: one of them goes on, and the other is told to run again.
#[tokio::test]
async fn a_circle_of_waits_is_a_conflict() {
    let (_, engine) = volume("").await;
    attempt(&*engine, &[], &[new_node(10), new_node(11)])
        .await
        .unwrap();
    let (mut a, mut b) = (engine.begin().await.unwrap(), engine.begin().await.unwrap());
    a.read(&[own(Key::Attr(Ino(10)))]).await.unwrap();
    b.read(&[own(Key::Attr(Ino(11)))]).await.unwrap();
    let (reads_a, reads_b) = ([own(Key::Attr(Ino(11)))], [own(Key::Attr(Ino(10)))]);
    let (a, b) = tokio::join!(
        async {
            let got = a.read(&reads_a).await;
            drop(a);
            got
        },
        async {
            let got = b.read(&reads_b).await;
            drop(b);
            got
        }
    );
    let conflicts = [&a, &b]
        .into_iter()
        .filter(|r| matches!(r, Err(EngineError::Conflict)));
    assert_eq!(conflicts.count(), 1, "{a:?} {b:?}");
    assert!(a.is_ok() || b.is_ok());
}

/// A value that its column cannot hold: nothing of the commit is stored, and the connection is used again.
#[tokio::test]
async fn a_value_that_does_not_fit_undoes_its_commit() {
    let (_, engine) = volume("").await;
    let big = Write::NewNode {
        ino: Ino(11),
        attr: Attr {
            uid: 3_000_000_000,
            ..file()
        },
    };
    let refused = attempt(&*engine, &[], &[new_node(10), big]).await;
    assert!(matches!(refused, Err(EngineError::Fatal(_))), "{refused:?}");
    assert_eq!(
        (attr(&*engine, 10).await, attr(&*engine, 11).await),
        (None, None)
    );
    attempt(&*engine, &[], &[new_node(10)]).await.unwrap();
    assert!(attr(&*engine, 10).await.is_some());
}

/// Records that were missing when they were read must still be missing, whatever the other client is.
#[tokio::test]
async fn what_was_missing_is_checked() {
    let (db, engine) = volume("").await;
    attempt(&*engine, &[], &[new_node(10)]).await.unwrap();
    let record = "'\\x000000000000000000000000000000000000000000000000'";
    for (key, sql) in [
        (Key::Attr(Ino(20)), "INSERT INTO jfs_node (inode,type,flags,mode,uid,gid,atime,mtime,ctime,nlink,length) VALUES (20,1,0,0,0,0,0,0,0,1,0)".to_string()),
        (Key::Entry(Ino::ROOT, name("x")), "INSERT INTO jfs_edge (parent,name,inode,type) VALUES (1,'x',10,1)".to_string()),
        (Key::DirIsEmpty(Ino(10)), "INSERT INTO jfs_edge (parent,name,inode,type) VALUES (10,'x',10,1)".to_string()),
        (Key::Chunk(Ino(10), 0), format!("INSERT INTO jfs_chunk (inode,indx,slices) VALUES (10,0,{record})")),
        (Key::Xattr(Ino(10), "n".into()), "INSERT INTO jfs_xattr (inode,name,value) VALUES (10,'n','v')".to_string()),
        (Key::Locks(Ino(10), LockKind::Flock), "INSERT INTO jfs_flock (inode,sid,owner,ltype) VALUES (10,1,1,82)".to_string()),
        (Key::Locks(Ino(10), LockKind::Flock), "INSERT INTO jfs_flock (inode,sid,owner,ltype) VALUES (10,2,1,82)".to_string()),
        (Key::Deleted(Ino(10), 5), "INSERT INTO jfs_delfile VALUES (10,5,1)".to_string()),
        (Key::SliceUsers(7, 1), "INSERT INTO jfs_chunk_ref VALUES (7,1,1)".to_string()),
        (Key::Parents(Ino(10)), "INSERT INTO jfs_edge (parent,name,inode,type) VALUES (1,'y',10,1)".to_string()),
        (Key::Xattrs(Ino(10)), "INSERT INTO jfs_xattr (inode,name,value) VALUES (10,'m','v')".to_string()),
    ] {
        for writes in [vec![Write::NewDirStat { dir: Ino(99) }], Vec::new()] {
            let mut attempt = engine.begin().await.unwrap();
            attempt.read(&[own(key.clone())]).await.unwrap();
            if !writes.is_empty() {
                server().execute(&db, &sql).unwrap();
            } else {
                // The row is there by now: another change of the set, or none.
                let got = attempt.commit(&writes, NOW).await;
                assert!(got.is_ok(), "{key:?}: {got:?}");
                continue;
            }
            let got = attempt.commit(&writes, NOW).await;
            assert!(matches!(got, Err(EngineError::Conflict)), "{key:?}: {got:?}");
        }
    }
    assert!(matches!(
        &engine.fetch(&[Key::DirStat(Ino(99))]).await.unwrap()[..],
        [Answer::Stat(None)]
    ));
}

/// A server that ends connections while they are idle, and in the middle of an attempt.
#[tokio::test]
async fn connections_that_the_server_ends() {
    let (db, engine) = volume("").await;
    attempt(&*engine, &[], &[new_node(10)]).await.unwrap();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{db}' AND application_name = 'jfs'"
    );
    server().query("postgres", &end).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        attr(&*engine, 10).await.is_some(),
        "idle connections are looked at before use"
    );
    let mut attempt = engine.begin().await.unwrap();
    attempt.read(&[own(Key::Attr(Ino(10)))]).await.unwrap();
    server().query("postgres", &end).unwrap();
    let got = attempt
        .commit(&[Write::DelNode { ino: Ino(10) }], NOW)
        .await;
    // Whether the COMMIT was on its way is found out: it had no effect.
    assert!(matches!(got, Err(EngineError::Transient(_))), "{got:?}");
    assert!(attr(&*engine, 10).await.is_some());
}

/// A transaction whose connection is gone without the server's knowledge is ended there, and the answer is final.
#[tokio::test]
async fn a_read_only_server_is_told_and_waited_for() {
    let (db, engine) = volume("").await;
    let set = |value: &str| {
        let sql = format!("ALTER DATABASE {db} SET default_transaction_read_only = {value}");
        server().execute("postgres", &sql).unwrap();
    };
    set("on");
    let fresh = open(&db, "").await;
    let got = attempt(&*fresh, &[], &[new_node(10)]).await;
    assert!(
        matches!(&got, Err(EngineError::Transient(text)) if text.contains("read-only")),
        "{got:?}"
    );
    set("off");
    attempt(&*fresh, &[], &[new_node(10)]).await.unwrap();
    assert!(attr(&*engine, 10).await.is_some());
}
