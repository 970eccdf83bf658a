//! One listing of a directory: the page in memory, and the marks that keep positions valid.
//!
//! A position is the number of an entry, counted in the order of the listing. A dropped page leaves the engine's
//! cursor and a hash of each name. Going back reads the page again, and shows the entries that it held and still
//! holds at the same positions.

use super::LISTING_SHIFT;
use super::sorted::Sorted;
use crate::reply::{DirItem, DirItems};
use jfs_meta::engine::DirCursor;
use jfs_types::{Ino, Name};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Names remembered by their hash, per listing: at most 8 MiB, and twice as much more where the
/// engine may name an entry twice. Beyond it, going back to a page that was dropped shows that page
/// from its beginning, and such an engine (Redis, when the directory shrinks meanwhile) may show an
/// entry twice.
const REMEMBERED_MAX: usize = 1 << 20;

/// The next step where memory has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fetch {
    /// Read the page at the cursor: it continues the listing after so many positions.
    Next(DirCursor, u64),
    /// Read a dropped page again.
    Again(Dropped),
    /// Read attributes of a part of the sorted names.
    Sorted(u64),
}

/// A page that was read and dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dropped {
    /// Where it begins.
    pub(super) cursor: DirCursor,
    /// Where the next one begins; `None` at the end of the directory.
    until: Option<DirCursor>,
    /// Its positions.
    first: u64,
    end: u64,
}

impl Dropped {
    /// Whether a page that ends at `next` has reached the end of this one.
    pub(super) fn ends_at(&self, next: Option<&DirCursor>) -> bool {
        match (next, &self.until) {
            (None, _) => true,
            (Some(DirCursor::After(next)), Some(DirCursor::After(until))) => next >= until,
            // Redis counts cursors up from the highest bit: so pages keep their borders when the hash grows.
            (Some(DirCursor::Token(next)), Some(DirCursor::Token(until))) => {
                next.reverse_bits() >= until.reverse_bits()
            }
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Checkpoint {
    first: u64,
    cursor: DirCursor,
}

struct State {
    /// `.`, `..` and the files no volume holds: the first positions.
    head: Arc<Vec<DirItem>>,
    /// All names in order, where they had to be sorted here.
    sorted: Option<Sorted>,
    /// Every page read so far.
    pages: Vec<Checkpoint>,
    /// Where the next page begins; `None` when all are read.
    next: Option<DirCursor>,
    /// Positions given so far.
    len: u64,
    /// Hashes of names by position, from the end of `head` on.
    hashes: Vec<u64>,
    /// The same as a set, where the engine may name an entry twice.
    seen: HashSet<u64>,
    /// The page in memory, its items in the order of their positions, and the position it ends at.
    window: Option<(Arc<Vec<DirItem>>, u64, u64)>,
}

/// A listing of a directory. Several handles and tasks may share it.
pub(crate) struct Listing {
    pub(super) dir: Ino,
    /// Added to positions, so that those of one listing are not taken for those of another.
    pub(super) base: u64,
    hasher: RandomState,
    state: Mutex<State>,
}

impl Listing {
    /// An empty listing that begins with `head`.
    pub(super) fn new(dir: Ino, base: u64, mut head: Vec<DirItem>) -> Listing {
        for (n, item) in head.iter_mut().enumerate() {
            item.next = base + n as u64 + 1;
        }
        Listing {
            dir,
            base,
            hasher: RandomState::new(),
            state: Mutex::new(State {
                len: head.len() as u64,
                head: Arc::new(head),
                sorted: None,
                pages: Vec::new(),
                next: Some(DirCursor::Start),
                hashes: Vec::new(),
                seen: HashSet::new(),
                window: None,
            }),
        }
    }

    /// The position that a number from outside means; `None` when it belongs to another listing, or
    /// begins one.
    pub(super) fn position(&self, offset: u64) -> Option<u64> {
        let ours = self.base == 0 || offset >> LISTING_SHIFT == self.base >> LISTING_SHIFT;
        (ours && offset > self.base).then(|| offset - self.base)
    }

    /// Positions given so far.
    pub(super) fn len(&self) -> u64 {
        self.state.lock().len
    }

    /// Names remembered.
    pub(super) fn remembered(&self) -> usize {
        self.state.lock().hashes.len()
    }

    /// The items from `place` on, or the step that has to read them first. `place` moves over entries that are known
    /// to be gone. At the end the answer is empty, and the page in memory is dropped.
    pub(super) fn at(&self, place: &mut u64) -> Result<DirItems, Fetch> {
        let position = *place;
        let mut state = self.state.lock();
        let head = state.head.len() as u64;
        if let Some((items, first, end)) = &state.window
            && (*first..*end).contains(&position)
        {
            let from = items.partition_point(|item| item.next <= self.base + position);
            // The rest of the page may be gone from the directory.
            if from < items.len() {
                return Ok(DirItems::new(items.clone(), from));
            }
            *place = *end;
            drop(state);
            return self.at(place);
        }
        if position < head {
            return Ok(DirItems::new(state.head.clone(), position as usize));
        }
        if let Some(sorted) = &state.sorted {
            if position < head + sorted.len() {
                return Err(Fetch::Sorted(position - head));
            }
        } else if position < state.len {
            return self.dropped(&mut state, position);
        } else if let Some(cursor) = &state.next {
            return Err(Fetch::Next(cursor.clone(), state.len));
        }
        state.window = None;
        Ok(DirItems::default())
    }

    fn dropped(&self, state: &mut State, position: u64) -> Result<DirItems, Fetch> {
        let index = state.pages.partition_point(|p| p.first <= position);
        let Some(page) = index.checked_sub(1).map(|i| state.pages[i].clone()) else {
            return Ok(DirItems::default());
        };
        let following = state.pages.get(index);
        let end = following.map_or(state.len, |p| p.first);
        if end - state.head.len() as u64 > state.hashes.len() as u64 {
            // Nothing tells any more which entry was where: the listing goes on from here.
            state.pages.truncate(index - 1);
            (state.len, state.next) = (page.first, Some(page.cursor.clone()));
            let known = (page.first - state.head.len() as u64) as usize;
            state.hashes.truncate(known);
            state.seen.clear();
            return Err(Fetch::Next(page.cursor, page.first));
        }
        let until = following.map(|p| p.cursor.clone());
        Err(Fetch::Again(Dropped {
            until: until.or_else(|| state.next.clone()),
            cursor: page.cursor,
            first: page.first,
            end,
        }))
    }

    /// Adds the page read at `cursor`, unless another task has added it. Returns whether the page was added.
    pub(super) fn add(
        &self,
        (cursor, at): (DirCursor, u64),
        items: Vec<DirItem>,
        next: Option<DirCursor>,
    ) {
        let mut state = self.state.lock();
        if state.next.as_ref() != Some(&cursor) || state.len != at {
            return;
        }
        let twice = [Some(&cursor), next.as_ref()]
            .iter()
            .any(|c| matches!(c, Some(DirCursor::Token(_))));
        let head = state.head.len() as u64;
        let first = state.len;
        let mut kept = Vec::with_capacity(items.len());
        for item in items {
            let hash = self.hasher.hash_one(item.name.as_bytes());
            let exact = state.hashes.len() as u64 + head == state.len
                && state.hashes.len() < REMEMBERED_MAX;
            if twice && (state.seen.contains(&hash) || exact && !state.seen.insert(hash)) {
                continue;
            }
            if exact {
                state.hashes.push(hash);
            }
            kept.push((state.len, item));
            state.len += 1;
        }
        if state.len > first {
            state.pages.push(Checkpoint { first, cursor });
        }
        state.next = next;
        let end = state.len;
        self.show(&mut state, kept, first, end);
    }

    /// Where the names of a dropped page were: a hash of each and its position.
    pub(super) fn places(&self, page: &Dropped) -> HashMap<u64, u64> {
        let state = self.state.lock();
        let head = state.head.len() as u64;
        let range = (page.first - head) as usize..(page.end - head) as usize;
        let hashes = state.hashes.get(range).unwrap_or_default();
        hashes.iter().copied().zip(page.first..).collect()
    }

    /// The position of a name in a dropped page.
    pub(super) fn place(&self, places: &HashMap<u64, u64>, name: &Name) -> Option<u64> {
        places.get(&self.hasher.hash_one(name.as_bytes())).copied()
    }

    /// Puts back what a dropped page still holds: items with their positions.
    pub(super) fn put_back(&self, page: &Dropped, items: Vec<(u64, DirItem)>) {
        self.show(&mut self.state.lock(), items, page.first, page.end);
    }

    /// Takes all names of the directory, to be shown in order.
    pub(super) fn set_sorted(&self, sorted: Sorted) {
        self.state.lock().sorted = Some(sorted);
    }

    /// The part of the sorted names to read attributes for.
    pub(super) fn sorted_part(&self, from: u64) -> (u64, Vec<(Name, jfs_types::Entry)>) {
        let state = self.state.lock();
        match &state.sorted {
            Some(sorted) => sorted.part(from),
            None => (from, Vec::new()),
        }
    }

    /// Shows a part of the sorted names; `first` is the number of the first one among them.
    pub(super) fn show_sorted(&self, first: u64, items: Vec<DirItem>) {
        let mut state = self.state.lock();
        let first = first + state.head.len() as u64;
        let end = first + items.len() as u64;
        self.show(&mut state, (first..).zip(items).collect(), first, end);
    }

    /// Makes a page the one in memory. What the listing begins with belongs to its first page.
    fn show(&self, state: &mut State, mut items: Vec<(u64, DirItem)>, first: u64, end: u64) {
        items.sort_unstable_by_key(|(position, _)| *position);
        items.dedup_by_key(|(position, _)| *position);
        let placed = items.into_iter().map(|(position, mut item)| {
            item.next = self.base + position + 1;
            item
        });
        let is_first = first == state.head.len() as u64;
        let (head, first) = match is_first {
            true => (&state.head[..], 0),
            false => (&[][..], first),
        };
        let page = head.iter().cloned().chain(placed).collect();
        state.window = Some((Arc::new(page), first, end));
    }
}
