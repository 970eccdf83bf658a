//! A volume in a scratch directory, and short words for what the tests do to it.

use jfs_meta::engine::*;
use jfs_meta::{Engine, EngineError};
use jfs_meta_sql::SqliteEngine;
use jfs_testkit::scratch_dir;
use jfs_types::*;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) const NOW: Time = Time {
    sec: 1_800_000_000,
    nsec: 123_456_789,
};

/// A directory for a database, and one engine on it.
pub(crate) struct Bed {
    pub(crate) dir: TempDir,
    pub(crate) engine: Arc<SqliteEngine>,
}

impl Bed {
    /// A database file that does not exist yet.
    pub(crate) fn empty() -> Bed {
        let dir = scratch_dir().unwrap();
        let engine = Arc::new(open(dir.path().join("meta.db"), ""));
        Bed { dir, engine }
    }

    /// A new volume.
    pub(crate) async fn new() -> Bed {
        let bed = Bed::empty();
        bed.engine
            .create_volume(b"{}", &directory(), Some(&directory()), false)
            .await
            .unwrap();
        bed
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("meta.db")
    }

    /// Another engine on the same database, as another process has.
    pub(crate) fn another(&self) -> SqliteEngine {
        open(self.path(), "?_sync=NORMAL")
    }

    pub(crate) fn with_options(&self, options: &str) -> SqliteEngine {
        open(self.path(), options)
    }

    /// A connection past the engine.
    pub(crate) fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn open(path: PathBuf, options: &str) -> SqliteEngine {
    SqliteEngine::open(&format!("sqlite3://{}{options}", path.display())).unwrap()
}

pub(crate) fn directory() -> Attr {
    let mut attr = Attr::new(FileType::Directory);
    (attr.mode, attr.parent) = (0o777, Ino::ROOT);
    (attr.atime, attr.mtime, attr.ctime) = (NOW, NOW, NOW);
    attr
}

pub(crate) fn file() -> Attr {
    let mut attr = Attr::new(FileType::Regular);
    (attr.mode, attr.parent, attr.uid, attr.gid) = (0o644, Ino::ROOT, 3_000_000_000, 7);
    (attr.atime, attr.mtime, attr.ctime) = (NOW, NOW, NOW);
    attr
}

pub(crate) fn name(text: impl AsRef<[u8]>) -> Name {
    Name::new(text.as_ref()).unwrap()
}

pub(crate) fn new_entry(dir: Ino, text: impl AsRef<[u8]>, ino: u64) -> Write {
    let entry = Entry {
        kind: FileType::Regular,
        ino: Ino(ino),
    };
    Write::NewEntry {
        dir,
        name: name(text),
        entry,
    }
}

pub(crate) fn new_node(ino: u64) -> Write {
    Write::NewNode {
        ino: Ino(ino),
        attr: file(),
    }
}

/// One attempt: reads, then writes.
pub(crate) async fn attempt(
    engine: &SqliteEngine,
    reads: &[Read],
    writes: &[Write],
) -> Result<Receipt, EngineError> {
    let mut attempt = engine.begin().await?;
    if !reads.is_empty() {
        attempt.read(reads).await?;
    }
    attempt.commit(writes, NOW).await
}

/// Writes without reading.
pub(crate) async fn write(engine: &SqliteEngine, writes: &[Write]) -> Receipt {
    attempt(engine, &[], writes).await.unwrap()
}

pub(crate) async fn get(engine: &SqliteEngine, key: Key) -> Answer {
    engine.fetch(&[key]).await.unwrap().pop().unwrap()
}

pub(crate) async fn attr(engine: &SqliteEngine, ino: u64) -> Option<Attr> {
    get(engine, Key::Attr(Ino(ino))).await.into_attr().unwrap()
}

pub(crate) fn is_conflict<T>(result: &Result<T, EngineError>) -> bool {
    matches!(result, Err(EngineError::Conflict))
}
