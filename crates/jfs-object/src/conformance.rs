//! What every backend does, run on each of them: file storage, memory, and opendal's own `fs`
//! beneath the same adapter.

#![allow(clippy::unwrap_used, reason = "tests")]

use crate::operator::OperatorBackend;
use crate::{ErrorKind, ObjectStore, StoreOptions};
use bytes::Bytes;
use opendal::Operator;
use std::sync::Arc;

fn bytes(n: usize) -> Bytes {
    (0..n).map(|i| (i % 251) as u8).collect()
}

async fn keys(store: &ObjectStore, prefix: &str, after: &str, limit: usize) -> Vec<String> {
    store
        .list(prefix, after, limit)
        .await
        .unwrap()
        .into_iter()
        .map(|o| o.key)
        .collect()
}

/// Everything at once: one store, one story.
async fn check(store: &ObjectStore) {
    store.test().await.unwrap();
    assert!(
        keys(store, "", "", 10).await.is_empty(),
        "the test object is gone"
    );

    // Whole and ranged reads.
    let data = bytes(5000);
    store
        .put("chunks/0/0/1_0_5000", data.clone())
        .await
        .unwrap();
    assert_eq!(store.get("chunks/0/0/1_0_5000", None).await.unwrap(), data);
    assert_eq!(
        store
            .get("chunks/0/0/1_0_5000", Some(7..4099))
            .await
            .unwrap(),
        data.slice(7..4099)
    );
    assert_eq!(
        store
            .get("chunks/0/0/1_0_5000", Some(4999..5000))
            .await
            .unwrap(),
        data.slice(4999..)
    );
    assert!(
        store
            .get("chunks/0/0/1_0_5000", Some(3..3))
            .await
            .unwrap()
            .is_empty()
    );
    for range in [0..5001, 4999..5001, 5000..5001, 9000..9001] {
        let e = store
            .get("chunks/0/0/1_0_5000", Some(range.clone()))
            .await
            .unwrap_err();
        assert_eq!(e.kind, ErrorKind::Short, "{range:?}: {e}");
        assert_eq!(e.key, "chunks/0/0/1_0_5000");
    }

    // Replacing, empty objects, looking.
    store.put("chunks/0/0/1_0_5000", bytes(3)).await.unwrap();
    assert_eq!(store.head("chunks/0/0/1_0_5000").await.unwrap().size, 3);
    store.put("empty", Bytes::new()).await.unwrap();
    assert!(store.get("empty", None).await.unwrap().is_empty());
    assert_eq!(store.head("empty").await.unwrap().size, 0);

    // Missing objects, also where a directory is.
    for missing in ["none", "chunks/0/0/none", "chunks/0", "no/dir/at/all"] {
        assert!(
            store.head(missing).await.unwrap_err().is_not_found(),
            "{missing}"
        );
    }
    assert!(store.get("none", None).await.unwrap_err().is_not_found());
    assert!(
        store
            .get("none", Some(0..1))
            .await
            .unwrap_err()
            .is_not_found()
    );
    store.delete("none").await.unwrap();
    store.delete("no/dir/at/all").await.unwrap();

    // Listing: byte order of whole keys, prefixes that end inside a name, pages.
    store.delete("chunks/0/0/1_0_5000").await.unwrap();
    store.delete("empty").await.unwrap();
    let mut all = vec![
        "l/a", "l/a.b", "l/a/b", "l/a/c/d", "l/a0", "l/b/x", "l/ü", "m",
    ];
    all.retain(|k| *k != "l/a"); // a file and a directory of one name cannot both be
    for key in &all {
        store.put(key, bytes(key.len())).await.unwrap();
    }
    let sorted = ["l/a.b", "l/a/b", "l/a/c/d", "l/a0", "l/b/x", "l/ü", "m"];
    assert_eq!(keys(store, "", "", 100).await, sorted);
    assert_eq!(keys(store, "l/a", "", 100).await, sorted[..4]);
    assert_eq!(keys(store, "l/a/", "", 100).await, sorted[1..3]);
    assert_eq!(keys(store, "l/a/c", "", 100).await, sorted[2..3]);
    assert!(keys(store, "x/", "", 100).await.is_empty());
    for (i, after) in sorted.iter().enumerate() {
        assert_eq!(
            keys(store, "", after, 100).await,
            sorted[i + 1..],
            "after {after}"
        );
        assert_eq!(
            keys(store, "l/", after, 2).await,
            sorted[(i + 1).min(6)..(i + 3).min(6)]
        );
    }
    let mut paged: Vec<String> = Vec::new();
    loop {
        let page = keys(store, "", paged.last().map_or("", |k| k), 3).await;
        let done = page.len() < 3;
        paged.extend(page);
        if done {
            break;
        }
    }
    assert_eq!(paged, sorted);
    let listed = store.list("l/a/c", "", 1).await.unwrap();
    assert_eq!(listed[0].size, 7);

    store
        .sync(&["m".to_string(), "l/b/x".to_string()])
        .await
        .unwrap();
    for key in all {
        store.delete(key).await.unwrap();
    }
    assert!(keys(store, "", "", 100).await.is_empty());

    // Keys that lead elsewhere.
    for key in ["../x", "/x", "a//b", ""] {
        let e = store.put(key, Bytes::new()).await.unwrap_err();
        assert_eq!(e.kind, ErrorKind::Permanent, "{key}");
    }
}

#[tokio::test]
async fn file() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = format!("{}/", dir.path().display());
    check(&ObjectStore::open("file", &bucket, "vol", &StoreOptions::default()).unwrap()).await;
    assert!(
        dir.path().join("vol/l/a").is_dir(),
        "empty directories stay"
    );
}

#[tokio::test]
async fn mem() {
    check(&ObjectStore::open("mem", "", "vol", &StoreOptions::default()).unwrap()).await;
}

/// The adapter over a service that is not ours.
#[tokio::test]
async fn opendal_fs() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("objects");
    let builder = opendal::services::Fs::default().root(root.to_str().unwrap());
    let operator = Operator::new(builder).unwrap();
    check(&ObjectStore::with_backend(Arc::new(OperatorBackend::new(
        operator, None,
    ))))
    .await;
}

#[test]
fn unknown_storage_is_named() {
    let open = |storage, bucket| ObjectStore::open(storage, bucket, "v", &StoreOptions::default());
    let e = open("s3", "http://h/b").unwrap_err();
    assert!(
        e.to_string().contains("s3") && e.to_string().contains("not supported yet"),
        "{e}"
    );
    assert_eq!(
        open("file", "relative/").unwrap_err().kind,
        ErrorKind::Permanent
    );
}
