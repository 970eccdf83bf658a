//! Walks a tree and copies it with several tasks, without moving data: both files use the same blocks.
//!
//! One view serves any number of tasks; the queue between the walk and the copying tasks is bounded.
//! `cargo run -p jfs --example copy_tree`

mod support;

use jfs::{Error, Fs, OpenOptions, Volume};
use std::path::{Path, PathBuf};
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
    from: PathBuf,
    to: PathBuf,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let url = support::new_volume(dir.path()).await?;
    let volume = Volume::open(&url, OpenOptions::new()).await?;
    let fs = volume.fs();
    fill(&fs).await?;

    let (sender, receiver) = mpsc::channel(QUEUE_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    let mut copiers = JoinSet::new();
    for _ in 0..COPIERS {
        let (fs, queue) = (fs.clone(), receiver.clone());
        copiers.spawn(async move {
            let mut bytes = 0;
            loop {
                let next: Option<Copy> = queue.lock().await.recv().await;
                match next {
                    Some(copy) => bytes += fs.copy(&copy.from, &copy.to).await?,
                    None => return Ok::<u64, Error>(bytes),
                }
            }
        });
    }
    drop(receiver);
    let walked = walk(&fs, Path::new("/source"), Path::new("/target"), &sender).await;
    drop(sender);
    let mut bytes = 0;
    while let Some(done) = copiers.join_next().await {
        bytes += done??;
    }
    walked?;
    let all = u64::from(DIRS) * u64::from(FILES) * FILE_BYTES as u64;
    println!("copied {bytes} of {all} bytes with {COPIERS} tasks");
    let same = check(&fs).await?;
    volume.close().await?;
    if bytes != all || !same {
        return Err("the copy differs".into());
    }
    Ok(())
}

/// Makes the directories of the copy and sends its files to the copying tasks.
async fn walk(
    fs: &Fs,
    from: &Path,
    to: &Path,
    files: &mpsc::Sender<Copy>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut waiting = vec![(from.to_path_buf(), to.to_path_buf())];
    while let Some((from, to)) = waiting.pop() {
        fs.create_dir(&to).await?;
        let mut entries = fs.read_dir(&from).await?;
        while let Some(entry) = entries.next_entry().await? {
            let to = to.join(entry.file_name());
            if entry.file_type().is_dir() {
                waiting.push((entry.path(), to));
                continue;
            }
            let from = entry.path();
            // Refused when all copying tasks have failed.
            files.send(Copy { from, to }).await?;
        }
    }
    Ok(())
}

async fn fill(fs: &Fs) -> Result<(), Error> {
    for d in 0..DIRS {
        let dir = format!("/source/dir-{d}");
        fs.create_dir_all(&dir).await?;
        for f in 0..FILES {
            let content = vec![content(d, f); FILE_BYTES];
            fs.write(format!("{dir}/file-{f}"), content).await?;
        }
    }
    Ok(())
}

/// The byte that a file consists of.
fn content(dir: u8, file: u8) -> u8 {
    1 + dir * FILES + file
}

async fn check(fs: &Fs) -> Result<bool, Error> {
    for d in 0..DIRS {
        for f in 0..FILES {
            let bytes = fs.read(format!("/target/dir-{d}/file-{f}")).await?;
            if bytes != vec![content(d, f); FILE_BYTES] {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
