//! Databases: one of any kind, empty, private to the test.

use crate::proxy::{Proxy, Wire};
use crate::{Fault, Faulty, SqlDatabase, SqlServer};
use jfs_meta::Engine;
use jfs_meta::memory::MemoryEngine;
use jfs_meta_redis::RedisEngine;
use jfs_meta_sql::{FaultPlan, SqliteEngine};
use jfs_testkit::{RedisServer, scratch_dir};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In memory.
    Memory,
    /// SQLite, in a file of its own.
    Sqlite,
    /// Redis: one server for all tests of a binary, a logical database each.
    Redis,
    /// PostgreSQL: one server for all tests of a binary, a database each.
    Postgres,
    /// MariaDB, likewise.
    Mariadb,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [
        Kind::Memory,
        Kind::Sqlite,
        Kind::Redis,
        Kind::Postgres,
        Kind::Mariadb,
    ];

    /// Whether it is a server with SQL. Attempts lock there what they hold, so that others wait. Numbers of owners
    /// above 2^31 and names of attributes that are no UTF-8 are refused with EIO, as by the reference client.
    pub fn is_sql_server(self) -> bool {
        matches!(self, Kind::Postgres | Kind::Mariadb)
    }
}

/// An empty database that goes away with this value.
pub struct Db {
    kind: Kind,
    inner: Inner,
}

enum Inner {
    Memory(MemoryEngine),
    Sqlite(TempDir),
    Redis(u32),
    Sql(SqlDatabase),
}

/// The server of this process. It ends with the process.
fn redis() -> &'static RedisServer {
    static SERVER: OnceLock<RedisServer> = OnceLock::new();
    SERVER.get_or_init(|| RedisServer::start().unwrap())
}

/// Logical databases of the server.
const DATABASES: u32 = 1024;

/// A logical database that no other test uses at the moment; emptied.
fn redis_database() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let db = NEXT.fetch_add(1, Ordering::Relaxed) % DATABASES;
    let reply = redis().command(db, &[b"FLUSHDB"]).unwrap();
    assert_eq!(reply, b"+OK\r\n");
    db
}

impl Db {
    /// A new empty database.
    pub async fn new(kind: Kind) -> Db {
        let inner = match kind {
            Kind::Memory => Inner::Memory(MemoryEngine::new()),
            Kind::Sqlite => Inner::Sqlite(scratch_dir().unwrap()),
            Kind::Redis => Inner::Redis(redis_database()),
            Kind::Postgres => Inner::Sql(SqlDatabase::new(SqlServer::Postgres)),
            Kind::Mariadb => Inner::Sql(SqlDatabase::new(SqlServer::Mariadb)),
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
            Inner::Redis(db) => redis().url(*db),
            Inner::Sql(db) => db.url(),
        }
    }

    /// An engine with connections of its own, as another process would have.
    pub async fn connect(&self) -> Arc<dyn Engine> {
        match &self.inner {
            Inner::Memory(engine) => Arc::new(engine.clone()),
            // Nothing here looks at what a power cut leaves: no need to wait for the disk.
            Inner::Sqlite(_) => {
                Arc::new(SqliteEngine::open(&format!("{}?_sync=NORMAL", self.url())).unwrap())
            }
            Inner::Redis(_) => Arc::new(RedisEngine::open(&self.url()).await.unwrap()),
            Inner::Sql(_) => jfs::connect(&self.url()).await.unwrap(),
        }
    }

    /// An engine in memory whose commits hold and write `records_max` records at most.
    pub fn connect_with_small_commits(&self, records_max: usize) -> Arc<dyn Engine> {
        match &self.inner {
            Inner::Memory(engine) => Arc::new(engine.with_records_max(records_max)),
            _ => panic!("{:?} has no limit", self.kind),
        }
    }

    /// An engine, and how to make its commits fail: by the engine's own hooks on SQLite, by really
    /// cutting the connection on servers.
    pub async fn connect_with_faults(&self) -> (Arc<dyn Engine>, Hooks) {
        match &self.inner {
            Inner::Memory(_) => {
                let faulty = Arc::new(Faulty::new(self.connect().await));
                (faulty.clone(), Hooks::Wrapped(faulty))
            }
            Inner::Sqlite(_) => {
                let engine = SqliteEngine::open(&format!("{}?_sync=NORMAL", self.url())).unwrap();
                let hooks = Hooks::Sqlite(engine.faults().clone());
                (Arc::new(engine), hooks)
            }
            Inner::Redis(db) => {
                let proxy = Proxy::start(redis().port(), Wire::Redis).await;
                let url = format!("redis://127.0.0.1:{}/{db}", proxy.port());
                (
                    Arc::new(RedisEngine::open(&url).await.unwrap()),
                    Hooks::Relay(proxy),
                )
            }
            Inner::Sql(db) => {
                let proxy = Proxy::start(db.server().port(), db.server().wire()).await;
                let engine = jfs::connect(&db.url_at(proxy.port())).await.unwrap();
                (engine, Hooks::Relay(proxy))
            }
        }
    }

    /// Sends a command to the Redis database; the raw reply.
    pub fn redis_command(&self, arguments: &[&[u8]]) -> String {
        let Inner::Redis(db) = &self.inner else {
            panic!("{:?} is no Redis", self.kind)
        };
        let reply = redis().command(*db, arguments).unwrap();
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// The SQL database of the server.
    pub fn sql(&self) -> &SqlDatabase {
        let Inner::Sql(db) = &self.inner else {
            panic!("{:?} is no server of SQL", self.kind)
        };
        db
    }

    /// Keys of the Redis database that match a pattern.
    pub fn redis_keys(&self, pattern: &str) -> Vec<String> {
        let reply = self.redis_command(&[b"KEYS", pattern.as_bytes()]);
        let lines = reply.lines().filter(|l| !l.starts_with(['*', '$']));
        lines.map(str::to_string).collect()
    }

    /// Stores a record of delayed slices, which only a compaction of another client makes so far.
    pub async fn put_delayed(&self, id: u64, time: i64, entries: &[u8]) {
        match &self.inner {
            Inner::Memory(engine) => engine.put_delayed(id, time, entries),
            Inner::Sqlite(dir) => {
                let db = rusqlite::Connection::open(dir.path().join("meta.db")).unwrap();
                let insert =
                    "INSERT INTO jfs_delslices (chunkid, deleted, slices) VALUES (?1, ?2, ?3)";
                db.execute(insert, (id as i64, time, entries)).unwrap();
            }
            Inner::Redis(db) => {
                let field = format!("{id}_{time}");
                let reply = redis()
                    .command(*db, &[b"HSET", b"delSlices", field.as_bytes(), entries])
                    .unwrap();
                assert_eq!(reply, b":1\r\n");
            }
            Inner::Sql(db) => {
                let entries = db.bytes(entries);
                db.execute(&format!(
                    "INSERT INTO jfs_delslices (chunkid, deleted, slices) VALUES ({id}, {time}, {entries})"
                ));
            }
        }
    }
}

/// Faults inside an engine.
pub enum Hooks {
    /// None of its own: wrapped.
    Wrapped(Arc<Faulty>),
    /// SQLite's.
    Sqlite(Arc<FaultPlan>),
    /// A relay before the server that cuts the connection.
    Relay(Proxy),
}

impl Hooks {
    /// The `n`-th commit from now on is lost or dropped, reported as in doubt.
    pub fn fail_commit(&self, n: u64, fault: Fault) {
        match (self, fault) {
            (Hooks::Wrapped(faulty), fault) => faulty.fail_commit(n, fault),
            (Hooks::Sqlite(plan), Fault::Lost) => plan.lose_reply(n),
            (Hooks::Sqlite(plan), _) => plan.drop_commit(n),
            (Hooks::Relay(proxy), fault) => proxy.fail(n, fault),
        }
    }

    /// No failures from now on. Whether the planned one took place.
    pub fn disarm(&self) -> bool {
        match self {
            Hooks::Wrapped(faulty) => faulty.disarm(),
            Hooks::Sqlite(plan) => plan.disarm() == 0,
            Hooks::Relay(proxy) => proxy.disarm(),
        }
    }
}
