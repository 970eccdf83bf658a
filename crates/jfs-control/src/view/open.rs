//! Opening and creating files.

use crate::control_file::ControlFile;
use crate::internal_files::InternalFile;
use crate::view::View;
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use jfs_telemetry::metrics::stats_text;
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::{EntryReply, SpecialFile, Vfs};

impl View {
    /// As [`jfs_vfs::Vfs::open`]. Of the internal files `.control` alone can be opened for writing: EACCES for the
    /// others, and EBUSY for one reader of `.accesslog` too many.
    pub async fn open(&self, caller: &Caller, ino: Ino, flags: i32) -> Result<(u64, bool), Errno> {
        match ino.is_virtual() {
            true => Ok((self.open_internal(caller, ino, flags)?, false)),
            false => self.vfs().open(caller, ino, flags).await,
        }
    }

    /// The content of an internal file is made when the file is opened.
    fn open_internal(&self, caller: &Caller, ino: Ino, flags: i32) -> Result<u64, Errno> {
        let file = InternalFile::of(ino)?;
        if file != InternalFile::Control && flags & libc::O_ACCMODE != libc::O_RDONLY {
            return Err(Errno::EACCES);
        }
        let opened: Box<dyn SpecialFile> = match file {
            InternalFile::AccessLog => Box::new(self.inner.log.subscribe().ok_or(Errno::EBUSY)?),
            InternalFile::Control => Box::new(ControlFile::new(caller.clone())),
            InternalFile::Stats => Box::new(Text(stats_text(&self.metrics()).into())),
            InternalFile::Config | InternalFile::Trash => Box::new(Text(self.config_text().into())),
        };
        Ok(self.vfs().open_special(opened, flags))
    }

    /// As [`jfs_vfs::Vfs::create`]. EEXIST for the name of an internal file.
    pub async fn create(
        &self,
        caller: &Caller,
        parent: Ino,
        name: &[u8],
        mode: u16,
        umask: u16,
        flags: i32,
    ) -> Result<(EntryReply, u64, bool), Errno> {
        self.refuse_name(parent, name, Errno::EEXIST)?;
        let created = self.vfs().create(caller, parent, name, mode, umask, flags);
        created.await
    }
}

/// A file whose text does not change while it is open.
struct Text(Bytes);

impl SpecialFile for Text {
    fn read(&self, off: u64, size: u32) -> BoxFuture<'_, Bytes> {
        let from = usize::try_from(off).unwrap_or(usize::MAX).min(self.0.len());
        let to = self.0.len().min(from.saturating_add(size as usize));
        Box::pin(ready(self.0.slice(from..to)))
    }

    fn write(&self, _: &Vfs, _: u64, _: &[u8]) -> Result<u32, Errno> {
        Err(Errno::EBADF)
    }
}
