//! The users and groups whose usage a volume counts.

use jfs_types::Attr;

/// A user or a group with usage, and perhaps limits, of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuotaOwner {
    /// The user of this uid.
    User(u32),
    /// The group of this gid.
    Group(u32),
}

impl QuotaOwner {
    /// The owners that an inode counts for.
    pub fn of(attr: &Attr) -> [QuotaOwner; 2] {
        [QuotaOwner::User(attr.uid), QuotaOwner::Group(attr.gid)]
    }

    /// The uid or gid.
    pub fn id(self) -> u32 {
        match self {
            QuotaOwner::User(id) | QuotaOwner::Group(id) => id,
        }
    }
}
