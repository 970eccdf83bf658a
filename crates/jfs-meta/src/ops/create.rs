//! create, mkdir, mknod, symlink: a new inode under a new name.

use super::{checked_name, lookup::TRASH_NAME, stat_of, touch_dir, writable_dir};
use crate::change_log::Event;
use crate::engine::{Key, QuotaOwner, Write, own};
use crate::meta::Meta;
use crate::perm::{EXEC, WRITE};
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::{Attr, Caller, Entry, Errno, FileType, Ino, Name, Time};

/// Longest symlink target, bytes.
const SYMLINK_MAX: usize = 4096;

struct Create<'a> {
    caller: &'a Caller,
    parent: Ino,
    name: Name,
    new: New<'a>,
    ino: Ino,
}

/// The inode that [`Meta::mknod`] creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewNode {
    /// Type of the inode.
    pub kind: FileType,
    /// The 12 permission bits.
    pub mode: u16,
    /// Permission bits to leave out.
    pub umask: u16,
    /// Device number in Linux's 32-bit packing; 0 for what is no device.
    pub rdev: u32,
}

/// The new inode as its caller wants it.
#[derive(Clone, Copy)]
struct New<'a> {
    kind: FileType,
    mode: u16,
    umask: u16,
    /// Of a symbolic link.
    target: &'a [u8],
    /// Of a device, in the stored packing.
    rdev: u32,
}

impl New<'_> {
    fn plain(kind: FileType, mode: u16, umask: u16) -> New<'static> {
        New {
            kind,
            mode,
            umask,
            target: b"",
            rdev: 0,
        }
    }
}

impl Meta {
    /// Creates an empty regular file and counts it as opened once. EEXIST when the name is taken.
    pub async fn create(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        mode: u16,
        umask: u16,
    ) -> Result<(Ino, Attr), Errno> {
        let new = New::plain(FileType::Regular, mode, umask);
        let op = self.new_inode(caller, parent, name, new).await?;
        // As soon as the name shows others of this client may remove it.
        let opening = self.begin_open(op.ino).await?;
        match self.transact(&op).await {
            Ok(attr) => {
                opening.learn(&attr, u64::MAX);
                opening.keep();
                Ok((op.ino, attr))
            }
            Err(e) => {
                self.give_up_open(opening, op.ino).await;
                Err(e)
            }
        }
    }

    async fn make(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        new: New<'_>,
    ) -> Result<(Ino, Attr), Errno> {
        let op = self.new_inode(caller, parent, name, new).await?;
        let attr = self.transact(&op).await?;
        Ok((op.ino, attr))
    }

    /// Creates a directory.
    pub async fn mkdir(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        mode: u16,
        umask: u16,
    ) -> Result<(Ino, Attr), Errno> {
        let new = New::plain(FileType::Directory, mode, umask);
        self.make(caller, parent, name, new).await
    }

    /// Creates a regular file (not opened), FIFO, socket or device. `mode` has the permission bits;
    /// `rdev` is the number of a device in Linux's 32-bit packing. EINVAL for other types.
    pub async fn mknod(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        node: NewNode,
    ) -> Result<(Ino, Attr), Errno> {
        if matches!(node.kind, FileType::Directory | FileType::Symlink) {
            return Err(Errno::EINVAL);
        }
        let new = New {
            rdev: node.rdev,
            ..New::plain(node.kind, node.mode, node.umask)
        };
        self.make(caller, parent, name, new).await
    }

    /// Creates a symbolic link. EINVAL for an empty target or one with NUL, ENAMETOOLONG above 4096
    /// bytes.
    pub async fn symlink(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        target: &[u8],
    ) -> Result<(Ino, Attr), Errno> {
        if target.is_empty() || target.contains(&0) {
            return Err(Errno::EINVAL);
        }
        if target.len() > SYMLINK_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let new = New {
            target,
            ..New::plain(FileType::Symlink, 0o777, 0)
        };
        self.make(caller, parent, name, new).await
    }

    /// The operation, after the checks that need no engine. Takes a new inode number.
    async fn new_inode<'a>(
        &self,
        caller: &'a Caller,
        parent: Ino,
        name: &[u8],
        new: New<'a>,
    ) -> Result<Create<'a>, Errno> {
        self.check_writable()?;
        if parent.is_trash() {
            return Err(Errno::EPERM);
        }
        if parent == Ino::ROOT && name == TRASH_NAME {
            return Err(Errno::EPERM);
        }
        let name = checked_name(name, Errno::EEXIST)?;
        self.check_owners(&[QuotaOwner::User(caller.uid)], 4096, 1)?;
        self.check_growth(4096, 1)?;
        let ino = self
            .inodes
            .next()
            .await
            .map_err(|e| self.to_errno("reserve_ids", &e))?;
        Ok(Create {
            caller,
            parent,
            name,
            new,
            ino: Ino(ino),
        })
    }
}

impl Operation for Create<'_> {
    type Out = Attr;
    const NAME: &'static str = "create";

    fn locks(&self) -> Vec<Ino> {
        vec![self.parent]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<Attr, Stop> {
        let entry = Key::Entry(self.parent, self.name.clone());
        tx.load(&[own(Key::Attr(self.parent)), own(entry)]).await?;
        let dir = writable_dir(tx.attr(self.parent)?, false)?;
        let taken = tx.entry(self.parent, &self.name)?.is_some();
        let may = meta.may(self.caller, &dir, WRITE | EXEC).await;
        let mut attr = self.plan(&dir, may, taken, tx.now)?;
        meta.check_quota(self.parent, 4096, 1).await?;
        if dir.default_acl != 0 && self.new.kind != FileType::Symlink {
            meta.inherit_acl(&dir, &mut attr, self.new.mode & 0o7777)
                .await?;
        }
        inherit_group(&mut attr, &dir, self.caller, self.new.mode);
        // The user was checked before; the group is known now.
        meta.check_owners(&[QuotaOwner::Group(attr.gid)], 4096, 1)?;

        let entry = Entry {
            kind: self.new.kind,
            ino: self.ino,
        };
        tx.write(Write::NewEntry {
            dir: self.parent,
            name: self.name.clone(),
            entry,
        })?;
        tx.write(Write::NewNode {
            ino: self.ino,
            attr: attr.clone(),
        })?;
        if self.new.kind == FileType::Symlink {
            tx.write(Write::NewSymlink {
                ino: self.ino,
                target: self.new.target.to_vec(),
            })?;
        }
        if self.new.kind == FileType::Directory && meta.format().dir_stats {
            tx.write(Write::NewDirStat { dir: self.ino })?;
        }
        let touched = touch_dir(
            meta,
            tx,
            self.parent,
            &dir,
            i32::from(self.new.kind == FileType::Directory),
        )?;
        tx.log(&Event::Create {
            parent: self.parent,
            name: self.name.as_bytes(),
            uid: self.caller.uid,
            gid: self.caller.gid,
            kind: self.new.kind,
            mode: self.new.mode & 0o7777,
            umask: self.new.umask,
            target: self.new.target,
            touched,
            ino: self.ino,
        });
        tx.add_usage(&attr, 4096, 1);
        tx.add_dir_stat(self.parent, stat_of(&attr));
        Ok(attr)
    }

    fn proof(&self, _: &Attr) -> Proof {
        Proof::entry_leads_to(self.parent, &self.name, self.ino)
    }
}

impl Create<'_> {
    /// Attributes of the new inode but for what its directory's ACL and group change, or why there is
    /// none. `may` says whether the caller may write the directory.
    fn plan(
        &self,
        dir: &Attr,
        may: Result<(), Errno>,
        taken: bool,
        now: Time,
    ) -> Result<Attr, Errno> {
        if dir.parent.is_trash() {
            return Err(Errno::ENOENT);
        }
        may?;
        if taken {
            return Err(Errno::EEXIST);
        }
        let mut attr = Attr::new(self.new.kind);
        attr.mode = self.new.mode & 0o7777 & !self.new.umask;
        attr.uid = self.caller.uid;
        attr.gid = self.caller.gid;
        attr.parent = self.parent;
        attr.flags = dir.flags & flags::SKIP_TRASH;
        attr.tier = dir.tier;
        attr.rdev = self.new.rdev;
        (attr.atime, attr.mtime, attr.ctime) = (now, now, now);
        if self.new.kind == FileType::Symlink {
            attr.length = self.new.target.len() as u64;
        }
        Ok(attr)
    }
}

/// The sgid rules: below an sgid directory the group is the directory's; directories carry the bit
/// on; a file that is asked for (`mode`, no umask applied) as sgid and group-executable loses it unless
/// its creator is in the group. A kernel that checks permissions has applied the last rule to `mode`.
fn inherit_group(attr: &mut Attr, dir: &Attr, caller: &Caller, mode: u16) {
    if dir.mode & 0o2000 == 0 {
        return;
    }
    attr.gid = dir.gid;
    if attr.is_dir() {
        attr.mode |= 0o2000;
    } else if mode & 0o2010 == 0o2010
        && caller.check_permission
        && caller.uid != 0
        && !caller.in_group(dir.gid)
    {
        attr.mode &= !0o2000;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn op(caller: &Caller, kind: FileType, mode: u16) -> Create<'_> {
        Create {
            caller,
            parent: Ino(1),
            name: Name::stored(b"n"),
            new: New::plain(kind, mode, 0o022),
            ino: Ino(9),
        }
    }

    fn dir(mode: u16) -> Attr {
        let mut d = Attr::new(FileType::Directory);
        (d.mode, d.uid, d.gid, d.parent) = (mode, 1, 2, Ino(1));
        d
    }

    #[test]
    fn permissions_and_names() {
        let user = Caller::user(5, 6);
        let now = Time { sec: 7, nsec: 8 };
        let c = op(&user, FileType::Regular, 0o666);
        let no = Err(Errno::EACCES);
        assert_eq!(c.plan(&dir(0o755), no, true, now), Err(Errno::EACCES));
        assert_eq!(c.plan(&dir(0o777), Ok(()), true, now), Err(Errno::EEXIST));
        let a = c.plan(&dir(0o777), Ok(()), false, now).unwrap();
        assert_eq!(
            (a.mode, a.uid, a.gid, a.nlink, a.length),
            (0o644, 5, 6, 1, 0)
        );
        assert_eq!((a.mtime, a.parent), (now, Ino(1)));
        let mut trashed = dir(0o777);
        trashed.parent = Ino(Ino::TRASH.0 + 1);
        assert_eq!(c.plan(&trashed, no, false, now), Err(Errno::ENOENT));
    }

    #[test]
    fn groups_below_an_sgid_directory() {
        let mut user = Caller::user(5, 6);
        let made = |user: &Caller, kind, mode| {
            let mut a = op(user, kind, mode)
                .plan(&dir(0o2777), Ok(()), false, Time::default())
                .unwrap();
            inherit_group(&mut a, &dir(0o2777), user, mode);
            a
        };
        let a = made(&user, FileType::Directory, 0o777);
        assert_eq!((a.mode, a.gid), (0o2755, 2));
        let a = made(&user, FileType::Regular, 0o2775);
        assert_eq!((a.mode, a.gid), (0o755, 2));
        // Asked for with group-execute, which the umask takes away.
        let mut op = op(&user, FileType::Regular, 0o2775);
        op.new.umask = 0o077;
        let mut a = op
            .plan(&dir(0o2777), Ok(()), false, Time::default())
            .unwrap();
        inherit_group(&mut a, &dir(0o2777), &user, 0o2775);
        assert_eq!(a.mode, 0o700);
        user.groups = vec![2];
        let a = made(&user, FileType::Regular, 0o2775);
        assert_eq!(a.mode, 0o2755);
        // The kernel has checked.
        user.groups.clear();
        user.check_permission = false;
        let a = made(&user, FileType::Regular, 0o2775);
        assert_eq!(a.mode, 0o2755);
    }
}
