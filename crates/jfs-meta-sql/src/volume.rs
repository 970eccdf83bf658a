//! The engine interface: the volume as a whole, transactions, directories, counters.

use crate::attempt::{SqliteAttempt, read_all};
use crate::errors::classify;
use crate::open::SqliteEngine;
use crate::read::{counter_name, int, one};
use crate::write::Target;
use crate::{listing, schema};
use async_trait::async_trait;
use jfs_meta::engine::*;
use jfs_meta::trips::TripLog;
use jfs_types::{Attr, Clock, Entry, Ino, Name, SystemClock};
use rusqlite::{Connection, TransactionBehavior, params};
use std::ops::Range;

impl SqliteEngine {
    /// Runs `f` in a transaction of its own on the writer thread.
    pub(crate) async fn transaction<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.shared.trips.record(|| "BEGIN..COMMIT".to_string());
        let run = move |c: &mut Connection| {
            let tx = c.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
            let result = f(&tx)?;
            tx.commit().map_err(classify)?;
            Ok(result)
        };
        self.shared.writer()?.call(run).await
    }

    /// Runs `f` with a reader connection on the blocking pool.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.shared.trips.record(|| "SELECT (scan)".to_string());
        let shared = self.shared.clone();
        let run = move || shared.with_reader(f);
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            Err(e) => Err(EngineError::Fatal(format!("a scan of the database failed: {e}"))),
        }
    }
}

#[async_trait]
impl Engine for SqliteEngine {
    fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    fn trips(&self) -> &TripLog {
        &self.shared.trips
    }

    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        if !self.shared.database.exists() {
            return Ok(None);
        }
        self.scan(|c| {
            if one(c, "SELECT 1 FROM sqlite_master WHERE name = 'jfs_setting'", [], |_| Ok(()))?.is_none() {
                return Ok(None);
            }
            let text = one(c, "SELECT value FROM jfs_setting WHERE name = 'format'", [], crate::read::bytes_at)?;
            Ok(text.map(|t| t.to_vec()))
        })
        .await
    }

    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError> {
        let (expect, json) = (utf8(expect), utf8(json));
        self.transaction(move |c| {
            let sql = "UPDATE jfs_setting SET value = ? WHERE name = 'format' AND value = ?";
            match c.execute(sql, params![json, expect]).map_err(classify)? {
                0 => Err(EngineError::Conflict),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError> {
        let (json, root, trash) = (utf8(json), root.clone(), trash.cloned());
        let shared = self.shared.clone();
        let run = move || {
            let mut c = shared.database.writer(true)?;
            let tx = c.transaction_with_behavior(TransactionBehavior::Immediate).map_err(classify)?;
            create(&tx, &json, &root, trash.as_ref(), overwrite, &shared.trips)?;
            tx.commit().map_err(classify)
        };
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            Err(e) => Err(EngineError::Fatal(format!("the volume could not be created: {e}"))),
        }
    }

    async fn prepare_writes(&self) -> Result<(), EngineError> {
        self.transaction(|c| {
            for sql in schema::statements() {
                c.execute_batch(&sql).map_err(classify)?;
            }
            for (table, column, definition) in schema::LATER_COLUMNS {
                let known = format!("SELECT 1 FROM pragma_table_info('jfs_{table}') WHERE name = '{column}'");
                if one(c, &known, [], |_| Ok(()))?.is_none() {
                    let sql = format!("ALTER TABLE `jfs_{table}` ADD COLUMN `{column}` {definition}");
                    c.execute_batch(&sql).map_err(classify)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn unsupported_use(&self) -> Result<UnsupportedUse, EngineError> {
        self.scan(|c| {
            let table = "SELECT 1 FROM sqlite_master WHERE name = 'jfs_dir_quota'";
            let has_table = one(c, table, [], |_| Ok(()))?.is_some();
            let dir_quota = has_table && one(c, "SELECT 1 FROM jfs_dir_quota LIMIT 1", [], |_| Ok(()))?.is_some();
            Ok(UnsupportedUse { dir_quota })
        })
        .await
    }

    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError> {
        Ok(Box::new(SqliteAttempt { shared: self.shared.clone(), seen: Vec::with_capacity(4) }))
    }

    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError> {
        read_all(&self.shared, keys.iter(), keys.len())
    }

    async fn lookup(&self, dir: Ino, name: &Name) -> Result<Option<(Entry, Option<Attr>)>, EngineError> {
        self.shared.trips.record(|| "SELECT edge JOIN node".to_string());
        self.shared.with_reader(|c| listing::lookup(c, dir, name))
    }

    async fn list_dir(&self, dir: Ino, cursor: &DirCursor, with_attrs: bool) -> Result<DirPage, EngineError> {
        let after = match cursor {
            DirCursor::After(name) => Some(name.clone()),
            _ => None,
        };
        self.scan(move |c| listing::page(c, dir, after.as_ref(), with_attrs)).await
    }

    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError> {
        let deltas = deltas.to_vec();
        self.transaction(move |c| {
            let sql = "UPDATE jfs_dir_stats SET data_length = data_length + ?, used_space = used_space + ?, \
                used_inodes = used_inodes + ? WHERE inode = ?";
            let mut statement = c.prepare_cached(sql).map_err(classify)?;
            let mut missing = Vec::new();
            for (dir, d) in deltas {
                if statement.execute(params![d.length, d.space, d.inodes, int(dir)]).map_err(classify)? == 0 {
                    missing.push(dir);
                }
            }
            Ok(missing)
        })
        .await
    }

    async fn put_dir_stat(&self, dir: Ino, stat: DirStat) -> Result<(), EngineError> {
        self.transaction(move |c| {
            let sql = "INSERT OR REPLACE INTO jfs_dir_stats (inode, data_length, used_space, used_inodes) VALUES (?, ?, ?, ?)";
            c.execute(sql, params![int(dir), stat.length, stat.space, stat.inodes]).map_err(classify)?;
            Ok(())
        })
        .await
    }

    async fn reserve_ids(&self, kind: IdKind, n: u64) -> Result<Range<u64>, EngineError> {
        let name = match kind {
            IdKind::Inode => "nextInode",
            IdKind::Slice => "nextChunk",
        };
        let end = self.transaction(move |c| add(c, name, n as i64)).await? as u64;
        Ok(end.saturating_sub(n)..end)
    }

    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError> {
        self.transaction(move |c| add(c, counter_name(counter), n)).await
    }

    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError> {
        self.transaction(move |c| {
            add(c, "usedSpace", space)?;
            add(c, "totalInodes", inodes).map(|_| ())
        })
        .await
    }

    async fn claim_job(&self, job: JobSlot, now_sec: i64, interval_sec: i64) -> Result<bool, EngineError> {
        self.transaction(move |c| {
            let name = job.counter_name();
            let last: Option<i64> = one(c, "SELECT value FROM jfs_counter WHERE name = ?", [name], |r| r.get(0))?;
            if last.is_some_and(|last| last > now_sec - interval_sec) {
                return Ok(false);
            }
            let sql = "INSERT OR REPLACE INTO jfs_counter (name, value) VALUES (?, ?)";
            c.execute(sql, params![name, now_sec]).map_err(classify)?;
            Ok(true)
        })
        .await
    }

    async fn new_session(&self, expire: i64, info_json: &str) -> Result<u64, EngineError> {
        let info = info_json.as_bytes().to_vec();
        self.transaction(move |c| crate::sessions::create(c, expire, &info)).await
    }

    async fn refresh_session(&self, sid: u64, expire: i64, info_json: &str) -> Result<(), EngineError> {
        let info = info_json.as_bytes().to_vec();
        self.transaction(move |c| crate::sessions::refresh(c, sid, expire, &info)).await
    }

    async fn drop_session(&self, sid: u64) -> Result<(), EngineError> {
        self.transaction(move |c| crate::sessions::remove(c, sid)).await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError> {
        self.scan(crate::sessions::list).await
    }

    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError> {
        self.scan(move |c| crate::sessions::sustained(c, sid)).await
    }

    async fn list_deleted(&self, before_sec: i64, limit: usize) -> Result<Vec<Deleted>, EngineError> {
        self.scan(move |c| crate::cleanup::deleted(c, before_sec, limit)).await
    }

    async fn list_chunks(&self, ino: Ino, _length: u64) -> Result<Vec<u32>, EngineError> {
        self.scan(move |c| crate::cleanup::chunks(c, ino)).await
    }

    async fn list_delayed(&self, before_sec: i64, limit: usize) -> Result<Vec<Delayed>, EngineError> {
        self.scan(move |c| crate::cleanup::delayed(c, before_sec, limit)).await
    }

    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
        self.scan(move |c| crate::cleanup::unused(c, limit)).await
    }

    async fn shutdown(&self) -> Result<(), EngineError> {
        self.shared.readers.lock().clear();
        Ok(())
    }
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Adds to a counter row, which is made when missing, and returns its value.
fn add(c: &Connection, name: &str, n: i64) -> Result<i64, EngineError> {
    let sql = "INSERT INTO jfs_counter (name, value) VALUES (?1, ?2) \
        ON CONFLICT (name) DO UPDATE SET value = value + ?2 RETURNING value";
    one(c, sql, params![name, n], |r| r.get(0))?.ok_or_else(|| EngineError::corrupt("counter", name))
}

fn create(
    c: &Connection,
    json: &str,
    root: &Attr,
    trash: Option<&Attr>,
    overwrite: bool,
    trips: &TripLog,
) -> Result<(), EngineError> {
    for sql in schema::statements() {
        c.execute_batch(&sql).map_err(classify)?;
    }
    let exists = one(c, "SELECT 1 FROM jfs_setting WHERE name = 'format'", [], |_| Ok(()))?.is_some();
    if exists && !overwrite {
        return Err(EngineError::Conflict);
    }
    let mut tables = c.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'jfs!_%' ESCAPE '!'").map_err(classify)?;
    let tables: Vec<String> = tables.query_map([], |r| r.get(0)).map_err(classify)?.collect::<Result<_, _>>().map_err(classify)?;
    for table in tables {
        c.execute(&format!("DELETE FROM `{table}`"), []).map_err(classify)?;
    }
    c.execute("INSERT INTO jfs_setting (name, value) VALUES ('format', ?)", [json]).map_err(classify)?;
    let counters = [
        ("nextInode", 2),
        ("nextChunk", 1),
        ("nextSession", 0),
        ("usedSpace", 0),
        ("totalInodes", 0),
        ("nextCleanupSlices", 0),
    ];
    for (name, value) in counters {
        c.execute("INSERT INTO jfs_counter (name, value) VALUES (?, ?)", params![name, value]).map_err(classify)?;
    }
    let target = Target { c, trips, op: "format", at: SystemClock.now() };
    target.new_node(Ino::ROOT, root)?;
    if let Some(trash) = trash {
        target.new_node(Ino::TRASH, trash)?;
    }
    Ok(())
}
