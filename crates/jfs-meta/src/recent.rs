//! Attributes of directories that this client changed a moment ago.
//!
//! After a create or unlink the kernel forgets the directory's attributes and asks again; the commit
//! has just told us the answer. It is given from here for as long as the kernel itself would have
//! kept it (`--attr-cache`), counted from the start of the transaction.

use jfs_types::{Attr, Ino};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Most directories remembered.
const DIRS_MAX: usize = 1024;

/// The memory. Zero lifetime switches it off.
pub(crate) struct Recent {
    life: Duration,
    dirs: Mutex<HashMap<Ino, (Attr, Instant)>>,
}

impl Recent {
    pub(crate) fn new(life: Duration) -> Recent {
        Recent {
            life,
            dirs: Mutex::default(),
        }
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
