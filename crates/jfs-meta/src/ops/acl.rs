//! POSIX ACLs: setting, reading, inheriting, and asking them for permission.

use crate::EngineError;
use crate::change_log::Event;
use crate::engine::{Answer, Key};
use crate::meta::Meta;
use crate::perm;
use crate::proof::Proof;
use crate::run::{Operation, patiently};
use crate::txn::{Stop, Txn};
use bytes::Bytes;
use jfs_types::attr::flags;
use jfs_types::{AclKind, AclRule, Attr, Caller, Errno, Ino};
use std::sync::Arc;

/// Names by which the rules of an inode are listed among its extended attributes.
pub(super) fn names_of_acls(attr: &Attr) -> Vec<Bytes> {
    let names = [
        (attr.access_acl, "system.posix_acl_access"),
        (attr.default_acl, "system.posix_acl_default"),
    ];
    let used = names.into_iter().filter(|(id, _)| *id != 0);
    used.map(|(_, name)| Bytes::from_static(name.as_bytes()))
        .collect()
}

struct SetAcl<'a> {
    caller: &'a Caller,
    ino: Ino,
    kind: AclKind,
    rule: &'a AclRule,
}

impl Meta {
    /// Sets a rule of an inode; an empty one removes it. A rule that mode bits can say becomes the
    /// mode. Only for the owner and the super-user: EPERM. EACCES for a default rule on what is no
    /// directory. An access rule clears sgid when its caller is outside the group: the caller's
    /// groups count also where the kernel has checked permissions. Returns the attributes afterwards.
    pub async fn set_acl(
        &self,
        caller: &Caller,
        ino: Ino,
        kind: AclKind,
        rule: &AclRule,
    ) -> Result<Attr, Errno> {
        if ino.is_trash() {
            return Err(Errno::EPERM);
        }
        let op = SetAcl {
            caller,
            ino,
            kind,
            rule,
        };
        let (before, after) = self.transact(&op).await?;
        self.open_files
            .changed(ino, &before, &after, Some(u32::MAX));
        Ok(after)
    }

    /// A rule of an inode; ENODATA when it has none. One round trip, two for a rule not seen before.
    pub async fn get_acl(&self, ino: Ino, kind: AclKind) -> Result<Arc<AclRule>, Errno> {
        self.within("getfacl", async {
            match kind.id_in(&self.getattr(ino).await?) {
                0 => Err(Errno::ENODATA),
                id => self.acl(id).await,
            }
        })
        .await
    }

    /// A rule by its number: from memory, or in one round trip.
    pub(crate) async fn acl(&self, id: u32) -> Result<Arc<AclRule>, Errno> {
        if let Some(rule) = self.acls.rule(id) {
            return Ok(rule);
        }
        let answers = self.fetch(&[Key::Acl(id)]).await?;
        match answers.into_iter().next().map(Answer::into_acl) {
            Some(Ok(Some(rule))) => Ok(self.acls.learn(id, rule)),
            Some(Ok(None)) => {
                Err(self.to_errno("acl", &EngineError::corrupt("acl", format!("no rule {id}"))))
            }
            Some(Err(e)) => Err(self.to_errno("acl", &e)),
            None => Err(Errno::EIO),
        }
    }

    /// The number of a rule: from memory, of an equal rule that is stored, or of a new one. Rules never
    /// change and never go, so an attempt may ask and run again. Two clients that add equal rules at the
    /// same time may store both; each number is right. One round trip for a stored rule, three for a new one
    /// on Redis.
    pub(crate) async fn acl_id(&self, rule: &AclRule) -> Result<u32, EngineError> {
        if let Some(id) = self.acls.id(rule) {
            return Ok(id);
        }
        let id = patiently(|| self.find_or_add_acl(rule)).await?;
        self.acls.learn(id, rule.clone());
        Ok(id)
    }

    async fn find_or_add_acl(&self, rule: &AclRule) -> Result<u32, EngineError> {
        let wanted = rule.sorted();
        let candidates = self.engine().find_acls(rule).await?;
        let equal = candidates.iter().filter(|(_, r)| r.sorted() == wanted);
        // The lowest, so that clients agree where a rule is stored twice.
        match equal.map(|(id, _)| *id).min() {
            Some(id) => Ok(id),
            None => {
                let name = "aclMaxId";
                let log = match self.engine().capabilities().counts_acl_ids {
                    true => self.change_log().lines(&Event::AddCounter { name, n: 1 }),
                    false => Vec::new(),
                };
                self.engine().add_acl(rule, &log).await
            }
        }
    }

    /// Whether the caller has all permissions of `mask`, by the rule of the inode or its mode, unless
    /// the kernel has checked already.
    pub(crate) async fn may(&self, caller: &Caller, attr: &Attr, mask: u8) -> Result<(), Errno> {
        if !caller.check_permission {
            return Ok(());
        }
        self.may_always(caller, attr, mask).await
    }

    /// As [`Meta::may`], also when the kernel has checked.
    pub(crate) async fn may_always(
        &self,
        caller: &Caller,
        attr: &Attr,
        mask: u8,
    ) -> Result<(), Errno> {
        // As Linux does: without group bits the mask of the rule grants nothing.
        if caller.uid == 0 || attr.access_acl == 0 || attr.mode & 0o070 == 0 {
            return perm::check(caller, attr, mask);
        }
        let rule = self.acl(attr.access_acl).await?;
        if rule.grants(caller, attr.uid, attr.gid, mask) {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }

    /// Gives the new inode `attr` what the default rule of its directory says; `mode` is what its
    /// creator asked for, no umask applied.
    pub(crate) async fn inherit_acl(
        &self,
        dir: &Attr,
        attr: &mut Attr,
        mode: u16,
    ) -> Result<(), Stop> {
        if attr.is_dir() {
            attr.default_acl = dir.default_acl;
        }
        let rule = self.acl(dir.default_acl).await?;
        if rule.is_minimal() {
            attr.mode = mode & (0o7000 | rule.mode());
        } else {
            let own = rule.for_child(mode);
            attr.mode = (mode & 0o7000) | own.mode();
            attr.access_acl = self.acl_id(&own).await?;
        }
        Ok(())
    }
}

impl Operation for SetAcl<'_> {
    type Out = (Attr, Attr);
    const NAME: &'static str = "setfacl";

    fn locks(&self) -> Vec<Ino> {
        vec![self.ino]
    }

    async fn attempt(&self, meta: &Meta, tx: &mut Txn) -> Result<(Attr, Attr), Stop> {
        let before = tx.own_attr(self.ino).await?;
        let (mut after, rule) = self.plan(&before)?;
        let id = match rule {
            Some(rule) => meta.acl_id(&rule).await?,
            None => 0,
        };
        self.kind.put_id(&mut after, id);
        if after != before {
            after.ctime = tx.now;
            tx.put_attr(self.ino, &after)?;
            tx.log(&Event::SetAcl {
                ino: self.ino,
                kind: self.kind,
                rule: self.rule,
            });
        }
        Ok((before, after))
    }

    fn proof(&self, _: &(Attr, Attr)) -> Proof {
        Proof::Rerun
    }
}

impl SetAcl<'_> {
    /// The attributes afterwards, but for the number of the rule; and the rule to store, if any.
    fn plan(&self, before: &Attr) -> Result<(Attr, Option<AclRule>), Errno> {
        let caller = self.caller;
        if before.flags & flags::IMMUTABLE != 0 {
            return Err(Errno::EPERM);
        }
        if caller.check_permission && caller.uid != 0 && caller.uid != before.uid {
            return Err(Errno::EPERM);
        }
        let access = self.kind == AclKind::Access;
        if !access && !before.is_dir() && !self.rule.is_empty() {
            return Err(Errno::EACCES);
        }
        let mut after = before.clone();
        if self.rule.is_empty() {
            return Ok((after, None));
        }
        // A default rule and the removal of a rule do not concern the mode.
        if access && caller.uid != 0 && !caller.in_group(before.gid) {
            after.mode &= !0o2000;
        }
        let mut rule = self.rule.clone();
        if access && rule.is_minimal() {
            rule.fill_from_mode(before.mode);
            after.mode = (after.mode & 0o7000) | rule.mode();
            return Ok((after, None));
        }
        rule.fill_from_mode(after.mode);
        if access {
            after.mode = (after.mode & 0o7000) | rule.mode();
        }
        Ok((after, Some(rule)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::acl::ABSENT;
    use jfs_types::{AclEntry, FileType};

    fn rule(mask: u16, named: bool) -> AclRule {
        let entry = AclEntry { id: 10, perm: 7 };
        AclRule {
            owner: 6,
            group: 5,
            mask,
            other: 0,
            named_users: named.then_some(entry).into_iter().collect(),
            named_groups: Vec::new(),
        }
    }

    fn plan(
        caller: &Caller,
        kind: AclKind,
        rule: &AclRule,
        attr: &Attr,
    ) -> Result<(u16, Option<AclRule>), Errno> {
        let op = SetAcl {
            caller,
            ino: Ino(5),
            kind,
            rule,
        };
        op.plan(attr).map(|(after, rule)| (after.mode, rule))
    }

    #[test]
    fn rules_and_modes() {
        let mut file = Attr::new(FileType::Regular);
        (file.mode, file.uid, file.gid) = (0o2777, 7, 8);
        let (root, owner) = (Caller::root(), Caller::user(7, 9));
        let access = |caller: &Caller, rule: &AclRule| plan(caller, AclKind::Access, rule, &file);
        let named = rule(4, true);
        assert_eq!(access(&root, &named), Ok((0o2640, Some(named.clone()))));
        // Not in the group: sgid goes.
        assert_eq!(access(&owner, &named), Ok((0o640, Some(named.clone()))));
        assert_eq!(access(&root, &rule(ABSENT, false)), Ok((0o2650, None)));
        let member = Caller {
            groups: vec![8],
            check_permission: false,
            ..owner.clone()
        };
        assert_eq!(access(&member, &named).map(|(mode, _)| mode), Ok(0o2640));
        // The removal of a rule leaves the mode alone.
        for caller in [&root, &owner] {
            assert_eq!(access(caller, &AclRule::empty()), Ok((0o2777, None)));
        }
        assert_eq!(access(&Caller::user(1, 8), &named), Err(Errno::EPERM));
        // The check of the kernel counts.
        let trusted = Caller {
            check_permission: false,
            ..Caller::user(1, 8)
        };
        assert_eq!(access(&trusted, &named).map(|(mode, _)| mode), Ok(0o2640));
        let default = |attr: &Attr| plan(&root, AclKind::Default, &named, attr);
        assert_eq!(default(&file), Err(Errno::EACCES));
        let mut dir = Attr::new(FileType::Directory);
        dir.mode = 0o755;
        assert_eq!(default(&dir), Ok((0o755, Some(named.clone()))));
        // Nor does a default rule concern it.
        (dir.mode, dir.uid, dir.gid) = (0o2755, 7, 8);
        let by_owner = plan(&owner, AclKind::Default, &named, &dir);
        assert_eq!(by_owner, Ok((0o2755, Some(named.clone()))));
        dir.flags = flags::IMMUTABLE;
        assert_eq!(default(&dir), Err(Errno::EPERM));
    }

    #[test]
    fn what_is_not_said_comes_from_the_mode() {
        let mut dir = Attr::new(FileType::Directory);
        dir.mode = 0o751;
        let mut half = rule(ABSENT, false);
        half.owner = ABSENT;
        let (_, stored) = plan(&Caller::root(), AclKind::Default, &half, &dir).unwrap_or_default();
        let stored = stored.unwrap_or_default();
        assert_eq!((stored.owner, stored.group, stored.other), (7, 5, 0));
    }
}
