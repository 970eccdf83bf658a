//! Arguments and answers of operations.

use jfs_meta::SetTime;
use jfs_types::{Attr, FileType, Ino, Name};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// Attributes of an inode, and their lifetime in a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrReply {
    /// Inode as seen from outside.
    pub ino: Ino,
    /// Attributes. The length includes bytes that are not committed yet.
    pub attr: Attr,
    /// How long a cache may keep the attributes.
    pub ttl: Duration,
}

/// An entry that was found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryReply {
    /// Inode as seen from outside.
    pub ino: Ino,
    /// Attributes.
    pub attr: Attr,
    /// How long a cache may keep the attributes.
    pub attr_ttl: Duration,
    /// How long a cache may keep the entry.
    pub entry_ttl: Duration,
}

/// Attributes to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAttrRequest {
    /// Permission bits.
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Length, bytes.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<SetTime>,
    /// Last change of the content.
    pub mtime: Option<SetTime>,
}

/// One name of a directory listing.
#[derive(Clone, Debug)]
pub struct DirItem {
    /// Inode as seen from outside.
    pub ino: Ino,
    /// Type.
    pub kind: FileType,
    /// The name.
    pub name: Name,
    /// Attributes, when the listing brought them.
    pub attr: Option<Attr>,
    /// Position at which the listing goes on after this item.
    pub next: u64,
}

/// Items of a listing, in its order. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct DirItems {
    page: Arc<Vec<DirItem>>,
    from: usize,
}

impl DirItems {
    /// The items of a page from one on.
    pub(crate) fn new(page: Arc<Vec<DirItem>>, from: usize) -> DirItems {
        DirItems { page, from }
    }
}

impl Deref for DirItems {
    type Target = [DirItem];
    fn deref(&self) -> &[DirItem] {
        self.page.get(self.from..).unwrap_or_default()
    }
}
