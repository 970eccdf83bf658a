//! open and close, and inodes that outlive their last name.

use super::kept_by_trash;
use crate::change_log::Event;
use crate::engine::{Answer, Key, Write, own};
use crate::meta::Meta;
use crate::open_files::{Opening, Removal};
use crate::perm::{EXEC, READ, WRITE};
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use crate::work::Work;
use jfs_types::attr::flags as attr_flags;
use jfs_types::{Attr, Caller, Errno, Ino};

/// open(2) flag bits, as Linux numbers them.
mod o {
    pub(super) const ACCMODE: i32 = 0o3;
    pub(super) const WRONLY: i32 = 0o1;
    pub(super) const RDWR: i32 = 0o2;
    pub(super) const TRUNC: i32 = 0o1000;
    pub(super) const APPEND: i32 = 0o2000;
    /// `FMODE_EXEC` as FUSE passes it.
    pub(super) const EXEC: i32 = 0o40;
}

/// Times that attributes are read for one open while this client keeps changing the file.
const OPEN_TRIES: u32 = 10;

/// An opened inode.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its attributes.
    pub attr: Attr,
    /// Whether the content is what this client saw last, so that cached pages stay good.
    pub keep_cache: bool,
}

impl Meta {
    /// Opens a file: reads its attributes again (close-to-open), checks access, and counts one open
    /// reference until [`Meta::close`]. `flags` as for open(2); `O_TRUNC` is only checked. One round
    /// trip, two for a file that has had several names, none within `--open-cache`. What this client is about to remove is waited for, and kept for
    /// the open when nobody has begun to delete its data (else ENOENT); what has been opened stays.
    pub async fn open(&self, caller: &Caller, ino: Ino, flags: i32) -> Result<Opened, Errno> {
        self.within("open", async {
            let opening = self.begin_open(ino).await?;
            match self.finish_open(&opening, caller, ino, flags).await {
                Ok(opened) => {
                    opening.keep();
                    Ok(opened)
                }
                Err(e) => {
                    self.give_up_open(opening, ino).await;
                    Err(e)
                }
            }
        })
        .await
    }

    /// Takes the reference, before the engine is asked: a removal that comes in between finds it. One
    /// that came before is waited for, but no longer than operations wait for each other elsewhere.
    pub(super) async fn begin_open(&self, ino: Ino) -> Result<Opening<'_>, Errno> {
        let mut met = match self.open_files.enter(ino) {
            Ok(opening) => return Ok(opening),
            Err(met) => met,
        };
        let entered = async {
            loop {
                if let Some(opening) = met.ended().await {
                    return opening;
                }
                match self.open_files.enter(ino) {
                    Ok(opening) => return opening,
                    Err(again) => met = again,
                }
            }
        };
        tokio::time::timeout(crate::locks::WAIT_MAX, entered)
            .await
            .map_err(|_| {
                tracing::warn!(op = "open", "{ino:?} is being removed for too long");
                Errno::EIO
            })
    }

    async fn finish_open(
        &self,
        opening: &Opening<'_>,
        caller: &Caller,
        ino: Ino,
        flags: i32,
    ) -> Result<Opened, Errno> {
        if let Some((attr, _)) = self.open_files.attr(ino) {
            self.check_open(caller, ino, &attr, flags).await?;
            return Ok(Opened {
                attr,
                keep_cache: true,
            });
        }
        let mut tries = 0;
        loop {
            let asked = self.open_files.moment();
            let answers = self.fetch(&[Key::Attr(ino)]).await?;
            let attr = match answers.into_iter().next().map(Answer::into_attr) {
                Some(Ok(Some(attr))) => attr,
                Some(Ok(None)) => return Err(Errno::ENOENT),
                Some(Err(e)) => return Err(self.to_errno("open", &e)),
                None => return Err(Errno::EIO),
            };
            self.check_open(caller, ino, &attr, flags).await?;
            tries += 1;
            let asked = if tries < OPEN_TRIES { asked } else { u64::MAX };
            if let Some(keep_cache) = opening.learn(&attr, asked) {
                if attr.is_file() && attr.parent == Ino(0) {
                    self.learn_trash_names(ino).await;
                }
                return Ok(Opened { attr, keep_cache });
            }
        }
    }

    /// Reads how many names of a file the trash holds, when the file has had several: one round trip. On
    /// failure they stay unknown, and stat shows them as links.
    async fn learn_trash_names(&self, ino: Ino) {
        let asked = self.open_files.moment();
        let Ok(answers) = self.fetch(&[Key::Parents(ino)]).await else {
            return;
        };
        if let Some(Ok(parents)) = answers.into_iter().next().map(Answer::into_parents) {
            let in_trash = parents.iter().filter(|(dir, _)| dir.is_trash());
            let names = in_trash.map(|(_, names)| *names).sum();
            self.open_files.learn_trash_names(ino, names, asked);
        }
    }

    /// Drops the reference of an open that has failed. It may be the last one of a file that was removed
    /// meanwhile, and kept for it.
    pub(super) async fn give_up_open(&self, opening: Opening<'_>, ino: Ino) {
        if opening.give_up()
            && let Err(e) = self.delete_sustained(ino).await
        {
            tracing::warn!("{ino:?} stays sustained until the session ends: {e}");
        }
    }

    async fn check_open(
        &self,
        caller: &Caller,
        ino: Ino,
        attr: &Attr,
        flags: i32,
    ) -> Result<(), Errno> {
        let writing = matches!(flags & o::ACCMODE, o::WRONLY | o::RDWR);
        if attr.is_dir() && (writing || flags & o::TRUNC != 0) {
            return Err(Errno::EISDIR);
        }
        let mut mask = match flags & o::ACCMODE {
            o::WRONLY => WRITE,
            o::RDWR => READ | WRITE,
            _ => READ,
        };
        if flags & o::TRUNC != 0 {
            mask |= WRITE;
        }
        if flags & o::EXEC != 0 {
            mask |= EXEC;
        }
        self.may(caller, attr, mask).await?;
        if writing || flags & o::TRUNC != 0 {
            self.check_writable()?;
        }
        let changes = mask & WRITE != 0;
        if changes && (attr.flags & attr_flags::IMMUTABLE != 0 || kept_by_trash(self, ino, attr)) {
            return Err(Errno::EPERM);
        }
        if attr.flags & attr_flags::APPEND != 0
            && changes
            && (flags & o::APPEND == 0 || flags & o::TRUNC != 0)
        {
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    /// How many links of an inode the trash holds, as far as this client knows: what stat shows leaves
    /// them out while the inode is open here. 0 for what is not open and not removed by this client.
    pub fn links_in_trash(&self, ino: Ino, attr: &Attr) -> u32 {
        if ino.is_trash() {
            0
        } else if attr.is_dir() {
            let removed = attr.parent.is_trash() && self.recent_dirs.removed(ino).is_some();
            if removed { attr.nlink } else { 0 }
        } else if attr.parent.is_trash() {
            u32::from(self.open_files.is_held(ino))
        } else if attr.parent == Ino(0) {
            self.open_files.trash_names(ino)
        } else {
            0
        }
    }

    /// The last attributes of a directory that this client has removed a while ago, with a link count of
    /// 0. For programs that have it open or stand in it.
    pub fn removed_dir(&self, ino: Ino) -> Option<Attr> {
        self.recent_dirs.removed(ino)
    }

    /// Changes what [`Meta::removed_dir`] says of a directory.
    pub fn set_removed_dir(&self, ino: Ino, attr: Attr) {
        self.recent_dirs.change_removed(ino, attr);
    }

    /// Length of an open file as this client last saw it. Views read afterwards are at least as new.
    pub fn open_length(&self, ino: Ino) -> Option<u64> {
        self.open_files.last_length(ino)
    }

    /// Attributes of an open file as this client last saw them.
    pub fn open_attr(&self, ino: Ino) -> Option<Attr> {
        self.open_files.last_attr(ino)
    }

    /// Drops one open reference; memory only. `Some` when it was the last one of an inode without a
    /// name: the caller then runs [`Meta::delete_sustained`], after its data is flushed.
    pub fn close(&self, ino: Ino) -> Option<Ino> {
        self.open_files.close(ino).then_some(ino)
    }

    /// Removes an inode that lost its last name while it was open. When it has been opened again
    /// meanwhile, that is left to the last close.
    pub async fn delete_sustained(&self, ino: Ino) -> Result<(), Errno> {
        let Some(sid) = self.session_id() else {
            return Ok(());
        };
        let removal = self.open_files.removal();
        while removal.finds_open(ino) {
            if self.open_files.sustain(ino) {
                return Ok(());
            }
        }
        if let Some(attr) = self.transact(&DropSustained { sid, ino }).await?
            && !self.keep_for_opens(&removal, ino, &attr).await
        {
            let length = attr.length;
            self.emit(Work::DeleteFile { ino, length });
        }
        Ok(())
    }

    /// The same for an inode that a stale session left behind.
    pub(crate) async fn delete_sustained_of(&self, sid: u64, ino: Ino) -> Result<(), Errno> {
        if let Some(attr) = self.transact(&DropSustained { sid, ino }).await? {
            self.stats().deleted_sustained();
            let length = attr.length;
            self.emit(Work::DeleteFile { ino, length });
        }
        Ok(())
    }
}

struct Keep {
    sid: u64,
    ino: Ino,
    /// As it was before it was removed.
    attr: Attr,
}

impl Meta {
    /// Takes back that a file has been deleted a moment ago, for opens of this client that wait for the
    /// end of `removal`: it stays without a name until the last of them is closed. False when its data can be deleted.
    pub(super) async fn keep_for_opens(
        &self,
        removal: &Removal<'_>,
        ino: Ino,
        attr: &Attr,
    ) -> bool {
        let Some(sid) = self.session_id().filter(|_| removal.is_awaited(ino)) else {
            return false;
        };
        let keep = Keep {
            sid,
            ino,
            attr: attr.clone(),
        };
        if let Err(e) = self.transact(&keep).await {
            // The record of the removed file may outlive this call. The hourly job deletes its
            // data.
            tracing::warn!("{ino:?} was removed while it was being opened, and is not kept: {e}");
            return true;
        }
        if !removal.grant(ino)
            && let Err(e) = self.delete_sustained_of(sid, ino).await
        {
            tracing::warn!("{ino:?} stays sustained until the session ends: {e}");
        }
        true
    }
}

impl Operation for Keep {
    type Out = ();
    const NAME: &'static str = "keep_for_opens";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(), Stop> {
        tx.load(&[own(Key::Attr(self.ino))]).await?;
        if tx.attr(self.ino)?.is_some() {
            return Err(Errno::EEXIST.into());
        }
        let mut attr = self.attr.clone();
        (attr.nlink, attr.ctime) = (0, tx.now);
        tx.add_usage(&attr, attr.space(), 1);
        tx.write(Write::ClearDeleted {
            ino: self.ino,
            length: attr.length,
        })?;
        tx.write(Write::Sustain {
            sid: self.sid,
            ino: self.ino,
        })?;
        tx.write(Write::NewNode {
            ino: self.ino,
            attr,
        })
    }

    fn proof(&self, (): &()) -> Proof {
        let there = |a: &Answer| matches!(a, Answer::Attr(Some(_)));
        Proof::Record(Key::Attr(self.ino), Box::new(there))
    }
}

struct DropSustained {
    sid: u64,
    ino: Ino,
}

impl Operation for DropSustained {
    /// The file whose data can go now, as it was.
    type Out = Option<Attr>;
    const NAME: &'static str = "delete_sustained";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<Option<Attr>, Stop> {
        tx.load(&[own(Key::Attr(self.ino))]).await?;
        let attr = tx.attr(self.ino)?;
        let (sid, ino) = (self.sid, self.ino);
        tx.write(Write::Unsustain { sid, ino })?;
        tx.log(&Event::DropSustained { sid, ino });
        // Another session may have it sustained as well, or it got a name again.
        let Some(attr) = attr.filter(|a| a.nlink == 0) else {
            return Ok(None);
        };
        tx.write(Write::MarkDeleted {
            ino: self.ino,
            length: attr.length,
        })?;
        tx.write(Write::DelNode { ino: self.ino })?;
        tx.write(Write::DelXattrs { ino: self.ino })?;
        tx.add_usage(&attr, -attr.space(), -1);
        Ok(Some(attr))
    }

    fn proof(&self, out: &Option<Attr>) -> Proof {
        match out {
            None => Proof::Rerun,
            Some(_) => Proof::Record(
                Key::Attr(self.ino),
                Box::new(|a| matches!(a, Answer::Attr(None))),
            ),
        }
    }
}
