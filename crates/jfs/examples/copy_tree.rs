//! Walks a tree and copies it with several tasks, without moving data: both files use the same blocks.
//!
//! One `Vfs` serves any number of tasks; the queue between the walk and those who copy is bounded.
//! `cargo run -p jfs --example copy_tree`

mod support;

use jfs::types::{Caller, Errno, FileType, Ino, Name};
use jfs::vfs::Vfs;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Tasks that copy.
const COPIERS: usize = 4;
/// Files that wait for them.
const QUEUE_MAX: usize = 16;
const DIRS: u8 = 3;
const FILES: u8 = 8;
const FILE_BYTES: usize = 150_000;

/// A file to be copied, and where to.
struct Copy {
    from: Ino,
    to: Ino,
    name: Name,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let url = support::new_volume(dir.path()).await?;
    let volume = jfs::open(&url, jfs::OpenOptions::default()).await?;
    let (vfs, me) = (volume.vfs(), Caller::root());
    let source = vfs.mkdir(&me, Ino::ROOT, b"source", 0o755, 0).await?.ino;
    let target = vfs.mkdir(&me, Ino::ROOT, b"target", 0o755, 0).await?.ino;
    fill(vfs, source).await?;

    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    let mut copiers = JoinSet::new();
    for _ in 0..COPIERS {
        let (vfs, queue) = (vfs.clone(), receiver.clone());
        copiers.spawn(async move {
            let mut bytes = 0;
            loop {
                let next = queue.lock().await.recv().await;
                match next {
                    Some(copy) => bytes += copy_file(&vfs, copy).await?,
                    None => return Ok::<u64, Errno>(bytes),
                }
            }
        });
    }
    let walked = walk(vfs, source, target, &sender).await;
    drop(sender);
    let mut bytes = 0;
    while let Some(done) = copiers.join_next().await {
        bytes += done??;
    }
    walked?;
    let all = u64::from(DIRS) * u64::from(FILES) * FILE_BYTES as u64;
    println!("copied {bytes} of {all} bytes with {COPIERS} tasks");
    let same = check(vfs, target).await?;
    volume.close().await?;
    if bytes != all || !same {
        return Err("the copy differs".into());
    }
    Ok(())
}

/// Makes the directories of the copy and sends its files to whoever copies.
async fn walk(vfs: &Vfs, from: Ino, to: Ino, files: &mpsc::Sender<Copy>) -> Result<(), Errno> {
    let me = Caller::root();
    let mut waiting = vec![(from, to)];
    while let Some((from, to)) = waiting.pop() {
        for (name, ino, kind) in list(vfs, from).await? {
            if kind == FileType::Directory {
                let made = vfs.mkdir(&me, to, name.as_bytes(), 0o755, 0).await?;
                waiting.push((ino, made.ino));
            } else {
                let copy = Copy {
                    from: ino,
                    to,
                    name,
                };
                // Nobody listens any more: one of them has failed and says why.
                files.send(copy).await.map_err(|_| Errno::EIO)?;
            }
        }
    }
    Ok(())
}

/// The entries of a directory. A listing comes in pages: each item tells where it goes on.
async fn list(vfs: &Vfs, dir: Ino) -> Result<Vec<(Name, Ino, FileType)>, Errno> {
    let me = Caller::root();
    let fh = vfs.opendir(&me, dir).await?;
    let (mut entries, mut position) = (Vec::new(), 0);
    loop {
        let items = vfs.readdir(fh, position).await?;
        let Some(last) = items.last() else { break };
        position = last.next;
        for item in items.iter() {
            if !matches!(item.name.as_bytes(), b"." | b"..") {
                entries.push((item.name.clone(), item.ino, item.kind));
            }
        }
    }
    vfs.releasedir(fh);
    Ok(entries)
}

async fn copy_file(vfs: &Vfs, copy: Copy) -> Result<u64, Errno> {
    let me = Caller::root();
    let (source, _) = vfs.open(&me, copy.from, libc::O_RDONLY).await?;
    let flags = libc::O_WRONLY | libc::O_EXCL;
    let name = copy.name.as_bytes();
    let (_, fh, _) = vfs.create(&me, copy.to, name, 0o644, 0, flags).await?;
    let mut done = 0;
    loop {
        let range = ((source, done), (fh, done));
        let copied = vfs.copy_file_range(range.0, range.1, 1 << 30).await?;
        if copied == 0 {
            break;
        }
        done += copied;
    }
    vfs.flush(fh).await?;
    vfs.release(fh).await;
    vfs.release(source).await;
    Ok(done)
}

async fn fill(vfs: &Vfs, dir: Ino) -> Result<(), Errno> {
    let me = Caller::root();
    for d in 0..DIRS {
        let name = format!("dir-{d}");
        let sub = vfs.mkdir(&me, dir, name.as_bytes(), 0o755, 0).await?;
        for f in 0..FILES {
            let name = format!("file-{f}");
            let flags = libc::O_WRONLY;
            let made = vfs
                .create(&me, sub.ino, name.as_bytes(), 0o644, 0, flags)
                .await?;
            let (_, fh, _) = made;
            let content = vec![content(d, f); FILE_BYTES];
            vfs.write(fh, 0, content.into()).await?;
            vfs.flush(fh).await?;
            vfs.release(fh).await;
        }
    }
    Ok(())
}

/// The byte that a file consists of.
fn content(dir: u8, file: u8) -> u8 {
    1 + dir * FILES + file
}

async fn check(vfs: &Vfs, target: Ino) -> Result<bool, Errno> {
    let me = Caller::root();
    for d in 0..DIRS {
        let name = format!("dir-{d}");
        let sub = vfs.lookup(&me, target, name.as_bytes()).await?;
        for f in 0..FILES {
            let name = format!("file-{f}");
            let file = vfs.lookup(&me, sub.ino, name.as_bytes()).await?;
            let (fh, _) = vfs.open(&me, file.ino, libc::O_RDONLY).await?;
            let bytes = vfs.read(fh, 0, 1 << 20).await?;
            vfs.release(fh).await;
            if bytes.len() != FILE_BYTES || bytes.iter().any(|b| *b != content(d, f)) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
