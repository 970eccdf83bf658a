//! setattr: mode, owner and times. The size is truncate's.

use super::kept_by_trash;
use super::truncate::log_mode;
use crate::change_log::{Event, mask};
use crate::meta::Meta;
use crate::perm;
use crate::proof::Proof;
use crate::run::Operation;
use crate::txn::{Stop, Txn};
use jfs_types::attr::flags;
use jfs_types::{AclRule, Attr, Caller, Errno, Ino, Time};

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// The time of the change; write permission suffices.
    Now,
    /// This time; only the owner may.
    At(Time),
}

/// Attributes to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAttr {
    /// The 12 permission bits.
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Last access.
    pub atime: Option<SetTime>,
    /// Last change of the content.
    pub mtime: Option<SetTime>,
    /// Flag bits of the inode, all of them ([`jfs_types::attr::flags`]); immutable and append-only
    /// only by the super-user.
    pub flags: Option<u8>,
}

impl SetAttr {
    /// The attributes to change, as the change log names them.
    fn mask(&self) -> u16 {
        let time = |time: Option<SetTime>, at: u16, now: u16| match time {
            None => 0,
            Some(SetTime::At(_)) => at,
            Some(SetTime::Now) => at | now,
        };
        let bit = |set: bool, bit: u16| if set { bit } else { 0 };
        bit(self.mode.is_some(), mask::MODE)
            | bit(self.uid.is_some(), mask::UID)
            | bit(self.gid.is_some(), mask::GID)
            | bit(self.flags.is_some(), mask::FLAGS)
            | time(self.atime, mask::ATIME, mask::ATIME_NOW)
            | time(self.mtime, mask::MTIME, mask::MTIME_NOW)
    }
}

struct SetAttrOp<'a> {
    caller: &'a Caller,
    ino: Ino,
    set: &'a SetAttr,
    /// The caller has it open.
    open: bool,
}

impl Meta {
    /// Changes attributes and returns all of them. Two round trips; one when nothing is set.
    pub async fn setattr(&self, caller: &Caller, ino: Ino, set: &SetAttr) -> Result<Attr, Errno> {
        self.set_attributes(caller, ino, set, false).await
    }

    /// As [`Meta::setattr`] for a directory that is open: it may have gone to the trash since. (Meta counts
    /// the opens of files itself.)
    pub async fn setattr_open_dir(
        &self,
        caller: &Caller,
        ino: Ino,
        set: &SetAttr,
    ) -> Result<Attr, Errno> {
        self.set_attributes(caller, ino, set, true).await
    }

    async fn set_attributes(
        &self,
        caller: &Caller,
        ino: Ino,
        set: &SetAttr,
        open: bool,
    ) -> Result<Attr, Errno> {
        let op = SetAttrOp {
            caller,
            ino,
            set,
            open,
        };
        let (before, after) = self.transact(&op).await?;
        if after.is_file() {
            self.open_files
                .changed(ino, &before, &after, Some(u32::MAX));
        }
        Ok(after)
    }
}

/// Takes setuid and setgid away before a write.
struct DropPrivileges<'a> {
    caller: &'a Caller,
    ino: Ino,
}

impl Meta {
    /// Takes setuid and setgid from a file whose content `caller` is going to change, by the rule of
    /// [`perm::mode_after_write`]. Two round trips; one when nothing changes.
    pub async fn drop_privileges(&self, caller: &Caller, ino: Ino) -> Result<Attr, Errno> {
        let (before, after) = self.transact(&DropPrivileges { caller, ino }).await?;
        self.open_files
            .changed(ino, &before, &after, Some(u32::MAX));
        Ok(after)
    }
}

impl Operation for DropPrivileges<'_> {
    type Out = (Attr, Attr);
    const NAME: &'static str = "drop_privileges";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, _: &Meta, tx: &mut Txn) -> Result<(Attr, Attr), Stop> {
        let before = tx.own_attr(self.ino).await?;
        let mode = perm::mode_after_write(self.caller, &before);
        if mode == before.mode {
            return Ok((before.clone(), before));
        }
        let after = Attr {
            mode,
            ctime: tx.now,
            ..before.clone()
        };
        tx.put_attr(self.ino, &after)?;
        log_mode(tx, self.ino, 0, &before, &after);
        Ok((before, after))
    }

    fn proof(&self, _: &(Attr, Attr)) -> Proof {
        Proof::Rerun
    }
}

impl Operation for SetAttrOp<'_> {
    type Out = (Attr, Attr);
    const NAME: &'static str = "setattr";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(Attr, Attr), Stop> {
        let before = tx.own_attr(self.ino).await?;
        let open = self.open && before.is_dir() && !self.ino.is_trash();
        if *self.set != SetAttr::default() && !open && kept_by_trash(meta, self.ino, &before) {
            return Err(Errno::EPERM.into());
        }
        let may = meta.may(self.caller, &before, perm::WRITE).await;
        let mut after = plan(self.caller, &before, self.set, may, tx.now)?;
        if self.set.mode.is_some() && before.access_acl != 0 {
            let mut rule = AclRule::clone(&*meta.acl(before.access_acl).await?);
            rule.set_mode(after.mode);
            after.access_acl = meta.acl_id(&rule).await?;
        }
        if after != before {
            tx.put_attr(self.ino, &after)?;
            tx.move_usage(&before, &after);
            tx.log(&Event::SetAttr {
                ino: self.ino,
                mask: self.set.mask(),
                attr: &after,
            });
        }
        Ok((before, after))
    }

    fn proof(&self, _: &(Attr, Attr)) -> Proof {
        Proof::Rerun
    }
}

/// The attributes afterwards, or why not. Unchanged when nothing is set, ctime included. `may` says
/// whether the caller may write the content.
fn plan(
    caller: &Caller,
    before: &Attr,
    set: &SetAttr,
    may: Result<(), Errno>,
    now: Time,
) -> Result<Attr, Errno> {
    if *set == SetAttr::default() {
        return Ok(before.clone());
    }
    // The flags themselves may change, or they would stay for ever.
    let only_flags = SetAttr {
        flags: None,
        ..set.clone()
    } == SetAttr::default();
    let frozen = before.flags & (flags::IMMUTABLE | flags::APPEND) != 0;
    if frozen && !only_flags {
        return Err(Errno::EPERM);
    }
    let mut after = before.clone();
    let owns = caller.uid == 0 || caller.uid == before.uid;
    if let Some(bits) = set.flags {
        let locks = (bits ^ before.flags) & (flags::IMMUTABLE | flags::APPEND) != 0;
        if !owns || locks && caller.uid != 0 {
            return Err(Errno::EPERM);
        }
        after.flags = bits;
    }
    set_owner(caller, before, set, &mut after, owns)?;
    if let Some(mode) = set.mode {
        if mode & 0o7777 != before.mode && caller.check_permission && !owns {
            return Err(Errno::EPERM);
        }
        // Kernels send the mode with a change of owner to clear bits: one that `set_owner` has cleared,
        // which knows all rules, does not come back.
        let cleared = before.mode & !after.mode;
        after.mode = mode & 0o7777 & !cleared;
        if caller.check_permission && caller.uid != 0 && !caller.in_group(after.gid) {
            after.mode &= !0o2000;
        }
    }
    for (value, field) in [(set.atime, &mut after.atime), (set.mtime, &mut after.mtime)] {
        match value {
            None => {}
            Some(SetTime::Now) => {
                if !owns {
                    may?;
                }
                *field = now;
            }
            Some(SetTime::At(t)) => {
                if !owns && caller.check_permission {
                    return Err(Errno::EPERM);
                }
                *field = t;
            }
        }
    }
    // Setting what is there already counts as a change, too.
    after.ctime = now;
    Ok(after)
}

/// chown: the owner only by the super-user, the group by the owner to one of his. Clears suid and
/// sgid of what is no directory. sgid without group-execute stays when the caller is the super-user or
/// in the group that the file had.
fn set_owner(
    caller: &Caller,
    before: &Attr,
    set: &SetAttr,
    after: &mut Attr,
    owns: bool,
) -> Result<(), Errno> {
    if set.uid.is_none() && set.gid.is_none() {
        return Ok(());
    }
    if caller.check_permission && caller.uid != 0 {
        let foreign_user = set.uid.is_some_and(|uid| uid != before.uid);
        let foreign_group = set
            .gid
            .is_some_and(|gid| gid != before.gid && !caller.in_group(gid));
        if !owns || foreign_user || foreign_group {
            return Err(Errno::EPERM);
        }
    }
    after.uid = set.uid.unwrap_or(before.uid);
    after.gid = set.gid.unwrap_or(before.gid);
    if !before.is_dir() {
        let member = caller.uid == 0 || caller.in_group(before.gid);
        let keep_sgid = member && before.mode & 0o010 == 0;
        after.mode &= if keep_sgid { 0o3777 } else { 0o1777 };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::FileType;

    const NOW: Time = Time { sec: 100, nsec: 0 };

    fn plan(caller: &Caller, before: &Attr, set: &SetAttr, now: Time) -> Result<Attr, Errno> {
        let may = perm::check(caller, before, perm::WRITE);
        super::plan(caller, before, set, may, now)
    }

    fn file(mode: u16) -> Attr {
        let mut a = Attr::new(FileType::Regular);
        (a.mode, a.uid, a.gid) = (mode, 10, 20);
        a
    }

    fn chmod(mode: u16) -> SetAttr {
        SetAttr {
            mode: Some(mode),
            ..SetAttr::default()
        }
    }

    fn chown(uid: Option<u32>, gid: Option<u32>) -> SetAttr {
        SetAttr {
            uid,
            gid,
            ..SetAttr::default()
        }
    }

    #[test]
    fn chmod_rules() {
        let (owner, other) = (Caller::user(10, 99), Caller::user(11, 20));
        assert_eq!(
            plan(&other, &file(0o600), &chmod(0o644), NOW),
            Err(Errno::EPERM)
        );
        assert_eq!(
            plan(&owner, &file(0o600), &chmod(0o644), NOW).map(|a| (a.mode, a.ctime)),
            Ok((0o644, NOW))
        );
        // Not a member of group 20: sgid is dropped.
        assert_eq!(
            plan(&owner, &file(0o600), &chmod(0o2755), NOW).map(|a| a.mode),
            Ok(0o755)
        );
        let mut dir = Attr::new(FileType::Directory);
        (dir.uid, dir.gid) = (10, 20);
        assert_eq!(
            plan(&owner, &dir, &chmod(0o2755), NOW).map(|a| a.mode),
            Ok(0o755)
        );
        // In it, or the kernel has checked.
        for caller in [Caller::root(), member(), trusted()] {
            assert_eq!(
                plan(&caller, &file(0o600), &chmod(0o2755), NOW).map(|a| a.mode),
                Ok(0o2755)
            );
        }
    }

    /// The owner, with the file's group as a supplementary one.
    fn member() -> Caller {
        Caller {
            groups: vec![20],
            ..Caller::user(10, 99)
        }
    }

    /// The owner, behind a kernel that checks permissions and does not tell groups.
    fn trusted() -> Caller {
        Caller {
            check_permission: false,
            ..Caller::user(10, 99)
        }
    }

    #[test]
    fn chown_rules() {
        let owner = Caller::user(10, 99);
        assert_eq!(
            plan(&owner, &file(0o644), &chown(Some(11), None), NOW),
            Err(Errno::EPERM)
        );
        assert_eq!(
            plan(&owner, &file(0o644), &chown(None, Some(5)), NOW),
            Err(Errno::EPERM)
        );
        assert_eq!(
            plan(&owner, &file(0o6755), &chown(None, Some(99)), NOW).map(|a| (a.gid, a.mode)),
            Ok((99, 0o755))
        );
        assert_eq!(
            plan(&Caller::root(), &file(0o6755), &chown(Some(1), None), NOW).map(|a| a.mode),
            Ok(0o755)
        );
        assert_eq!(
            plan(&Caller::root(), &file(0o6744), &chown(Some(1), None), NOW).map(|a| a.mode),
            Ok(0o2744)
        );
        // sgid without group-execute goes only when the caller is not in the group.
        for (caller, mode) in [(member(), 0o2644), (owner.clone(), 0o644)] {
            assert_eq!(
                plan(&caller, &file(0o6644), &chown(None, Some(99)), NOW).map(|a| a.mode),
                Ok(mode)
            );
        }
        // A mode that a kernel computed brings nothing back.
        let both = SetAttr {
            mode: Some(0o2644),
            ..chown(None, Some(99))
        };
        assert_eq!(
            plan(&trusted(), &file(0o6644), &both, NOW).map(|a| a.mode),
            Ok(0o644)
        );
        assert_eq!(
            plan(
                &Caller::user(11, 20),
                &file(0o644),
                &chown(None, Some(20)),
                NOW
            ),
            Err(Errno::EPERM)
        );
    }

    #[test]
    fn time_rules() {
        let writer = Caller::user(11, 20);
        let at = SetAttr {
            mtime: Some(SetTime::At(Time { sec: -1, nsec: 5 })),
            ..SetAttr::default()
        };
        let now = SetAttr {
            mtime: Some(SetTime::Now),
            ..SetAttr::default()
        };
        assert_eq!(plan(&writer, &file(0o660), &at, NOW), Err(Errno::EPERM));
        assert_eq!(
            plan(&writer, &file(0o660), &now, NOW).map(|a| a.mtime),
            Ok(NOW)
        );
        assert_eq!(plan(&writer, &file(0o640), &now, NOW), Err(Errno::EACCES));
        assert_eq!(
            plan(&Caller::user(10, 1), &file(0), &at, NOW).map(|a| a.mtime.sec),
            Ok(-1)
        );
        let mut immutable = file(0o644);
        immutable.flags = flags::IMMUTABLE;
        assert_eq!(
            plan(&Caller::root(), &immutable, &at, NOW),
            Err(Errno::EPERM)
        );
    }

    #[test]
    fn flags_of_inodes() {
        let set = |flags| SetAttr {
            flags: Some(flags),
            ..SetAttr::default()
        };
        let mut frozen = file(0o644);
        frozen.flags = flags::IMMUTABLE;
        let (root, owner) = (Caller::root(), Caller::user(10, 20));
        let flags_of = |caller, before: &Attr, flags| {
            plan(caller, before, &set(flags), NOW).map(|a| (a.flags, a.ctime))
        };
        assert_eq!(flags_of(&root, &frozen, 0), Ok((0, NOW)));
        assert_eq!(flags_of(&owner, &frozen, 0), Err(Errno::EPERM));
        assert_eq!(
            flags_of(&owner, &file(0o644), flags::APPEND),
            Err(Errno::EPERM)
        );
        let skip = flags::SKIP_TRASH;
        assert_eq!(flags_of(&owner, &file(0o644), skip), Ok((skip, NOW)));
        assert_eq!(
            flags_of(&Caller::user(11, 20), &file(0o666), skip),
            Err(Errno::EPERM)
        );
        let both = SetAttr {
            mode: Some(0o600),
            ..set(0)
        };
        assert_eq!(plan(&root, &frozen, &both, NOW), Err(Errno::EPERM));
    }

    #[test]
    fn nothing_to_set_changes_nothing() {
        let before = file(0o644);
        assert_eq!(
            plan(&Caller::user(77, 77), &before, &SetAttr::default(), NOW),
            Ok(before)
        );
    }
}
