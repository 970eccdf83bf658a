//! Handles of files, directories and special files: each takes the operations of its kind.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bytes::Bytes;
use common::root;
use common::volume::{Options, Volume};
use futures_util::future::{BoxFuture, ready};
use jfs_types::{Errno, Ino};
use jfs_vfs::{SpecialFile, Vfs};
use std::sync::Arc;

/// A special file that keeps nothing: reads give the offset, writes take all but one byte.
struct Offsets {
    /// Shows when the file is dropped.
    _alive: Arc<()>,
}

impl SpecialFile for Offsets {
    fn read(&self, off: u64, size: u32) -> BoxFuture<'_, Bytes> {
        Box::pin(ready(format!("{off}+{size}").into()))
    }

    fn write(&self, vfs: &Vfs, _: u64, data: &[u8]) -> Result<u32, Errno> {
        assert!(vfs.open_handles() > 0, "the mount of the handle");
        Ok(data.len() as u32 - 1)
    }
}

#[tokio::test]
async fn a_special_file_answers_for_itself_until_it_is_released() {
    let volume = Volume::new(Options::default()).await;
    let mount = volume.mount().await;
    let alive = Arc::new(());
    let open = |flags| {
        let file = Offsets {
            _alive: alive.clone(),
        };
        mount.open_special(Box::new(file), flags)
    };
    let both = open(libc::O_RDWR);
    assert_eq!(mount.read(both, 7, 20).await.unwrap(), "7+20");
    assert!(mount.try_read(both, 7, 20, &mut Vec::new()).is_none());
    let data = Bytes::from_static(b"12345");
    assert_eq!(mount.write(both, 0, data.clone()).await, Ok(4));
    assert_eq!(mount.try_write(both, 0, b"12345"), Some(Ok(4)));
    assert_eq!(mount.flush(both).await, Ok(()));
    assert_eq!(mount.try_flush(both), Some(Ok(())));
    assert_eq!(mount.fsync(both).await, Ok(()));
    let changed = mount.fallocate(&root(), both, 0, 0, 10).await;
    assert_eq!(changed, Err(Errno::EPERM));
    let (_, file) = mount.create_file("f").await;
    for (from, to) in [(both, file), (file, both)] {
        let copied = mount.copy_file_range((from, 0), (to, 0), 10).await;
        assert_eq!(copied, Err(Errno::ENOTSUP));
    }

    let (reads, writes) = (open(libc::O_RDONLY), open(libc::O_WRONLY));
    assert_eq!(mount.read(writes, 0, 1).await, Err(Errno::EBADF));
    assert_eq!(mount.write(reads, 0, data).await, Err(Errno::EBADF));
    let changed = mount.fallocate(&root(), reads, 0, 0, 10).await;
    assert_eq!(changed, Err(Errno::EBADF));
    assert_eq!(Arc::strong_count(&alive), 4);
    mount.release(writes).await;
    assert!(mount.try_release(reads) && mount.try_release(both));
    assert_eq!(Arc::strong_count(&alive), 1, "dropped with their handles");
    assert_eq!(mount.read(both, 0, 1).await, Err(Errno::EBADF));
}

#[tokio::test]
async fn a_directory_is_listed_and_not_read() {
    let volume = Volume::new(Options::default()).await;
    let mount = volume.mount().await;
    let (_, file) = mount.create_file("f").await;
    let directory = mount.opendir(&root(), Ino::ROOT).await.unwrap();
    assert_eq!(mount.readdir(directory, 0).await.unwrap().len(), 2);
    assert_eq!(mount.readdir(file, 0).await.unwrap_err(), Errno::EBADF);
    assert_eq!(mount.read(directory, 0, 1).await, Err(Errno::EBADF));
    let written = mount.write(directory, 0, Bytes::from_static(b"x")).await;
    assert_eq!(written, Err(Errno::EBADF));
    assert_eq!(mount.flush(directory).await, Ok(()));
    assert_eq!(mount.fsync(directory).await, Ok(()));
    let open = mount.open_handles();
    mount.release(directory).await;
    assert_eq!(mount.open_handles(), open - 1);
    assert_eq!(mount.readdir(directory, 0).await.unwrap_err(), Errno::EBADF);
}
