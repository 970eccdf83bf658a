//! The duties of every backend, tested on each of them: file storage, memory, opendal's own `fs` beneath
//! the
//! same adapter, buckets of a MinIO, and all that is put around them.

#![allow(clippy::unwrap_used, reason = "tests")]

use crate::operator::OperatorBackend;
use crate::{ErrorKind, Location, ObjectStore, StoreOptions};
use bytes::Bytes;
use jfs_crypt::{Algorithm, Envelope, PrivateKey};
use jfs_testkit::{MINIO_ACCESS_KEY, MINIO_SECRET_KEY, MinioServer, Vendors};
use opendal::Operator;
use std::sync::{Arc, LazyLock};

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
    check_with(store, 0).await;
}

/// `added`: what encryption adds to the stored size.
async fn check_with(store: &ObjectStore, added: u64) {
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
    assert_eq!(
        store.head("chunks/0/0/1_0_5000").await.unwrap().size,
        3 + added
    );
    store.put("empty", Bytes::new()).await.unwrap();
    assert!(store.get("empty", None).await.unwrap().is_empty());
    assert_eq!(store.head("empty").await.unwrap().size, added);

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
    assert_eq!(listed[0].size, 7 + added);

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
    let store = ObjectStore::open("file", &bucket, "vol", &StoreOptions::default()).unwrap();
    assert!(store.needs_sync());
    check(&store).await;
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

fn envelope(algorithm: Algorithm) -> Arc<Envelope> {
    let pem = include_str!("../../jfs-crypt/tests/keys/pkcs8.pem");
    let key = PrivateKey::from_pem(pem, "").unwrap();
    Arc::new(Envelope::new(key, algorithm))
}

#[tokio::test]
async fn encrypted() {
    for algorithm in [Algorithm::Aes256Gcm, Algorithm::Sm4Gcm] {
        let location = Location {
            storage: "mem".into(),
            volume_name: "vol".into(),
            envelope: Some(envelope(algorithm)),
            ..Location::default()
        };
        let store = ObjectStore::open_at(&location, &StoreOptions::default()).unwrap();
        assert!(!store.reads_ranges() && !store.needs_sync());
        check_with(&store, envelope(algorithm).overhead_bytes() as u64).await;
    }
}

/// A changed block is told from a missing one, and not tried again.
#[tokio::test]
async fn a_changed_object_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let location = Location {
        storage: "file".into(),
        bucket: format!("{}/", dir.path().display()),
        volume_name: "vol".into(),
        envelope: Some(envelope(Algorithm::default())),
        ..Location::default()
    };
    let store = ObjectStore::open_at(&location, &StoreOptions::default()).unwrap();
    store.put("k", bytes(100)).await.unwrap();
    let path = dir.path().join("vol/k");
    let stored = std::fs::read(&path).unwrap();
    assert!(!stored.windows(20).any(|w| *w == bytes(100)[..20]));
    for at in [1, 100, 265, 300, stored.len() - 1] {
        let mut changed = stored.clone();
        changed[at] ^= 0x40;
        std::fs::write(&path, changed).unwrap();
        for range in [None, Some(0..10)] {
            let e = store.get("k", range).await.unwrap_err();
            assert_eq!(
                (e.kind, e.key.as_str()),
                (ErrorKind::Damaged, "k"),
                "{at}: {e}"
            );
        }
    }
    std::fs::write(&path, stored).unwrap();
    assert_eq!(
        store.get("k", Some(10..90)).await.unwrap(),
        bytes(100).slice(10..90)
    );
}

#[tokio::test]
async fn sharded() {
    let dir = tempfile::tempdir().unwrap();
    let location = Location {
        storage: "file".into(),
        bucket: format!("{}/s%d/", dir.path().display()),
        volume_name: "vol".into(),
        shards: 3,
        ..Location::default()
    };
    let store = ObjectStore::open_at(&location, &StoreOptions::default()).unwrap();
    assert!(store.needs_sync());
    check(&store).await;
    for n in 0..3 {
        assert!(
            dir.path().join(format!("s{n}/vol")).is_dir(),
            "shard {n} is used"
        );
    }
    // Where the reference client puts them.
    for (key, shard) in [("chunks/0/0/1_0_4096", 0), ("juicefs_uuid", 1)] {
        store.put(key, bytes(1)).await.unwrap();
        assert!(
            dir.path().join(format!("s{shard}/vol/{key}")).exists(),
            "{key}"
        );
    }
}

/// One server for all tests of this process.
fn minio() -> &'static MinioServer {
    static SERVER: LazyLock<MinioServer> = LazyLock::new(|| MinioServer::start().unwrap());
    &SERVER
}

fn in_minio(storage: &str, bucket: &str) -> Location {
    Location {
        storage: storage.into(),
        bucket: minio().bucket(bucket),
        volume_name: "vol".into(),
        access_key: MINIO_ACCESS_KEY.into(),
        secret_key: MINIO_SECRET_KEY.into(),
        ..Location::default()
    }
}

/// Few and quick retries: what fails here fails on purpose.
fn impatient() -> StoreOptions {
    StoreOptions {
        io_retries: 1,
        retry_pause: std::time::Duration::from_millis(1),
        ..StoreOptions::default()
    }
}

#[tokio::test]
async fn buckets_of_s3_and_minio() {
    for storage in ["s3", "minio"] {
        let location = in_minio(storage, &format!("conform-{storage}"));
        let store = ObjectStore::open_at(&location, &impatient()).unwrap();
        assert!(!store.needs_sync(), "a bucket has it when it says so");
        let e = store.put("k", bytes(1)).await.unwrap_err();
        assert!(e.is_not_found(), "the bucket is missing: {e}");
        // The check makes the bucket.
        check(&store).await;
        store.create().await.unwrap();
        store.put("a/b", bytes(3)).await.unwrap();
        let objects = minio().objects(&format!("conform-{storage}")).unwrap();
        assert_eq!(objects, Some(vec!["vol/a/b".to_string()]));
    }
}

/// The answer of a real server to reads of an object that its checksum does not fit.
#[tokio::test]
async fn checksums_of_buckets() {
    let location = in_minio("s3", "checksums");
    let store = ObjectStore::open_at(&location, &impatient()).unwrap();
    store.create().await.unwrap();
    let raw = crate::s3::open(&location).unwrap();
    raw.put_with("k", bytes(1000), Some(1)).await.unwrap();
    for range in [None, Some(0..1000)] {
        let e = store.get("k", range).await.unwrap_err();
        assert_eq!(e.kind, ErrorKind::Altered, "{e}");
    }
    for range in [0..999, 1..1000] {
        let part = bytes(1000).slice(range.start as usize..range.end as usize);
        assert_eq!(store.get("k", Some(range)).await.unwrap(), part);
    }
    // With `minio` as the kind of storage nothing is carried, and nothing compared.
    let other = ObjectStore::open_at(&in_minio("minio", "checksums"), &impatient()).unwrap();
    assert_eq!(other.get("k", None).await.unwrap(), bytes(1000));
    other.put("k", bytes(10)).await.unwrap();
    assert_eq!(store.get("k", None).await.unwrap(), bytes(10));
}

/// The memory of a block of a bucket that was read and let go serves the next one.
#[tokio::test]
async fn reads_of_buckets_use_memory_again() {
    const LENGTH: usize = (3 << 20) + 13;
    let store = ObjectStore::open_at(&in_minio("s3", "memory"), &impatient()).unwrap();
    store.create().await.unwrap();
    store.put("k", bytes(LENGTH)).await.unwrap();
    for range in [None, Some(0..LENGTH as u64)] {
        let data = store.get("k", range).await.unwrap();
        assert_eq!(data, bytes(LENGTH));
        drop(data);
        assert_eq!(crate::buffers::kept_of(LENGTH), 1);
    }
}

#[tokio::test]
async fn more_objects_than_a_page() {
    let store = ObjectStore::open_at(&in_minio("minio", "pages"), &impatient()).unwrap();
    store.create().await.unwrap();
    many_objects(&store).await;
}

async fn many_objects(store: &ObjectStore) {
    let names: Vec<String> = (0..1203).map(|n| format!("p/{n:05}")).collect();
    let puts = names.iter().map(|name| store.put(name, Bytes::new()));
    futures_util::future::try_join_all(puts).await.unwrap();
    assert_eq!(keys(store, "p/", "", 5000).await, names);
    assert_eq!(keys(store, "p/", "p/00100", 1001).await, names[101..1102]);
    assert_eq!(keys(store, "p/", "p/01201", 10).await, names[1202..]);
}

/// Runs the test `name` of this file once more where the vendors' hosts lead to a server of ours, and answers the
/// queries of that run's requests. `None`: this is that run.
fn among_vendors(name: &str) -> Option<Vec<String>> {
    const INSIDE: &str = "JFS_TEST_AMONG_VENDORS";
    if std::env::var_os(INSIDE).is_some() {
        return None;
    }
    let hosts = [
        "b-1.cos.ap-nanjing.myqcloud.com",
        "missing-1.cos.ap-nanjing.myqcloud.com",
        "bucket.oss-cn-hangzhou.aliyuncs.com",
        "missing.oss-cn-hangzhou.aliyuncs.com",
    ];
    let vendors = Vendors::new(&hosts, &[("id", "secret")]).unwrap();
    let program = std::env::current_exe().unwrap();
    let script = format!("{} --exact conformance::{name}", program.display());
    let here = std::env::current_dir().unwrap();
    let ran = vendors.run(&script, &here, &[(INSIDE, "1")]).unwrap();
    assert!(ran.ok && ran.text.contains("1 passed"), "{}", ran.text);
    let requests = vendors.requests().unwrap();
    let good = requests.iter().all(|r| r["signature"] == "good");
    assert!(good, "{requests:?}");
    let queries = requests.iter().map(|r| r["query"].to_string());
    Some(queries.collect())
}

fn of_vendor(bucket: &str) -> Location {
    Location {
        storage: if bucket.contains("oss-") {
            "oss"
        } else {
            "cos"
        }
        .into(),
        bucket: bucket.into(),
        volume_name: "vol".into(),
        access_key: "id".into(),
        secret_key: "secret".into(),
        ..Location::default()
    }
}

#[tokio::test]
async fn buckets_of_vendors() {
    if among_vendors("buckets_of_vendors").is_some() {
        return;
    }
    for bucket in [
        "https://missing-1.cos.ap-nanjing.myqcloud.com",
        "https://missing.oss-cn-hangzhou.aliyuncs.com",
    ] {
        let store = ObjectStore::open_at(&of_vendor(bucket), &impatient()).unwrap();
        assert!(!store.needs_sync(), "a bucket has it when it says so");
        let e = store.put("k", bytes(1)).await.unwrap_err();
        assert!(
            e.is_not_found() && e.message.starts_with("NoSuchBucket: "),
            "{e}"
        );
        // The check makes the bucket.
        check(&store).await;
        store.create().await.unwrap();
    }
}

/// The answer of a vendor's server to reads of an object that its checksum does not fit.
#[tokio::test]
async fn checksums_of_vendors() {
    if among_vendors("checksums_of_vendors").is_some() {
        return;
    }
    for bucket in [
        "b-1.cos.ap-nanjing.myqcloud.com",
        "bucket.oss-cn-hangzhou.aliyuncs.com",
    ] {
        let location = of_vendor(bucket);
        let store = ObjectStore::open_at(&location, &impatient()).unwrap();
        let raw = crate::open::open_bucket(&location).unwrap();
        raw.put_with("k", bytes(1000), Some(1)).await.unwrap();
        for range in [None, Some(0..1000)] {
            let e = store.get("k", range).await.unwrap_err();
            assert_eq!(e.kind, ErrorKind::Altered, "{e}");
        }
        let part = bytes(1000).slice(1..1000);
        assert_eq!(store.get("k", Some(1..1000)).await.unwrap(), part);
        store.put("k", bytes(10)).await.unwrap();
        assert_eq!(store.get("k", None).await.unwrap(), bytes(10));
    }
}

#[tokio::test]
async fn more_objects_than_a_page_of_vendors() {
    if let Some(queries) = among_vendors("more_objects_than_a_page_of_vendors") {
        for begun in ["marker=vol/p/00100", "start-after=vol/p/00100"] {
            let asked = queries
                .iter()
                .any(|q| q.replace("%2F", "/").contains(begun));
            assert!(asked, "a listing begins after a key: {queries:?}");
        }
        return;
    }
    for bucket in [
        "http://b-1.cos.ap-nanjing.myqcloud.com",
        "http://bucket.oss-cn-hangzhou.aliyuncs.com",
    ] {
        let store = ObjectStore::open_at(&of_vendor(bucket), &impatient()).unwrap();
        many_objects(&store).await;
    }
}

#[tokio::test]
async fn buckets_encrypted_and_sharded() {
    let location = Location {
        shards: 3,
        envelope: Some(envelope(Algorithm::ChaCha20Poly1305)),
        ..in_minio("minio", "shard-%d")
    };
    let store = ObjectStore::open_at(&location, &impatient()).unwrap();
    check_with(
        &store,
        envelope(Algorithm::default()).overhead_bytes() as u64,
    )
    .await;
    for n in 0..3 {
        let objects = minio().objects(&format!("shard-{n}")).unwrap();
        assert_eq!(objects, Some(Vec::new()), "bucket {n} was made");
    }
}

/// The class of new objects reaches the server: MinIO has two names and refuses others.
#[tokio::test]
async fn storage_classes() {
    let with = |class: &str| {
        let location = Location {
            storage_class: class.into(),
            ..in_minio("s3", "classes")
        };
        ObjectStore::open_at(&location, &impatient()).unwrap()
    };
    with("").create().await.unwrap();
    with("STANDARD").put("k", bytes(1)).await.unwrap();
    let e = with("NO_SUCH_CLASS").put("k", bytes(1)).await.unwrap_err();
    assert!(
        e.kind == ErrorKind::Permanent && e.message.contains("InvalidStorageClass"),
        "{e}"
    );
}

/// Nothing that fails shows a key, and wrong keys are not tried again.
#[tokio::test]
async fn errors_hold_no_secret() {
    let wrong = Location {
        secret_key: "not-the-secret".into(),
        session_token: "a-token".into(),
        ..in_minio("s3", "secrets")
    };
    assert!(!format!("{wrong:?}").contains("not-the-secret"));
    let store = ObjectStore::open_at(&wrong, &impatient()).unwrap();
    let refused = [
        store.put("k", bytes(1)).await.unwrap_err(),
        store.get("k", None).await.unwrap_err(),
        store.list("", "", 1).await.unwrap_err(),
        store.test().await.unwrap_err(),
    ];
    for e in refused {
        let shown = format!("{e} {e:?} {store:?}");
        assert_eq!(e.kind, ErrorKind::Permanent, "{shown}");
        for secret in ["not-the-secret", "a-token", "Authorization"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let half = Location {
        secret_key: String::new(),
        ..wrong
    };
    let e = ObjectStore::open_at(&half, &impatient()).unwrap_err();
    assert!(e.to_string().contains("has no secret key"), "{e}");
    let in_address = Location {
        bucket: "http://key:hush@127.0.0.1:1/bucket".into(),
        ..half
    };
    let e = ObjectStore::open_at(&in_address, &impatient()).unwrap_err();
    assert!(!e.to_string().contains("hush"), "{e}");
}

/// A server that is not there: retried as often as the options say, then told.
#[tokio::test]
async fn a_dead_server_is_transient() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let location = Location {
        bucket: format!("http://127.0.0.1:{port}/bucket"),
        ..in_minio("s3", "")
    };
    let store = ObjectStore::open_at(&location, &impatient()).unwrap();
    let e = store.get("k", None).await.unwrap_err();
    assert_eq!(e.kind, ErrorKind::Transient, "{e}");
}

/// A server that accepts and says nothing: the deadline ends it.
#[tokio::test]
async fn a_silent_server_times_out() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let location = Location {
        bucket: format!("http://127.0.0.1:{port}/bucket"),
        ..in_minio("s3", "")
    };
    let options = StoreOptions {
        get_timeout: std::time::Duration::from_millis(200),
        put_timeout: std::time::Duration::from_millis(300),
        ..impatient()
    };
    let store = ObjectStore::open_at(&location, &options).unwrap();
    let e = store.get("k", None).await.unwrap_err();
    assert!(
        e.kind == ErrorKind::Timeout && e.message.contains("200ms"),
        "{e}"
    );
    let e = store.put("k", bytes(1)).await.unwrap_err();
    assert!(
        e.kind == ErrorKind::Timeout && e.message.contains("300ms"),
        "{e}"
    );
}

#[test]
fn unknown_storage_is_named() {
    let open = |storage, bucket| ObjectStore::open(storage, bucket, "v", &StoreOptions::default());
    let e = open("gs", "http://h/b").unwrap_err();
    assert!(
        e.to_string().contains("gs") && e.to_string().contains("not supported yet"),
        "{e}"
    );
    assert_eq!(
        open("file", "relative/").unwrap_err().kind,
        ErrorKind::Permanent
    );
}
