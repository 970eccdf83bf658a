//! Locks of other processes, and commits that share a transaction.

use crate::scratch_volume::*;
use jfs_meta::engine::*;
use jfs_meta::{Engine, EngineError};
use jfs_types::*;

#[tokio::test]
async fn a_lock_that_stays_is_a_transient_failure() {
    let bed = Bed::new().await;
    let engine = bed.with_options("?_timeout=20");
    let other = bed.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let result = attempt(&engine, &[], &[new_node(5)]).await;
    assert!(
        matches!(result, Err(EngineError::Transient(_))),
        "{result:?}"
    );
    assert!(matches!(
        engine.add_usage(1, 1).await,
        Err(EngineError::Transient(_))
    ));
    // Reading goes on meanwhile.
    assert_eq!(attr(&engine, 5).await, None);
    other.execute_batch("COMMIT").unwrap();
    write(&engine, &[new_node(5)]).await;
    assert!(attr(&bed.engine, 5).await.is_some());
}

/// While another process holds the lock commits pile up; they are then done in few transactions,
/// and those that fail leave the others alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_commits_share_a_transaction() {
    const N: u64 = 40;
    let bed = Bed::new().await;
    let engine = bed.engine.clone();
    write(&engine, &[new_node(10)]).await;
    let other = bed.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    engine.trips().enable(true);
    let mut tasks = Vec::new();
    for n in 0..N {
        let mut attempt = engine.begin().await.unwrap();
        attempt.read(&[own(Key::Attr(Ino(10)))]).await.unwrap();
        // Every fifth commit is impossible, one changes what those after it have read.
        let mut writes = vec![
            new_node(100 + n),
            new_entry(Ino(100), format!("{n}"), 100 + n),
        ];
        if n % 5 == 1 {
            writes.push(new_node(10));
        }
        if n == 20 {
            writes.push(Write::PutAttr {
                ino: Ino(10),
                attr: Attr { nlink: 3, ..file() },
            });
        }
        tasks.push(tokio::spawn(
            async move { attempt.commit(&writes, NOW).await },
        ));
        tokio::task::yield_now().await;
    }
    other.execute_batch("COMMIT").unwrap();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    let begins = engine
        .trips()
        .take()
        .iter()
        .filter(|t| t.what == "BEGIN IMMEDIATE")
        .count();
    assert!(
        begins < N as usize / 2,
        "{begins} transactions for {N} commits"
    );
    let mut done = 0;
    for (n, result) in results.iter().enumerate() {
        let there = attr(&engine, 100 + n as u64).await.is_some();
        assert_eq!(there, result.is_ok(), "commit {n}: {result:?}");
        assert!(
            result.is_ok() || is_conflict(result),
            "commit {n}: {result:?}"
        );
        assert!(n % 5 != 1 || result.is_err(), "commit {n} is impossible");
        done += usize::from(there);
    }
    assert!(done > 0);
    assert!(results[20].is_ok());
    let page = engine
        .list_dir(Ino(100), &DirCursor::Start, false)
        .await
        .unwrap();
    assert_eq!(
        page.entries.len(),
        done,
        "an entry for each and none of those that failed"
    );
}

/// Nobody waits for a commit whose task was cancelled; the ones after it are served.
#[tokio::test]
async fn a_cancelled_commit_does_no_harm() {
    let bed = Bed::new().await;
    for n in 0..20 {
        let attempt = bed.engine.begin().await.unwrap();
        let writes = [
            new_node(1000 + n),
            new_entry(Ino(1000), format!("{n}"), 1000 + n),
        ];
        let mut commit = Box::pin(attempt.commit(&writes, NOW));
        let waker = std::task::Waker::noop();
        let _ = commit
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker));
        drop(commit);
    }
    write(&bed.engine, &[new_node(5)]).await;
    // Each was done wholly or not at all.
    let page = bed
        .engine
        .list_dir(Ino(1000), &DirCursor::Start, true)
        .await
        .unwrap();
    assert!(page.entries.iter().all(|e| e.attr.is_some()));
    for n in 0..20 {
        let named = page.entries.iter().any(|e| e.entry.ino == Ino(1000 + n));
        assert_eq!(attr(&bed.engine, 1000 + n).await.is_some(), named);
    }
}

#[tokio::test]
async fn shutdown_moves_the_log_into_the_file() {
    let bed = Bed::new().await;
    write(&bed.engine, &[new_node(5)]).await;
    let log = bed.dir.path().join("meta.db-wal");
    assert!(log.exists());
    bed.engine.shutdown().await.unwrap();
    assert!(!log.exists());
    assert!(matches!(
        attempt(&bed.engine, &[], &[new_node(6)]).await,
        Err(EngineError::Fatal(_))
    ));
    bed.engine.shutdown().await.unwrap();
    assert!(attr(&bed.another(), 5).await.is_some());
}
