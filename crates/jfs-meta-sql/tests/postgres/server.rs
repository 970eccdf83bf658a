//! One server for all tests of this program, a database for each, and short words for what the tests do.

use jfs_meta::engine::*;
use jfs_meta::{Engine, EngineError};
use jfs_meta_sql::open_postgres;
use jfs_testkit::PostgresServer;
use jfs_types::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

pub(crate) const NOW: Time = Time {
    sec: 1_800_000_000,
    nsec: 123_456_789,
};

pub(crate) fn server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::start().unwrap())
}

/// A new database. It ends with the server.
pub(crate) fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("db{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server().create_database(&name).unwrap();
    name
}

pub(crate) async fn open(db: &str, options: &str) -> Arc<dyn Engine> {
    let url = format!("{}{options}", server().url(db));
    open_postgres(&url).await.unwrap()
}

/// The failure to open an address, or to read the setting there. One line.
pub(crate) async fn refused(url: &str) -> EngineError {
    let error = match open_postgres(url).await {
        Ok(engine) => engine.load_setting().await.unwrap_err(),
        Err(e) => e,
    };
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

/// A new volume in a database of its own, and an engine on it.
pub(crate) async fn volume(options: &str) -> (String, Arc<dyn Engine>) {
    let db = database();
    let engine = open(&db, options).await;
    create(&*engine).await;
    (db, engine)
}

pub(crate) async fn create(engine: &dyn Engine) {
    let root = directory();
    engine
        .create_volume(b"{}", &root, Some(&root), false)
        .await
        .unwrap();
}

pub(crate) fn directory() -> Attr {
    let mut attr = Attr::new(FileType::Directory);
    (attr.mode, attr.parent) = (0o777, Ino::ROOT);
    (attr.atime, attr.mtime, attr.ctime) = (NOW, NOW, NOW);
    attr
}

pub(crate) fn file() -> Attr {
    let mut attr = Attr::new(FileType::Regular);
    (attr.mode, attr.parent, attr.uid, attr.gid) = (0o644, Ino::ROOT, 5, 7);
    (attr.atime, attr.mtime, attr.ctime) = (NOW, NOW, NOW);
    attr
}

pub(crate) fn new_node(ino: u64) -> Write {
    Write::NewNode {
        ino: Ino(ino),
        attr: file(),
    }
}

pub(crate) fn name(text: impl AsRef<[u8]>) -> Name {
    Name::new(text.as_ref()).unwrap()
}

/// One attempt: reads, then writes.
pub(crate) async fn attempt(
    engine: &dyn Engine,
    reads: &[Read],
    writes: &[Write],
) -> Result<Receipt, EngineError> {
    let mut attempt = engine.begin().await?;
    if !reads.is_empty() {
        attempt.read(reads).await?;
    }
    attempt.commit(writes, NOW).await
}

pub(crate) async fn attr(engine: &dyn Engine, ino: u64) -> Option<Attr> {
    let answers = engine.fetch(&[Key::Attr(Ino(ino))]).await.unwrap();
    answers.into_iter().next().unwrap().into_attr().unwrap()
}
