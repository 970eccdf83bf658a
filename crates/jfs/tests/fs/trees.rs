use crate::place::{Place, kind};
use futures_util::StreamExt;
use jfs::types::{Caller, FileType, Ino};
use jfs::vfs::NewNode;
use jfs::{ErrorKind, Volume};
use std::collections::HashSet;
use tokio::task::JoinSet;

const ENTRIES: usize = 10_000;
const MAKERS: usize = 64;

/// Fills a directory faster than by opening each file.
async fn fill(volume: &Volume, dir: Ino) {
    let mut makers = JoinSet::new();
    for maker in 0..MAKERS {
        let vfs = volume.vfs().clone();
        makers.spawn(async move {
            for n in (maker..ENTRIES).step_by(MAKERS) {
                let node = NewNode {
                    kind: FileType::Regular,
                    mode: 0o644,
                    umask: 0,
                    rdev: 0,
                };
                let name = format!("entry-{n}");
                vfs.mknod(&Caller::root(), dir, name.as_bytes(), node)
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(made) = makers.join_next().await {
        made.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_entries_are_streamed_and_removed() {
    let place = Place::new().await;
    let volume = place.open().await;
    let fs = volume.fs();
    fs.create_dir_all("/tree/many").await.unwrap();
    let many = fs.metadata("/tree/many").await.unwrap().ino();
    fill(&volume, Ino(many)).await;

    let mut names = HashSet::new();
    let mut entries = fs.read_dir("/tree/many").await.unwrap();
    while let Some(entry) = entries.next().await {
        let entry = entry.unwrap();
        assert_eq!(entry.file_type(), FileType::Regular);
        assert_eq!(entry.metadata().await.unwrap().ino(), entry.ino());
        assert!(names.insert(entry.path()), "{entry:?} twice");
    }
    assert_eq!(names.len(), ENTRIES);
    assert!(names.contains(std::path::Path::new("/tree/many/entry-9999")));

    // What lies outside is not followed to.
    fs.create_dir("/outside").await.unwrap();
    fs.write("/outside/f", "stays").await.unwrap();
    fs.create_dir_all("/tree/x/y/z").await.unwrap();
    fs.write("/tree/x/y/f", "goes").await.unwrap();
    fs.symlink("/outside", "/tree/x/link").await.unwrap();
    assert_eq!(
        kind(fs.remove_dir_all("/tree/x/link").await),
        ErrorKind::NotADirectory
    );
    assert_eq!(kind(fs.remove_dir_all("/").await), ErrorKind::Busy);
    fs.remove_dir_all("/tree").await.unwrap();
    assert!(!fs.try_exists("/tree").await.unwrap());
    assert_eq!(fs.read("/outside/f").await.unwrap(), b"stays");
    assert_eq!(kind(fs.remove_dir_all("/tree").await), ErrorKind::NotFound);
    volume.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_directories_are_made_by_many_at_once() {
    let place = Place::new().await;
    let volume = place.open().await;
    let mut makers = JoinSet::new();
    for n in 0..8 {
        let fs = volume.fs();
        makers.spawn(async move { fs.create_dir_all(format!("/a/b/c/d/{n}/")).await });
    }
    while let Some(made) = makers.join_next().await {
        made.unwrap().unwrap();
    }
    let fs = volume.fs();
    let entries = fs.read_dir("/a/b/c/d").await.unwrap();
    assert_eq!(entries.count().await, 8);
    fs.create_dir_all("/a/b").await.unwrap();
    fs.write("/file", "x").await.unwrap();
    assert_eq!(
        kind(fs.create_dir_all("/file").await),
        ErrorKind::AlreadyExists
    );
    assert_eq!(
        kind(fs.create_dir_all("/file/d").await),
        ErrorKind::NotADirectory
    );
    volume.close().await.unwrap();
}
