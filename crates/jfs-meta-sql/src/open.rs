//! Opening a database by URL, and the connections behind an engine.

use crate::errors::classify;
use crate::writer::Writer;
use jfs_meta::EngineError;
use jfs_meta::engine::Capabilities;
use jfs_meta::trips::TripLog;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Reader connections kept open; more are opened and dropped under load.
const READERS_MAX: usize = 4;
/// Prepared statements kept per connection.
const STATEMENTS: usize = 64;
/// Page cache of each connection, KiB (the kernel's page cache is behind it).
const CACHE_KIB: i64 = 2048;

/// A volume's metadata in a SQLite database.
pub struct SqliteEngine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) readers: Mutex<Vec<Connection>>,
    pub(crate) writer: OnceLock<Writer>,
    pub(crate) writer_start: Mutex<()>,
    pub(crate) trips: Arc<TripLog>,
    pub(crate) capabilities: Capabilities,
}

/// Where the database is and how its connections are set up.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    busy: Duration,
    synchronous: &'static str,
}

impl SqliteEngine {
    /// Opens `sqlite3://PATH[?_timeout=MS&_sync=FULL|NORMAL]`. The file need not exist yet; it is
    /// created by `create_volume` only.
    pub fn open(url: &str) -> Result<SqliteEngine, EngineError> {
        let database = Database::parse(url)?;
        let capabilities =
            Capabilities { name: "sqlite3", usage_in_transaction: false, max_writes: usize::MAX };
        let shared = Shared {
            database,
            readers: Mutex::default(),
            writer: OnceLock::new(),
            writer_start: Mutex::default(),
            trips: Arc::default(),
            capabilities,
        };
        Ok(SqliteEngine { shared: Arc::new(shared) })
    }
}

impl Database {
    fn parse(url: &str) -> Result<Database, EngineError> {
        let fatal = |text: String| Err(EngineError::Fatal(text));
        let Some(rest) = url.strip_prefix("sqlite3://") else {
            return fatal("a SQLite URL starts with sqlite3://".to_string());
        };
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        if path.is_empty() {
            return fatal("sqlite3:// needs the path of a database file".to_string());
        }
        let mut database =
            Database { path: path.into(), busy: Duration::from_secs(5), synchronous: "FULL" };
        for option in options.split('&').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key {
                "_timeout" | "_busy_timeout" => match value.parse() {
                    Ok(ms) => database.busy = Duration::from_millis(ms),
                    Err(_) => return fatal(format!("{key}={value}: a number of milliseconds is needed")),
                },
                "_sync" | "_synchronous" => match value.to_ascii_uppercase().as_str() {
                    "NORMAL" | "1" => database.synchronous = "NORMAL",
                    "FULL" | "2" => database.synchronous = "FULL",
                    _ => return fatal(format!("{key}={value}: FULL or NORMAL is needed")),
                },
                // Both are what happens here anyway.
                "cache" if matches!(value, "shared" | "private") => {}
                "_journal" | "_journal_mode" if value.eq_ignore_ascii_case("wal") => {}
                _ => return fatal(format!("unknown option {key} in the SQLite URL")),
            }
        }
        Ok(database)
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// A connection that only reads.
    pub(crate) fn reader(&self) -> Result<Connection, EngineError> {
        let c = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        c.pragma_update(None, "query_only", true).map_err(classify)?;
        Ok(c)
    }

    /// The connection that writes. Switches the database to WAL.
    pub(crate) fn writer(&self, create: bool) -> Result<Connection, EngineError> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        if create {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let c = self.connect(flags)?;
        c.pragma_update(None, "journal_mode", "WAL").map_err(classify)?;
        Ok(c)
    }

    fn connect(&self, flags: OpenFlags) -> Result<Connection, EngineError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let c = Connection::open_with_flags(Path::new(&self.path), flags)
            .map_err(|e| EngineError::Fatal(format!("{}: {e}", self.path.display())))?;
        c.busy_timeout(self.busy).map_err(classify)?;
        c.set_prepared_statement_cache_capacity(STATEMENTS);
        c.pragma_update(None, "cache_size", -CACHE_KIB).map_err(classify)?;
        c.pragma_update(None, "synchronous", self.synchronous).map_err(classify)?;
        Ok(c)
    }
}

impl Shared {
    /// Runs `f` with a reader connection.
    pub(crate) fn with_reader<T>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let pooled = self.readers.lock().pop();
        let connection = match pooled {
            Some(c) => c,
            None => self.database.reader()?,
        };
        let result = f(&connection);
        let mut readers = self.readers.lock();
        if readers.len() < READERS_MAX {
            readers.push(connection);
        }
        result
    }

    /// The writer thread, started on first use.
    pub(crate) fn writer(&self) -> Result<&Writer, EngineError> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let _one = self.writer_start.lock();
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let writer = Writer::start(self.database.writer(false)?, self.trips.clone())?;
        Ok(self.writer.get_or_init(|| writer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert!(SqliteEngine::open("sqlite3://a.db").is_ok());
        assert!(SqliteEngine::open("sqlite3:///x/a.db?cache=shared&_journal=WAL&_timeout=100&_sync=NORMAL").is_ok());
        for bad in ["sqlite3://", "mysql://x", "sqlite3://a?_timeout=x", "sqlite3://a?what=1", "sqlite3://a?_sync=OFF"] {
            assert!(SqliteEngine::open(bad).is_err(), "{bad}");
        }
    }
}
