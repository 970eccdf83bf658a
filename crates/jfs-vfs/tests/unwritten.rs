//! Flushing all files, and what is known of data that is not stored.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::pattern::pattern;
use common::volume::{Mount, Options, Volume};
use jfs_types::Errno;
use std::time::Duration;

async fn start() -> (Volume, Mount) {
    let volume = Volume::new(Options::default()).await;
    let mount = volume.mount().await;
    (volume, mount)
}

#[tokio::test]
async fn all_files_are_flushed_at_the_same_time() {
    const FILES: usize = 4;
    let (volume, mount) = start().await;
    volume.store.puts.shut();
    let mut inodes = Vec::new();
    for n in 0..FILES {
        let (ino, fh) = mount.create_file(&format!("f{n}")).await;
        mount.put(fh, 0, &pattern(1, 100 + n)).await.unwrap();
        inodes.push(ino);
    }
    assert_eq!(mount.unwritten().bytes, 406);
    let flushing = {
        let mount = (*mount).clone();
        tokio::spawn(async move { mount.flush_all().await })
    };
    // Sooner than the background flushes what nobody writes any more, a second after the write.
    let all = volume.store.puts.holds(FILES);
    let all = tokio::time::timeout(Duration::from_millis(800), all).await;
    assert!(all.is_ok(), "one after the other");
    let left = mount.unwritten();
    assert_eq!(left.bytes, 406, "what is under way counts");
    assert_eq!(left.files.keys().copied().collect::<Vec<_>>(), inodes);
    volume.store.puts.open();
    flushing.await.unwrap().unwrap();
    assert!(mount.unwritten().is_empty());
}

/// What was lost is known until somebody says that it has been told.
#[tokio::test]
async fn losses_are_counted() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
    volume.store.fail_puts(true);
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
    assert_eq!(mount.unwritten().files, [(ino, 100)].into());
    mount.put(fh, 0, &pattern(1, 50)).await.unwrap();
    assert_eq!(mount.unwritten().bytes, 150);
    mount.forget_losses();
    assert_eq!(mount.unwritten().files, [(ino, 50)].into());
}
