//! [`Meta`]: one client's view of a volume's metadata.

use crate::acls::Acls;
use crate::change_log::ChangeLog;
use crate::dir_stats::DirStats;
use crate::engine::{Counter, Engine, EngineError, IdKind, Key};
use crate::ids::IdPool;
use crate::locks::Locks;
use crate::open_files::OpenFiles;
use crate::owner_quotas::OwnerQuotas;
use crate::quotas::Quotas;
use crate::recent_dirs::RecentDirs;
use crate::recent_names::RecentNames;
use crate::run::patiently;
use crate::session_watch::SessionWatch;
use crate::stats::MetaStats;
use crate::trips;
use crate::usage::Usage;
use crate::volume_access::VolumeAccess;
use crate::work::Work;
use jfs_types::{Clock, Errno, Format, Ino, Rand, Time};
use parking_lot::{Mutex, RwLock};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Work items that may wait for the background; more are left to the hourly jobs.
const WORK_MAX: usize = 10_000;

/// The options of a client.
#[derive(Clone, Debug)]
pub struct MetaConfig {
    /// Refuse every change with EROFS.
    pub read_only: bool,
    /// A directory's times are not updated again within this time (default 100 ms).
    pub skip_dir_mtime: Duration,
    /// Longest reuse of attributes of open files without a check (default 0 = never).
    pub open_cache: Duration,
    /// Files remembered after they were closed, for the kernel's page cache; 0 = the most that are
    /// ever remembered, 65,536. Files that are open count too and are remembered always (default 10,000).
    pub open_cache_limit: usize,
    /// How long the kernel keeps attributes; own changes to directories are remembered as long
    /// (default 1 s).
    pub attr_cache: Duration,
    /// Time between two session heartbeats (default 12 s).
    pub heartbeat: Duration,
    /// What a volume of this setting uses that this client cannot maintain. The client then changes
    /// nothing, also when the setting comes while the volume is open (default: it can maintain all).
    pub cannot_maintain: fn(&Format) -> Option<String>,
}

impl Default for MetaConfig {
    fn default() -> MetaConfig {
        MetaConfig {
            read_only: false,
            skip_dir_mtime: Duration::from_millis(100),
            open_cache: Duration::ZERO,
            open_cache_limit: 10_000,
            attr_cache: Duration::from_secs(1),
            heartbeat: Duration::from_secs(12),
            cannot_maintain: |_| None,
        }
    }
}

/// Longest time that the end of a session waits for counts of directories.
const RECOUNT_WAIT: Duration = Duration::from_secs(2);

/// Space and inodes of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatFs {
    /// Bytes in total.
    pub total_space: u64,
    /// Bytes available.
    pub avail_space: u64,
    /// Inodes in use.
    pub used_inodes: u64,
    /// Inodes available.
    pub avail_inodes: u64,
}

/// One client of a volume. All operations may be called concurrently; they live in [`crate::ops`].
pub struct Meta {
    engine: Arc<dyn Engine>,
    format: RwLock<Arc<Format>>,
    config: MetaConfig,
    clock: Arc<dyn Clock>,
    /// When this client began: the times of the trash.
    pub(crate) began: Time,
    rand: Arc<dyn Rand>,
    pub(crate) locks: Locks,
    pub(crate) inodes: Arc<IdPool>,
    pub(crate) slices: Arc<IdPool>,
    pub(crate) open_files: OpenFiles,
    pub(crate) recent_dirs: RecentDirs,
    pub(crate) recent_names: RecentNames,
    pub(crate) usage: Usage,
    pub(crate) dir_stats: DirStats,
    pub(crate) quotas: Quotas,
    pub(crate) owner_quotas: OwnerQuotas,
    change_log: Arc<ChangeLog>,
    pub(crate) acls: Acls,
    pub(crate) stats: MetaStats,
    pub(crate) access: VolumeAccess,
    pub(crate) session_watch: SessionWatch,
    pub(crate) session: AtomicU64,
    /// The current trash hour directory: name and inode.
    pub(crate) trash_hour: Mutex<Option<(String, Ino)>>,
    work: mpsc::Sender<Work>,
}

impl Meta {
    /// A client over `engine`. The receiver gets the [`Work`] on data. Without a listener the data of
    /// removed files waits for another client's hourly job.
    pub fn new(
        engine: Arc<dyn Engine>,
        format: Format,
        config: MetaConfig,
        clock: Arc<dyn Clock>,
        rand: Arc<dyn Rand>,
    ) -> (Arc<Meta>, mpsc::Receiver<Work>) {
        let (work, receiver) = mpsc::channel(WORK_MAX);
        let change_log = Arc::new(ChangeLog::new(clock.clone()));
        change_log.switch(format.change_log);
        let ids = |kind| IdPool::new(engine.clone(), kind, change_log.clone());
        let meta = Meta {
            inodes: ids(IdKind::Inode),
            slices: ids(IdKind::Slice),
            change_log,
            engine,
            format: RwLock::new(Arc::new(format)),
            locks: Locks::new(crate::locks::WAIT_MAX),
            open_files: OpenFiles::new(config.open_cache, config.open_cache_limit),
            recent_dirs: RecentDirs::new(config.attr_cache),
            recent_names: RecentNames::default(),
            usage: Usage::default(),
            dir_stats: DirStats::default(),
            quotas: Quotas::default(),
            owner_quotas: OwnerQuotas::default(),
            acls: Acls::default(),
            stats: MetaStats::default(),
            access: VolumeAccess::new(config.read_only),
            session_watch: SessionWatch::new(crate::ops::session_life(&config)),
            session: AtomicU64::new(0),
            trash_hour: Mutex::new(None),
            work,
            config,
            began: clock.now(),
            clock,
            rand,
        };
        (Arc::new(meta), receiver)
    }

    /// The volume's setting as last read.
    pub fn format(&self) -> Arc<Format> {
        self.format.read().clone()
    }

    /// Replaces the setting after a reload. Call it before [`Meta::accept`] lets changes pass under the setting.
    pub fn set_format(&self, format: Format) {
        self.change_log.switch(format.change_log);
        *self.format.write() = Arc::new(format);
    }

    /// The change log of a volume that has one. An attempt asks after it has taken its fence.
    pub(crate) fn change_log_if_on(&self) -> Option<Arc<ChangeLog>> {
        self.change_log.is_on().then(|| self.change_log.clone())
    }

    /// The change log, on or off.
    pub(crate) fn change_log(&self) -> &ChangeLog {
        &self.change_log
    }

    /// The engine underneath.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// The options of this client.
    pub fn config(&self) -> &MetaConfig {
        &self.config
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Now.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Randomness.
    pub fn rand(&self) -> &dyn Rand {
        &*self.rand
    }

    /// Bytes and inodes in use, as far as this client knows without asking.
    pub fn known_usage(&self) -> (u64, u64) {
        let (space, inodes) = self.usage.known();
        (space.max(0) as u64, inodes.max(0) as u64)
    }

    /// The counts so far.
    pub fn stats(&self) -> &MetaStats {
        &self.stats
    }

    /// Runs `future` as the operation `name`, timed and counted; see [`trips::within`].
    pub(crate) async fn within<F: Future>(&self, name: &'static str, future: F) -> F::Output {
        if trips::is_named() {
            return future.await;
        }
        let since = Instant::now();
        let out = trips::within(name, future).await;
        self.stats.operation(name, since.elapsed());
        out
    }

    /// The session this client registered, if any.
    pub fn session_id(&self) -> Option<u64> {
        match self.session.load(Ordering::Acquire) {
            0 => None,
            sid => Some(sid),
        }
    }

    /// A fresh slice id; waits only for a refill (one in 4096).
    pub async fn new_slice_id(&self) -> Result<u64, Errno> {
        self.slices
            .next()
            .await
            .map_err(|e| self.to_errno("reserve_ids", &e))
    }

    /// A fresh slice id when one is at hand.
    pub fn try_new_slice_id(&self) -> Option<u64> {
        self.slices.try_next()
    }

    /// Makes sure that slice ids are at hand.
    pub async fn reserve_slice_ids(&self) -> Result<(), Errno> {
        self.slices
            .top_up()
            .await
            .map_err(|e| self.to_errno("reserve_ids", &e))
    }

    /// Hands work to the background; when the queue is full the hourly jobs find it again.
    pub(crate) fn emit(&self, work: Work) {
        if self.work.try_send(work).is_err() {
            tracing::debug!("background queue is full, left to the hourly job");
        }
    }

    /// The one place where engine failures become error numbers.
    pub(crate) fn to_errno(&self, op: &'static str, e: &EngineError) -> Errno {
        self.note_failure(e);
        tracing::warn!(op, "metadata operation failed: {e}");
        Errno::EIO
    }

    /// Acts on a failure that says more than that one call failed.
    pub(crate) fn note_failure(&self, e: &EngineError) {
        if let EngineError::Replaced(why) = e {
            self.lose(why);
        }
    }

    /// Space and inodes as they show at `ino`: those of the volume, narrowed by the quotas of the
    /// directories above it. One round trip; with quotas in the volume one more for each directory on
    /// the way to the root whose parent is not remembered.
    pub async fn statfs_at(&self, ino: Ino) -> Result<StatFs, Errno> {
        let volume = self.statfs().await?;
        Ok(self.narrowed_by_quotas(ino, volume).await)
    }

    /// As [`Meta::statfs_at`], from what is known of the volume's usage. `None` before it was read for
    /// the first time.
    pub async fn known_statfs_at(&self, ino: Ino) -> Option<StatFs> {
        let volume = self.known_statfs()?;
        Some(self.narrowed_by_quotas(ino, volume).await)
    }

    /// Space and inodes of the volume. One round trip.
    pub async fn statfs(&self) -> Result<StatFs, Errno> {
        let keys = [
            Key::Counter(Counter::UsedSpace),
            Key::Counter(Counter::TotalInodes),
        ];
        let answers = self.within("statfs", self.fetch(&keys)).await?;
        let mut numbers = answers.into_iter().map(|a| a.into_number());
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
        let (space, inodes) = (next(), next());
        let (pending_space, pending_inodes) = self.usage.pending();
        let (space, inodes) = (space + pending_space, inodes + pending_inodes);
        self.usage.learn(space, inodes);
        let (space, inodes) = (space.max(0) as u64, inodes.max(0) as u64);
        Ok(stat_fs(&self.format(), space, inodes))
    }

    /// As [`Meta::statfs`] without asking: usage as it was read at the last heartbeat, and what this
    /// client has added since. `None` before it was read for the first time.
    pub fn known_statfs(&self) -> Option<StatFs> {
        if !self.usage.is_known() {
            return None;
        }
        let (space, inodes) = self.known_usage();
        Some(stat_fs(&self.format(), space, inodes))
    }

    /// Whether any directory of the volume has a quota.
    pub fn has_quotas(&self) -> bool {
        !self.quotas.is_empty()
    }

    /// Reads records outside a transaction, with retries while the engine is busy.
    pub(crate) async fn fetch(&self, keys: &[Key]) -> Result<Vec<crate::engine::Answer>, Errno> {
        self.check_present()?;
        patiently(|| self.engine.fetch(keys))
            .await
            .map_err(|e| self.to_errno("read", &e))
    }

    /// Refuses growth beyond the volume's limits.
    pub(crate) fn check_growth(&self, space: i64, inodes: i64) -> Result<(), Errno> {
        let format = self.format();
        let (used_space, used_inodes) = self.usage.known();
        let over = |limit: u64, used: i64, more: i64| {
            limit > 0 && more > 0 && i128::from(used) + i128::from(more) > i128::from(limit)
        };
        if over(format.capacity, used_space, space) || over(format.inodes, used_inodes, inodes) {
            return Err(Errno::ENOSPC);
        }
        Ok(())
    }

    /// As [`Meta::flush_changes`], then [`Meta::recount_dirs`] for `RECOUNT_WAIT` at most. Called when
    /// the session ends.
    pub async fn flush_stats(&self) {
        self.flush_changes().await;
        if tokio::time::timeout(RECOUNT_WAIT, self.recount_dirs())
            .await
            .is_err()
        {
            tracing::debug!("counts of large directories are left to others");
        }
    }

    /// Computes the statistics of directories anew that have none or may have wrong ones, by listing
    /// them: as long as that takes. For the background.
    pub async fn recount_dirs(&self) {
        if self.format().dir_stats
            && self.is_writable()
            && let Err(e) = self
                .dir_stats
                .recount_doubtful(&*self.engine, &self.change_log)
                .await
        {
            tracing::debug!("directories could not be counted: {e}");
        }
    }

    /// Writes usage, directory statistics and quotas collected since the last call. Called once a second;
    /// what fails stays for the next call.
    ///
    /// A client that may not write any more still counts the usage of what it has written, which the
    /// change log leaves out; the rest of it is left.
    pub async fn flush_changes(&self) {
        if self.is_lost() {
            return;
        }
        let (space, inodes) = self.usage.take_pending();
        if (space, inodes) != (0, 0)
            && let Err(e) = self.engine.add_usage(space, inodes).await
        {
            self.note_failure(&e);
            self.usage.add((space, inodes));
            tracing::debug!("usage could not be flushed: {e}");
        }
        if self.format().dir_stats
            && self.is_writable()
            && let Err(e) = self.dir_stats.flush(&*self.engine, &self.change_log).await
        {
            self.note_failure(&e);
            tracing::debug!("directory statistics could not be flushed: {e}");
        }
        if self.is_writable() {
            self.flush_quotas().await;
            self.flush_owner_quotas().await;
        }
    }

    /// Reads the usage counters, so that limits are held against what other clients wrote too.
    pub async fn refresh_usage(&self) {
        let _ = self.statfs().await;
    }
}

/// The figures of statfs: without limits 1 PiB and 10 Mi inodes, grown while usage comes near them, as
/// the reference client does.
fn stat_fs(format: &Format, space: u64, inodes: u64) -> StatFs {
    let (total_space, avail_space) = if format.capacity > 0 {
        let total = format.capacity.max(space);
        (total, total - space)
    } else {
        let mut total = 1u64 << 50;
        while u128::from(space) * 10 > u128::from(total) * 8 && total < 1 << 62 {
            total *= 2;
        }
        (total, total.saturating_sub(space))
    };
    let avail_inodes = if format.inodes > 0 {
        format.inodes.saturating_sub(inodes)
    } else {
        let mut avail = 10u64 << 20;
        while inodes > avail / 4 && avail < 1 << 62 {
            avail *= 2;
        }
        avail
    };
    StatFs {
        total_space,
        avail_space,
        used_inodes: inodes,
        avail_inodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statfs_numbers() {
        let mut format = Format::default();
        let s = stat_fs(&format, 4096, 3);
        assert_eq!((s.total_space, s.avail_space), (1 << 50, (1 << 50) - 4096));
        assert_eq!((s.used_inodes, s.avail_inodes), (3, 10 << 20));
        assert_eq!(stat_fs(&format, 1 << 50, 0).total_space, 1 << 51);
        assert_eq!(stat_fs(&format, 0, 3 << 20).avail_inodes, 20 << 20);
        format.capacity = 1 << 30;
        format.inodes = 10;
        let s = stat_fs(&format, 1 << 29, 4);
        assert_eq!(
            (s.total_space, s.avail_space, s.avail_inodes),
            (1 << 30, 1 << 29, 6)
        );
    }
}
