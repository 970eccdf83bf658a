//! rename, with and without replacing.

use super::remove::check_child;
use super::victim::{Fate, Victim};
use super::{checked_name, lookup::TRASH_NAME, negated, stat_of, touch_dir, trash, writable_dir};
use crate::change_log::{Event, MOVE_RESTORES};
use crate::engine::{Key, Read, Write, hold, own};
use crate::meta::Meta;
use crate::open_files::Removal;
use crate::perm::{self, EXEC, WRITE};
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::{Attr, Caller, Entry, Errno, FileType, Ino, Name};

/// `RENAME_NOREPLACE` of renameat2(2).
pub(crate) const NOREPLACE: u32 = 1;
/// `RENAME_EXCHANGE` of renameat2(2): see [`super::exchange`].
pub(super) const EXCHANGE: u32 = 2;
/// `RENAME_WHITEOUT` of renameat2(2): not supported, as in the reference client.
const WHITEOUT: u32 = 4;

/// Deepest directory that the search for a circle climbs from.
const DEPTH_MAX: usize = 10_000;

struct Rename<'a> {
    caller: &'a Caller,
    from: (Ino, Name),
    to: (Ino, Name),
    flags: u32,
    /// Out of the trash, perhaps to a directory that lies there itself.
    restore: bool,
    /// Bytes and inodes below a directory that moves under other quotas.
    tree: (i64, i64),
    /// Hour directory for a replaced inode; `None` until it has been looked up.
    trash: Option<Option<Ino>>,
    /// The inodes that the names lead to, as far as this client knows: read along with the names.
    hints: [Option<Ino>; 2],
    removal: Removal<'a>,
}

struct Renamed {
    ino: Ino,
    attr: Attr,
    before: Attr,
    /// False when both names lead to the same inode already.
    moved: bool,
    replaced: Option<(Ino, Option<Attr>, Fate)>,
}

impl Meta {
    /// Moves a name. What the new name led to is removed as by unlink or rmdir, in the same commit.
    /// `flags` as for renameat2(2): 0, `RENAME_NOREPLACE` or `RENAME_EXCHANGE`; ENOTSUP for
    /// `RENAME_WHITEOUT`.
    pub async fn rename(
        &self,
        caller: &Caller,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        flags: u32,
    ) -> Result<(Ino, Attr), Errno> {
        self.check_writable()?;
        match flags {
            0 | NOREPLACE | EXCHANGE => {}
            f if f & !NOREPLACE == WHITEOUT => return Err(Errno::ENOTSUP),
            _ => return Err(Errno::EINVAL),
        }
        let is_trash = |(dir, name): (Ino, &[u8])| dir == Ino::ROOT && name == TRASH_NAME;
        if is_trash(from) || is_trash(to) || to.0.is_trash() {
            return Err(Errno::EPERM);
        }
        // Hour directories cannot be moved, not even by root.
        if from.0 == Ino::TRASH || from.0.is_trash() && caller.uid != 0 {
            return Err(Errno::EPERM);
        }
        let from = (from.0, checked_name(from.1, Errno::EBUSY)?);
        let to = (to.0, checked_name(to.1, Errno::EBUSY)?);
        if flags == EXCHANGE {
            return self.exchange(caller, from, to).await;
        }
        self.rename_checked(caller, from, to, flags, false).await
    }

    /// The same with names that were checked. `restore`: the target directory may lie in the trash.
    pub(super) async fn rename_checked(
        &self,
        caller: &Caller,
        from: (Ino, Name),
        to: (Ino, Name),
        flags: u32,
        restore: bool,
    ) -> Result<(Ino, Attr), Errno> {
        let tree = self.tree_that_moves(&from, to.0).await?;
        let hints = [&from, &to].map(|(dir, name)| self.known_inode(*dir, name));
        // The trash is only needed, and its hour directory only made, when something is replaced.
        let mut op = Rename {
            caller,
            from,
            to,
            flags,
            restore,
            tree,
            trash: self.known_trash_dir(),
            hints,
            removal: self.open_files.removal(),
        };
        let mut tries = 0;
        let renamed = loop {
            if let Some(renamed) = self.transact(&op).await? {
                break renamed;
            }
            self.forget_hour(op.trash.flatten(), &mut tries)?;
            op.trash = Some(self.trash_dir().await?);
        };
        if renamed.moved {
            if op.from.0.is_trash() {
                self.open_files.count_trash_name(renamed.ino, -1);
            }
            self.open_files
                .changed(renamed.ino, &renamed.before, &renamed.attr, Some(u32::MAX));
        }
        if op.from.0.is_trash() && renamed.attr.is_dir() && self.format().dir_stats {
            // They were counted when the directory went to the trash.
            let made = self
                .dir_stats
                .ensure(&**self.engine(), self.change_log(), renamed.ino)
                .await;
            made.map_err(|e| self.to_errno("dir_stats", &e))?;
        }
        if let Some((ino, attr, fate)) = &renamed.replaced {
            self.after_fate(op.to.0, *ino, attr.as_ref(), fate, &op.removal)
                .await;
        }
        Ok((renamed.ino, renamed.attr))
    }
}

impl Operation for Rename<'_> {
    /// `None`: something would be replaced, and the hour directory of the trash is not known yet or gone.
    type Out = Option<Renamed>;
    const NAME: &'static str = "rename";

    fn locks(&self) -> Vec<Ino> {
        vec![self.from.0, self.to.0]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<Option<Renamed>, Stop> {
        let ((from_dir, from_name), (to_dir, to_name)) = (&self.from, &self.to);
        let mut reads = vec![
            own(Key::Attr(*from_dir)),
            own(Key::Attr(*to_dir)),
            own(Key::Entry(*from_dir, from_name.clone())),
            own(Key::Entry(*to_dir, to_name.clone())),
        ];
        let hints = self.hints.iter().flatten();
        reads.extend(hints.map(|ino| own(Key::Attr(*ino))));
        tx.load(&reads).await?;
        let source = tx.entry(*from_dir, from_name)?.ok_or(Errno::ENOENT)?;
        let target = tx.entry(*to_dir, to_name)?;
        let trash = self.trash.flatten();
        tx.load(&second_round(source, target, trash)).await?;
        let dirs = (
            writable_dir(tx.attr(*from_dir)?, true)?,
            writable_dir(tx.attr(*to_dir)?, false)?,
        );
        let before = tx.attr(source.ino)?.ok_or(Errno::ENOENT)?;
        let target = match target {
            None => None,
            Some(entry) => {
                let empty =
                    entry.kind != FileType::Directory || tx.flag(&Key::DirIsEmpty(entry.ino))?;
                Some(Target {
                    entry,
                    attr: tx.attr(entry.ino)?,
                    empty,
                })
            }
        };
        let may = May {
            from: meta.may(self.caller, &dirs.0, WRITE | EXEC).await,
            to: meta.may(self.caller, &dirs.1, WRITE | EXEC).await,
            moved: meta.may(self.caller, &before, WRITE).await,
        };
        if self.plan(&dirs, source, &before, target.as_ref(), may)? == Plan::SameInode {
            let attr = before.clone();
            return Ok(Some(Renamed {
                ino: source.ino,
                attr,
                before,
                moved: false,
                replaced: None,
            }));
        }
        if target.is_some() && (self.trash.is_none() || trash::hour_is_gone(tx, trash)?) {
            return Ok(None);
        }
        if before.is_dir() && from_dir != to_dir {
            refuse_circle(tx, source.ino, *to_dir, &dirs.1).await?;
        }

        let (below, inodes) = self.tree;
        meta.check_quota_of_move(*from_dir, *to_dir, before.space() + below, inodes + 1)
            .await?;

        let mut attr = before.clone();
        attr.ctime = tx.now;
        if attr.parent == Ino(0) {
            if from_dir != to_dir {
                tx.write(Write::AddParent {
                    ino: source.ino,
                    parent: *to_dir,
                    delta: 1,
                })?;
                tx.write(Write::AddParent {
                    ino: source.ino,
                    parent: *from_dir,
                    delta: -1,
                })?;
            }
        } else {
            attr.parent = *to_dir;
        }
        tx.write(Write::DelEntry {
            dir: *from_dir,
            name: from_name.clone(),
        })?;
        let mut replaced = None;
        if let Some(target) = &target {
            let (entry, attr) = (target.entry, target.attr.clone());
            let victim = Victim {
                dir: *to_dir,
                name: to_name,
                entry,
                attr: attr.clone(),
            };
            let fate = victim.dispose(meta, tx, trash, &self.removal).await?;
            replaced = Some((entry.ino, attr, fate));
            tx.write(Write::ReplaceEntry {
                dir: *to_dir,
                name: to_name.clone(),
                entry: source,
            })?;
        } else {
            tx.write(Write::NewEntry {
                dir: *to_dir,
                name: to_name.clone(),
                entry: source,
            })?;
        }
        tx.put_attr(source.ino, &attr)?;
        self.touch_dirs(meta, tx, &dirs, &before, target.as_ref())?;
        let restores = if self.restore { MOVE_RESTORES } else { 0 };
        tx.log(&Event::Move {
            from: (*from_dir, from_name.as_bytes()),
            to: (*to_dir, to_name.as_bytes()),
            flags: self.flags | restores,
            replaced: target.as_ref().map(|target| target.entry.ino),
            trash,
            ino: source.ino,
        });
        if from_dir != to_dir {
            tx.add_dir_stat(*from_dir, negated(stat_of(&before)));
            tx.add_dir_stat(*to_dir, stat_of(&before));
            if before.is_dir() {
                tx.add_tree(*from_dir, -below, -inodes);
                tx.add_tree(*to_dir, below, inodes);
            }
        }
        Ok(Some(Renamed {
            ino: source.ino,
            attr,
            before,
            moved: true,
            replaced,
        }))
    }

    fn proof(&self, out: &Option<Renamed>) -> Proof {
        // The new name led elsewhere or nowhere before. Only this commit, or the same rename by another
        // client, makes it lead to this inode.
        match out {
            None => Proof::Rerun,
            Some(renamed) => Proof::entry_leads_to(self.to.0, &self.to.1, renamed.ino),
        }
    }
}

/// The inode that the new name leads to at present.
struct Target {
    entry: Entry,
    attr: Option<Attr>,
    empty: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// Both names are the same inode: nothing to do, by POSIX.
    SameInode,
    Move,
}

/// Whether the caller may write both directories, and what is moved.
struct May {
    from: Result<(), Errno>,
    to: Result<(), Errno>,
    moved: Result<(), Errno>,
}

/// What the second round reads: both inodes, whether a directory in the way is empty, and the hour
/// directory that what is replaced goes to.
fn second_round(source: Entry, target: Option<Entry>, trash: Option<Ino>) -> Vec<Read> {
    let mut reads = vec![own(Key::Attr(source.ino))];
    if let Some(target) = target {
        reads.push(own(Key::Attr(target.ino)));
        if target.kind == FileType::Directory {
            reads.push(hold(Key::DirIsEmpty(target.ino)));
        }
        reads.extend(trash::hour_read(trash));
    }
    reads
}

/// Climbs from the target directory to the root, holding every step, and refuses to move a directory
/// below itself. Holding matters: two clients that move x below y and y below x would otherwise both
/// succeed and cut both trees off.
pub(super) async fn refuse_circle(
    tx: &mut Txn,
    moved: Ino,
    to_dir: Ino,
    to_attr: &Attr,
) -> Result<(), Stop> {
    let (mut at, mut up) = (to_dir, to_attr.parent);
    for _ in 0..DEPTH_MAX {
        if at == moved {
            return Err(Errno::EINVAL.into());
        }
        if at == Ino::ROOT || at.is_trash() || up == at {
            return Ok(());
        }
        at = up;
        if at == moved {
            return Err(Errno::EINVAL.into());
        }
        if at == Ino::ROOT || at.is_trash() {
            return Ok(());
        }
        tx.load(&[hold(Key::Attr(at))]).await?;
        up = tx.attr(at)?.ok_or(Errno::ENOENT)?.parent;
    }
    Err(Errno::ELOOP.into())
}

impl Rename<'_> {
    fn plan(
        &self,
        (from, to): &(Attr, Attr),
        source: Entry,
        moved: &Attr,
        target: Option<&Target>,
        may: May,
    ) -> Result<Plan, Errno> {
        may.from?;
        may.to?;
        if to.parent.is_trash() && !self.restore {
            return Err(Errno::ENOENT);
        }
        if target.is_some() && self.flags & NOREPLACE != 0 {
            return Err(Errno::EEXIST);
        }
        if target.is_some_and(|t| t.entry.ino == source.ino) {
            return Ok(Plan::SameInode);
        }
        perm::check_sticky(self.caller, from, moved)?;
        if moved.flags & (flags::IMMUTABLE | flags::APPEND) != 0 {
            return Err(Errno::EPERM);
        }
        // A user may move a directory elsewhere only if he may write it: its `..` changes.
        if moved.is_dir() && self.from.0 != self.to.0 {
            may.moved?;
        }
        if let Some(target) = target {
            match (moved.is_dir(), target.entry.kind == FileType::Directory) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                _ => {}
            }
            if to.flags & flags::APPEND != 0 {
                return Err(Errno::EPERM);
            }
            check_child(self.caller, to, target.attr.as_ref(), target.empty)?;
        }
        Ok(Plan::Move)
    }

    fn touch_dirs(
        &self,
        meta: &Meta,
        tx: &mut Txn,
        (from, to): &(Attr, Attr),
        moved: &Attr,
        target: Option<&Target>,
    ) -> Result<(), Stop> {
        let dir = i32::from(moved.is_dir());
        let lost = i32::from(target.is_some_and(|t| t.entry.kind == FileType::Directory));
        if self.from.0 == self.to.0 {
            touch_dir(meta, tx, self.from.0, from, -lost)?;
            return Ok(());
        }
        if !self.from.0.is_trash() {
            touch_dir(meta, tx, self.from.0, from, -dir)?;
        }
        // A directory that replaces one leaves the link count as it is.
        touch_dir(meta, tx, self.to.0, to, dir - lost)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_files::OpenFiles;
    use std::time::Duration;

    fn dir(mode: u16, uid: u32) -> Attr {
        let mut a = Attr::new(FileType::Directory);
        (a.mode, a.uid, a.parent) = (mode, uid, Ino(1));
        a
    }

    fn plan(
        caller: &Caller,
        dirs: &(Attr, Attr),
        moved: &Attr,
        target: Option<Target>,
        flags: u32,
    ) -> Result<Plan, Errno> {
        let name = Name::stored(b"n");
        let files = OpenFiles::new(Duration::ZERO, 0);
        let op = Rename {
            caller,
            from: (Ino(2), name.clone()),
            to: (Ino(3), name),
            flags,
            restore: false,
            tree: (0, 0),
            trash: None,
            hints: [None, None],
            removal: files.removal(),
        };
        op.plan(
            dirs,
            Entry {
                kind: moved.kind,
                ino: Ino(9),
            },
            moved,
            target.as_ref(),
            May {
                from: perm::check(caller, &dirs.0, WRITE | EXEC),
                to: perm::check(caller, &dirs.1, WRITE | EXEC),
                moved: perm::check(caller, moved, WRITE),
            },
        )
    }

    fn target(kind: FileType, ino: u64, empty: bool) -> Option<Target> {
        let entry = Entry {
            kind,
            ino: Ino(ino),
        };
        Some(Target {
            entry,
            attr: Some(Attr::new(kind)),
            empty,
        })
    }

    #[test]
    fn what_may_replace_what() {
        let root = Caller::root();
        let dirs = (dir(0o755, 0), dir(0o755, 0));
        let file = Attr::new(FileType::Regular);
        let moved_dir = dir(0o755, 0);
        assert_eq!(plan(&root, &dirs, &file, None, 0), Ok(Plan::Move));
        assert_eq!(
            plan(&root, &dirs, &file, target(FileType::Regular, 4, true), 0),
            Ok(Plan::Move)
        );
        assert_eq!(
            plan(&root, &dirs, &file, target(FileType::Regular, 9, true), 0),
            Ok(Plan::SameInode)
        );
        assert_eq!(
            plan(&root, &dirs, &file, target(FileType::Directory, 4, true), 0),
            Err(Errno::EISDIR)
        );
        assert_eq!(
            plan(
                &root,
                &dirs,
                &moved_dir,
                target(FileType::Regular, 4, true),
                0
            ),
            Err(Errno::ENOTDIR)
        );
        assert_eq!(
            plan(
                &root,
                &dirs,
                &moved_dir,
                target(FileType::Directory, 4, false),
                0
            ),
            Err(Errno::ENOTEMPTY)
        );
        assert_eq!(
            plan(
                &root,
                &dirs,
                &moved_dir,
                target(FileType::Directory, 4, true),
                0
            ),
            Ok(Plan::Move)
        );
        assert_eq!(
            plan(
                &root,
                &dirs,
                &file,
                target(FileType::Regular, 4, true),
                NOREPLACE
            ),
            Err(Errno::EEXIST)
        );
    }

    #[test]
    fn permissions_of_both_sides() {
        let user = Caller::user(5, 5);
        let file = Attr::new(FileType::Regular);
        assert_eq!(
            plan(&user, &(dir(0o755, 0), dir(0o777, 0)), &file, None, 0),
            Err(Errno::EACCES)
        );
        assert_eq!(
            plan(&user, &(dir(0o777, 0), dir(0o755, 0)), &file, None, 0),
            Err(Errno::EACCES)
        );
        assert_eq!(
            plan(&user, &(dir(0o1777, 0), dir(0o777, 0)), &file, None, 0),
            Err(Errno::EACCES)
        );
        assert_eq!(
            plan(&user, &(dir(0o777, 0), dir(0o777, 0)), &file, None, 0),
            Ok(Plan::Move)
        );
        let foreign = dir(0o755, 7);
        assert_eq!(
            plan(&user, &(dir(0o777, 0), dir(0o777, 0)), &foreign, None, 0),
            Err(Errno::EACCES)
        );
        let mut immutable = file.clone();
        immutable.flags = flags::IMMUTABLE;
        assert_eq!(
            plan(
                &Caller::root(),
                &(dir(0o777, 0), dir(0o777, 0)),
                &immutable,
                None,
                0
            ),
            Err(Errno::EPERM)
        );
    }
}
