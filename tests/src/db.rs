//! Databases: one of any kind, empty, private to the test.

use jfs_meta::Engine;
use jfs_meta::memory::MemoryEngine;
use std::sync::Arc;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In memory.
    Memory,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 1] = [Kind::Memory];
}

/// An empty database that goes away with this value.
pub struct Db {
    kind: Kind,
    inner: Inner,
}

enum Inner {
    Memory(MemoryEngine),
}

impl Db {
    /// A new empty database.
    pub async fn new(kind: Kind) -> Db {
        let inner = match kind {
            Kind::Memory => Inner::Memory(MemoryEngine::new()),
        };
        Db { kind, inner }
    }

    /// Which engine it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// An engine with connections of its own, as another process would have.
    pub async fn connect(&self) -> Arc<dyn Engine> {
        match &self.inner {
            Inner::Memory(engine) => Arc::new(engine.clone()),
        }
    }

    /// Stores a record of delayed slices, which only a compaction of another client makes so far.
    pub async fn put_delayed(&self, id: u64, time: i64, entries: &[u8]) {
        match &self.inner {
            Inner::Memory(engine) => engine.put_delayed(id, time, entries),
        }
    }
}
