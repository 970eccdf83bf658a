//! Attributes of open files, as last seen.
//!
//! An open tells the kernel whether its cached pages are still valid. They are when mtime, ctime and
//! length (the [`Fingerprint`]) are those of the previous open. The mtime alone is not enough: a program
//! may write and then set the mtime back.
//!
//! Own changes arrive through [`OpenFiles::changed`], so that a rename or chmod, which changes the ctime
//! and leaves the content alone, keeps the pages.

use super::{OpenFile, OpenFiles};
use jfs_types::{Attr, Ino, Time};
use std::time::{Duration, Instant};

/// Identifies the content of a file: mtime, ctime and length.
pub(super) type Fingerprint = (Time, Time, u64);

pub(super) fn fingerprint(attr: &Attr) -> Fingerprint {
    (attr.mtime, attr.ctime, attr.length)
}

impl OpenFiles {
    /// Attributes of an open file that are younger than `--open-cache`, with their age.
    pub(crate) fn attr(&self, ino: Ino) -> Option<(Attr, Duration)> {
        if self.life.is_zero() {
            return None;
        }
        let shard = self.shard(ino).lock();
        let (attr, since) = shard.open.get(&ino)?.attr.as_ref()?;
        let age = since.elapsed();
        (age < self.life).then(|| (attr.clone(), age))
    }

    /// The last attributes of an open file, at any age.
    pub(crate) fn last_attr(&self, ino: Ino) -> Option<Attr> {
        self.shard(ino)
            .lock()
            .open
            .get(&ino)?
            .attr
            .as_ref()
            .map(|(a, _)| a.clone())
    }

    /// The last length of an open file.
    pub(crate) fn last_length(&self, ino: Ino) -> Option<u64> {
        self.shard(ino)
            .lock()
            .open
            .get(&ino)?
            .attr
            .as_ref()
            .map(|(a, _)| a.length)
    }

    /// Stores the attributes that an open read after `moment`.
    ///
    /// Returns whether the content is the one last seen here: the kernel may then keep its pages. Returns
    /// `None` when the file has changed after `moment`: the caller must read again.
    pub(super) fn opened(&self, ino: Ino, attr: &Attr, moment: u64) -> Option<bool> {
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

    /// Stores attributes that were read after `moment`. When the file has changed since, it keeps the
    /// attributes it has, and returns them if they are newer.
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

    /// Stores the outcome of an own change from `before` to `after`. `index` is the chunk that changed;
    /// `None` stands for all chunks.
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
}

impl OpenFile {
    /// Whether `attr` has the fingerprint that was last seen.
    pub(super) fn is_as_in(&self, attr: &Attr) -> bool {
        let known = self.attr.as_ref().map(|(a, _)| fingerprint(a));
        known == Some(fingerprint(attr))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::OpenFiles;
    use super::super::tests::{attr, open};
    use jfs_types::Ino;
    use std::time::Duration;

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
