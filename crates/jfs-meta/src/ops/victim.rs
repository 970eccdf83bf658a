//! The fate of an inode that loses a name: shared by unlink, rmdir and rename over.

use super::{negated, stat_of};
use crate::engine::Key;
use crate::engine::{Write, hold};
use crate::meta::Meta;
use crate::open_files::Removal;
use crate::txn::{Stop, Txn};
use crate::work::Work;
use jfs_types::attr::flags;
use jfs_types::name::NAME_MAX;
use jfs_types::{Attr, Entry, FileType, Ino, Name};

/// An inode about to lose the name `name` in `dir`. The caller removes or replaces the entry.
pub(crate) struct Victim<'a> {
    pub(crate) dir: Ino,
    pub(crate) name: &'a Name,
    pub(crate) entry: Entry,
    /// `None`: the entry leads nowhere.
    pub(crate) attr: Option<Attr>,
}

/// The fate of the inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// There is no inode: only the entry goes.
    Nothing,
    /// The name moves to this trash hour directory.
    Trash(Ino),
    /// Other names remain.
    Unlinked,
    /// The last name is gone but this session has it open.
    Sustained(u64),
    /// Gone; the data of a regular file follows in the background.
    Deleted,
}

/// Decides. `open_in` tells the session that has the inode open, if this client does; it is asked only
/// where that matters.
pub(crate) fn fate(
    attr: Option<&Attr>,
    trash: Option<Ino>,
    trash_taken: bool,
    open_in: impl FnOnce() -> Option<u64>,
) -> Fate {
    let Some(attr) = attr else {
        return Fate::Nothing;
    };
    let skip =
        attr.flags & flags::SKIP_TRASH != 0 || (attr.nlink > 1 && trash_taken && !attr.is_dir());
    if let Some(hour) = trash
        && !skip
    {
        return Fate::Trash(hour);
    }
    if !attr.is_dir() && attr.nlink > 1 {
        return Fate::Unlinked;
    }
    if !attr.is_file() {
        return Fate::Deleted;
    }
    open_in().map_or(Fate::Deleted, Fate::Sustained)
}

/// The name an entry gets in the trash, cut to 255 bytes.
pub(crate) fn trash_name(dir: Ino, ino: Ino, name: &Name) -> Name {
    let mut bytes = format!("{dir}-{ino}-").into_bytes();
    bytes.extend_from_slice(name.as_bytes());
    bytes.truncate(NAME_MAX);
    Name::stored(&bytes)
}

impl Victim<'_> {
    /// Decides and puts the writes into `tx`. Reads once more only for a file with several names
    /// that would go to the trash.
    ///
    /// A file that is going to be deleted is marked in `removal`. This is the only effect of an
    /// attempt besides its transaction. Opens of the file wait until the operation drops `removal`.
    pub(crate) async fn dispose(
        &self,
        meta: &Meta,
        tx: &mut Txn,
        trash: Option<Ino>,
        removal: &Removal<'_>,
    ) -> Result<Fate, Stop> {
        let ino = self.entry.ino;
        let trash_name = trash_name(self.dir, ino, self.name);
        let mut taken = false;
        if let (Some(hour), Some(attr)) = (trash, &self.attr)
            && attr.nlink > 1
            && !attr.is_dir()
        {
            let key = Key::Entry(hour, trash_name.clone());
            tx.load(&[hold(key)]).await?;
            taken = tx.entry(hour, &trash_name)?.is_some();
        }
        let open_in = || meta.session_id().filter(|_| removal.finds_open(ino));
        let fate = fate(self.attr.as_ref(), trash, taken, open_in);
        if let Some(before) = &self.attr {
            if self.dir != Ino::TRASH {
                tx.add_dir_stat(self.dir, negated(stat_of(before)));
            }
            self.write(meta, tx, before, &fate, trash_name)?;
        }
        Ok(fate)
    }

    fn write(
        &self,
        meta: &Meta,
        tx: &mut Txn,
        before: &Attr,
        fate: &Fate,
        trash_name: Name,
    ) -> Result<(), Stop> {
        let ino = self.entry.ino;
        let many_parents = before.parent == Ino(0);
        let mut attr = before.clone();
        attr.ctime = tx.now;
        match fate {
            Fate::Nothing => {}
            Fate::Trash(hour) => {
                if many_parents {
                    tx.write(Write::AddParent {
                        ino,
                        parent: *hour,
                        delta: 1,
                    })?;
                    tx.write(Write::AddParent {
                        ino,
                        parent: self.dir,
                        delta: -1,
                    })?;
                } else {
                    attr.parent = *hour;
                }
                tx.write(Write::PutAttr { ino, attr })?;
                tx.write(Write::NewEntry {
                    dir: *hour,
                    name: trash_name,
                    entry: self.entry,
                })?;
                tx.add_dir_stat(*hour, stat_of(before));
            }
            Fate::Unlinked => {
                attr.nlink -= 1;
                tx.write(Write::PutAttr { ino, attr })?;
                if many_parents {
                    tx.write(Write::AddParent {
                        ino,
                        parent: self.dir,
                        delta: -1,
                    })?;
                }
            }
            Fate::Sustained(sid) => {
                attr.nlink = 0;
                tx.write(Write::PutAttr { ino, attr })?;
                // Its extended attributes go with the last close.
                tx.write(Write::Sustain { sid: *sid, ino })?;
                if many_parents {
                    tx.write(Write::DelParents { ino })?;
                }
            }
            Fate::Deleted => {
                match before.kind {
                    FileType::Regular => tx.write(Write::MarkDeleted {
                        ino,
                        length: before.length,
                    })?,
                    FileType::Symlink => tx.write(Write::DelSymlink { ino })?,
                    _ => {}
                }
                tx.write(Write::DelNode { ino })?;
                tx.write(Write::DelXattrs { ino })?;
                if many_parents {
                    tx.write(Write::DelParents { ino })?;
                }
                tx.add_usage(before, -before.space(), -1);
            }
        }
        let gone = matches!(fate, Fate::Deleted | Fate::Trash(_));
        if before.is_dir() && gone && meta.format().dir_stats {
            tx.write(Write::DelDirStat { dir: ino })?;
        }
        Ok(())
    }
}

impl Meta {
    /// The local effects of a commit in which `ino` lost a name in `dir` and met `fate`.
    pub(crate) async fn after_fate(
        &self,
        dir: Ino,
        ino: Ino,
        attr: Option<&Attr>,
        fate: &Fate,
        removal: &Removal<'_>,
    ) {
        match fate {
            Fate::Trash(_) => self.open_files.count_trash_name(ino, 1),
            Fate::Unlinked if dir.is_trash() => self.open_files.count_trash_name(ino, -1),
            _ => {}
        }
        match (fate, attr) {
            (Fate::Deleted, Some(attr)) if attr.is_file() => {
                if self.keep_for_opens(removal, ino, attr).await {
                    return;
                }
                self.emit(Work::DeleteFile {
                    ino,
                    length: attr.length,
                });
            }
            (Fate::Deleted | Fate::Trash(_), Some(attr)) if attr.is_dir() => {
                self.dir_stats.forget(ino)
            }
            (Fate::Sustained(_), _) if !self.open_files.sustain(ino) => {
                // The file was closed while the unlink was under way. No later close
                // deletes it.
                if let Err(e) = self.delete_sustained(ino).await {
                    tracing::warn!("{ino:?} stays sustained until the session ends: {e}");
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(kind: FileType, nlink: u32, flags: u8) -> Attr {
        let mut a = Attr::new(kind);
        (a.nlink, a.flags) = (nlink, flags);
        a
    }

    #[test]
    fn fates() {
        let directory = Ino(Ino::TRASH.0 + 1);
        let hour = Some(directory);
        let file = attr(FileType::Regular, 1, 0);
        let linked = attr(FileType::Regular, 2, 0);
        let dir = attr(FileType::Directory, 2, 0);
        let skip = attr(FileType::Regular, 1, flags::SKIP_TRASH);
        assert_eq!(fate(None, hour, false, || None), Fate::Nothing);
        assert_eq!(
            fate(Some(&file), hour, false, || Some(1)),
            Fate::Trash(directory)
        );
        assert_eq!(
            fate(Some(&dir), hour, false, || None),
            Fate::Trash(directory)
        );
        assert_eq!(fate(Some(&linked), hour, true, || None), Fate::Unlinked);
        assert_eq!(fate(Some(&skip), hour, false, || None), Fate::Deleted);
        assert_eq!(fate(Some(&file), None, false, || None), Fate::Deleted);
        assert_eq!(
            fate(Some(&file), None, false, || Some(3)),
            Fate::Sustained(3)
        );
        assert_eq!(fate(Some(&linked), None, false, || Some(3)), Fate::Unlinked);
        assert_eq!(fate(Some(&dir), None, false, || None), Fate::Deleted);
        assert_eq!(
            fate(Some(&attr(FileType::Symlink, 1, 0)), None, false, || Some(
                3
            )),
            Fate::Deleted
        );
    }

    #[test]
    fn names_in_the_trash_are_cut() {
        let name = trash_name(Ino(1), Ino(95), &Name::stored(&[b'L'; 255]));
        assert_eq!(name.as_bytes().len(), 255);
        assert!(name.as_bytes().starts_with(b"1-95-LLL"));
        assert_eq!(
            trash_name(Ino(8), Ino(43), &Name::stored(b"x")).as_bytes(),
            b"8-43-x"
        );
    }
}
