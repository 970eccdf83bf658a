//! Putting back what lies in the trash: an entry says in its name where it was.

use super::rename::NOREPLACE;
use super::trash::TrashHour;
use crate::engine::{DirCursor, DirPage};
use crate::meta::Meta;
use crate::run::patiently;
use jfs_types::{Attr, Caller, Errno, FileType, Ino, Name};
use std::collections::HashSet;

/// Directories of an hour that are put together again: some 16 MB of inode numbers.
const DIRECTORIES_MAX: usize = 1 << 20;

/// The outcome for the entries of an hour directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Entries that are back.
    pub restored: usize,
    /// Entries left alone: without `put_back`, those whose directory was not removed in that hour.
    pub skipped: usize,
    /// Entries that could not be moved: the name is taken, or the directory is gone.
    pub failed: usize,
}

impl Meta {
    /// Moves what was removed within an hour back to the directories it was removed from, never over
    /// what is there. Without `put_back` only trees are put together again inside the trash: entries
    /// whose directory lies in the same hour directory.
    pub async fn restore_hour(&self, hour: &TrashHour, put_back: bool) -> Result<Restored, Errno> {
        let directories = match put_back {
            true => HashSet::new(),
            false => self.directories_in(hour).await?,
        };
        let mut done = Restored::default();
        let mut cursor = Some(DirCursor::Start);
        while let Some(at) = cursor {
            let page = self.hour_page(hour, &at).await?;
            for e in page.entries {
                match origin(&e.name) {
                    Some((dir, _)) if put_back || directories.contains(&dir) => {
                        match self.restore(hour.ino, &e.name).await {
                            Ok(_) => done.restored += 1,
                            Err(why) => {
                                tracing::warn!("{:?} stays in the trash: {why}", e.name);
                                done.failed += 1;
                            }
                        }
                    }
                    Some(_) => done.skipped += 1,
                    None => done.failed += 1,
                }
            }
            cursor = page.next;
        }
        Ok(done)
    }

    /// The directories in an hour directory, before anything is moved into them.
    async fn directories_in(&self, hour: &TrashHour) -> Result<HashSet<Ino>, Errno> {
        let mut directories = HashSet::new();
        let mut cursor = Some(DirCursor::Start);
        while let Some(at) = cursor {
            let page = self.hour_page(hour, &at).await?;
            let found = page.entries.iter().map(|e| e.entry);
            let found = found.filter(|entry| entry.kind == FileType::Directory);
            directories.extend(found.map(|entry| entry.ino));
            cursor = page.next;
            if directories.len() >= DIRECTORIES_MAX {
                tracing::warn!(
                    "{:?} has too many directories: some trees stay apart",
                    hour.name
                );
                cursor = None;
            }
        }
        Ok(directories)
    }

    async fn hour_page(&self, hour: &TrashHour, at: &DirCursor) -> Result<DirPage, Errno> {
        let page = patiently(|| self.engine().list_dir(hour.ino, at, false)).await;
        page.map_err(|e| self.to_errno("restore", &e))
    }

    /// Moves one entry of an hour directory back to where it was. EINVAL for a name that the trash does
    /// not give, EEXIST when the place is taken, ENOENT when its directory is gone for good.
    pub async fn restore(&self, hour: Ino, name: &Name) -> Result<(Ino, Attr), Errno> {
        let (dir, old) = origin(name).ok_or(Errno::EINVAL)?;
        if !hour.is_trash() || hour == Ino::TRASH || dir.is_trash() {
            return Err(Errno::EINVAL);
        }
        let from = (hour, name.clone());
        self.rename_checked(&Caller::root(), from, (dir, old), NOREPLACE, true)
            .await
    }
}

/// Directory and name an entry of the trash had.
fn origin(name: &Name) -> Option<(Ino, Name)> {
    let mut parts = name.as_bytes().splitn(3, |b| *b == b'-');
    let number = |part: &[u8]| std::str::from_utf8(part).ok()?.parse().ok();
    let dir: u64 = number(parts.next()?)?;
    let _: u64 = number(parts.next()?)?;
    Some((Ino(dir), Name::new(parts.next()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_where_things_were() {
        let of = |name: &[u8]| origin(&Name::stored(name));
        assert_eq!(of(b"8-43-a-b"), Some((Ino(8), Name::stored(b"a-b"))));
        for bad in [
            &b"8-43-"[..],
            b"8-43",
            b"x-43-a",
            b"8-x-a",
            b"",
            b"-1-2-a",
            b"8-43-..",
        ] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
