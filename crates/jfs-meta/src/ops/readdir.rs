//! readdir: pages of a directory.

use crate::engine::{DirCursor, DirPage};
use crate::meta::Meta;
use crate::perm::READ;
use crate::run::patiently;
use jfs_types::{Caller, Errno, Ino};

impl Meta {
    /// One page of a directory, without `.` and `..`, in the engine's order. A name that exists
    /// during the whole listing is in it at least once. ENOTDIR and EACCES are only found where
    /// permissions are checked here.
    pub async fn readdir(
        &self,
        caller: &Caller,
        dir: Ino,
        cursor: &DirCursor,
        with_attrs: bool,
    ) -> Result<DirPage, Errno> {
        self.within("readdir", async {
            if caller.check_permission && *cursor == DirCursor::Start {
                let attr = self.getattr(dir).await?;
                if !attr.is_dir() {
                    return Err(Errno::ENOTDIR);
                }
                self.may_always(caller, &attr, READ).await?;
            }
            patiently(|| self.engine().list_dir(dir, cursor, with_attrs))
                .await
                .map_err(|e| self.to_errno("readdir", &e))
        })
        .await
    }
}
