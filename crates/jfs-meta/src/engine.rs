//! The seam between file system semantics and storage: typed records in, typed records out.
//!
//! An [`Engine`] maps records to one database family. It knows keys, tables and its commit protocol;
//! it knows nothing of permissions, link counts, trash or any other rule. Semantics live in
//! [`crate::ops`] and reach an engine only through [`Key`], [`Read`] and [`Write`].
//!
//! One *attempt* is one optimistic transaction: batched reads, then one commit that succeeds only if
//! nothing that was read with [`Strength::Hold`] or [`Strength::Own`] has changed since.

mod counters;
mod error;
mod fence;
mod key;
mod listing;
mod log_line;
mod quota_owner;
mod scan;
mod scan_cursor;
mod write;

pub use counters::{Counter, FIRST_COUNTERS, IdKind, JobSlot};
pub use error::EngineError;
pub use fence::{Fence, FenceSlot};
pub use key::{Answer, Key, LockKind, LockRow, Read, Strength, hold, own, peek};
pub use listing::{
    Delayed, Deleted, DirCursor, DirEntry, DirPage, DirQuota, DirStat, SessionRecord,
};
pub use log_line::{LogHead, LogLine, LogPart};
pub use quota_owner::QuotaOwner;
pub use scan::{Record, SCAN_PAGE, SCAN_PAGE_BYTES, ScanKind, ScanPage, Unreadable};
pub use scan_cursor::{BadCursor, CursorPart, ScanCursor};
pub use write::{EXISTING_MAX, Receipt, Write};

pub use crate::owner_quotas::OwnerUsage;
use crate::trips::TripLog;
use async_trait::async_trait;
use jfs_types::{AclRule, Attr, Entry, Ino, Name, Time};
use std::ops::Range;

/// The abilities of an engine. The code above and the tests read them.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Family name for messages and metrics: `memory`, `sqlite3`, `redis`.
    pub name: &'static str,
    /// Whether [`Write::AddUsage`] is applied inside the transaction. Where false, the caller adds up
    /// deltas and flushes them with [`Engine::add_usage`], as the reference client does on SQL.
    pub usage_in_transaction: bool,
    /// Whether the volume has a counter for the numbers of ACL rules, which the change log follows.
    pub counts_acl_ids: bool,
    /// Whether [`EngineError::MaybeCommitted`] comes only after the engine has tried to find out what
    /// became of the commit, by better means than the records that others change too. Where true, such an
    /// operation ends with EIO; where false, its proof decides.
    pub settles_lost_answers: bool,
    /// Whether a batch of reads is a message to a server. Where false, reading ahead saves nothing.
    pub is_remote: bool,
    /// Most records that one commit may hold and write together, each counted once: what was read with
    /// `Hold` or `Own`, and what [`Write`]s change. An engine that adds records of its own (fences, marks)
    /// names a smaller number than its server. Where there is a limit, it is at least
    /// [`RECORDS_LEAST`], and operations that can do so take several commits. `None`: no limit.
    pub records_max: Option<usize>,
}

/// The smallest limit that an engine may set on the records of a commit. No operation on a single
/// inode needs more.
pub const RECORDS_LEAST: usize = 64;

/// Chunks that [`Engine::list_chunks`] may name without looking whether they have lists.
pub const NAMED_MAX: u64 = 16;

/// One database that holds one volume.
///
/// Every method that waits for the server is one round trip unless its documentation says otherwise,
/// and records it in [`Engine::trips`]. All methods may be called concurrently.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The abilities of this engine.
    fn capabilities(&self) -> &Capabilities;

    /// The log of round trips.
    fn trips(&self) -> &TripLog;

    // ---- the volume as a whole

    /// The stored setting document, or `None` when the database holds no volume.
    async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError>;

    /// Replaces the setting document of an existing volume. Fails with `Conflict` when the stored
    /// document is not `expect` any more.
    async fn store_setting(&self, expect: &[u8], json: &[u8]) -> Result<(), EngineError>;

    /// Creates an empty volume: tables, first counters, the setting, the root directory and the
    /// trash directory when given. With `overwrite`, what an earlier volume left is removed first;
    /// without it an existing setting is a `Conflict`.
    async fn create_volume(
        &self,
        json: &[u8],
        root: &Attr,
        trash: Option<&Attr>,
        overwrite: bool,
    ) -> Result<(), EngineError>;

    /// Brings the schema of an older volume up to date before the first write (SQL: missing columns
    /// and tables). Nothing to do elsewhere.
    async fn prepare_writes(&self) -> Result<(), EngineError>;

    /// Closes the engine to changes under another setting. From now on every change checks the stored
    /// setting at the moment when it is made, without a round trip of its own where the server can.
    ///
    /// An attempt takes the fence that stands when it begins, and its commit fails with
    /// `SettingChanged` when the stored document differs. Everything else that writes asks for the same
    /// volume only, and fails with `Replaced` when another one is there. Without a fence nothing is
    /// checked.
    fn set_fence(&self, fence: Fence);

    // ---- transactions

    /// Starts an attempt. No round trip by itself.
    async fn begin(&self) -> Result<Box<dyn Attempt>, EngineError>;

    /// Reads records outside a transaction, in one round trip, in the order of `keys`.
    async fn fetch(&self, keys: &[Key]) -> Result<Vec<Answer>, EngineError>;

    /// An entry and the attributes it leads to, in one round trip where the server can. `None`: no
    /// such name. The attribute is `None` when the entry points nowhere.
    async fn lookup(
        &self,
        dir: Ino,
        name: &Name,
    ) -> Result<Option<(Entry, Option<Attr>)>, EngineError>;

    // ---- directories

    /// One page of a directory's entries, in the engine's order. A name that exists during the whole
    /// listing appears at least once (perhaps twice on Redis).
    async fn list_dir(
        &self,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, EngineError>;

    /// Adds deltas to directory statistics and returns the directories that have no record (the
    /// caller recomputes those and calls [`Engine::put_dir_stat`]). `MaybeCommitted` when any of them
    /// may have been added.
    async fn add_dir_stats(&self, deltas: &[(Ino, DirStat)]) -> Result<Vec<Ino>, EngineError>;

    /// Stores the statistics of one directory as they are, and `log` with them.
    async fn put_dir_stat(
        &self,
        dir: Ino,
        stat: DirStat,
        log: &[LogLine],
    ) -> Result<(), EngineError>;

    // ---- quotas and ACL rules

    /// All quotas of directories.
    async fn list_quotas(&self) -> Result<Vec<(Ino, DirQuota)>, EngineError>;

    /// Adds (bytes, inodes) to what quotas say is used. A directory without one is left out.
    async fn add_quota_usage(&self, deltas: &[(Ino, i64, i64)]) -> Result<(), EngineError>;

    /// All quotas of users and groups, with the usage of those that have no limits. One round trip.
    async fn list_owner_quotas(&self) -> Result<Vec<(QuotaOwner, DirQuota)>, EngineError>;

    /// Adds to what users and groups use. A user or group without a record gets one, with the limits -1.
    async fn add_owner_usage(&self, deltas: &[OwnerUsage]) -> Result<(), EngineError>;

    /// Replaces all limits and usage of users and groups, and stores `log` with them.
    async fn replace_owner_quotas(
        &self,
        quotas: &[(QuotaOwner, DirQuota)],
        log: &[LogLine],
    ) -> Result<(), EngineError>;

    /// Stores the quota of a directory as it is.
    async fn put_quota(&self, dir: Ino, quota: DirQuota) -> Result<(), EngineError>;

    /// Rules that may equal `rule`, with their numbers: all that have its four permission numbers, and
    /// perhaps others. Rules that do not decode are left out. Called while an attempt is under way.
    async fn find_acls(&self, rule: &AclRule) -> Result<Vec<(u32, AclRule)>, EngineError>;

    /// Stores a rule under a number that no rule has had, and `log` with it; returns the number. Rules are
    /// never removed, so this is done outside of attempts, and a rule that is not used after all does no harm.
    /// Called while an attempt is under way. `Transient` also when the answer was lost.
    async fn add_acl(&self, rule: &AclRule, log: &[LogLine]) -> Result<u32, EngineError>;

    // ---- counters

    /// Reserves `n` ids and returns them. Hides that Redis stores the last used number where the
    /// others store the next free one. `log` is stored with it.
    async fn reserve_ids(
        &self,
        kind: IdKind,
        n: u64,
        log: &[LogLine],
    ) -> Result<Range<u64>, EngineError>;

    /// Adds to a counter and returns its new value (0 + n when it was absent).
    async fn add_counter(&self, counter: Counter, n: i64) -> Result<i64, EngineError>;

    /// Adds to both usage counters at once.
    async fn add_usage(&self, space: i64, inodes: i64) -> Result<(), EngineError>;

    // ---- sessions

    /// Takes the next session id and stores its record, and `log` with it. `expire` in Unix seconds.
    async fn new_session(
        &self,
        expire: i64,
        info_json: &str,
        log: &[LogLine],
    ) -> Result<u64, EngineError>;

    /// Moves a session's expiry; puts the record back when it is gone.
    async fn refresh_session(
        &self,
        sid: u64,
        expire: i64,
        info_json: &str,
    ) -> Result<(), EngineError>;

    /// All sessions, unordered.
    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, EngineError>;

    /// The inodes a session sustains.
    async fn list_sustained(&self, sid: u64) -> Result<Vec<Ino>, EngineError>;

    /// The locks a session holds: inode, kind, and what is stored.
    async fn list_locks(&self, sid: u64) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError>;

    // ---- clean-up

    /// Removed files whose time of deletion is before `before_sec`, oldest first, at most `limit`.
    async fn list_deleted(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Deleted>, EngineError>;

    /// Indexes of the chunk lists in the first `length` bytes of a file, unordered; others may be among
    /// them. Redis names those of a file of [`NAMED_MAX`] chunks or less without looking; one round trip
    /// for 10,000 chunks otherwise, or for 10,000 keys of the database where those are fewer.
    async fn list_chunks(&self, ino: Ino, length: u64) -> Result<Vec<u32>, EngineError>;

    /// Delayed slices recorded before `before_sec`, at most `limit`.
    async fn list_delayed(
        &self,
        before_sec: i64,
        limit: usize,
    ) -> Result<Vec<Delayed>, EngineError>;

    /// Slices without users whose objects are still to be deleted: (id, size), at most `limit`.
    async fn list_unused_slices(&self, limit: usize) -> Result<Vec<(u64, u32)>, EngineError>;

    // ---- the change log

    /// The oldest entries of the change log, at most `limit`, and the number of all entries.
    async fn log_head(&self, limit: usize) -> Result<LogHead, EngineError>;

    /// Removes the entries of the change log up to the version `last`. Two round trips on Redis.
    async fn trim_log(&self, last: u64) -> Result<(), EngineError>;

    // ---- everything

    /// One page of all records of a kind, from `from` on, in one or a few round trips.
    ///
    /// A record that exists during the whole scan is in one of its pages, perhaps in several. A record that
    /// comes, changes or goes meanwhile may be found or not, as it was at any time in between. The
    /// order is the engine's. Memory is bounded by [`SCAN_PAGE`] and [`SCAN_PAGE_BYTES`], however large
    /// the volume is. A page may be empty and not the last one. `Fatal` for a position that another engine
    /// made.
    async fn scan(&self, from: &ScanCursor) -> Result<ScanPage, EngineError>;

    /// Flushes and closes connections. The engine is not used afterwards.
    async fn shutdown(&self) -> Result<(), EngineError>;
}

/// One optimistic transaction in progress. Dropping it gives it up; nothing is written. An attempt that is
/// dropped without [`Attempt::end`] (its future was cancelled) may keep its connection or its locks for as long
/// as the engine needs to notice.
#[async_trait]
pub trait Attempt: Send {
    /// Reads a batch of independent records: one round trip. Answers are in the order of `reads`.
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError>;

    /// Applies all writes, or none. `Conflict` when a held or owned record changed since it was read,
    /// or when a [`Write::NewEntry`] / [`Write::NewNode`] found its place taken.
    ///
    /// `at` is the time of the attempt, for engines that store it with a record.
    async fn commit(self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError>;

    /// Ends an attempt that has only read and needs no check of what it read: its connection and its locks
    /// are free at once. The caller waits for no round trip where the engine can avoid it. Nothing is written,
    /// and nothing can fail that would concern the caller.
    async fn end(self: Box<Self>);
}
