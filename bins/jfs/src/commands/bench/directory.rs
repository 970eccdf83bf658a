//! The directory that a benchmark works in.

use crate::control::plain;
use anyhow::{Context, bail};
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Permissions of the test directory, and of missing directories above it.
const MODE: u32 = 0o755;

/// A new directory, removed with all it holds when dropped.
pub(crate) struct TestDirectory {
    path: PathBuf,
    removed: bool,
}

impl TestDirectory {
    /// Creates a directory below `parent`, which is made when it is missing, as the reference does.
    pub(crate) fn create(parent: &Path) -> anyhow::Result<TestDirectory> {
        let name = format!("__juicefs_benchmark_{}__", uuid::Uuid::new_v4().simple());
        let path = parent.join(name);
        let made = if parent.exists() && !parent.is_dir() {
            Err(ErrorKind::NotADirectory.into())
        } else {
            let above = DirBuilder::new().recursive(true).mode(MODE).create(parent);
            above.and_then(|()| DirBuilder::new().mode(MODE).create(&path))
        };
        if let Err(error) = made {
            bail!("Failed to create \"{}\": {}", path.display(), plain(&error));
        }
        Ok(TestDirectory {
            path,
            removed: false,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it now.
    pub(crate) fn remove(mut self) -> anyhow::Result<()> {
        self.removed = true;
        fs::remove_dir_all(&self.path)
            .with_context(|| format!("Failed to remove \"{}\"", self.path.display()))
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        if !self.removed
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!("{} cannot be removed: {error}", self.path.display());
        }
    }
}
