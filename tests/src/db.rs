//! Databases: one of any kind, empty, private to the test.

use jfs_meta::Engine;
use jfs_meta::memory::MemoryEngine;
use jfs_meta_sql::SqliteEngine;
use jfs_testkit::scratch_dir;
use std::sync::Arc;
use tempfile::TempDir;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In memory.
    Memory,
    /// SQLite, in a file of its own.
    Sqlite,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 2] = [Kind::Memory, Kind::Sqlite];
}

/// An empty database that goes away with this value.
pub struct Db {
    kind: Kind,
    inner: Inner,
}

enum Inner {
    Memory(MemoryEngine),
    Sqlite(TempDir),
}

impl Db {
    /// A new empty database.
    pub async fn new(kind: Kind) -> Db {
        let inner = match kind {
            Kind::Memory => Inner::Memory(MemoryEngine::new()),
            Kind::Sqlite => Inner::Sqlite(scratch_dir().unwrap()),
        };
        Db { kind, inner }
    }

    /// Which engine it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The URL that opens it.
    pub fn url(&self) -> String {
        match &self.inner {
            Inner::Memory(_) => "memory://".to_string(),
            Inner::Sqlite(dir) => format!("sqlite3://{}", dir.path().join("meta.db").display()),
        }
    }

    /// An engine with connections of its own, as another process would have.
    pub async fn connect(&self) -> Arc<dyn Engine> {
        match &self.inner {
            Inner::Memory(engine) => Arc::new(engine.clone()),
            // Nothing here looks at what a power cut leaves: no need to wait for the disk.
            Inner::Sqlite(_) => Arc::new(SqliteEngine::open(&format!("{}?_sync=NORMAL", self.url())).unwrap()),
        }
    }

    /// Stores a record of delayed slices, which only a compaction of another client makes so far.
    pub async fn put_delayed(&self, id: u64, time: i64, entries: &[u8]) {
        match &self.inner {
            Inner::Memory(engine) => engine.put_delayed(id, time, entries),
            Inner::Sqlite(dir) => {
                let db = rusqlite::Connection::open(dir.path().join("meta.db")).unwrap();
                let insert = "INSERT INTO jfs_delslices (chunkid, deleted, slices) VALUES (?1, ?2, ?3)";
                db.execute(insert, (id as i64, time, entries)).unwrap();
            }
        }
    }
}
