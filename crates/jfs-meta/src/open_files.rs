//! Files this client has open: reference counts, attributes, and the chunk views they were read
//! with.
//!
//! A view is valid while nothing says that the file changed: an attribute with another mtime or
//! length drops the views, and so does every own write to the chunk. A view that was being fetched
//! meanwhile is not stored (generation number).

use jfs_types::slice::Piece;
use jfs_types::{Attr, Ino, Time};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Number of independently locked parts.
const SHARDS: usize = 16;
/// Chunk views kept per open file: 64 of them cover 4 GiB.
const VIEWS_MAX: usize = 64;
/// Closed files whose last mtime is remembered, per shard, for the kernel's page cache.
const CLOSED_MAX: usize = 4096;

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
    generation: u64,
    /// The last name is gone and the engine holds a sustained record for us.
    sustained: bool,
}

#[derive(Default)]
struct Shard {
    open: HashMap<Ino, OpenFile>,
    closed: HashMap<Ino, (Time, u64)>,
    generations: u64,
}

/// All open files of a client.
pub(crate) struct OpenFiles {
    shards: Vec<Mutex<Shard>>,
    /// `--open-cache`: how long attributes of an open file count as fresh.
    life: Duration,
}

impl OpenFiles {
    pub(crate) fn new(life: Duration) -> OpenFiles {
        OpenFiles {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            life,
        }
    }

    fn shard(&self, ino: Ino) -> &Mutex<Shard> {
        &self.shards[(ino.0 % SHARDS as u64) as usize]
    }

    /// Adds a reference, with attributes just read. True when the content is the one that was last
    /// seen here, so that the kernel may keep its pages.
    pub(crate) fn open(&self, ino: Ino, attr: &Attr) -> bool {
        let mut shard = self.shard(ino).lock();
        let shard = &mut *shard;
        let fingerprint = (attr.mtime, attr.length);
        if let Some(file) = shard.open.get_mut(&ino) {
            file.references += 1;
            let same = file
                .attr
                .as_ref()
                .is_some_and(|(a, _)| (a.mtime, a.length) == fingerprint);
            if !same {
                file.invalidate(&mut shard.generations);
            }
            file.attr = Some((attr.clone(), Instant::now()));
            return same;
        }
        let same = shard.closed.remove(&ino) == Some(fingerprint);
        shard.generations += 1;
        let file = OpenFile {
            references: 1,
            attr: Some((attr.clone(), Instant::now())),
            views: BTreeMap::new(),
            generation: shard.generations,
            sustained: false,
        };
        shard.open.insert(ino, file);
        same
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
            if shard.closed.len() >= CLOSED_MAX {
                shard.closed.clear();
            }
            shard.closed.insert(ino, (attr.mtime, attr.length));
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

    /// Learns attributes that the engine answered.
    pub(crate) fn learn(&self, ino: Ino, attr: &Attr) {
        if !attr.is_file() {
            return;
        }
        let mut shard = self.shard(ino).lock();
        let shard = &mut *shard;
        if let Some(file) = shard.open.get_mut(&ino) {
            let same = file
                .attr
                .as_ref()
                .is_some_and(|(a, _)| (a.mtime, a.length) == (attr.mtime, attr.length));
            if !same {
                file.invalidate(&mut shard.generations);
            }
            file.attr = Some((attr.clone(), Instant::now()));
        }
    }

    /// Learns the outcome of an own change that went from `before` to `after`. `index` names the
    /// chunk it touched, `None` = any.
    pub(crate) fn changed(&self, ino: Ino, before: &Attr, after: &Attr, index: Option<u32>) {
        let mut shard = self.shard(ino).lock();
        let shard = &mut *shard;
        if let Some(file) = shard.open.get_mut(&ino) {
            let ours = file
                .attr
                .as_ref()
                .is_some_and(|(a, _)| (a.mtime, a.length) == (before.mtime, before.length));
            match index {
                Some(index) if ours => {
                    shard.generations += 1;
                    file.generation = shard.generations;
                    file.views.remove(&index);
                }
                _ => file.invalidate(&mut shard.generations),
            }
            file.attr = Some((after.clone(), Instant::now()));
        }
    }

    /// Drops all views of a file.
    pub(crate) fn forget_views(&self, ino: Ino) {
        let mut shard = self.shard(ino).lock();
        let shard = &mut *shard;
        if let Some(file) = shard.open.get_mut(&ino) {
            file.invalidate(&mut shard.generations);
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

    /// The generation to hand to [`OpenFiles::store_view`]; take it before reading the engine.
    pub(crate) fn generation(&self, ino: Ino) -> Option<u64> {
        self.shard(ino).lock().open.get(&ino).map(|f| f.generation)
    }

    /// Keeps a view, unless the file changed since `generation` was taken.
    pub(crate) fn store_view(&self, ino: Ino, index: u32, view: Arc<ChunkView>, generation: u64) {
        let mut shard = self.shard(ino).lock();
        if let Some(file) = shard.open.get_mut(&ino)
            && file.generation == generation
        {
            if file.views.len() >= VIEWS_MAX {
                file.views.pop_first();
            }
            file.views.insert(index, view);
        }
    }
}

impl OpenFile {
    fn invalidate(&mut self, generations: &mut u64) {
        *generations += 1;
        self.generation = *generations;
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
        a.length = length;
        a
    }

    fn view() -> Arc<ChunkView> {
        Arc::new(ChunkView {
            pieces: Vec::new(),
            records: 0,
        })
    }

    #[test]
    fn a_view_fetched_across_a_change_is_not_kept() {
        let files = OpenFiles::new(Duration::ZERO);
        let ino = Ino(5);
        files.open(ino, &attr(1, 10));
        let before = files.generation(ino).unwrap();
        files.changed(ino, &attr(1, 10), &attr(2, 20), Some(0));
        files.store_view(ino, 0, view(), before);
        assert!(files.view(ino, 0).is_none());
        files.store_view(ino, 0, view(), files.generation(ino).unwrap());
        assert!(files.view(ino, 0).is_some());
    }

    #[test]
    fn foreign_changes_drop_every_view() {
        let files = OpenFiles::new(Duration::ZERO);
        let ino = Ino(5);
        files.open(ino, &attr(1, 10));
        for index in 0..3 {
            files.store_view(ino, index, view(), files.generation(ino).unwrap());
        }
        // Our write to chunk 0 finds that somebody else wrote in between.
        files.changed(ino, &attr(9, 10), &attr(10, 10), Some(0));
        assert!(files.view(ino, 2).is_none());
        files.store_view(ino, 2, view(), files.generation(ino).unwrap());
        files.learn(ino, &attr(10, 10));
        assert!(files.view(ino, 2).is_some());
        files.learn(ino, &attr(10, 11));
        assert!(files.view(ino, 2).is_none());
    }

    #[test]
    fn pages_are_kept_only_for_the_same_content() {
        let files = OpenFiles::new(Duration::ZERO);
        let ino = Ino(5);
        assert!(!files.open(ino, &attr(1, 10)));
        assert!(files.open(ino, &attr(1, 10)));
        assert!(!files.close(ino));
        assert!(!files.close(ino));
        assert!(files.open(ino, &attr(1, 10)));
        files.close(ino);
        assert!(!files.open(ino, &attr(2, 10)));
    }

    #[test]
    fn the_last_close_of_a_nameless_file_says_so() {
        let files = OpenFiles::new(Duration::ZERO);
        let ino = Ino(5);
        assert!(!files.sustain(ino));
        files.open(ino, &attr(1, 10));
        files.open(ino, &attr(1, 10));
        assert!(files.sustain(ino));
        assert!(!files.close(ino));
        assert!(files.close(ino));
        assert!(!files.is_open(ino));
    }
}
