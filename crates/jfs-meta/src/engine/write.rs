//! Intentions: what a commit changes, said in terms of the file system so that every engine can use
//! its native form.

use super::{Counter, LockKind, LogLine};
use bytes::Bytes;
use jfs_types::{Attr, Entry, Ino, Name, SliceRecord};

/// Chunks that one [`Write::AppendToExisting`] may span, and lists that the writes of one commit may
/// append zeros to this way: Redis names each list.
pub const EXISTING_MAX: u32 = 10_000;

/// One change of a commit. Changes are applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Adds a name that must not exist (`Conflict` if it does).
    NewEntry {
        /// Directory.
        dir: Ino,
        /// Name in it.
        name: Name,
        /// The inode that the name leads to.
        entry: Entry,
    },
    /// Lets an existing name point elsewhere.
    ReplaceEntry {
        /// Directory.
        dir: Ino,
        /// Name in it.
        name: Name,
        /// The inode that the name leads to from now on.
        entry: Entry,
    },
    /// Removes a name.
    DelEntry {
        /// Directory.
        dir: Ino,
        /// Name in it.
        name: Name,
    },
    /// Stores the attributes of a new inode.
    NewNode {
        /// The inode.
        ino: Ino,
        /// Its attributes.
        attr: Attr,
    },
    /// Replaces the attributes of an inode that was read with `Own`.
    PutAttr {
        /// The inode.
        ino: Ino,
        /// Its attributes.
        attr: Attr,
    },
    /// Changes link count and times of a directory. `attr` is the whole new record, for engines that
    /// store it as one value; SQL adds `nlink_delta` and sets the two times when `times` is set.
    TouchDir {
        /// The directory.
        ino: Ino,
        /// Attributes afterwards.
        attr: Attr,
        /// Change of the link count.
        nlink_delta: i32,
        /// Whether mtime and ctime change.
        times: bool,
    },
    /// Removes the attribute record.
    DelNode {
        /// The inode.
        ino: Ino,
    },
    /// Stores the target of a new symbolic link.
    NewSymlink {
        /// The inode.
        ino: Ino,
        /// Target, raw bytes.
        target: Vec<u8>,
    },
    /// Removes the target of a symbolic link.
    DelSymlink {
        /// The inode.
        ino: Ino,
    },
    /// Stores an extended attribute, whether or not it exists.
    PutXattr {
        /// The inode.
        ino: Ino,
        /// Its name.
        name: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// Removes an extended attribute.
    DelXattr {
        /// The inode.
        ino: Ino,
        /// Its name.
        name: Bytes,
    },
    /// Removes every extended attribute of an inode.
    DelXattrs {
        /// The inode.
        ino: Ino,
    },
    /// Adds to the number of names an inode has in `parent`. SQL derives this from the entries and
    /// ignores it.
    AddParent {
        /// The inode.
        ino: Ino,
        /// Directory.
        parent: Ino,
        /// Change of the count.
        delta: i64,
    },
    /// Removes every parent record of an inode (SQL: nothing to do).
    DelParents {
        /// The inode.
        ino: Ino,
    },
    /// Appends a record to a chunk's list, creating the list if needed.
    AppendSlice {
        /// The file.
        ino: Ino,
        /// Chunk index.
        index: u32,
        /// The record.
        record: SliceRecord,
    },
    /// Appends a record to every chunk list of the file that exists with an index in `from..to`, which
    /// are [`EXISTING_MAX`] indexes at most.
    AppendToExisting {
        /// The file.
        ino: Ino,
        /// First chunk index.
        from: u32,
        /// One past the last chunk index.
        to: u32,
        /// The record.
        record: SliceRecord,
    },
    /// Registers a new slice with one user (Redis stores nothing for it).
    NewSlice {
        /// Slice id.
        id: u64,
        /// Full size, bytes.
        size: u32,
    },
    /// Adds to the users of a slice. The receipt names those with no user left.
    AddSliceUsers {
        /// Slice id.
        id: u64,
        /// Full size, bytes.
        size: u32,
        /// Change.
        delta: i64,
    },
    /// Forgets the bookkeeping of a slice whose objects are gone.
    ForgetSlice {
        /// Slice id.
        id: u64,
        /// Full size, bytes.
        size: u32,
    },
    /// Removes a chunk's list.
    DelChunk {
        /// The file.
        ino: Ino,
        /// Chunk index.
        index: u32,
    },
    /// Merges the head of a chunk's list: of the records read with `Own`, the first ones stay as they
    /// are (`kept`), the next `merged` ones make room for `record`, what follows stays. Without a record they
    /// only go; the list is longer than that then.
    MergeSlices {
        /// The file.
        ino: Ino,
        /// Chunk index.
        index: u32,
        /// Records in front that stay.
        kept: Vec<SliceRecord>,
        /// Number of records behind them that go.
        merged: usize,
        /// The record that takes their place.
        record: Option<SliceRecord>,
    },
    /// Records slices that a compaction replaced, until the trash period is over.
    Delay {
        /// The new slice, which keys the record.
        id: u64,
        /// When they were replaced, Unix seconds.
        time: i64,
        /// 12-byte entries (id, size), joined.
        entries: Bytes,
    },
    /// Removes a delayed-slices record.
    DelDelayed {
        /// New slice id it is keyed by.
        id: u64,
        /// Its time, Unix seconds.
        time: i64,
    },
    /// Records a removed file whose data is still there. The time is that of the attempt.
    MarkDeleted {
        /// The file.
        ino: Ino,
        /// Its length, bytes.
        length: u64,
    },
    /// Removes that record.
    ClearDeleted {
        /// The file.
        ino: Ino,
        /// Its length, bytes.
        length: u64,
    },
    /// Records that a session keeps a nameless inode open.
    Sustain {
        /// Session.
        sid: u64,
        /// The inode.
        ino: Ino,
    },
    /// Removes that record.
    Unsustain {
        /// Session.
        sid: u64,
        /// The inode.
        ino: Ino,
    },
    /// Stores the locks of one owner.
    PutLock {
        /// The inode.
        ino: Ino,
        /// Which family.
        kind: LockKind,
        /// Session.
        sid: u64,
        /// Owner within the session.
        owner: u64,
        /// See [`LockKind`].
        value: Bytes,
    },
    /// Removes the locks of one owner.
    DelLock {
        /// The inode.
        ino: Ino,
        /// Which family.
        kind: LockKind,
        /// Session.
        sid: u64,
        /// Owner within the session.
        owner: u64,
        /// Whether the session has no other owner of such locks on this inode.
        last_of_session: bool,
    },
    /// Starts the statistics of a new directory with zeros.
    NewDirStat {
        /// The directory.
        dir: Ino,
    },
    /// Removes statistics and quota of a directory.
    DelDirStat {
        /// The directory.
        dir: Ino,
    },
    /// Removes the record of a session and what else is kept about it alone. Its locks are removed before,
    /// by [`Write::DelLock`].
    DelSession {
        /// Session.
        sid: u64,
    },
    /// Sets a counter, which was read with `Own`, whether or not it exists.
    PutCounter {
        /// The counter.
        counter: Counter,
        /// Its value from now on.
        value: i64,
    },
    /// Adds to the usage counters. Reaches an engine only where
    /// [`super::Capabilities::usage_in_transaction`] is set.
    AddUsage {
        /// Bytes.
        space: i64,
        /// Inodes.
        inodes: i64,
    },
    /// Adds an entry to the change log.
    Log(LogLine),
}

/// Numbers known only after the commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Records in the chunk list that the last [`Write::AppendSlice`] went to.
    pub records_in_chunk: u64,
    /// Slices that [`Write::AddSliceUsers`] left without a user: (id, size).
    pub unused_slices: Vec<(u64, u32)>,
}
