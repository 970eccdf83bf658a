//! A full record of what a volume stores, taken through the engine interface.
//!
//! Inodes are found in two ways: by walking the directories, and by asking for the numbers that were
//! handed out. What only the second way finds is an orphan.

use bytes::Bytes;
use jfs_meta::Engine;
use jfs_meta::engine::{Counter, Delayed, Deleted, DirCursor, DirStat, IdKind, Key, SessionRecord};
use jfs_meta::engine::{LockKind, LockRow};
use jfs_meta::wire::{decode_delayed, decode_records};
use jfs_types::{AclRule, Attr, Entry, Ino, Name, SliceId, SliceRecord};
use std::collections::{BTreeMap, BTreeSet};

/// No test writes beyond this many bytes of a file.
const LENGTH_MAX: u64 = 8 << 26;

/// Keys per read.
const BATCH: usize = 1000;
/// Inode numbers that a client reserves at a time.
const REFILL: u64 = 1024;
/// Unused numbers in a row after which a refill counts as used up to there.
const GAP: u64 = 128;
/// Items asked of each clean-up list.
const LIST_MAX: usize = 100_000;

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Every inode that has attributes.
    pub attrs: BTreeMap<Ino, Attr>,
    /// Names of every directory, whether or not it has attributes.
    pub entries: BTreeMap<Ino, BTreeMap<Name, Entry>>,
    /// Parent records of the files that have them.
    pub parents: BTreeMap<Ino, Vec<(Ino, i64)>>,
    /// Chunk lists.
    pub chunks: BTreeMap<(Ino, u32), Vec<SliceRecord>>,
    /// Targets of symbolic links.
    pub symlinks: BTreeMap<Ino, Vec<u8>>,
    /// Extended attributes, of whatever number has some.
    pub xattrs: BTreeMap<(Ino, Bytes), Bytes>,
    /// Locks, of whatever number has some.
    pub locks: BTreeMap<(Ino, LockKind), Vec<LockRow>>,
    /// ACL rules that attributes name.
    pub acls: BTreeMap<u32, Option<AclRule>>,
    /// Directory statistics.
    pub dir_stats: BTreeMap<Ino, DirStat>,
    /// Users of every slice that something names.
    pub slice_users: BTreeMap<(u64, u32), i64>,
    /// Used space and inodes, last trash number, last session.
    pub counters: [i64; 4],
    /// Removed files with data.
    pub deleted: Vec<Deleted>,
    /// Delayed slices.
    pub delayed: Vec<Delayed>,
    /// Slices without users.
    pub unused: Vec<(u64, u32)>,
    /// Sessions.
    pub sessions: Vec<SessionRecord>,
    /// Inodes they sustain.
    pub sustained: BTreeMap<u64, Vec<Ino>>,
}

impl Census {
    /// Records the state. Uses up one inode number and one slice id.
    pub async fn take(engine: &dyn Engine) -> Census {
        let counters = [
            Counter::UsedSpace,
            Counter::TotalInodes,
            Counter::NextTrash,
            Counter::NextSession,
        ];
        let numbers = fetch(engine, counters.map(Key::Counter).to_vec()).await;
        let mut census = Census::default();
        for (to, answer) in census.counters.iter_mut().zip(numbers) {
            *to = answer.into_number().unwrap();
        }
        let last = engine
            .reserve_ids(IdKind::Inode, 1, &[])
            .await
            .unwrap()
            .start;
        let hours = census.counters[2] as u64;
        let hours: Vec<Ino> = (0..=hours).map(|n| Ino(Ino::TRASH.0 + n)).collect();
        census.read_inodes(engine, &hours).await;
        let mut candidates = hours;
        // A client hands out the numbers of a refill from its start: after a long gap the rest of the
        // refill is unused.
        for refill in (0..last).step_by(REFILL as usize) {
            for part in (refill..refill + REFILL).step_by(GAP as usize) {
                let part: Vec<Ino> = (part.max(1)..(part + GAP).min(last)).map(Ino).collect();
                let before = census.attrs.len() + census.entries.len();
                census.read_inodes(engine, &part).await;
                candidates.extend(part);
                if census.attrs.len() + census.entries.len() == before {
                    break;
                }
            }
        }
        census.read_xattrs_and_locks(engine, &candidates).await;
        census.read_lists(engine).await;
        census.read_chunks(engine, &candidates).await;
        census.read_slices(engine).await;
        census
    }

    async fn read_inodes(&mut self, engine: &dyn Engine, candidates: &[Ino]) {
        let attrs = fetch(engine, candidates.iter().map(|i| Key::Attr(*i)).collect()).await;
        let empty = fetch(
            engine,
            candidates.iter().map(|i| Key::DirIsEmpty(*i)).collect(),
        )
        .await;
        for ((ino, attr), empty) in candidates.iter().zip(attrs).zip(empty) {
            let attr = attr.into_attr().unwrap();
            if attr.as_ref().is_some_and(Attr::is_dir) || !empty.into_flag().unwrap() {
                self.entries.insert(*ino, list(engine, *ino).await);
            }
            if let Some(attr) = attr {
                self.attrs.insert(*ino, attr);
            }
        }
        let dirs: Vec<Ino> = self.entries.keys().copied().collect();
        let stats = fetch(engine, dirs.iter().map(|i| Key::DirStat(*i)).collect()).await;
        for (dir, stat) in dirs.into_iter().zip(stats) {
            if let Some(stat) = stat.into_stat().unwrap() {
                self.dir_stats.insert(dir, stat);
            }
        }
        let others: Vec<Ino> = self
            .attrs
            .iter()
            .filter(|(_, a)| !a.is_dir())
            .map(|(i, _)| *i)
            .collect();
        let parents = fetch(engine, others.iter().map(|i| Key::Parents(*i)).collect()).await;
        let targets = fetch(engine, others.iter().map(|i| Key::Symlink(*i)).collect()).await;
        for ((ino, parents), target) in others.into_iter().zip(parents).zip(targets) {
            // SQL derives parents from the names, so that only those of linked files mean something.
            if self.attrs[&ino].parent == Ino(0) {
                self.parents.insert(ino, parents.into_parents().unwrap());
            }
            if let Some(target) = target.into_bytes().unwrap() {
                self.symlinks.insert(ino, target.to_vec());
            }
        }
    }

    async fn read_xattrs_and_locks(&mut self, engine: &dyn Engine, candidates: &[Ino]) {
        let of = |key: fn(Ino) -> Key| candidates.iter().map(|i| key(*i)).collect();
        let names = fetch(engine, of(Key::Xattrs)).await;
        let mut keys = Vec::new();
        for (ino, names) in candidates.iter().zip(names) {
            keys.extend(names.into_names().unwrap().into_iter().map(|n| (*ino, n)));
        }
        let reads = keys.iter().map(|(i, n)| Key::Xattr(*i, n.clone()));
        let values = fetch(engine, reads.collect()).await;
        for (key, value) in keys.into_iter().zip(values) {
            self.xattrs
                .insert(key, value.into_bytes().unwrap().unwrap());
        }
        for kind in [LockKind::Flock, LockKind::Posix] {
            let keys = candidates.iter().map(|i| Key::Locks(*i, kind)).collect();
            for (ino, rows) in candidates.iter().zip(fetch(engine, keys).await) {
                let rows = rows.into_locks().unwrap();
                if !rows.is_empty() {
                    self.locks.insert((*ino, kind), rows);
                }
            }
        }
        let ids: BTreeSet<u32> = self
            .attrs
            .values()
            .flat_map(|a| [a.access_acl, a.default_acl])
            .filter(|id| *id != 0)
            .collect();
        let rules = fetch(engine, ids.iter().map(|id| Key::Acl(*id)).collect()).await;
        for (id, rule) in ids.into_iter().zip(rules) {
            self.acls.insert(id, rule.into_acl().unwrap());
        }
    }

    async fn read_lists(&mut self, engine: &dyn Engine) {
        self.deleted = engine.list_deleted(i64::MAX, LIST_MAX).await.unwrap();
        self.deleted.sort_by_key(|d| (d.ino, d.length));
        self.delayed = engine.list_delayed(i64::MAX, LIST_MAX).await.unwrap();
        self.delayed.sort_by_key(|d| (d.id, d.time));
        self.unused = engine.list_unused_slices(LIST_MAX).await.unwrap();
        self.unused.sort();
        self.sessions = engine.list_sessions().await.unwrap();
        self.sessions.sort_by_key(|s| s.sid);
        for sid in 0..=self.counters[3] as u64 {
            let mut inodes = engine.list_sustained(sid).await.unwrap();
            inodes.sort();
            if !inodes.is_empty() {
                self.sustained.insert(sid, inodes);
            }
        }
    }

    /// Chunk lists of files, of removed files, and (first chunk only) of every other number.
    async fn read_chunks(&mut self, engine: &dyn Engine, candidates: &[Ino]) {
        let mut keys: BTreeSet<(Ino, u32)> = candidates.iter().map(|i| (*i, 0)).collect();
        let mut lengths: Vec<(Ino, u64)> = self.deleted.iter().map(|d| (d.ino, d.length)).collect();
        lengths.extend(
            self.attrs
                .iter()
                .filter(|(_, a)| a.is_file())
                .map(|(i, a)| (*i, a.length)),
        );
        for (ino, length) in lengths {
            // Redis finds lists by the length: ask as far as the tests write.
            let length = length.max(LENGTH_MAX);
            for index in engine.list_chunks(ino, length).await.unwrap() {
                keys.insert((ino, index));
            }
        }
        let keys: Vec<(Ino, u32)> = keys.into_iter().collect();
        let lists = fetch(
            engine,
            keys.iter().map(|(i, n)| Key::Chunk(*i, *n)).collect(),
        )
        .await;
        for (key, list) in keys.into_iter().zip(lists) {
            if let Some(bytes) = list.into_bytes().unwrap() {
                self.chunks.insert(key, decode_records(&bytes).unwrap());
            }
        }
    }

    async fn read_slices(&mut self, engine: &dyn Engine) {
        let keys: Vec<(u64, u32)> = self.expected_users().into_keys().collect();
        let users = fetch(
            engine,
            keys.iter()
                .map(|(id, size)| Key::SliceUsers(*id, *size))
                .collect(),
        )
        .await;
        for (key, users) in keys.into_iter().zip(users) {
            self.slice_users.insert(key, users.into_number().unwrap());
        }
    }

    /// The number of users that every slice must have: one per record of a chunk list or of a delayed
    /// list.
    pub fn expected_users(&self) -> BTreeMap<(u64, u32), i64> {
        let mut users = BTreeMap::new();
        let records = self
            .chunks
            .values()
            .flatten()
            .filter(|r| r.id != SliceId::ZERO);
        for r in records {
            *users.entry((r.id.0, r.size)).or_insert(0) += 1;
        }
        for delayed in &self.delayed {
            for slice in decode_delayed(&delayed.entries).unwrap() {
                *users.entry(slice).or_insert(0) += 1;
            }
        }
        users
    }
}

/// Reads keys in batches.
async fn fetch(engine: &dyn Engine, keys: Vec<Key>) -> Vec<jfs_meta::engine::Answer> {
    let mut answers = Vec::with_capacity(keys.len());
    for batch in keys.chunks(BATCH) {
        answers.extend(engine.fetch(batch).await.unwrap());
    }
    assert_eq!(answers.len(), keys.len());
    answers
}

/// All names of a directory; a name listed twice must be the same both times.
async fn list(engine: &dyn Engine, dir: Ino) -> BTreeMap<Name, Entry> {
    let mut names = BTreeMap::new();
    let mut cursor = DirCursor::Start;
    loop {
        let page = engine.list_dir(dir, &cursor, false).await.unwrap();
        for e in page.entries {
            if let Some(before) = names.insert(e.name.clone(), e.entry) {
                assert_eq!(before, e.entry, "{:?} listed twice, differently", e.name);
            }
        }
        match page.next {
            Some(next) => cursor = next,
            None => return names,
        }
    }
}
