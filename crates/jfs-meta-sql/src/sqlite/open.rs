//! The engine and the connections behind it.

use super::commit_group::Committer;
use super::db::Db;
use super::fence::{self, FileId};
use super::lost_answers::FaultPlan;
use super::url::{Database, Reader};
use super::writer::Writer;
use jfs_meta::EngineError;
use jfs_meta::engine::{Capabilities, FenceSlot};
use jfs_meta::trips::{self, TripLog};
use parking_lot::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Reader connections kept open; more are opened and dropped when more read at once.
const READERS_MAX: usize = 4;
/// Scans that run at once; more wait.
const SCANS_MAX: usize = 4;

/// A volume's metadata in a SQLite database.
///
/// Other processes, the reference client among them, may use the same file at the same time, on the
/// same machine.
pub struct SqliteEngine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) database: Database,
    readers: Mutex<Vec<Reader>>,
    writer: OnceLock<Writer>,
    writer_start: Mutex<()>,
    /// Counted up after each commit, see `commit_group`.
    pub(crate) epoch: Arc<AtomicU64>,
    pub(crate) trips: Arc<TripLog>,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) fence: Arc<FenceSlot>,
    /// The file that the writer has open.
    file: OnceLock<FileId>,
    pub(crate) capabilities: Capabilities,
    scans: Semaphore,
}

impl SqliteEngine {
    /// An engine for `sqlite3://PATH`, the file of which need not exist yet: only `create_volume`
    /// makes it. Nothing is opened before the first use.
    ///
    /// Options after `?`, joined by `&`: `_timeout=MS`, how long to wait for other processes' locks
    /// (default 5000); `_sync=FULL|NORMAL|EXTRA`, whether a commit waits for the disk (default FULL:
    /// it does; with NORMAL a power cut can lose the last commits); `table_prefix=P`, tables named `jfs_P_...`
    /// for several volumes in one file (letters, digits, `_`). `cache` and `_journal=WAL` change nothing. Errors: `Fatal` with what is wrong in the URL.
    pub fn open(url: &str) -> Result<SqliteEngine, EngineError> {
        let name = "sqlite3";
        let shared = Shared {
            database: Database::parse(url)?,
            readers: Mutex::default(),
            writer: OnceLock::new(),
            writer_start: Mutex::default(),
            epoch: Arc::default(),
            trips: Arc::default(),
            faults: Arc::default(),
            fence: Arc::default(),
            file: OnceLock::new(),
            capabilities: Capabilities {
                name,
                usage_in_transaction: false,
                counts_acl_ids: false,
                settles_lost_answers: false,
                is_remote: false,
                records_max: None,
            },
            scans: Semaphore::new(SCANS_MAX),
        };
        Ok(SqliteEngine {
            shared: Arc::new(shared),
        })
    }

    /// Answers of commits that are to get lost, for tests.
    pub fn faults(&self) -> &Arc<FaultPlan> {
        &self.shared.faults
    }

    /// Runs `f` in a transaction of its own on the writer thread.
    pub(crate) async fn transaction<T: Send + 'static>(
        &self,
        f: impl FnOnce(Db<'_>) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.shared.writer()?.transaction(f).await
    }

    /// Runs `f` with a reader connection on the blocking pool.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        f: impl FnOnce(Db<'_>) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let op = trips::current();
        let shared = self.shared.clone();
        let _turn = self
            .shared
            .scans
            .acquire()
            .await
            .expect("this semaphore is never closed");
        let run = move || shared.with_reader(op, f);
        match tokio::task::spawn_blocking(run).await {
            Ok(result) => result,
            Err(e) => Err(EngineError::Fatal(format!(
                "a scan of the database failed: {e}"
            ))),
        }
    }

    /// Closes the connections, the writer's last: that one moves the log into the database file.
    pub(crate) async fn close(&self) -> Result<(), EngineError> {
        self.shared.readers.lock().clear();
        match self.shared.writer.get() {
            Some(writer) => writer.close().await,
            None => Ok(()),
        }
    }
}

impl Shared {
    /// Runs `f` with a reader connection, on this thread.
    pub(crate) fn with_reader<T>(
        &self,
        op: &'static str,
        f: impl FnOnce(Db<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let pooled = self.readers.lock().pop();
        let reader = match pooled {
            Some(reader) => reader,
            None => self.database.reader()?,
        };
        let result = f(Db {
            c: &reader.c,
            catalog: &self.database.catalog,
            trips: &self.trips,
            op,
        });
        // A connection that is still in a transaction would go on showing that moment.
        if reader.c.is_autocommit() && !reader.once {
            let mut readers = self.readers.lock();
            if readers.len() < READERS_MAX {
                readers.push(reader);
            }
        }
        result
    }

    /// Fails when the file that the writer has open is gone or was replaced, once there is a fence.
    pub(crate) fn check_file(&self) -> Result<(), EngineError> {
        match self.fence.get() {
            Some(_) => fence::check_file(&self.database.path, self.file.get().copied()),
            None => Ok(()),
        }
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
        let connection = self.database.writer(false)?;
        if let Some(file) = FileId::of(&self.database.path) {
            let _ = self.file.set(file);
        }
        let committer = Committer::new(
            connection,
            self.database.catalog.clone(),
            self.trips.clone(),
            self.faults.clone(),
            self.epoch.clone(),
        )
        .fenced(
            self.fence.clone(),
            self.database.path.clone(),
            self.file.get().copied(),
        );
        let writer = Writer::start(committer)?;
        Ok(self.writer.get_or_init(|| writer))
    }
}
