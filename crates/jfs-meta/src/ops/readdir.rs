//! readdir: pages of a directory.

use crate::engine::{DirCursor, DirPage, EngineError};
use crate::meta::Meta;
use crate::perm::READ;
use jfs_types::{Caller, Errno, Ino};
use std::time::Duration;

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
            let mut failures = 0;
            loop {
                match self.engine().list_dir(dir, cursor, with_attrs).await {
                    Ok(page) => return Ok(page),
                    Err(EngineError::Transient(why)) if failures < 10 => {
                        failures += 1;
                        tracing::debug!("list again after: {why}");
                        tokio::time::sleep(Duration::from_millis(failures * failures * 5)).await;
                    }
                    Err(e) => return Err(self.to_errno("readdir", &e)),
                }
            }
        })
        .await
    }
}
