//! Steps of a walk along a path, for programs that walk by themselves.

use crate::vfs::Vfs;
use jfs_types::{Attr, Caller, Errno};

impl Vfs {
    /// Whether the caller may look up names in a directory whose attributes are known: EACCES if not, ENOTDIR
    /// for anything else. With that checked, [`Vfs::lookup`] by a caller without `check_permission` is one
    /// round trip.
    pub async fn may_search(&self, caller: &Caller, dir: &Attr) -> Result<(), Errno> {
        self.inner.meta.may_search(caller, dir).await
    }
}
