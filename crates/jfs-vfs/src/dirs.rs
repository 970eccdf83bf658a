//! Directory handles: a listing taken at offset 0, offsets are positions in it.

use crate::reply::DirItem;
use crate::vfs::Vfs;
use jfs_meta::engine::DirCursor;
use jfs_types::{Caller, Errno, FileType, Ino, Name};
use std::collections::HashSet;
use std::sync::Arc;

impl Vfs {
    /// Opens a directory for listing. No round trip.
    pub fn opendir(&self, ino: Ino) -> u64 {
        self.inner.handles.open(self.real(ino), libc::O_RDONLY)
    }

    /// The listing of an open directory, `.` and `..` first. Taken (again) when `offset` is 0, so
    /// that rewinddir sees changes; positions in it are stable until then. Attributes come along.
    pub async fn readdir(
        &self,
        caller: &Caller,
        fh: u64,
        offset: u64,
    ) -> Result<Arc<Vec<DirItem>>, Errno> {
        if let Some(listing) = self.try_readdir(fh, offset) {
            return Ok(listing);
        }
        let handle = self.inner.handles.get(fh).ok_or(Errno::EBADF)?;
        let items = Arc::new(self.list(caller, handle.ino).await?);
        *handle.listing.lock() = Some(items.clone());
        Ok(items)
    }

    /// The listing when it was taken already and `offset` continues it.
    pub fn try_readdir(&self, fh: u64, offset: u64) -> Option<Arc<Vec<DirItem>>> {
        if offset == 0 {
            return None;
        }
        self.inner.handles.get(fh)?.listing.lock().clone()
    }

    async fn list(&self, caller: &Caller, dir: Ino) -> Result<Vec<DirItem>, Errno> {
        let dot = |ino: Ino, name: &[u8]| DirItem {
            ino: self.shown(ino),
            kind: FileType::Directory,
            name: Name::stored(name),
            attr: None,
        };
        let mut items = vec![dot(dir, b"."), dot(dir, b"..")];
        items.extend(self.special_items(dir).await);
        let mut names = HashSet::new();
        let mut cursor = DirCursor::Start;
        loop {
            let page = self.inner.meta.readdir(caller, dir, &cursor, true).await?;
            for e in page.entries {
                // One engine may name an entry twice when the directory changes meanwhile.
                if (matches!(cursor, DirCursor::Token(_)) || page.next.is_some())
                    && !names.insert(e.name.clone())
                {
                    continue;
                }
                let attr = e.attr.map(|attr| self.with_pending(e.entry.ino, attr));
                if let Some(attr) = &attr {
                    self.inner.told.note(e.entry.ino, attr);
                }
                items.push(DirItem {
                    ino: self.shown(e.entry.ino),
                    kind: e.entry.kind,
                    name: e.name,
                    attr,
                });
            }
            match page.next {
                Some(next) => cursor = next,
                None => return Ok(items),
            }
        }
    }

    /// Closes a directory handle.
    pub fn releasedir(&self, fh: u64) {
        self.inner.handles.close(fh);
    }
}
