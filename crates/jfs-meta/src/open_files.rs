//! Files this client has open: reference counts, attributes, and the chunk views they were read
//! with.
//!
//! A view is valid while nothing says that the file changed: an attribute with another mtime, ctime or
//! length drops the views, and so does every own write to the chunk. The mtime alone is not enough: a
//! program may set it back after it has written. Own changes of ctime that leave the content alone
//! (rename, chmod) are told here ([`OpenFiles::changed`]). Answers of the engine come with
//! the moment they were asked for ([`OpenFiles::moment`]): what was on its way while the file changed
//! is not stored.

use jfs_types::slice::Piece;
use jfs_types::{Attr, Ino, Time};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Number of independently locked parts.
const SHARDS: usize = 16;
/// Chunk views kept per open file: 64 of them cover 4 GiB.
const VIEWS_MAX: usize = 64;
/// Closed files whose last mtime is remembered at most, for the kernel's page cache.
pub(crate) const CLOSED_MAX: usize = 65_536;

/// What a reader sees of one chunk.
#[derive(Debug, PartialEq, Eq)]
pub struct ChunkView {
    /// Visible pieces from the start of the chunk, gaps filled with zero pieces. What lies after the
    /// last piece reads as zeros, up to the file's length.
    pub pieces: Vec<Piece>,
    /// Number of slice records behind it.
    pub records: usize,
}

struct OpenFile {
    references: u32,
    attr: Option<(Attr, Instant)>,
    views: BTreeMap<u32, Arc<ChunkView>>,
    /// When it last changed as far as this client knows.
    changed: u64,
    /// The last name is gone and the engine holds a sustained record for us.
    sustained: bool,
}

/// What tells two contents of a file apart: mtime, ctime and length.
type Fingerprint = (Time, Time, u64);

fn fingerprint(attr: &Attr) -> Fingerprint {
    (attr.mtime, attr.ctime, attr.length)
}

/// What is left of a closed file.
struct Closed {
    fingerprint: Fingerprint,
    changed: u64,
}

#[derive(Default)]
struct Shard {
    open: HashMap<Ino, OpenFile>,
    closed: HashMap<Ino, Closed>,
    /// When the file that changed last of those that were closed and forgotten did.
    forgot: u64,
}

/// All open files of a client.
pub(crate) struct OpenFiles {
    shards: Vec<Mutex<Shard>>,
    /// Counts changes, of any file.
    moments: AtomicU64,
    /// `--open-cache`: how long attributes of an open file count as fresh.
    life: Duration,
    /// `--open-cache-limit`: files remembered per shard, those that are open among them.
    limit: usize,
}

impl OpenFiles {
    pub(crate) fn new(life: Duration, limit: usize) -> OpenFiles {
        let limit = match limit {
            0 => CLOSED_MAX,
            limit => limit.min(CLOSED_MAX),
        };
        OpenFiles {
            limit: limit.div_ceil(SHARDS),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            moments: AtomicU64::new(0),
            life,
        }
    }

    fn shard(&self, ino: Ino) -> &Mutex<Shard> {
        &self.shards[(ino.0 % SHARDS as u64) as usize]
    }

    /// Now, to be taken before the engine is asked and handed over with its answer.
    pub(crate) fn moment(&self) -> u64 {
        self.moments.load(Ordering::Acquire)
    }

    fn next_moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Adds a reference, with attributes that were asked for at `moment`. True when the content is the
    /// one that was last seen here, so that the kernel may keep its pages; `None`, and no reference,
    /// when the file has changed since that moment: ask again.
    pub(crate) fn open(&self, ino: Ino, attr: &Attr, moment: u64) -> Option<bool> {
        let mut shard = self.shard(ino).lock();
        if let Some(file) = shard.open.get_mut(&ino) {
            if file.changed > moment {
                return None;
            }
            file.references += 1;
            let same = file.is_as_in(attr);
            if !same {
                file.invalidate(self.next_moment());
            }
            file.attr = Some((attr.clone(), Instant::now()));
            return Some(same);
        }
        let changed = shard.closed.get(&ino).map_or(shard.forgot, |c| c.changed);
        if changed > moment {
            return None;
        }
        let closed = shard.closed.remove(&ino);
        let same = closed.is_some_and(|c| c.fingerprint == fingerprint(attr));
        let file = OpenFile {
            references: 1,
            attr: Some((attr.clone(), Instant::now())),
            views: BTreeMap::new(),
            changed: self.next_moment(),
            sustained: false,
        };
        shard.open.insert(ino, file);
        Some(same)
    }

    /// Adds a reference to a file whose cached attributes are fresh enough (`--open-cache`).
    pub(crate) fn reopen(&self, ino: Ino) -> Option<Attr> {
        let mut shard = self.shard(ino).lock();
        let file = shard.open.get_mut(&ino)?;
        let (attr, since) = file.attr.as_ref()?;
        if since.elapsed() >= self.life {
            return None;
        }
        let attr = attr.clone();
        file.references += 1;
        Some(attr)
    }

    /// Drops a reference. True when it was the last one of a sustained inode.
    pub(crate) fn close(&self, ino: Ino) -> bool {
        let mut shard = self.shard(ino).lock();
        let shard = &mut *shard;
        let Some(file) = shard.open.get_mut(&ino) else {
            return false;
        };
        file.references = file.references.saturating_sub(1);
        if file.references > 0 {
            return false;
        }
        let Some(file) = shard.open.remove(&ino) else {
            return false;
        };
        if let Some((attr, _)) = file.attr {
            let closed = Closed {
                fingerprint: fingerprint(&attr),
                changed: file.changed,
            };
            shard.closed.insert(ino, closed);
            shard.forget_beyond(self.limit);
        }
        file.sustained
    }

    pub(crate) fn is_open(&self, ino: Ino) -> bool {
        self.shard(ino).lock().open.contains_key(&ino)
    }

    /// Notes that an open inode lost its last name. False when it is not open any more: the caller
    /// must clean up itself.
    pub(crate) fn sustain(&self, ino: Ino) -> bool {
        match self.shard(ino).lock().open.get_mut(&ino) {
            Some(file) => {
                file.sustained = true;
                true
            }
            None => false,
        }
    }

    /// Attributes of an open file within `--open-cache`, with their age.
    pub(crate) fn attr(&self, ino: Ino) -> Option<(Attr, Duration)> {
        if self.life.is_zero() {
            return None;
        }
        let shard = self.shard(ino).lock();
        let (attr, since) = shard.open.get(&ino)?.attr.as_ref()?;
        let age = since.elapsed();
        (age < self.life).then(|| (attr.clone(), age))
    }

    /// The last attributes seen of an open file, however old.
    pub(crate) fn last_attr(&self, ino: Ino) -> Option<Attr> {
        self.shard(ino)
            .lock()
            .open
            .get(&ino)?
            .attr
            .as_ref()
            .map(|(a, _)| a.clone())
    }

    /// Length of an open file as last seen.
    pub(crate) fn last_length(&self, ino: Ino) -> Option<u64> {
        self.shard(ino)
            .lock()
            .open
            .get(&ino)?
            .attr
            .as_ref()
            .map(|(a, _)| a.length)
    }

    /// Learns attributes that were asked for at `moment`. When the file has changed since, they are
    /// not learned, and the newer ones come back.
    pub(crate) fn learn(&self, ino: Ino, attr: &Attr, moment: u64) -> Option<Attr> {
        if !attr.is_file() {
            return None;
        }
        let mut shard = self.shard(ino).lock();
        let file = shard.open.get_mut(&ino)?;
        if file.changed > moment {
            let known = file.attr.as_ref().map(|(a, _)| a);
            return known.filter(|known| known.ctime >= attr.ctime).cloned();
        }
        if !file.is_as_in(attr) {
            file.invalidate(self.next_moment());
        }
        file.attr = Some((attr.clone(), Instant::now()));
        None
    }

    /// Learns the outcome of an own change that went from `before` to `after`. `index` names the
    /// chunk it touched, `None` = any.
    pub(crate) fn changed(&self, ino: Ino, before: &Attr, after: &Attr, index: Option<u32>) {
        let mut shard = self.shard(ino).lock();
        let Some(file) = shard.open.get_mut(&ino) else {
            let same_content = (before.mtime, before.length) == (after.mtime, after.length);
            if let Some(closed) = shard.closed.get_mut(&ino)
                && same_content
                && closed.fingerprint == fingerprint(before)
            {
                closed.fingerprint = fingerprint(after);
            }
            return;
        };
        let known = file.attr.as_ref().map(|(a, _)| a);
        let ours = file.is_as_in(before);
        // An own change that was committed later may be learned earlier.
        let late = !ours && known.is_some_and(|a| a.ctime > after.ctime);
        match index {
            Some(index) if ours => {
                file.changed = self.next_moment();
                file.views.remove(&index);
            }
            _ => file.invalidate(self.next_moment()),
        }
        if !late {
            file.attr = Some((after.clone(), Instant::now()));
        }
    }

    /// Drops all views of a file.
    pub(crate) fn forget_views(&self, ino: Ino) {
        if let Some(file) = self.shard(ino).lock().open.get_mut(&ino) {
            file.invalidate(self.next_moment());
        }
    }

    pub(crate) fn view(&self, ino: Ino, index: u32) -> Option<Arc<ChunkView>> {
        self.shard(ino)
            .lock()
            .open
            .get(&ino)?
            .views
            .get(&index)
            .cloned()
    }

    /// Learns a view and the attributes that belong to it, asked for at `moment`; nothing when the file
    /// has changed since.
    pub(crate) fn learn_view(
        &self,
        ino: Ino,
        attr: &Attr,
        index: u32,
        view: Arc<ChunkView>,
        moment: u64,
    ) {
        let mut shard = self.shard(ino).lock();
        if let Some(file) = shard.open.get_mut(&ino)
            && file.changed <= moment
        {
            if !file.is_as_in(attr) {
                file.invalidate(self.next_moment());
            }
            file.attr = Some((attr.clone(), Instant::now()));
            if file.views.len() >= VIEWS_MAX {
                file.views.pop_first();
            }
            file.views.insert(index, view);
        }
    }
}

impl Shard {
    /// Forgets closed files, whichever, until no more than `limit` files are remembered.
    fn forget_beyond(&mut self, limit: usize) {
        while self.open.len() + self.closed.len() > limit {
            let Some(ino) = self.closed.keys().next().copied() else {
                return;
            };
            if let Some(closed) = self.closed.remove(&ino) {
                self.forgot = self.forgot.max(closed.changed);
            }
        }
    }
}

impl OpenFile {
    /// Whether the content is the one that `attr` goes with, as far as this client knows.
    fn is_as_in(&self, attr: &Attr) -> bool {
        let known = self.attr.as_ref().map(|(a, _)| fingerprint(a));
        known == Some(fingerprint(attr))
    }

    fn invalidate(&mut self, moment: u64) {
        self.changed = moment;
        self.views.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use jfs_types::FileType;

    fn attr(mtime: i64, length: u64) -> Attr {
        let mut a = Attr::new(FileType::Regular);
        a.mtime.sec = mtime;
        a.ctime.sec = mtime;
        a.length = length;
        a
    }

    fn open(files: &OpenFiles, ino: Ino, attr: Attr) -> bool {
        files.open(ino, &attr, files.moment()).unwrap()
    }

    fn view() -> Arc<ChunkView> {
        Arc::new(ChunkView {
            pieces: Vec::new(),
            records: 0,
        })
    }

    #[test]
    fn a_view_fetched_across_a_change_is_not_kept() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        open(&files, ino, attr(1, 10));
        let before = files.moment();
        files.changed(ino, &attr(1, 10), &attr(2, 20), Some(0));
        files.learn_view(ino, &attr(1, 10), 0, view(), before);
        assert!(files.view(ino, 0).is_none());
        files.learn_view(ino, &attr(2, 20), 0, view(), files.moment());
        assert!(files.view(ino, 0).is_some());
    }

    #[test]
    fn foreign_changes_drop_every_view() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        open(&files, ino, attr(1, 10));
        for index in 0..3 {
            files.learn_view(ino, &attr(1, 10), index, view(), files.moment());
        }
        // Our write to chunk 0 finds that somebody else wrote in between.
        files.changed(ino, &attr(9, 10), &attr(10, 10), Some(0));
        assert!(files.view(ino, 2).is_none());
        files.learn_view(ino, &attr(10, 10), 2, view(), files.moment());
        files.learn(ino, &attr(10, 10), files.moment());
        assert!(files.view(ino, 2).is_some());
        files.learn(ino, &attr(10, 11), files.moment());
        assert!(files.view(ino, 2).is_none());
    }

    #[test]
    fn pages_are_kept_only_for_the_same_content() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        assert!(!open(&files, ino, attr(1, 10)));
        assert!(open(&files, ino, attr(1, 10)));
        assert!(!files.close(ino));
        assert!(!files.close(ino));
        assert!(open(&files, ino, attr(1, 10)));
        files.close(ino);
        assert!(!open(&files, ino, attr(2, 10)));
    }

    /// A program that writes and sets the mtime back leaves the ctime; a rename leaves the content.
    #[test]
    fn the_time_of_change_counts_unless_the_change_is_known() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        let changed_at = |sec| {
            let mut a = attr(1, 10);
            a.ctime.sec = sec;
            a
        };
        open(&files, ino, changed_at(1));
        assert!(!open(&files, ino, changed_at(2)), "written elsewhere");
        files.changed(ino, &changed_at(2), &changed_at(3), Some(u32::MAX));
        assert!(open(&files, ino, changed_at(3)), "renamed while open");
        for _ in 0..3 {
            files.close(ino);
        }
        files.changed(ino, &changed_at(3), &changed_at(4), Some(u32::MAX));
        assert!(open(&files, ino, changed_at(4)), "renamed while closed");
        files.close(ino);
        files.changed(ino, &changed_at(5), &changed_at(6), Some(u32::MAX));
        assert!(
            !open(&files, ino, changed_at(6)),
            "changed by another before"
        );
    }

    #[test]
    fn only_so_many_closed_files_are_remembered() {
        let files = OpenFiles::new(Duration::ZERO, 4 * SHARDS);
        let inos: Vec<Ino> = (0..9).map(|n| Ino(5 + n * SHARDS as u64)).collect();
        for ino in &inos {
            open(&files, *ino, attr(1, 10));
        }
        let before = files.moment();
        files.changed(inos[0], &attr(1, 10), &attr(2, 20), Some(0));
        for ino in &inos {
            files.close(*ino);
        }
        assert_eq!(files.shard(inos[0]).lock().closed.len(), 4);
        let stale = |ino: &Ino| files.open(*ino, &attr(1, 10), before).is_none();
        assert!(stale(&inos[0]), "it may have changed since");
        let same = inos.iter().filter(|ino| open(&files, **ino, attr(1, 10)));
        assert!(same.count() >= 3);
    }

    #[test]
    fn the_last_close_of_a_nameless_file_says_so() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        assert!(!files.sustain(ino));
        open(&files, ino, attr(1, 10));
        open(&files, ino, attr(1, 10));
        assert!(files.sustain(ino));
        assert!(!files.close(ino));
        assert!(files.close(ino));
        assert!(!files.is_open(ino));
    }

    #[test]
    fn answers_that_were_on_their_way_during_a_change_are_not_learned() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        open(&files, ino, attr(1, 10));
        let before = files.moment();
        files.changed(ino, &attr(1, 10), &attr(2, 20), Some(0));
        let newer = files.learn(ino, &attr(1, 10), before);
        assert_eq!(newer, Some(attr(2, 20)));
        assert_eq!(files.last_length(ino), Some(20));
        assert_eq!(files.open(ino, &attr(1, 10), before), None);
        files.close(ino);
        assert_eq!(
            files.open(ino, &attr(1, 10), before),
            None,
            "closed meanwhile"
        );
        assert!(open(&files, ino, attr(2, 20)));
        // What another client did in between is newer than what is known, but was not asked for
        // after it.
        let before = files.moment();
        files.changed(ino, &attr(2, 20), &attr(3, 30), Some(0));
        assert_eq!(files.learn(ino, &attr(4, 40), before), None);
        assert_eq!(files.last_length(ino), Some(30));
    }

    #[test]
    fn own_changes_may_be_learned_in_another_order() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        open(&files, ino, attr(1, 10));
        files.changed(ino, &attr(2, 20), &attr(3, 5), None);
        files.changed(ino, &attr(1, 10), &attr(2, 20), Some(0));
        assert_eq!(files.last_length(ino), Some(5));
    }
}
