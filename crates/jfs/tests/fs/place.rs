//! A private volume.

use jfs::{ErrorKind, FormatOptions, OpenOptions, Volume};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A formatted volume and where it lies.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) async fn new() -> Place {
        let place = Place {
            dir: tempfile::tempdir().unwrap(),
        };
        let options = place.format_options();
        Volume::format(&place.url(), options).await.unwrap();
        place
    }

    pub(crate) fn format_options(&self) -> FormatOptions {
        FormatOptions::new()
            .name("test")
            .bucket(self.objects_dir().display().to_string())
            .block_size(1 << 20)
            .trash_days(0)
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite3://{}/volume.db", self.dir.path().display())
    }

    pub(crate) fn objects_dir(&self) -> PathBuf {
        self.dir.path().join("objects")
    }

    pub(crate) async fn open(&self) -> Volume {
        self.open_with(OpenOptions::new()).await
    }

    pub(crate) async fn open_with(&self, options: OpenOptions) -> Volume {
        Volume::open(&self.url(), options).await.unwrap()
    }

    /// Blocks in the bucket.
    pub(crate) fn blocks(&self) -> usize {
        count_files(&self.objects_dir().join("test/chunks"))
    }
}

fn count_files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let each = entries.map(|e| match e.file_type().unwrap().is_dir() {
        true => count_files(&e.path()),
        false => 1,
    });
    each.sum()
}

/// The kind of the error that an operation ends with.
pub(crate) fn kind<T: std::fmt::Debug>(answer: Result<T, jfs::Error>) -> ErrorKind {
    answer.unwrap_err().kind()
}

/// Bytes that differ at every place.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|n| (n % 251) as u8 ^ (n >> 12) as u8)
        .collect()
}
