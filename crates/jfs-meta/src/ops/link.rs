//! link: another name for an inode.

use super::{checked_name, stat_of, touch_dir, writable_dir};
use crate::change_log::Event;
use crate::engine::{Key, Write, own};
use crate::meta::Meta;
use crate::perm::{EXEC, WRITE};
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::{Attr, Caller, Entry, Errno, Ino, Name};

struct Link<'a> {
    caller: &'a Caller,
    ino: Ino,
    parent: Ino,
    name: Name,
}

impl Meta {
    /// Gives an inode that is no directory another name. From the second name on, its parents are
    /// kept as records of their own (docs/FORMAT.md, hard links).
    pub async fn link(
        &self,
        caller: &Caller,
        ino: Ino,
        parent: Ino,
        name: &[u8],
    ) -> Result<Attr, Errno> {
        self.check_writable()?;
        if parent.is_trash() || Meta::is_trash_name(parent, name) {
            return Err(Errno::EPERM);
        }
        let name = checked_name(name, Errno::EEXIST)?;
        let op = Link {
            caller,
            ino,
            parent,
            name,
        };
        let (before, attr) = self.transact(&op).await?;
        self.open_files.changed(ino, &before, &attr, Some(u32::MAX));
        Ok(attr)
    }
}

impl Operation for Link<'_> {
    type Out = (Attr, Attr);
    const NAME: &'static str = "link";

    fn locks(&self) -> Vec<Ino> {
        vec![self.parent, self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(Attr, Attr), Stop> {
        tx.load(&[
            own(Key::Attr(self.parent)),
            own(Key::Entry(self.parent, self.name.clone())),
            own(Key::Attr(self.ino)),
        ])
        .await?;
        let dir = writable_dir(tx.attr(self.parent)?, false)?;
        let before = tx.attr(self.ino)?.ok_or(Errno::ENOENT)?;
        let taken = tx.entry(self.parent, &self.name)?.is_some();
        let may = meta.may(self.caller, &dir, WRITE | EXEC).await;
        self.plan(&dir, &before, may, taken)?;
        meta.check_quota(self.parent, before.space(), 1).await?;

        let mut attr = before.clone();
        attr.nlink += 1;
        attr.ctime = tx.now;
        attr.parent = Ino(0);
        if before.parent != Ino(0) {
            tx.write(Write::AddParent {
                ino: self.ino,
                parent: before.parent,
                delta: 1,
            })?;
        }
        tx.write(Write::AddParent {
            ino: self.ino,
            parent: self.parent,
            delta: 1,
        })?;
        let entry = Entry {
            kind: before.kind,
            ino: self.ino,
        };
        tx.write(Write::NewEntry {
            dir: self.parent,
            name: self.name.clone(),
            entry,
        })?;
        tx.put_attr(self.ino, &attr)?;
        let touched = touch_dir(meta, tx, self.parent, &dir, 0)?;
        tx.log(&Event::Link {
            ino: self.ino,
            parent: self.parent,
            name: self.name.as_bytes(),
            touched,
            nlink: attr.nlink,
        });
        tx.add_dir_stat(self.parent, stat_of(&attr));
        Ok((before, attr))
    }

    fn proof(&self, _: &(Attr, Attr)) -> Proof {
        Proof::entry_leads_to(self.parent, &self.name, self.ino)
    }
}

impl Link<'_> {
    /// `may` says whether the caller may write the directory.
    fn plan(
        &self,
        dir: &Attr,
        file: &Attr,
        may: Result<(), Errno>,
        taken: bool,
    ) -> Result<(), Errno> {
        if dir.parent.is_trash() {
            return Err(Errno::ENOENT);
        }
        may?;
        if file.is_dir()
            || file.parent.is_trash()
            || file.flags & (flags::IMMUTABLE | flags::APPEND) != 0
        {
            return Err(Errno::EPERM);
        }
        if file.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        if taken {
            return Err(Errno::EEXIST);
        }
        Ok(())
    }
}
