//! The content of whole files by path.

use super::Fs;
use crate::{Error, ErrorKind};
use jfs_types::Errno;
use std::path::Path;

/// Bytes of one read of a whole file.
const PIECE: usize = 4 << 20;

impl Fs {
    /// The content of a file.
    pub async fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, Error> {
        self.read_as("read", path.as_ref()).await
    }

    /// The content of a file that is UTF-8. InvalidInput when it is not.
    pub async fn read_to_string(&self, path: impl AsRef<Path>) -> Result<String, Error> {
        let path = path.as_ref();
        let content = self.read_as("read_to_string", path).await?;
        String::from_utf8(content).map_err(|_| Error::on("read_to_string", path, Errno::EINVAL))
    }

    async fn read_as(&self, operation: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        let read = Box::pin(async {
            let file = self.open(path).await?;
            loop {
                let piece = file.read_at(content.len() as u64, PIECE).await?;
                if piece.is_empty() {
                    return Ok(());
                }
                content.extend_from_slice(&piece);
            }
        });
        read.await.map_err(|e: Error| e.renamed(operation, path))?;
        Ok(content)
    }

    /// Replaces the content of a file, which is made when it is missing. Other clients see it when this returns. Not one
    /// step: a failure may leave the file empty or cut.
    pub async fn write(
        &self,
        path: impl AsRef<Path>,
        content: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let path = path.as_ref();
        let written = Box::pin(async {
            let file = self.create(path).await?;
            file.write_at(0, content).await?;
            file.close().await
        });
        written.await.map_err(|e: Error| e.renamed("write", path))
    }

    /// Copies the content and the permission bits of a file, over what `to` names already. Returns the bytes copied.
    ///
    /// No data moves: both files use the stored blocks from then on, until one of them changes. Other clients see the
    /// copy when this returns. Not one step, as [`Fs::write`].
    pub async fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64, Error> {
        let (from, to) = (from.as_ref(), to.as_ref());
        Box::pin(self.copy_file(from, to))
            .await
            .map_err(|e| e.renamed("copy", from))
    }

    async fn copy_file(&self, from: &Path, to: &Path) -> Result<u64, Error> {
        let source = self.open(from).await?;
        let permissions = source.metadata().await?.permissions();
        let target = self.options().write(true).create(true).open(to).await?;
        if source.ino() == target.ino() {
            return Err(Error::on("copy", from, Errno::EINVAL));
        }
        target.set_len(0).await?;
        let copied = target.copy_range_from(0, &source, 0, u64::MAX).await?;
        match target.set_permissions(permissions).await {
            // The file of another user, which this one may write.
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {}
            set => set?,
        }
        target.close().await?;
        Ok(copied)
    }
}
