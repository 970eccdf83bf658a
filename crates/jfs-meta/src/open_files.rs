//! Files this client has open: reference counts, attributes, and the chunk views they were read
//! with.
//!
//! A view is valid while nothing says that the file changed: an attribute with another mtime, ctime or
//! length drops the views, and so does every own write to the chunk. The mtime alone is not enough: a
//! program may set it back after it has written. Own changes of ctime that leave the content alone
//! (rename, chmod) are told here ([`OpenFiles::changed`]). Answers of the engine come with
//! the moment they were asked for ([`OpenFiles::moment`]): what was on its way while the file changed
//! is not stored.
//!
//! An open counts from before it asks the engine ([`OpenFiles::enter`]), so that a removal finds it; a
//! removal that finds a file closed keeps it so until it has ended ([`Removal`]), and opens wait for
//! that. So what an open has found is not deleted under it. Removals never wait here. Those that have
//! waited get the file all the same when the removal can keep it for them ([`Removal::grant`]).

mod in_trash;

use jfs_types::slice::Piece;
use jfs_types::{Attr, Ino, Time};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Number of independently locked parts.
const SHARDS: usize = 16;
/// Chunk views kept per open file: 64 of them cover 4 GiB.
const VIEWS_MAX: usize = 64;
/// Closed files of which times and length are remembered at most, for the kernel's page cache.
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
    /// `None` until the first open has been answered.
    attr: Option<(Attr, Instant)>,
    /// What it was when it was closed last, if that is remembered.
    before: Option<Fingerprint>,
    views: BTreeMap<u32, Arc<ChunkView>>,
    /// When it last changed as far as this client knows.
    changed: u64,
    /// The last name is gone and the engine holds a sustained record for us.
    sustained: bool,
    /// An open has found it outside of the trash.
    named: bool,
    /// Names in the trash, of a file that has had several names.
    in_trash: i32,
    /// Moment of this client's last change of `in_trash`.
    names_changed: u64,
    /// An own change met one of another client: what the kernel has cached may be neither.
    mixed: bool,
}

/// What tells two contents of a file apart: mtime, ctime and length.
type Fingerprint = (Time, Time, u64);

fn fingerprint(attr: &Attr) -> Fingerprint {
    (attr.mtime, attr.ctime, attr.length)
}

#[derive(Default)]
struct Shard {
    open: HashMap<Ino, OpenFile>,
    /// What closed files were.
    closed: HashMap<Ino, Fingerprint>,
    /// Files whose removal is under way. None of them is open, unless it has been granted to those that
    /// waited ([`Removal::grant`]).
    leaving: HashMap<Ino, Leaving>,
}

/// A file that is being removed.
struct Leaving {
    /// Operations that do so: one for each of several names, or an unlink and a last close.
    removals: u32,
    /// Opens that wait for the end of them.
    waiting: u32,
    /// Tells those. Made by the first of them.
    end: Option<watch::Sender<End>>,
}

/// What becomes of opens that wait for a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    UnderWay,
    /// The removal is over: try again.
    Over,
    /// The file is kept for them; each has its reference.
    Granted,
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

    /// Adds a reference, before the engine is asked; what is to be waited for when the file is being
    /// removed.
    pub(crate) fn enter(&self, ino: Ino) -> Result<Opening<'_>, Wait<'_>> {
        let mut shard = self.shard(ino).lock();
        let shard = &mut *shard;
        if let Some(leaving) = shard.leaving.get_mut(&ino) {
            leaving.waiting += 1;
            let end = leaving
                .end
                .get_or_insert_with(|| watch::Sender::new(End::UnderWay));
            return Err(Wait {
                files: self,
                ino,
                end: end.subscribe(),
                over: false,
            });
        }
        let file = shard
            .open
            .entry(ino)
            .or_insert_with(|| self.unseen(shard.closed.remove(&ino)));
        file.references += 1;
        Ok(self.counted(ino))
    }

    /// An open whose reference has been added.
    fn counted(&self, ino: Ino) -> Opening<'_> {
        Opening {
            files: self,
            ino,
            over: false,
        }
    }

    /// An open file that nothing is known of but what it was `before`.
    fn unseen(&self, before: Option<Fingerprint>) -> OpenFile {
        OpenFile {
            references: 0,
            attr: None,
            before,
            views: BTreeMap::new(),
            changed: self.next_moment(),
            sustained: false,
            named: false,
            in_trash: 0,
            names_changed: 0,
            mixed: false,
        }
    }

    /// Learns the attributes that an open asked for at `moment`. True when the content is the one that
    /// was last seen here, so that the kernel may keep its pages; `None` when the file has changed since
    /// that moment: ask again.
    fn opened(&self, ino: Ino, attr: &Attr, moment: u64) -> Option<bool> {
        let mut shard = self.shard(ino).lock();
        let file = shard.open.get_mut(&ino)?;
        if file.changed > moment {
            return None;
        }
        let known = file.attr.as_ref().map(|(a, _)| fingerprint(a));
        let same = known.or(file.before) == Some(fingerprint(attr));
        if !same {
            file.invalidate(self.next_moment());
        }
        file.attr = Some((attr.clone(), Instant::now()));
        file.named |= !attr.parent.is_trash();
        Some(same && !std::mem::take(&mut file.mixed))
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
        let known = file.attr.as_ref().map(|(a, _)| fingerprint(a));
        if let Some(fingerprint) = known.or(file.before).filter(|_| !file.mixed) {
            shard.closed.insert(ino, fingerprint);
            shard.forget_beyond(self.limit);
        }
        file.sustained
    }

    /// What one operation removes; nothing yet.
    pub(crate) fn removal(&self) -> Removal<'_> {
        Removal {
            files: self,
            marked: Mutex::default(),
        }
    }

    fn end_removal(&self, ino: Ino) {
        let mut shard = self.shard(ino).lock();
        if let Some(leaving) = shard.leaving.get_mut(&ino) {
            leaving.removals -= 1;
            if leaving.removals == 0
                && let Some(leaving) = shard.leaving.remove(&ino)
                && let Some(end) = leaving.end
            {
                end.send_replace(End::Over);
            }
        }
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
        // The first open compares with what was known before.
        file.attr.as_ref()?;
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
                && *closed == fingerprint(before)
            {
                *closed = fingerprint(after);
            }
            return;
        };
        if file.attr.is_none() {
            return file.invalidate(self.next_moment());
        }
        let known = file.attr.as_ref().map(|(a, _)| a);
        let ours = file.is_as_in(before);
        // An own change that was committed later may be learned earlier.
        let late = !ours && known.is_some_and(|a| a.ctime > after.ctime);
        file.mixed |= !ours;
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
            && file.attr.is_some()
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

/// An open that is under way: a reference, which goes with this unless it is kept.
pub(crate) struct Opening<'a> {
    files: &'a OpenFiles,
    ino: Ino,
    over: bool,
}

impl Opening<'_> {
    /// Learns attributes that were asked for at `moment`, since this began; see [`OpenFiles::opened`].
    pub(crate) fn learn(&self, attr: &Attr, moment: u64) -> Option<bool> {
        self.files.opened(self.ino, attr, moment)
    }

    /// It has succeeded: the reference stays until [`OpenFiles::close`].
    pub(crate) fn keep(mut self) {
        self.over = true;
    }

    /// It has failed. As [`OpenFiles::close`].
    pub(crate) fn give_up(mut self) -> bool {
        self.over = true;
        self.files.close(self.ino)
    }
}

impl Drop for Opening<'_> {
    /// Nobody waits for the open any more.
    fn drop(&mut self) {
        if !self.over && self.files.close(self.ino) {
            tracing::warn!("{:?} stays sustained until the session ends", self.ino);
        }
    }
}

/// The files that one operation is about to remove. They cannot be opened while this lives, which has
/// to be until the operation has ended, whatever came of it.
///
/// One that runs again may find another file in its place: then both are held up, at most as many as it
/// has attempts.
pub(crate) struct Removal<'a> {
    files: &'a OpenFiles,
    marked: Mutex<Vec<Ino>>,
}

impl Removal<'_> {
    /// Whether the file is open. When it is not, nobody opens it as long as `self` lives.
    pub(crate) fn finds_open(&self, ino: Ino) -> bool {
        let mut marked = self.marked.lock();
        let mut shard = self.files.shard(ino).lock();
        if shard.open.contains_key(&ino) {
            return true;
        }
        if !marked.contains(&ino) {
            marked.push(ino);
            let leaving = shard.leaving.entry(ino).or_insert(Leaving {
                removals: 0,
                waiting: 0,
                end: None,
            });
            leaving.removals += 1;
        }
        false
    }

    /// Whether opens wait for the end of the removal.
    pub(crate) fn is_awaited(&self, ino: Ino) -> bool {
        let shard = self.files.shard(ino).lock();
        shard.leaving.get(&ino).is_some_and(|l| l.waiting > 0)
    }

    /// Gives those that wait a reference each to the file, which has been sustained for them. False when
    /// none waits any more.
    pub(crate) fn grant(&self, ino: Ino) -> bool {
        let mut shard = self.files.shard(ino).lock();
        let shard = &mut *shard;
        let Some(leaving) = shard.leaving.get_mut(&ino) else {
            return false;
        };
        let waiting = std::mem::take(&mut leaving.waiting);
        let Some(end) = leaving.end.take().filter(|_| waiting > 0) else {
            return false;
        };
        let file = self.files.unseen(shard.closed.remove(&ino));
        let file = shard.open.entry(ino).or_insert(file);
        file.references += waiting;
        file.sustained = true;
        end.send_replace(End::Granted);
        true
    }
}

impl Drop for Removal<'_> {
    fn drop(&mut self) {
        for ino in self.marked.get_mut().drain(..) {
            self.files.end_removal(ino);
        }
    }
}

/// An open that waits for the end of the removals it has met.
pub(crate) struct Wait<'a> {
    files: &'a OpenFiles,
    ino: Ino,
    end: watch::Receiver<End>,
    over: bool,
}

impl<'a> Wait<'a> {
    /// Waits. The open when the file is kept for it, else one tries again.
    pub(crate) async fn ended(mut self) -> Option<Opening<'a>> {
        let end = match self.end.wait_for(|end| *end != End::UnderWay).await {
            Ok(end) => *end,
            Err(_) => End::Over,
        };
        self.over = true;
        (end == End::Granted).then(|| self.files.counted(self.ino))
    }
}

impl Drop for Wait<'_> {
    /// Nobody waits for the open any more.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut shard = self.files.shard(self.ino).lock();
        let end = *self.end.borrow();
        match end {
            End::UnderWay => {
                if let Some(leaving) = shard.leaving.get_mut(&self.ino) {
                    leaving.waiting = leaving.waiting.saturating_sub(1);
                }
            }
            End::Over => {}
            End::Granted => {
                drop(shard);
                drop(self.files.counted(self.ino));
            }
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
            self.closed.remove(&ino);
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
        let opening = files.enter(ino).ok().unwrap();
        let same = opening.learn(&attr, files.moment()).unwrap();
        opening.keep();
        same
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
    fn an_own_change_after_one_of_another_client_keeps_no_pages() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        open(&files, ino, attr(1, 10));
        files.changed(ino, &attr(1, 10), &attr(2, 20), None);
        assert!(open(&files, ino, attr(2, 20)), "own changes alone");
        files.changed(ino, &attr(3, 20), &attr(4, 20), None);
        assert!(!open(&files, ino, attr(4, 20)), "while it is open");
        assert!(open(&files, ino, attr(4, 20)), "dropped by then");
        files.changed(ino, &attr(5, 20), &attr(6, 20), None);
        for _ in 0..4 {
            files.close(ino);
        }
        assert!(!open(&files, ino, attr(6, 20)), "after the last close");
        assert!(open(&files, ino, attr(6, 20)));
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
        for ino in &inos {
            files.close(*ino);
        }
        assert_eq!(files.shard(inos[0]).lock().closed.len(), 4);
        let same = inos.iter().filter(|ino| open(&files, **ino, attr(1, 10)));
        assert_eq!(same.count(), 4);
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
        assert!(!files.removal().finds_open(ino));
    }

    #[tokio::test]
    async fn opens_wait_for_every_removal_and_removals_for_none() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let (ino, other) = (Ino(5), Ino(5 + SHARDS as u64));
        let (one, two) = (files.removal(), files.removal());
        assert!(!one.finds_open(ino) && !one.finds_open(ino) && !two.finds_open(ino));
        assert!(!one.finds_open(other));
        let end = files.enter(ino).err().unwrap();
        drop(one);
        assert!(files.enter(ino).is_err());
        let opening = files.enter(other).ok().unwrap();
        assert!(two.finds_open(other));
        drop(two);
        assert!(end.ended().await.is_none());
        assert!(!open(&files, ino, attr(1, 10)));
        // What was open is not waited for, and one that gives up is none.
        let removal = files.removal();
        assert!(removal.finds_open(ino) && files.enter(ino).is_ok());
        assert!(files.sustain(other));
        assert!(opening.give_up());
        assert!(!files.sustain(other) && !removal.finds_open(other));
        drop(removal);
        let leaving = |ino: Ino| files.shard(ino).lock().leaving.len();
        assert_eq!(leaving(ino), 0);
    }

    #[test]
    fn an_open_that_fails_forgets_nothing() {
        let files = OpenFiles::new(Duration::ZERO, 0);
        let ino = Ino(5);
        assert!(!files.enter(ino).ok().unwrap().give_up());
        assert!(files.shard(ino).lock().closed.is_empty());
        open(&files, ino, attr(1, 10));
        files.close(ino);
        drop(files.enter(ino).ok().unwrap());
        assert!(open(&files, ino, attr(1, 10)));
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
        let opening = files.enter(ino).ok().unwrap();
        assert_eq!(opening.learn(&attr(1, 10), before), None);
        assert_eq!(opening.learn(&attr(2, 20), files.moment()), Some(true));
        opening.keep();
        // The first one of a file too.
        files.close(ino);
        files.close(ino);
        let opening = files.enter(ino).ok().unwrap();
        let before = files.moment();
        files.changed(ino, &attr(2, 20), &attr(3, 20), None);
        assert_eq!(opening.learn(&attr(2, 20), before), None);
        assert_eq!(files.learn(ino, &attr(3, 20), files.moment()), None);
        assert_eq!(opening.learn(&attr(3, 20), files.moment()), Some(false));
        opening.keep();
        files.changed(ino, &attr(3, 20), &attr(2, 20), None);
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
