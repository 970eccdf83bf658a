//! Quotas of directories: limits and usage as last read, and deltas that are still to be flushed.
//!
//! A change counts for every directory with a quota from where it happens up to the root. Who is whose
//! parent is remembered for a moment, as long as another client's rename may go unnoticed.

use crate::engine::{Answer, DirCursor, DirQuota, Key, QuotaOwner};
use crate::meta::{Meta, StatFs};
use crate::run::patiently;
use crate::txn::{Stop, Txn};
use jfs_types::{Attr, Entry, Errno, FileType, Ino, Name};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// How long a parent is believed.
const PARENT_LIFE: Duration = Duration::from_secs(1);
/// Most parents remembered; the least recently used ones go first.
const PARENTS_MAX: u64 = 10_000;
/// Most steps from a directory to the root, and from a directory that moves down to its deepest one.
const DEPTH_MAX: usize = 10_000;

/// Most that a walk down a tree keeps in memory.
struct WalkBounds {
    /// Levels.
    depth: usize,
    /// Directories that wait to be listed.
    waiting: usize,
}

/// The bounds of every walk: 8 MiB of inode numbers, and a few hundred KiB of levels.
const WALK: WalkBounds = WalkBounds {
    depth: DEPTH_MAX,
    waiting: 1 << 20,
};

#[derive(Clone, Copy, Default)]
struct State {
    quota: DirQuota,
    /// Bytes and inodes not flushed yet.
    pending: (i64, i64),
}

/// What this client knows of quotas.
pub(crate) struct Quotas {
    quotas: Mutex<HashMap<Ino, State>>,
    parents: Cache<Ino, Ino>,
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas::with_parent_life(PARENT_LIFE)
    }
}

impl Quotas {
    /// Nothing is known yet. A parent is believed for `life`.
    fn with_parent_life(life: Duration) -> Quotas {
        // The default policy may refuse a new parent, and a walk to the root would read it again and again.
        let parents = Cache::builder()
            .max_capacity(PARENTS_MAX)
            .time_to_live(life)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Quotas {
            quotas: Mutex::default(),
            parents,
        }
    }

    /// Whether no directory has a quota: then nothing is counted or checked.
    pub(crate) fn is_empty(&self) -> bool {
        self.quotas.lock().is_empty()
    }

    fn learn(&self, loaded: Vec<(Ino, DirQuota)>) {
        let mut known = self.quotas.lock();
        let mut quotas = HashMap::with_capacity(loaded.len());
        for (dir, quota) in loaded {
            let pending = known.get(&dir).map_or((0, 0), |s| s.pending);
            quotas.insert(dir, State { quota, pending });
        }
        *known = quotas;
    }

    fn has(&self, dir: Ino) -> bool {
        self.quotas.lock().contains_key(&dir)
    }

    fn add(&self, dir: Ino, space: i64, inodes: i64) {
        if let Some(state) = self.quotas.lock().get_mut(&dir) {
            state.pending.0 += space;
            state.pending.1 += inodes;
        }
    }

    fn exceeded(&self, dir: Ino, space: i64, inodes: i64) -> bool {
        let quotas = self.quotas.lock();
        let Some(State { quota: q, pending }) = quotas.get(&dir) else {
            return false;
        };
        let over = |max: i64, used: i64, more: i64| {
            max > 0 && more > 0 && i128::from(used) + i128::from(more) > i128::from(max)
        };
        over(q.max_space, q.used_space + pending.0, space)
            || over(q.max_inodes, q.used_inodes + pending.1, inodes)
    }

    /// Narrows `stat` to what is left under the quotas of `dirs`, the nearest one first: its usage shows.
    fn narrow(&self, dirs: &[Ino], mut stat: StatFs) -> StatFs {
        let quotas = self.quotas.lock();
        let mut nearest = None;
        for State { quota, pending } in dirs.iter().filter_map(|dir| quotas.get(dir)) {
            let used = |stored: i64, pending: i64| stored.saturating_add(pending).max(0);
            let space = used(quota.used_space, pending.0);
            let inodes = used(quota.used_inodes, pending.1);
            nearest.get_or_insert((space as u64, inodes as u64));
            let left = |max: i64, used: i64, left: u64| match max > 0 {
                true => left.min((max - used).max(0) as u64),
                false => left,
            };
            stat.avail_space = left(quota.max_space, space, stat.avail_space);
            stat.avail_inodes = left(quota.max_inodes, inodes, stat.avail_inodes);
        }
        if let Some((space, inodes)) = nearest {
            stat.total_space = space.saturating_add(stat.avail_space);
            stat.used_inodes = inodes;
        }
        stat
    }

    fn take_pending(&self) -> Vec<(Ino, i64, i64)> {
        let mut taken = Vec::new();
        for (dir, state) in self.quotas.lock().iter_mut() {
            let (space, inodes) = std::mem::take(&mut state.pending);
            if (space, inodes) != (0, 0) {
                // From here on it is part of what is stored.
                state.quota.used_space += space;
                state.quota.used_inodes += inodes;
                taken.push((*dir, space, inodes));
            }
        }
        taken
    }

    fn give_back(&self, deltas: &[(Ino, i64, i64)]) {
        for (dir, space, inodes) in deltas {
            self.add(*dir, *space, *inodes);
            if let Some(state) = self.quotas.lock().get_mut(dir) {
                state.quota.used_space -= space;
                state.quota.used_inodes -= inodes;
            }
        }
    }

    fn parent(&self, dir: Ino) -> Option<Ino> {
        self.parents.get(&dir)
    }

    /// Learns the parent of a directory.
    pub(crate) fn learn_parent(&self, dir: Ino, parent: Ino) {
        if !self.is_empty() {
            self.parents.insert(dir, parent);
        }
    }
}

/// A directory on the way down a tree.
struct Level {
    dir: Ino,
    /// Where its next page starts.
    next: Option<DirCursor>,
    /// Directories of its last page that are still to be visited.
    below: Vec<Ino>,
}

impl Meta {
    /// Reads limits and usage of all quotas: of directories, users and groups. Called when a session begins and
    /// at every heartbeat.
    pub async fn load_quotas(&self) -> Result<(), Errno> {
        self.load_owner_quotas().await?;
        if !self.format().dir_stats {
            return Ok(());
        }
        let loaded = self.engine().list_quotas().await;
        self.quotas
            .learn(loaded.map_err(|e| self.to_errno("load_quotas", &e))?);
        Ok(())
    }

    /// Writes what quotas have to count. What fails stays for the next call.
    pub(crate) async fn flush_quotas(&self) {
        let deltas = self.quotas.take_pending();
        if deltas.is_empty() {
            return;
        }
        if let Err(e) = self.engine().add_quota_usage(&deltas).await {
            self.note_failure(&e);
            self.quotas.give_back(&deltas);
            tracing::debug!("quotas could not be flushed: {e}");
        }
    }

    /// Counts a change of usage in `dir` for every quota above it.
    pub(crate) async fn count_quotas(&self, dir: Ino, space: i64, inodes: i64) {
        if (space, inodes) == (0, 0) {
            return;
        }
        for dir in self.quota_dirs(dir).await {
            self.quotas.add(dir, space, inodes);
        }
    }

    /// EDQUOT when `dir` or a directory above it may not grow by so much.
    pub(crate) async fn check_quota(&self, dir: Ino, space: i64, inodes: i64) -> Result<(), Errno> {
        if space <= 0 && inodes <= 0 {
            return Ok(());
        }
        let dirs = self.quota_dirs(dir).await;
        if dirs
            .iter()
            .any(|dir| self.quotas.exceeded(*dir, space, inodes))
        {
            return Err(Errno::EDQUOT);
        }
        Ok(())
    }

    /// EDQUOT when a quota above `to`, and not above `from`, has no room for so much.
    pub(crate) async fn check_quota_of_move(
        &self,
        from: Ino,
        to: Ino,
        space: i64,
        inodes: i64,
    ) -> Result<(), Errno> {
        if from == to || self.quotas.is_empty() {
            return Ok(());
        }
        let (left, entered) = (self.quota_dirs(from).await, self.quota_dirs(to).await);
        let new = entered.iter().filter(|dir| !left.contains(dir));
        if new
            .into_iter()
            .any(|dir| self.quotas.exceeded(*dir, space, inodes))
        {
            return Err(Errno::EDQUOT);
        }
        Ok(())
    }

    /// What lies below the directory at `place`, when moving it to `to` puts it under other quotas:
    /// bytes and inodes, itself not counted. Nothing else costs a round trip.
    pub(crate) async fn tree_that_moves(
        &self,
        place: &(Ino, Name),
        to: Ino,
    ) -> Result<(i64, i64), Errno> {
        if place.0 == to || self.quotas.is_empty() {
            return Ok((0, 0));
        }
        let key = Key::Entry(place.0, place.1.clone());
        let entry = self.fetch(&[key]).await?.into_iter().next();
        match entry.map(Answer::into_entry) {
            Some(Ok(Some(Entry {
                kind: FileType::Directory,
                ino,
            }))) if self.quota_dirs(place.0).await != self.quota_dirs(to).await => {
                self.usage_below(ino, WALK).await
            }
            _ => Ok((0, 0)),
        }
    }

    /// Bytes and inodes below a directory, by listing the tree. In memory are a page of names and the
    /// directories that wait to be listed. ENOMEM when the tree has more levels, or more directories wait,
    /// than `bounds` allows.
    async fn usage_below(&self, top: Ino, bounds: WalkBounds) -> Result<(i64, i64), Errno> {
        let (mut space, mut inodes) = (0, 0);
        let level = |dir| Level {
            dir,
            next: Some(DirCursor::Start),
            below: Vec::new(),
        };
        let (mut levels, mut waiting) = (vec![level(top)], 0);
        while let Some(here) = levels.last_mut() {
            if let Some(dir) = here.below.pop() {
                waiting -= 1;
                if levels.len() >= bounds.depth {
                    return Err(Errno::ENOMEM);
                }
                levels.push(level(dir));
                continue;
            }
            let Some(cursor) = here.next.take() else {
                levels.pop();
                continue;
            };
            let page = patiently(|| self.engine().list_dir(here.dir, &cursor, true)).await;
            let page = page.map_err(|e| self.to_errno("usage", &e))?;
            for e in page.entries {
                space += e.attr.as_ref().map_or(4096, Attr::space);
                inodes += 1;
                if e.entry.kind == FileType::Directory {
                    waiting += 1;
                    here.below.push(e.entry.ino);
                }
            }
            if waiting > bounds.waiting {
                return Err(Errno::ENOMEM);
            }
            here.next = page.next;
        }
        Ok((space, inodes))
    }

    /// Refuses the growth of a file beyond the limits of its user and group (EDQUOT), of the volume (ENOSPC) or
    /// of a directory that names it (EDQUOT).
    pub(crate) async fn check_file_growth(
        &self,
        tx: &mut Txn,
        ino: Ino,
        before: &Attr,
        after: &Attr,
    ) -> Result<(), Stop> {
        let space = after.space() - before.space();
        self.check_owners(&QuotaOwner::of(before), space, 0)?;
        self.check_growth(space, 0)?;
        if space <= 0 || before.nlink == 0 || self.quotas.is_empty() {
            return Ok(());
        }
        for (dir, names) in tx.parents(ino, before).await? {
            self.check_quota(dir, space * names, 0).await?;
        }
        Ok(())
    }

    /// What statfs shows at `ino` when the volume as a whole has `stat`. Usage is that of the nearest
    /// quota above, what is left the least of all of them, as the reference shows it. A file with
    /// several links shows the volume.
    pub(crate) async fn narrowed_by_quotas(&self, ino: Ino, stat: StatFs) -> StatFs {
        if self.quotas.is_empty() || ino.is_virtual() {
            return stat;
        }
        let (mut dirs, top) = self.walk_up(ino).await;
        if top.is_trash() {
            // The trash lies in the root.
            dirs.push(Ino::ROOT);
        }
        self.quotas.narrow(&dirs, stat)
    }

    /// The directories with a quota from `dir` up to the root. None inside the trash.
    pub(crate) async fn quota_dirs(&self, dir: Ino) -> Vec<Ino> {
        if self.quotas.is_empty() {
            return Vec::new();
        }
        match self.walk_up(dir).await {
            (_, top) if top.is_trash() || top == Ino(0) => Vec::new(),
            (found, _) => found,
        }
    }

    /// The directories with a quota from `from` up, and where the way ends: the root, the trash, inode
    /// 0 above a file with several links, or the first inode whose parent cannot be read.
    async fn walk_up(&self, from: Ino) -> (Vec<Ino>, Ino) {
        let (mut found, mut at) = (Vec::new(), from);
        for _ in 0..DEPTH_MAX {
            if at.is_trash() || at == Ino(0) {
                break;
            }
            if self.quotas.has(at) {
                found.push(at);
            }
            if at == Ino::ROOT {
                break;
            }
            at = match self.parent_of(at).await {
                Some(parent) => parent,
                None => break,
            };
        }
        (found, at)
    }

    async fn parent_of(&self, dir: Ino) -> Option<Ino> {
        if let Some(parent) = self.quotas.parent(dir) {
            return Some(parent);
        }
        let answers = self.fetch(&[Key::Attr(dir)]).await.ok()?;
        let attr = answers.into_iter().next().map(Answer::into_attr)?;
        let attr = attr.ok()??;
        if attr.is_dir() {
            // A file may get another name at any time.
            self.quotas.learn_parent(dir, attr.parent);
        }
        Some(attr.parent)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::memory::MemoryEngine;
    use crate::{Engine, MetaConfig};
    use jfs_types::{Caller, Format, SystemClock, SystemRand};
    use std::sync::Arc;

    #[tokio::test]
    async fn a_walk_down_a_tree_keeps_its_bounds() {
        let engine = MemoryEngine::new();
        let format = Format {
            name: "t".into(),
            uuid: "u".into(),
            ..Format::default()
        };
        let mut root = Attr::new(FileType::Directory);
        (root.mode, root.parent) = (0o777, Ino::ROOT);
        let json = format.to_json();
        let made = engine.create_volume(json.as_bytes(), &root, None, false);
        made.await.unwrap();
        let (clock, rand) = (Arc::new(SystemClock), Arc::new(SystemRand));
        let config = MetaConfig::default();
        let (meta, _work) = Meta::new(Arc::new(engine), format, config, clock, rand);
        let me = Caller::root();
        // Three levels below the root; the widest directory has five others.
        let mut top = Ino::ROOT;
        for _ in 0..3 {
            top = meta.mkdir(&me, top, b"deep", 0o755, 0).await.unwrap().0;
        }
        for name in [b"a", b"b", b"c", b"d", b"e"] {
            meta.mkdir(&me, Ino::ROOT, name, 0o755, 0).await.unwrap();
        }
        let walk = async |depth, waiting| {
            let bounds = WalkBounds { depth, waiting };
            meta.usage_below(Ino::ROOT, bounds).await
        };
        assert_eq!(walk(4, 6).await, Ok((8 * 4096, 8)));
        assert_eq!(walk(3, 6).await, Err(Errno::ENOMEM), "a level too deep");
        assert_eq!(walk(4, 5).await, Err(Errno::ENOMEM), "too many wait");
    }

    #[test]
    fn parents_that_are_used_outlive_many_others() {
        let quotas = Quotas::with_parent_life(Duration::from_secs(600));
        quotas.learn(vec![(Ino::ROOT, DirQuota::default())]);
        quotas.learn_parent(Ino(2), Ino::ROOT);
        for n in 0..PARENTS_MAX * 3 {
            quotas.learn_parent(Ino(3 + n), Ino(2));
            assert_eq!(quotas.parent(Ino(3 + n)), Some(Ino(2)));
            assert_eq!(quotas.parent(Ino(2)), Some(Ino::ROOT), "after {n} others");
        }
        quotas.parents.run_pending_tasks();
        assert!(quotas.parents.entry_count() <= PARENTS_MAX);
    }

    #[test]
    fn a_parent_is_believed_for_a_moment() {
        let quotas = Quotas::with_parent_life(Duration::from_millis(1));
        quotas.learn(vec![(Ino::ROOT, DirQuota::default())]);
        quotas.learn_parent(Ino(2), Ino::ROOT);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(quotas.parent(Ino(2)), None);
    }
}
