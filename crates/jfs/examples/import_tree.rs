//! Copies a local tree into a volume, then reads a range, lists, and counts under a lock: what a first program does.
//!
//! `cargo run -p jfs --example import_tree [TREE]`; without an argument it copies the sources of this crate.

mod support;

use jfs::{OpenOptions, Volume};
use std::path::{Path, PathBuf};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let tree = PathBuf::from(std::env::args().nth(1).unwrap_or(sources.to_string()));
    let dir = tempfile::tempdir()?;
    let url = support::new_volume(dir.path()).await?;

    let volume = Volume::open(&url, OpenOptions::new()).await?;
    let fs = volume.fs();
    let mut waiting = vec![tree.clone()];
    while let Some(local) = waiting.pop() {
        let to = Path::new("/copy").join(local.strip_prefix(&tree)?);
        fs.create_dir_all(&to).await?;
        let mut entries = tokio::fs::read_dir(&local).await?;
        while let Some(entry) = entries.next_entry().await? {
            if entry.file_type().await?.is_dir() {
                waiting.push(entry.path());
                continue;
            }
            let mut from = tokio::fs::File::open(entry.path()).await?;
            let mut file = fs.create(to.join(entry.file_name())).await?;
            tokio::io::copy(&mut from, &mut file).await?;
            file.close().await?;
        }
    }

    let mut entries = fs.read_dir("/copy").await?;
    while let Some(entry) = entries.next_entry().await? {
        let metadata = entry.metadata().await?;
        if metadata.is_file() {
            let file = fs.open(entry.path()).await?;
            let range = file.read_at(4, 20).await?;
            println!(
                "{:?}: {} bytes, {range:?}",
                entry.file_name(),
                metadata.len()
            );
        }
    }

    let counter = fs
        .options()
        .read(true)
        .write(true)
        .create(true)
        .open("/runs")
        .await?;
    counter.lock().await?; // other clients wait here
    let runs = counter.metadata().await?.len();
    counter.write_at(runs, "x").await?;
    counter.close().await?; // stores, and gives the lock back
    println!("run number {}", runs + 1);
    volume.close().await?;
    Ok(())
}
