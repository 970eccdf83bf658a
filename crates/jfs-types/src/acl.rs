//! POSIX ACL rules, as the volume keeps them: one table of rules, attributes hold their numbers.

use crate::{Attr, Caller};

/// An absent number in [`AclRule`].
pub const ABSENT: u16 = 0xFFFF;

/// Permissions of one named user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclEntry {
    /// User or group.
    pub id: u32,
    /// Permission bits, 0..=7.
    pub perm: u16,
}

/// One rule. Equal rules share one number, whatever the order of their entries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AclRule {
    /// The owner's permissions; [`ABSENT`] where none are said, as in the three that follow.
    pub owner: u16,
    /// The owning group's.
    pub group: u16,
    /// The most permissions that named users and all groups can have.
    pub mask: u16,
    /// Everybody else's.
    pub other: u16,
    /// Named users, in the order they were set.
    pub named_users: Vec<AclEntry>,
    /// Named groups, in the order they were set.
    pub named_groups: Vec<AclEntry>,
}

/// Which rule of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclKind {
    /// The rule that grants permissions.
    Access,
    /// The rule that new entries of a directory start with.
    Default,
}

impl AclKind {
    /// The number of the rule in the attributes, 0 = none.
    pub fn id_in(self, attr: &Attr) -> u32 {
        match self {
            AclKind::Access => attr.access_acl,
            AclKind::Default => attr.default_acl,
        }
    }

    /// Puts the number of a rule into the attributes.
    pub fn put_id(self, attr: &mut Attr, id: u32) {
        match self {
            AclKind::Access => attr.access_acl = id,
            AclKind::Default => attr.default_acl = id,
        }
    }
}

impl Default for AclRule {
    fn default() -> AclRule {
        AclRule::empty()
    }
}

impl AclRule {
    /// A rule that says nothing: it stands for the removal of one.
    pub fn empty() -> AclRule {
        AclRule {
            owner: ABSENT,
            group: ABSENT,
            mask: ABSENT,
            other: ABSENT,
            named_users: Vec::new(),
            named_groups: Vec::new(),
        }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == AclRule::empty()
    }

    /// Whether mode bits can say the same: no named entries and no mask.
    pub fn is_minimal(&self) -> bool {
        self.named_users.is_empty() && self.named_groups.is_empty() && self.mask == ABSENT
    }

    /// The nine mode bits it shows as: the group's are those of the mask, if there is one.
    pub fn mode(&self) -> u16 {
        let middle = if self.is_minimal() {
            self.group
        } else {
            self.mask
        };
        ((self.owner & 7) << 6) | ((middle & 7) << 3) | (self.other & 7)
    }

    /// Applies chmod: owner and other are replaced, and the mask (the group, if there is none).
    pub fn set_mode(&mut self, mode: u16) {
        let bits = |old: u16, new: u16| (old & 0xFFF8) | (new & 7);
        self.owner = bits(self.owner, mode >> 6);
        if self.is_minimal() {
            self.group = bits(self.group, mode >> 3);
        } else {
            self.mask = bits(self.mask, mode >> 3);
        }
        self.other = bits(self.other, mode);
    }

    /// Fills owner, group and other from a mode where they are absent.
    pub fn fill_from_mode(&mut self, mode: u16) {
        for (field, shift) in [
            (&mut self.owner, 6),
            (&mut self.group, 3),
            (&mut self.other, 0),
        ] {
            if *field == ABSENT {
                *field = (mode >> shift) & 7;
            }
        }
    }

    /// The access rule of a new inode below a directory with this default rule: no more than `mode`
    /// asks for.
    pub fn for_child(&self, mode: u16) -> AclRule {
        AclRule {
            owner: (mode >> 6) & 7 & self.owner,
            mask: (mode >> 3) & 7 & self.mask,
            other: mode & 7 & self.other,
            ..self.clone()
        }
    }

    /// The same entries in one order, to compare rules by.
    pub fn sorted(&self) -> AclRule {
        let mut rule = self.clone();
        rule.named_users.sort_unstable();
        rule.named_groups.sort_unstable();
        rule
    }

    /// Whether `caller` has all permissions of `mask` on an inode of `uid` and `gid`: the owner's
    /// entry, the caller's own, any matching group's, other's, in this order.
    pub fn grants(&self, caller: &Caller, uid: u32, gid: u32, mask: u8) -> bool {
        let wanted = u16::from(mask);
        let allows = |perm: u16| perm & 7 & wanted == wanted;
        if caller.uid == uid {
            return allows(self.owner);
        }
        if let Some(named) = self.named_users.iter().find(|e| e.id == caller.uid) {
            return allows(named.perm & self.mask);
        }
        let owning = caller.in_group(gid).then_some(self.group);
        let named = self.named_groups.iter();
        let groups: Vec<u16> = named
            .filter(|e| caller.in_group(e.id))
            .map(|e| e.perm)
            .chain(owning)
            .collect();
        if groups.is_empty() {
            return allows(self.other);
        }
        groups.into_iter().any(|perm| allows(perm & self.mask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> AclRule {
        AclRule {
            owner: 7,
            group: 5,
            mask: 6,
            other: 1,
            named_users: vec![AclEntry { id: 10, perm: 7 }],
            named_groups: vec![AclEntry { id: 20, perm: 2 }],
        }
    }

    #[test]
    fn modes() {
        assert_eq!(rule().mode(), 0o761);
        let mut r = rule();
        r.set_mode(0o640);
        assert_eq!((r.owner, r.group, r.mask, r.other), (6, 5, 4, 0));
        let mut minimal = AclRule::empty();
        assert!(minimal.is_empty() && minimal.is_minimal());
        minimal.fill_from_mode(0o754);
        assert_eq!((minimal.mode(), minimal.mask), (0o754, ABSENT));
        minimal.set_mode(0o600);
        assert_eq!((minimal.mode(), minimal.mask), (0o600, ABSENT));
        let child = rule().for_child(0o640);
        assert_eq!(
            (child.owner, child.group, child.mask, child.other),
            (6, 5, 4, 0)
        );
    }

    #[test]
    fn kinds_of_rules() {
        let mut attr = Attr::new(crate::FileType::Regular);
        AclKind::Access.put_id(&mut attr, 5);
        AclKind::Default.put_id(&mut attr, 6);
        assert_eq!((attr.access_acl, attr.default_acl), (5, 6));
        let ids = [AclKind::Access, AclKind::Default].map(|kind| kind.id_in(&attr));
        assert_eq!(ids, [5, 6]);
        assert!(!rule().is_empty());
        // Each of the three makes it more than mode bits.
        let only = |change: fn(&mut AclRule)| {
            let mut r = AclRule::empty();
            change(&mut r);
            r.is_minimal()
        };
        assert!(only(|r| r.owner = 7));
        assert!(!only(|r| r.mask = 7));
        assert!(!only(|r| r.named_users.push(AclEntry { id: 1, perm: 1 })));
        assert!(!only(|r| r.named_groups.push(AclEntry { id: 1, perm: 1 })));
        let two = |first: u32, second: u32| AclRule {
            named_users: [first, second].map(|id| AclEntry { id, perm: 1 }).to_vec(),
            named_groups: [first, second].map(|id| AclEntry { id, perm: 2 }).to_vec(),
            ..rule()
        };
        assert_ne!(two(3, 4), two(4, 3));
        assert_eq!(two(3, 4).sorted(), two(4, 3).sorted());
        assert_eq!(two(4, 3).sorted(), two(3, 4));
    }

    #[test]
    fn who_may() {
        let r = rule();
        let may = |uid, gid, mask| r.grants(&Caller::user(uid, gid), 1, 2, mask);
        assert!(may(1, 99, 7));
        assert!(may(10, 99, 6) && !may(10, 99, 1)); // cut by the mask
        assert!(may(11, 2, 4) && !may(11, 2, 2)); // the owning group's, cut by the mask
        assert!(may(11, 20, 2) && !may(11, 20, 4));
        assert!(may(11, 99, 1) && !may(11, 99, 2));
        // Any group that matches may grant; other does not apply any more.
        let mut both = Caller::user(11, 2);
        both.groups = vec![20];
        assert!(r.grants(&both, 1, 2, 4) && r.grants(&both, 1, 2, 2));
        assert!(!r.grants(&both, 1, 2, 6) && !r.grants(&both, 1, 2, 1));
    }
}
