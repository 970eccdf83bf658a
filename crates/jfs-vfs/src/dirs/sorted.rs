//! `--sort-dir` on engines without an order of their own: all names of a directory, sorted here.

use jfs_types::{Entry, Name};

/// Bytes that the names of one listing may take. A directory with more (half a million names of
/// usual length) is listed in the engine's order, and the log says so.
const SORTED_BYTES_MAX: usize = 64 << 20;
/// What an entry takes besides its name.
const ENTRY_BYTES: usize = 64;
/// Names whose attributes are read together.
const PART: usize = 2000;

/// Names of a directory, in the order of their bytes.
#[derive(Default)]
pub(super) struct Sorted {
    names: Vec<(Name, Entry)>,
}

/// Collects the names, up to the limit.
#[derive(Default)]
pub(super) struct Collect {
    names: Vec<(Name, Entry)>,
    bytes: usize,
}

impl Collect {
    /// Adds a name; false when there are too many.
    pub(super) fn add(&mut self, name: Name, entry: Entry) -> bool {
        self.bytes += name.as_bytes().len() + ENTRY_BYTES;
        self.names.push((name, entry));
        self.bytes <= SORTED_BYTES_MAX
    }

    /// The names in order, each once.
    pub(super) fn sorted(mut self) -> Sorted {
        self.names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        self.names.dedup_by(|a, b| a.0 == b.0);
        Sorted { names: self.names }
    }
}

impl Sorted {
    pub(super) fn len(&self) -> u64 {
        self.names.len() as u64
    }

    /// The part that holds number `at`, and the number it begins with.
    pub(super) fn part(&self, at: u64) -> (u64, Vec<(Name, Entry)>) {
        let first = (at as usize / PART * PART).min(self.names.len());
        let end = (first + PART).min(self.names.len());
        (first as u64, self.names[first..end].to_vec())
    }
}
