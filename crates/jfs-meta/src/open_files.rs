//! The files that this client has open.
//!
//! [`OpenFiles`] keeps one record per open file: the number of references, the last attributes, and the
//! views of its chunks. Each child module holds one idea:
//!
//! - `attributes`: attributes as last seen, and whether the kernel may keep the pages of a file.
//! - `views`: the visible pieces of chunks, cached while the file is unchanged.
//! - `opening`: an open on its way, and its wait for a removal.
//! - `removal`: an unlink, a rename or a last close that must not delete an open file.
//! - `trash_names`: names of open files that are in the trash.
//!
//! Every change of a file gets a new number, its *moment*. A caller takes [`OpenFiles::moment`] before
//! it asks the engine and hands the number over with the answer. An answer is ignored when the file has
//! changed after that moment.

mod attributes;
mod opening;
mod removal;
mod trash_names;
mod views;

pub(crate) use opening::Opening;
pub(crate) use removal::Removal;
pub use views::ChunkView;

use attributes::{Fingerprint, fingerprint};
use jfs_types::{Attr, Ino};
use parking_lot::Mutex;
use removal::Leaving;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Number of independently locked parts.
const SHARDS: usize = 16;
/// Most closed files whose fingerprints are kept. A reopened file with the same fingerprint keeps its
/// pages in the kernel.
pub(crate) const CLOSED_MAX: usize = 65_536;

/// All open files of a client.
pub(crate) struct OpenFiles {
    shards: Vec<Mutex<Shard>>,
    /// The moment of the last change of any file.
    moments: AtomicU64,
    /// `--open-cache`: how long attributes of an open file count as fresh.
    life: Duration,
    /// `--open-cache-limit`: most files remembered per shard, open ones included.
    limit: usize,
}

#[derive(Default)]
struct Shard {
    open: HashMap<Ino, OpenFile>,
    /// Fingerprints of closed files.
    closed: HashMap<Ino, Fingerprint>,
    /// Files with a removal under way. Such a file is open only when the removal has granted it to
    /// waiting opens ([`Removal::grant`]).
    leaving: HashMap<Ino, Leaving>,
}

struct OpenFile {
    references: u32,
    /// The last attributes and when they were stored. `None` until the first open has its answer.
    attr: Option<(Attr, Instant)>,
    /// The fingerprint at the last close, if it is remembered.
    before: Option<Fingerprint>,
    views: BTreeMap<u32, Arc<ChunkView>>,
    /// Moment of the last change that this client knows of.
    changed: u64,
    /// The last name is gone, and the engine holds a sustained record for this client.
    sustained: bool,
    /// An open has found the file outside of the trash.
    named: bool,
    /// Number of names in the trash. It is read only for files with several names.
    in_trash: i32,
    /// Moment of this client's last change of `in_trash`.
    names_changed: u64,
    /// An own change met a change of another client: pages that the kernel has cached may be stale.
    mixed: bool,
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

    /// The current moment. Take it before asking the engine, and hand it over with the answer.
    pub(crate) fn moment(&self) -> u64 {
        self.moments.load(Ordering::Acquire)
    }

    fn next_moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// A record without references or attributes. `before` is the fingerprint at the last close.
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

    /// Drops a reference. True when this was the last reference of a sustained inode.
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

    /// Notes that an open inode has lost its last name. False when the inode is no longer open: the caller
    /// must delete it.
    pub(crate) fn sustain(&self, ino: Ino) -> bool {
        match self.shard(ino).lock().open.get_mut(&ino) {
            Some(file) => {
                file.sustained = true;
                true
            }
            None => false,
        }
    }
}

impl Shard {
    /// Forgets arbitrary closed files until at most `limit` files are remembered.
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
    /// Drops all views because the file changed at `moment`.
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

    pub(in crate::open_files) fn attr(mtime: i64, length: u64) -> Attr {
        let mut a = Attr::new(FileType::Regular);
        a.mtime.sec = mtime;
        a.ctime.sec = mtime;
        a.length = length;
        a
    }

    pub(in crate::open_files) fn open(files: &OpenFiles, ino: Ino, attr: Attr) -> bool {
        let opening = files.enter(ino).ok().unwrap();
        let same = opening.learn(&attr, files.moment()).unwrap();
        opening.keep();
        same
    }

    pub(in crate::open_files) fn view() -> Arc<ChunkView> {
        Arc::new(ChunkView {
            pieces: Vec::new(),
            records: 0,
        })
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
}
