//! Views of the chunks of open files.
//!
//! A view is cached until the file changes. An own write drops the view of its chunk. Attributes with
//! another fingerprint drop all views.

use super::OpenFiles;
use jfs_types::slice::Piece;
use jfs_types::{Attr, Ino};
use std::sync::Arc;
use std::time::Instant;

/// Most views cached per open file. 64 views cover 4 GiB.
const VIEWS_MAX: usize = 64;

/// The visible content of one chunk.
#[derive(Debug, PartialEq, Eq)]
pub struct ChunkView {
    /// Visible pieces from the start of the chunk. Zero pieces fill the gaps. The chunk reads as zeros
    /// from the last piece up to the file's length.
    pub pieces: Vec<Piece>,
    /// Number of slice records that the view was made from.
    pub records: usize,
}

impl OpenFiles {
    /// The cached view of a chunk.
    pub(crate) fn view(&self, ino: Ino, index: u32) -> Option<Arc<ChunkView>> {
        self.shard(ino)
            .lock()
            .open
            .get(&ino)?
            .views
            .get(&index)
            .cloned()
    }

    /// Stores a view and its attributes, both read after `moment`. Stores nothing when the file has
    /// changed since.
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

    /// Drops all views of a file.
    pub(crate) fn forget_views(&self, ino: Ino) {
        if let Some(file) = self.shard(ino).lock().open.get_mut(&ino) {
            file.invalidate(self.next_moment());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::OpenFiles;
    use super::super::tests::{attr, open, view};
    use jfs_types::Ino;
    use std::time::Duration;

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
}
