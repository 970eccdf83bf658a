//! unlink and rmdir.

use super::victim::{Fate, Victim};
use super::{checked_name, lookup::TRASH_NAME, touch_dir, trash, writable_dir};
use crate::change_log::Event;
use crate::engine::{Key, Read, Write, hold, own};
use crate::meta::Meta;
use crate::open_files::Removal;
use crate::perm::{self, EXEC, WRITE};
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::{Attr, Caller, Entry, Errno, FileType, Ino, Name};

/// The removal of one name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    File,
    Directory,
}

struct Remove<'a> {
    caller: &'a Caller,
    parent: Ino,
    name: Name,
    wanted: Wanted,
    trash: Option<Ino>,
    /// The inode that the name leads to, as far as this client knows: read along with the name.
    hint: Option<Ino>,
    removal: Removal<'a>,
}

struct Removed {
    entry: Entry,
    attr: Option<Attr>,
    fate: Fate,
}

impl Meta {
    /// Removes a name of something that is no directory. The inode goes with its last name, to the
    /// trash when the volume has one; an open file stays readable until it is closed.
    pub async fn unlink(&self, caller: &Caller, parent: Ino, name: &[u8]) -> Result<(), Errno> {
        let name = checked_name(name, Errno::EISDIR)?;
        self.remove(caller, parent, name, Wanted::File, true).await
    }

    /// Removes an empty directory.
    pub async fn rmdir(&self, caller: &Caller, parent: Ino, name: &[u8]) -> Result<(), Errno> {
        match name {
            b"." => return Err(Errno::EINVAL),
            b".." => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        let name = checked_name(name, Errno::EINVAL)?;
        self.remove(caller, parent, name, Wanted::Directory, true)
            .await
    }

    /// Removes an entry for good, without the trash.
    pub(crate) async fn remove_for_good(
        &self,
        parent: Ino,
        name: &Name,
        kind: FileType,
    ) -> Result<(), Errno> {
        let wanted = if kind == FileType::Directory {
            Wanted::Directory
        } else {
            Wanted::File
        };
        self.remove(&Caller::root(), parent, name.clone(), wanted, false)
            .await
    }

    async fn remove(
        &self,
        caller: &Caller,
        parent: Ino,
        name: Name,
        wanted: Wanted,
        use_trash: bool,
    ) -> Result<(), Errno> {
        self.check_writable()?;
        if parent == Ino::ROOT && name.as_bytes() == TRASH_NAME {
            return Err(Errno::EPERM);
        }
        if parent.is_trash() && caller.uid != 0 {
            return Err(Errno::EPERM);
        }
        // Hour directories go when they expire, never by hand.
        if parent == Ino::TRASH && use_trash {
            return Err(Errno::EPERM);
        }
        let mut op = Remove {
            caller,
            parent,
            hint: self.known_inode(parent, &name),
            name,
            wanted,
            trash: None,
            removal: self.open_files.removal(),
        };
        let use_trash = use_trash && !parent.is_trash();
        let mut tries = 0;
        let removed = loop {
            if use_trash {
                op.trash = self.trash_dir().await?;
            }
            if let Some(removed) = self.transact(&op).await? {
                break removed;
            }
            self.forget_hour(op.trash, &mut tries)?;
        };
        self.after_fate(
            parent,
            removed.entry.ino,
            removed.attr.as_ref(),
            &removed.fate,
            &op.removal,
        )
        .await;
        Ok(())
    }
}

impl Remove<'_> {
    /// What is read of the inode that the name leads to, and of the trash.
    fn second_round(&self, ino: Ino) -> Vec<Read> {
        let mut reads = vec![own(Key::Attr(ino))];
        if self.wanted == Wanted::Directory {
            reads.push(hold(Key::DirIsEmpty(ino)));
        }
        reads.extend(trash::hour_read(self.trash));
        reads
    }
}

impl Operation for Remove<'_> {
    /// `None`: the hour directory of the trash is gone.
    type Out = Option<Removed>;
    const NAME: &'static str = "remove";

    fn locks(&self) -> Vec<Ino> {
        vec![self.parent]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<Option<Removed>, Stop> {
        let mut reads = vec![
            own(Key::Attr(self.parent)),
            own(Key::Entry(self.parent, self.name.clone())),
        ];
        reads.extend(self.hint.into_iter().flat_map(|ino| self.second_round(ino)));
        tx.load(&reads).await?;
        let entry = tx.entry(self.parent, &self.name)?.ok_or(Errno::ENOENT)?;
        let dir = writable_dir(tx.attr(self.parent)?, true)?;
        self.check_kind(entry.kind)?;
        meta.may(self.caller, &dir, WRITE | EXEC).await?;

        tx.load(&self.second_round(entry.ino)).await?;
        let empty = Key::DirIsEmpty(entry.ino);
        let child_is_empty = self.wanted == Wanted::File || tx.flag(&empty)?;
        let attr = tx.attr(entry.ino)?;
        check_child(self.caller, &dir, attr.as_ref(), child_is_empty)?;
        if trash::hour_is_gone(tx, self.trash)? {
            return Ok(None);
        }

        tx.write(Write::DelEntry {
            dir: self.parent,
            name: self.name.clone(),
        })?;
        let victim = Victim {
            dir: self.parent,
            name: &self.name,
            entry,
            attr: attr.clone(),
        };
        let fate = victim.dispose(meta, tx, self.trash, &self.removal).await?;
        let touched = !self.parent.is_trash()
            && touch_dir(
                meta,
                tx,
                self.parent,
                &dir,
                -i32::from(self.wanted == Wanted::Directory),
            )?;
        self.log(tx, entry.ino, &fate, touched);
        Ok(Some(Removed { entry, attr, fate }))
    }

    fn proof(&self, out: &Option<Removed>) -> Proof {
        match out {
            None => Proof::Rerun,
            Some(removed) => Proof::entry_left(self.parent, &self.name, removed.entry.ino),
        }
    }
}

impl Remove<'_> {
    fn log(&self, tx: &mut Txn, ino: Ino, fate: &Fate, touched: bool) {
        let (parent, name) = (self.parent, self.name.as_bytes());
        let trash = match fate {
            Fate::Trash(hour) => Some(*hour),
            _ => None,
        };
        tx.log(&match self.wanted {
            Wanted::File => Event::Unlink {
                parent,
                name,
                trash,
                opened: matches!(fate, Fate::Sustained(_)),
                touched,
                ino,
            },
            Wanted::Directory => Event::Rmdir {
                parent,
                name,
                trash,
                ino,
            },
        });
    }

    fn check_kind(&self, kind: FileType) -> Result<(), Errno> {
        match (self.wanted, kind == FileType::Directory) {
            (Wanted::File, true) => Err(Errno::EPERM),
            (Wanted::Directory, false) => Err(Errno::ENOTDIR),
            _ => Ok(()),
        }
    }
}

/// Whether the child may go: its flags, the sticky bit of `dir`, and that it is empty.
pub(crate) fn check_child(
    caller: &Caller,
    dir: &Attr,
    child: Option<&Attr>,
    empty: bool,
) -> Result<(), Errno> {
    let Some(child) = child else { return Ok(()) };
    perm::check_sticky(caller, dir, child)?;
    if child.flags & (flags::IMMUTABLE | flags::APPEND) != 0 {
        return Err(Errno::EPERM);
    }
    if !empty {
        return Err(Errno::ENOTEMPTY);
    }
    Ok(())
}
