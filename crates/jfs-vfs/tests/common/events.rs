//! What happened, in one order for the object store and the engine.

use jfs_types::Ino;
use parking_lot::Mutex;
use std::sync::Arc;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// An object was stored.
    Put(String),
    /// Objects were made durable.
    Sync(Vec<String>),
    /// An object was deleted.
    Delete(String),
    /// A commit that adds slices (file, id, size) was sent.
    Commit(Vec<(Ino, u64, u32)>),
}

/// The list of all events. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<Event>>>);

impl Events {
    pub(crate) fn push(&self, event: Event) {
        self.0.lock().push(event);
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().clone()
    }

    /// Number of events so far.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether `key` was made durable after it was stored, among the first `end` events.
    pub(crate) fn is_durable(&self, key: &str, end: usize) -> bool {
        let events = self.0.lock();
        let put = events[..end]
            .iter()
            .rposition(|e| matches!(e, Event::Put(k) if k == key));
        put.is_some_and(|put| {
            events[put..end]
                .iter()
                .any(|e| matches!(e, Event::Sync(keys) if keys.iter().any(|k| k == key)))
        })
    }

    /// Where slice `id` was committed.
    pub(crate) fn commit_of(&self, id: u64) -> Option<usize> {
        self.0.lock().iter().position(
            |e| matches!(e, Event::Commit(slices) if slices.iter().any(|(_, i, _)| *i == id)),
        )
    }
}
