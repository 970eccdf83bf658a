//! [`Locks`]: the owners of this client that hold or want locks.
//!
//! The table does not decide which locks are held; the engine does. It says which owners may hold any, so that a close
//! without locks asks no engine, which requests wait, and which owners these wait for.

use super::Wish;
use jfs_meta::engine::LockKind;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_meta::{LockHolder, LockReply};
use jfs_types::{Errno, Ino};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Most requests that wait in one client.
const WAITERS_MAX: usize = 4096;
/// Most pairs of a file and an owner with record locks in one client. Requests under way may pass it by their number.
/// Locks of whole files are bounded by the open handles.
const RECORD_HOLDERS_MAX: usize = 65_536;
/// Time in which a request may be overtaken by later ones. After that, later requests that it conflicts with give
/// way. Programs for Linux expect that a free lock is given at once, so that is the exception.
const OVERTAKEN_MAX: Duration = Duration::from_secs(1);
/// Longest time that a request gives way. A program may need the later request before the earlier one can be granted.
/// There is no use in giving way to a request that waits for one lock for as long: others do not keep it waiting.
const GIVE_WAY_MAX: Duration = Duration::from_secs(10);
/// Time after which a request that gives way looks again whether it has to.
const GIVE_WAY_RECHECK: Duration = Duration::from_millis(500);

/// A file and a kind of locks.
type Place = (Ino, LockKind);

/// All owners of a client that hold or want locks.
#[derive(Default)]
pub(crate) struct Locks {
    table: Mutex<Table>,
    /// Whether the table has entries.
    used: AtomicBool,
}

#[derive(Default)]
struct Table {
    files: HashMap<Place, FileLocks>,
    /// Files with record locks, by owner. Without zeros.
    records: HashMap<u64, usize>,
    /// Sum of `records`.
    record_holders: usize,
    /// Number of requests that wait.
    waiters: usize,
    next_ticket: u64,
}

#[derive(Default)]
struct FileLocks {
    /// Owners that hold a lock, or may hold one after a failure.
    holders: HashSet<u64>,
    /// Requests that wait, in the order of their arrival.
    waiters: BTreeMap<u64, Waiter>,
}

struct Waiter {
    owner: u64,
    record: LockRecord,
    since: Instant,
    change: Arc<Notify>,
    /// Whether a lock was dropped since the engine was asked.
    stale: bool,
    gives_way: bool,
    /// Holders of what is in the way, and since when they are known.
    behind: Vec<(LockHolder, Instant)>,
}

impl Waiter {
    /// Whether later requests have to give way: it has been overtaken for long enough, by holders that change.
    fn starves(&self) -> bool {
        let new = |since: &Instant| since.elapsed() < GIVE_WAY_MAX;
        self.since.elapsed() >= OVERTAKEN_MAX && self.behind.iter().all(|(_, since)| new(since))
    }
}

/// What a blocked request does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The answer of the engine is out of date.
    AskAgain,
    Wait,
    /// The owners in the way wait for the owner of the request.
    Deadlock,
}

/// A request in the table. It leaves with this value.
pub(super) struct Queued<'a> {
    locks: &'a Locks,
    place: Place,
    ticket: u64,
    /// Notified when the request should be looked at again.
    pub(super) change: Arc<Notify>,
}

impl Locks {
    /// Whether no owner holds or wants a lock.
    pub(super) fn is_unused(&self) -> bool {
        !self.used.load(Ordering::Acquire)
    }

    /// Whether an owner may hold a lock on a file.
    pub(super) fn may_hold(&self, place: Place, owner: u64) -> bool {
        let table = self.table.lock();
        let file = table.files.get(&place);
        file.is_some_and(|file| file.holders.contains(&owner))
    }

    /// The owners that may hold locks on a file.
    pub(super) fn holders(&self, place: Place) -> Vec<u64> {
        let table = self.table.lock();
        let file = table.files.get(&place);
        file.map_or_else(Vec::new, |file| file.holders.iter().copied().collect())
    }

    /// Whether any owner holds record locks on a file, or any request waits for it.
    pub(super) fn concerns(&self, ino: Ino) -> bool {
        let table = self.table.lock();
        let flocks = table.files.get(&(ino, LockKind::Flock));
        table.files.contains_key(&(ino, LockKind::Posix))
            || flocks.is_some_and(|file| !file.waiters.is_empty())
    }

    /// Whether an owner may hold record locks on any file.
    pub(super) fn owns_records(&self, owner: u64) -> bool {
        self.table.lock().records.contains_key(&owner)
    }

    /// ENOLCK when no further owner can get record locks.
    pub(super) fn check_room(&self, wish: &Wish) -> Result<(), Errno> {
        let new = wish.what == LockKind::Posix && wish.record.kind != LockType::Unlock;
        let full = || self.table.lock().record_holders >= RECORD_HOLDERS_MAX;
        match new && full() && !self.may_hold(wish.place(), wish.owner) {
            true => Err(Errno::ENOLCK),
            false => Ok(()),
        }
    }

    /// Notes the answer of the engine to a request, and wakes the requests that wait for what was dropped.
    pub(super) fn note(&self, wish: &Wish, reply: &Result<LockReply, Errno>) {
        let (place, owner, kind) = (wish.place(), wish.owner, wish.record.kind);
        let (holds, dropped) = match reply {
            Ok(LockReply::Granted { before, holds }) => {
                let mut before = before.iter();
                let dropped = match kind {
                    LockType::Unlock => before.next().is_some(),
                    LockType::Read => before.any(|held| held.kind == LockType::Write),
                    LockType::Write => false,
                };
                (Some(*holds), dropped)
            }
            Ok(LockReply::Blocked { lost: true, .. }) => (Some(false), true),
            Ok(LockReply::Blocked { lost: false, .. })
            | Err(Errno::ENOENT | Errno::ENOLCK | Errno::EINVAL | Errno::EROFS) => (None, false),
            // The commit may have taken place.
            Err(_) if kind != LockType::Unlock => (Some(true), false),
            Err(_) => (None, false),
        };
        let mut table = self.table.lock();
        if let Some(holds) = holds {
            table.set_holder(place, owner, holds);
        }
        if dropped {
            table.wake(place, Some(wish.owner));
        }
        self.used.store(!table.files.is_empty(), Ordering::Release);
    }

    /// Wakes all requests for a file.
    pub(super) fn wake_file(&self, ino: Ino) {
        let mut table = self.table.lock();
        for what in [LockKind::Flock, LockKind::Posix] {
            table.wake((ino, what), None);
        }
    }

    /// Whether a request that arrives now gives way to one that waits.
    pub(super) fn must_give_way(&self, wish: &Wish) -> bool {
        let table = self.table.lock();
        table.must_give_way(wish.place(), u64::MAX, wish.owner, &wish.record)
    }

    /// Puts a request into the table. ENOLCK when too many wait.
    pub(super) fn enlist(&self, wish: &Wish) -> Result<Queued<'_>, Errno> {
        let change = Arc::new(Notify::new());
        let mut table = self.table.lock();
        if table.waiters >= WAITERS_MAX {
            return Err(Errno::ENOLCK);
        }
        table.waiters += 1;
        table.next_ticket += 1;
        let ticket = table.next_ticket;
        let waiter = Waiter {
            owner: wish.owner,
            record: wish.record,
            since: Instant::now(),
            change: change.clone(),
            stale: false,
            gives_way: false,
            behind: Vec::new(),
        };
        let file = table.files.entry(wish.place()).or_default();
        file.waiters.insert(ticket, waiter);
        self.used.store(true, Ordering::Release);
        Ok(Queued {
            locks: self,
            place: wish.place(),
            ticket,
            change,
        })
    }
}

impl Wish {
    fn place(&self) -> Place {
        (self.ino, self.what)
    }
}

impl Table {
    fn set_holder(&mut self, place: Place, owner: u64, holds: bool) {
        let file = self.files.entry(place).or_default();
        let changed = match holds {
            true => file.holders.insert(owner),
            false => file.holders.remove(&owner),
        };
        self.forget_empty(place);
        if !changed || place.1 != LockKind::Posix {
            return;
        }
        let files = self.records.entry(owner).or_default();
        if holds {
            *files += 1;
            self.record_holders += 1;
        } else {
            *files -= 1;
            self.record_holders -= 1;
            if *files == 0 {
                self.records.remove(&owner);
            }
        }
    }

    fn forget_empty(&mut self, place: Place) {
        let file = self.files.get(&place);
        if file.is_some_and(|file| file.holders.is_empty() && file.waiters.is_empty()) {
            self.files.remove(&place);
        }
    }

    /// Wakes the requests for a place. They no longer wait for `owner`, as far as is known.
    fn wake(&mut self, place: Place, owner: Option<u64>) {
        let waiters = self.files.get_mut(&place).map(|file| &mut file.waiters);
        for waiter in waiters.into_iter().flat_map(BTreeMap::values_mut) {
            waiter.stale = true;
            waiter.behind.retain(|(by, _)| Some(by.owner) != owner);
            waiter.change.notify_one();
        }
    }

    /// Whether a conflicting request before `ticket` has been overtaken for long enough.
    ///
    /// An owner that holds locks never gives way, since others may wait for these locks. A request that gives way
    /// is itself waited for only by requests that give way, which came later. So giving way closes no circle.
    fn must_give_way(&self, place: Place, ticket: u64, owner: u64, record: &LockRecord) -> bool {
        let Some(file) = self.files.get(&place) else {
            return false;
        };
        let holds = match place.1 {
            LockKind::Flock => file.holders.contains(&owner),
            LockKind::Posix => self.records.contains_key(&owner),
        };
        let comes_first =
            |w: &Waiter| w.owner != owner && w.record.conflicts_with(record) && w.starves();
        !holds && file.waiters.range(..ticket).any(|(_, w)| comes_first(w))
    }

    /// Whether `owner` waits for itself: over the owners of session `sid` that it waits for, those that these wait for,
    /// and so on.
    fn is_deadlock(&self, owner: u64, sid: u64) -> bool {
        let mut waits: HashMap<u64, Vec<u64>> = HashMap::new();
        let files = self.files.iter();
        for (_, file) in files.filter(|((_, what), _)| *what == LockKind::Posix) {
            for waiter in file.waiters.values() {
                let here = waiter.behind.iter().filter(|(by, _)| by.sid == sid);
                let found = waits.entry(waiter.owner).or_default();
                found.extend(here.map(|(by, _)| by.owner));
            }
        }
        let mut seen = HashSet::new();
        let mut next = waits.get(&owner).cloned().unwrap_or_default();
        while let Some(at) = next.pop() {
            if at == owner {
                return true;
            }
            if seen.insert(at) {
                next.extend(waits.get(&at).into_iter().flatten());
            }
        }
        false
    }
}

impl Queued<'_> {
    /// How long the request gives way to an earlier one; `None` when it may be tried.
    pub(super) fn gives_way(&self) -> Option<Duration> {
        let mut table = self.locks.table.lock();
        let waiter = table.files.get(&self.place)?.waiters.get(&self.ticket)?;
        let (owner, record) = (waiter.owner, waiter.record);
        let left = GIVE_WAY_MAX.saturating_sub(waiter.since.elapsed());
        let gives_way =
            !left.is_zero() && table.must_give_way(self.place, self.ticket, owner, &record);
        self.change(&mut table, |waiter| waiter.gives_way = gives_way);
        gives_way.then(|| left.min(GIVE_WAY_RECHECK))
    }

    /// The engine is going to be asked.
    pub(super) fn begin(&self) {
        let mut table = self.locks.table.lock();
        self.change(&mut table, |waiter| waiter.stale = false);
    }

    /// Notes the holders in the way. `sid` is the session of this client.
    pub(super) fn blocked_by(&self, by: &[LockHolder], sid: u64) -> Verdict {
        let mut table = self.locks.table.lock();
        let mut found = None;
        let now = Instant::now();
        self.change(&mut table, |waiter| {
            if !waiter.stale {
                let known = |by: &LockHolder| waiter.behind.iter().find(|(b, _)| b == by).copied();
                waiter.behind = by.iter().map(|b| known(b).unwrap_or((*b, now))).collect();
                found = Some(waiter.owner);
            }
        });
        let Some(owner) = found else {
            return Verdict::AskAgain;
        };
        // Locks of whole files have none, as on Linux.
        match self.place.1 == LockKind::Posix && table.is_deadlock(owner, sid) {
            true => Verdict::Deadlock,
            false => Verdict::Wait,
        }
    }

    fn change(&self, table: &mut Table, change: impl FnOnce(&mut Waiter)) {
        let file = table.files.get_mut(&self.place);
        if let Some(waiter) = file.and_then(|file| file.waiters.get_mut(&self.ticket)) {
            change(waiter);
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut table = self.locks.table.lock();
        let Some(file) = table.files.get_mut(&self.place) else {
            return;
        };
        file.waiters.remove(&self.ticket);
        for waiter in file.waiters.values().filter(|w| w.gives_way) {
            waiter.change.notify_one();
        }
        table.waiters -= 1;
        table.forget_empty(self.place);
        let used = !table.files.is_empty();
        self.locks.used.store(used, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
