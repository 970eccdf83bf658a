//! Listings.

use crate::internal_files::InternalFile;
use crate::view::View;
use jfs_types::{Errno, Ino, Name};
use jfs_vfs::{DirItem, DirItems};

impl View {
    /// As [`jfs_vfs::Vfs::readdir`] of the open directory `ino`. A listing of the root shows the internal files,
    /// unless [`ViewConfig::hide_internal`](crate::ViewConfig::hide_internal) leaves them out.
    pub async fn readdir(&self, ino: Ino, fh: u64, offset: u64) -> Result<DirItems, Errno> {
        match ino == Ino::ROOT && !self.inner.hidden {
            true => {
                let items = self.internal_items();
                self.vfs().readdir_with(fh, offset, items).await
            }
            false => self.vfs().readdir(fh, offset).await,
        }
    }

    async fn internal_items(&self) -> Vec<DirItem> {
        let mut items = Vec::new();
        for file in self.inner.naming.listed() {
            let attr = match file {
                InternalFile::Trash => self.vfs().meta().getattr(Ino::TRASH).await,
                file => self.internal_attr(file.ino()),
            };
            let Ok(attr) = attr else { continue };
            items.push(DirItem {
                ino: file.ino(),
                kind: attr.kind,
                name: Name::stored(&self.inner.naming.name(file)),
                attr: Some(attr),
                next: 0,
            });
        }
        items
    }
}
