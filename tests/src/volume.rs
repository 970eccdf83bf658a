//! A volume on a database of any kind, with a clock that stands still, and clients of it.

use crate::rng::SharedRng;
use crate::{Census, Db, Kind};
use jfs_meta::{Engine, Meta, MetaConfig, SessionInfo, Work};
use jfs_types::{
    Attr, Caller, Clock, Errno, FileType, Format, Ino, ManualClock, SliceId, SliceRecord, Time,
};
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// The start of the clock: 2027-01-15 08:00:00 UTC, and some nanoseconds that must survive.
pub const START: Time = Time {
    sec: 1_800_000_000,
    nsec: 123_456_789,
};

/// A formatted volume and everything that belongs to it.
pub struct Volume {
    /// The database of the volume.
    pub db: Db,
    /// Its setting.
    pub format: Format,
    /// The clock of all clients.
    pub clock: ManualClock,
    /// A connection for looking at it.
    pub engine: Arc<dyn Engine>,
    clients: Mutex<Vec<Arc<Meta>>>,
    steps: Arc<AtomicU64>,
}

/// See [`Volume::racing_client`].
struct Racing {
    base: ManualClock,
    steps: Arc<AtomicU64>,
}

impl Clock for Racing {
    fn now(&self) -> Time {
        let base = self.base.now();
        let nanos = self.steps.fetch_add(1, Ordering::Relaxed) + u64::from(base.nsec);
        Time {
            sec: base.sec + (nanos / 1_000_000_000) as i64,
            nsec: (nanos % 1_000_000_000) as u32,
        }
    }
}

impl Volume {
    /// Formats a volume. Seconds on the clock pass only through [`Volume::tick`].
    pub async fn new(kind: Kind, trash_days: i64) -> Volume {
        let format = Format {
            trash_days,
            ..setting()
        };
        Volume::with_format(kind, format).await
    }

    /// As [`Volume::new`] with a setting of the caller's.
    pub async fn with_format(kind: Kind, format: Format) -> Volume {
        let db = Db::new(kind).await;
        let engine = db.connect().await;
        let clock = ManualClock::at(START);
        let mut root = Attr::new(FileType::Directory);
        (root.mode, root.parent) = (0o777, Ino::ROOT);
        (root.atime, root.mtime, root.ctime) = (START, START, START);
        let mut trash = root.clone();
        trash.mode = 0o555;
        let trash = (format.trash_days > 0).then_some(&trash);
        engine
            .create_volume(format.to_json().as_bytes(), &root, trash, false)
            .await
            .unwrap();
        let volume = Volume {
            db,
            format,
            clock,
            engine,
            clients: Mutex::default(),
            steps: Arc::default(),
        };
        volume.tick();
        volume
    }

    /// Ten seconds pass: directory times are due again.
    pub fn tick(&self) {
        self.clock.advance(Duration::from_secs(10));
    }

    /// The time of the clock.
    pub fn clock_now(&self) -> Time {
        self.clock.now()
    }

    /// Lets more than a session's life pass, in which `client` sends its heartbeats and looks after the
    /// sessions of others. Returns how many it cleaned.
    pub async fn live_on(&self, client: &Client) -> usize {
        let mut cleaned = 0;
        for _ in 0..7 {
            self.clock.advance(Duration::from_secs(12));
            client.heartbeat(&session_info()).await.unwrap();
            cleaned += client.clean_stale_sessions().await.unwrap();
        }
        cleaned
    }

    /// A client with connections and a session of its own.
    pub async fn client(&self) -> Client {
        self.client_over(self.db.connect().await).await
    }

    /// A client over a given engine.
    pub async fn client_over(&self, engine: Arc<dyn Engine>) -> Client {
        let client = self.client_without_session(engine, MetaConfig::default());
        client.new_session(&session_info()).await.unwrap();
        client
    }

    /// A client whose every look at the clock sees another nanosecond, shared with the others of this
    /// kind. For clients that work at the same time: engines that compare values would take a file
    /// that was linked and unlinked within one instant for one that never changed.
    pub async fn racing_client(&self, engine: Arc<dyn Engine>) -> Client {
        let clock = Arc::new(Racing {
            base: self.clock.clone(),
            steps: self.steps.clone(),
        });
        let client = self.client_with_clock(engine, MetaConfig::default(), clock);
        client.new_session(&session_info()).await.unwrap();
        client
    }

    /// A client that has not registered.
    pub fn client_without_session(&self, engine: Arc<dyn Engine>, config: MetaConfig) -> Client {
        self.client_with_clock(engine, config, Arc::new(self.clock.clone()))
    }

    fn client_with_clock(
        &self,
        engine: Arc<dyn Engine>,
        config: MetaConfig,
        clock: Arc<dyn Clock>,
    ) -> Client {
        let rand = Arc::new(SharedRng::new(7));
        let (meta, work) = Meta::new(engine, self.format.clone(), config, clock, rand);
        meta.accept(self.format.to_json().as_bytes(), &self.format);
        self.clients.lock().push(meta.clone());
        Client {
            meta,
            work: Mutex::new(work),
        }
    }

    /// Writes what every client still has in memory.
    pub async fn flush(&self) {
        let clients = self.clients.lock().clone();
        for client in clients {
            client.flush_stats().await;
        }
    }

    /// Flushes all clients and records the whole state.
    pub async fn census(&self) -> Census {
        self.flush().await;
        Census::take(&*self.engine).await
    }

    /// Flushes all clients and panics unless the state obeys every rule.
    pub async fn verify(&self) -> Census {
        let census = self.census().await;
        let problems = census.problems(self.format.dir_stats);
        assert!(
            problems.is_empty(),
            "{}\n{}",
            problems.join("\n"),
            census.text()
        );
        census
    }
}

/// One client: a [`Meta`] and what it wants done to data.
pub struct Client {
    /// The client.
    pub meta: Arc<Meta>,
    work: Mutex<Receiver<Work>>,
}

impl Deref for Client {
    type Target = Meta;
    fn deref(&self) -> &Meta {
        &self.meta
    }
}

impl Client {
    /// Work that was emitted since the last call.
    pub fn work(&self) -> Vec<Work> {
        let mut work = self.work.lock();
        std::iter::from_fn(|| work.try_recv().ok()).collect()
    }

    /// Does the work: deletes chunks of removed files, and the bookkeeping of slices without users.
    /// Returns
    /// the slices whose objects could be deleted.
    pub async fn do_work(&self) -> Vec<(u64, u32)> {
        let mut unused = Vec::new();
        for work in self.work() {
            match work {
                Work::DeleteFile { ino, length } => {
                    for index in self.chunks_of_deleted(ino, length).await.unwrap() {
                        unused.extend(self.delete_chunk(ino, index).await.unwrap());
                    }
                    self.finish_deleted(ino, length).await.unwrap();
                }
                Work::DeleteSlices(slices) => unused.extend(slices),
                Work::Compact { .. } => {}
            }
        }
        for (id, size) in &unused {
            self.forget_slice(*id, *size).await.unwrap();
        }
        unused
    }

    /// Creates an empty file and closes it.
    pub async fn touch(&self, parent: Ino, name: &[u8]) -> Result<Ino, Errno> {
        let (ino, _) = self.create(&root(), parent, name, 0o644, 0).await?;
        if let Some(ino) = self.close(ino) {
            self.delete_sustained(ino).await?;
        }
        Ok(ino)
    }

    /// Creates a directory.
    pub async fn dir(&self, parent: Ino, name: &[u8]) -> Ino {
        self.mkdir(&root(), parent, name, 0o755, 0).await.unwrap().0
    }

    /// Appends a fresh slice of `len` bytes at `pos` of a chunk and returns its id.
    pub async fn put_slice(&self, ino: Ino, index: u32, pos: u32, len: u32) -> Result<u64, Errno> {
        let id = self.new_slice_id().await?;
        self.write_chunk(ino, index, slice(id, pos, len), self.now())
            .await?;
        Ok(id)
    }

    /// The names of a directory, sorted, all pages.
    pub async fn names(&self, dir: Ino) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        let mut cursor = jfs_meta::engine::DirCursor::Start;
        loop {
            let page = self.readdir(&root(), dir, &cursor, false).await.unwrap();
            names.extend(page.entries.iter().map(|e| e.name.as_bytes().to_vec()));
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        names.sort();
        names
    }
}

/// The super-user, as a request that the kernel has checked.
pub fn root() -> Caller {
    Caller {
        check_permission: false,
        ..Caller::root()
    }
}

/// A record of a whole slice.
pub fn slice(id: u64, pos: u32, len: u32) -> SliceRecord {
    SliceRecord {
        pos,
        id: SliceId(id),
        size: len,
        off: 0,
        len,
    }
}

/// The description that a session of the tests stores.
pub fn session_info() -> SessionInfo {
    SessionInfo {
        version: jfs_types::version::session_version(),
        host_name: "host".into(),
        mount_point: "/mnt/test".into(),
        mount_time: "2027-01-15T08:00:00Z".into(),
        process_id: 1,
        ..SessionInfo::default()
    }
}

/// A setting as format writes it.
pub fn setting() -> Format {
    Format {
        name: "test".into(),
        uuid: "c0ffee00-0000-4000-8000-000000000001".into(),
        storage: "mem".into(),
        bucket: "/".into(),
        block_size: 4096,
        compression: "none".into(),
        encrypt_algo: "aes256gcm-rsa".into(),
        meta_version: 1,
        min_client_version: "1.1.0-A".into(),
        dir_stats: true,
        ..Format::default()
    }
}
