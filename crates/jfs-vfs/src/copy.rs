//! fallocate and copy_file_range: changes of content that move no data.

use crate::vfs::Vfs;
use jfs_meta::CopyRange;
use jfs_meta::ops::fallocate::mode as fallocate_mode;
use jfs_types::{Caller, Errno, Ino};

/// Most bytes of one copy, as Linux limits reads and writes.
const COPY_MAX: u64 = 0x7fff_f000;

impl Vfs {
    /// fallocate(2) on a handle that can write; what was written before is committed first.
    pub async fn fallocate(
        &self,
        caller: &Caller,
        fh: u64,
        mode: i32,
        off: u64,
        size: u64,
    ) -> Result<(), Errno> {
        self.writable()?;
        let handle = self.inner.handles.get(fh).filter(|h| h.can_write());
        let ino = handle.ok_or(Errno::EBADF)?.ino;
        self.refuse_virtual(ino, Errno::EPERM)?;
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

    /// copy_file_range(2) between two handles; what was written to both before is committed first.
    /// Returns the number of bytes copied, which may be less than asked for. Who is no super-user calls
    /// [`Vfs::drop_privileges`] before.
    pub async fn copy_file_range(
        &self,
        (fh_from, from_off): (u64, u64),
        (fh_to, to_off): (u64, u64),
        size: u64,
    ) -> Result<u64, Errno> {
        self.writable()?;
        let handles = &self.inner.handles;
        let from = handles.get(fh_from).filter(|h| h.can_read());
        let from = from.ok_or(Errno::EBADF)?.ino;
        let to = handles.get(fh_to).filter(|h| h.can_write());
        let to = to.ok_or(Errno::EBADF)?.ino;
        self.refuse_virtual(from, Errno::ENOTSUP)?;
        self.refuse_virtual(to, Errno::ENOTSUP)?;
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

    async fn commit_written(&self, ino: Ino) -> Result<(), Errno> {
        match self.inner.writers.get(ino) {
            Some(writer) => self.settle(&writer).await,
            None => Ok(()),
        }
    }
}
