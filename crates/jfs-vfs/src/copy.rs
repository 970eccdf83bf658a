//! fallocate and copy_file_range: changes of content that move no data.

use crate::handles::{FileHandle, Handle, SpecialHandle};
use crate::vfs::Vfs;
use jfs_meta::CopyRange;
use jfs_meta::ops::fallocate::mode as fallocate_mode;
use jfs_types::{Caller, Errno, Ino};

/// Most bytes of one copy, as Linux limits reads and writes.
const COPY_MAX: u64 = 0x7fff_f000;

impl Vfs {
    /// fallocate(2) on a handle that can write. Bytes written before are committed first.
    pub async fn fallocate(
        &self,
        caller: &Caller,
        fh: u64,
        mode: i32,
        off: u64,
        size: u64,
    ) -> Result<(), Errno> {
        self.check_writable()?;
        let ino = match self.inner.handles.get(fh)? {
            Handle::File(file) if file.can_write() => file.ino,
            Handle::Special(special) if special.can_write() => return Err(Errno::EPERM),
            _ => return Err(Errno::EBADF),
        };
        self.commit_written(ino).await?;
        self.drop_privileges(caller, fh).await?;
        self.inner
            .meta
            .fallocate(caller, ino, mode, off, size)
            .await?;
        if mode & fallocate_mode::KEEP_SIZE == 0 {
            self.kernel_reaches(ino, off.saturating_add(size));
        }
        Ok(())
    }

    /// copy_file_range(2) between two handles. Bytes written to both files before are committed first.
    /// Returns the number of bytes copied, which may be less than asked for. For any caller but the
    /// super-user call [`Vfs::drop_privileges`] before.
    pub async fn copy_file_range(
        &self,
        (fh_from, from_off): (u64, u64),
        (fh_to, to_off): (u64, u64),
        size: u64,
    ) -> Result<u64, Errno> {
        self.check_writable()?;
        let handles = &self.inner.handles;
        // The inode of a handle that may be copied from or to; none of a special file.
        let end = |fh, may: fn(&FileHandle) -> bool, may_special: fn(&SpecialHandle) -> bool| {
            match handles.get(fh)? {
                Handle::File(file) if may(&file) => Ok(Some(file.ino)),
                Handle::Special(special) if may_special(&special) => Ok(None),
                _ => Err(Errno::EBADF),
            }
        };
        let from = end(fh_from, FileHandle::can_read, SpecialHandle::can_read)?;
        let to = end(fh_to, FileHandle::can_write, SpecialHandle::can_write)?;
        let (Some(from), Some(to)) = (from, to) else {
            return Err(Errno::ENOTSUP);
        };
        self.commit_written(from).await?;
        if from != to {
            self.commit_written(to).await?;
        }
        let range = CopyRange {
            from,
            from_off,
            to,
            to_off,
            size: size.min(COPY_MAX),
        };
        // An fsync of the target has to make this data durable too.
        let copying = self.copying(from, to).await?;
        let copied = self.inner.meta.copy_file_range(range).await;
        drop(copying);
        let (copied, _) = copied?;
        if copied > 0 {
            self.kernel_reaches(to, to_off.saturating_add(copied));
        }
        Ok(copied)
    }

    fn kernel_reaches(&self, ino: Ino, end: u64) {
        if let Some(writer) = self.inner.writers.get(ino) {
            writer.kernel_reaches(end);
        }
    }

    pub(crate) async fn commit_written(&self, ino: Ino) -> Result<(), Errno> {
        match self.inner.writers.get(ino) {
            Some(writer) => self.settle(&writer).await,
            None => Ok(()),
        }
    }
}
