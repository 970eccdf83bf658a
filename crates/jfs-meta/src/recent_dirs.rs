//! Attributes of directories that this client changed a moment ago.
//!
//! After a create or unlink the kernel forgets the directory's attributes and asks again; the commit
//! has just told us the answer. It is given from here for as long as the kernel itself would have
//! kept it (`--attr-cache`), counted from the start of the transaction.

use jfs_types::{Attr, Ino, Time};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Most directories remembered.
const DIRS_MAX: usize = 1024;
/// Most removed directories remembered, those removed last.
const REMOVED_MAX: usize = 1024;

/// The memory. Zero lifetime switches it off.
pub(crate) struct RecentDirs {
    life: Duration,
    dirs: Mutex<HashMap<Ino, (Attr, Instant)>>,
    /// Directories that this client has removed. A program may still stand in one of them.
    removed: Mutex<Removed>,
}

#[derive(Default)]
struct Removed {
    attrs: HashMap<Ino, Attr>,
    /// Oldest first.
    order: VecDeque<Ino>,
}

impl RecentDirs {
    pub(crate) fn new(life: Duration) -> RecentDirs {
        RecentDirs {
            life,
            dirs: Mutex::default(),
            removed: Mutex::default(),
        }
    }

    /// Notes a directory that was removed at `now`.
    pub(crate) fn note_removed(&self, ino: Ino, mut attr: Attr, now: Time) {
        (attr.nlink, attr.ctime) = (0, now);
        let mut removed = self.removed.lock();
        if removed.attrs.insert(ino, attr).is_none() {
            removed.order.push_back(ino);
        }
        if removed.order.len() > REMOVED_MAX
            && let Some(oldest) = removed.order.pop_front()
        {
            removed.attrs.remove(&oldest);
        }
    }

    /// Changes what is remembered of a removed directory, if it is.
    pub(crate) fn change_removed(&self, ino: Ino, attr: Attr) {
        if let Some(known) = self.removed.lock().attrs.get_mut(&ino) {
            *known = attr;
        }
    }

    /// A removed directory came back from the trash.
    pub(crate) fn note_restored(&self, ino: Ino) {
        let mut removed = self.removed.lock();
        if removed.attrs.remove(&ino).is_some() {
            removed.order.retain(|known| *known != ino);
        }
    }

    /// The last attributes of a directory that this client has removed.
    pub(crate) fn removed(&self, ino: Ino) -> Option<Attr> {
        self.removed.lock().attrs.get(&ino).cloned()
    }

    pub(crate) fn put(&self, ino: Ino, attr: Attr, since: Instant) {
        if self.life.is_zero() {
            return;
        }
        let mut dirs = self.dirs.lock();
        if dirs.len() >= DIRS_MAX && !dirs.contains_key(&ino) {
            let life = self.life;
            dirs.retain(|_, (_, t)| t.elapsed() < life);
            if dirs.len() >= DIRS_MAX {
                dirs.clear();
            }
        }
        // An older transaction may finish its bookkeeping after a newer one.
        match dirs.get(&ino) {
            Some((known, t)) if *t > since && known.ctime >= attr.ctime => {}
            _ => {
                dirs.insert(ino, (attr, since));
            }
        }
    }

    pub(crate) fn remove(&self, ino: Ino) {
        self.dirs.lock().remove(&ino);
    }

    /// The attributes and their age.
    pub(crate) fn get(&self, ino: Ino) -> Option<(Attr, Duration)> {
        let dirs = self.dirs.lock();
        let (attr, since) = dirs.get(&ino)?;
        let age = since.elapsed();
        (age < self.life).then(|| (attr.clone(), age))
    }
}
