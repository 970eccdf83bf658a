//! Two clients share a volume: tasks of both count in one file, under a lock that all clients see.
//!
//! What was closed under the lock is seen by the next open, on any client (docs/SEMANTICS.md). Locks
//! end with the session of the client that holds them, so one that dies blocks nobody for ever.
//! `cargo run -p jfs --example shared_counter`

mod support;

use jfs::types::{Caller, Errno, Ino};
use jfs::vfs::{LockType, Vfs};
use jfs::{OpenOptions, Volume};
use tokio::task::JoinSet;

/// Tasks of each client.
const TASKS: u64 = 2;
/// How often each counts.
const ROUNDS: u64 = 10;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let url = support::new_volume(dir.path()).await?;
    let clients: [Volume; 2] = [
        jfs::open(&url, OpenOptions::default()).await?,
        jfs::open(&url, OpenOptions::default()).await?,
    ];
    let (vfs, me) = (clients[0].vfs(), Caller::root());
    let flags = libc::O_WRONLY;
    let (file, fh, _) = vfs
        .create(&me, Ino::ROOT, b"counter", 0o644, 0, flags)
        .await?;
    vfs.release(fh).await;

    let mut tasks = JoinSet::new();
    for client in &clients {
        for owner in 1..=TASKS {
            let (vfs, ino) = (client.vfs().clone(), file.ino);
            tasks.spawn(async move {
                for _ in 0..ROUNDS {
                    count(&vfs, ino, owner).await?;
                }
                Ok::<(), Errno>(())
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let total = read(clients[1].vfs(), file.ino).await?;
    let expected = clients.len() as u64 * TASKS * ROUNDS;
    println!("counted to {total} of {expected}");
    for client in clients {
        client.close().await?;
    }
    if total != expected {
        return Err("somebody counted over somebody else".into());
    }
    Ok(())
}

/// Adds one. An owner is a number of the program's choice, unique within its session.
async fn count(vfs: &Vfs, ino: Ino, owner: u64) -> Result<(), Errno> {
    vfs.flock(ino, owner, LockType::Write, true).await?;
    let counted = add_one(vfs, ino).await;
    vfs.flock(ino, owner, LockType::Unlock, false).await?;
    counted
}

async fn add_one(vfs: &Vfs, ino: Ino) -> Result<(), Errno> {
    let number = read(vfs, ino).await? + 1;
    let (fh, _) = vfs.open(&Caller::root(), ino, libc::O_WRONLY).await?;
    let bytes = number.to_be_bytes().to_vec();
    let written = match vfs.write(fh, 0, bytes.into()).await {
        // Errors of writing may come as late as here.
        Ok(_) => vfs.flush(fh).await,
        Err(e) => Err(e),
    };
    vfs.release(fh).await;
    written
}

async fn read(vfs: &Vfs, ino: Ino) -> Result<u64, Errno> {
    let (fh, _) = vfs.open(&Caller::root(), ino, libc::O_RDONLY).await?;
    let bytes = vfs.read(fh, 0, 8).await;
    vfs.release(fh).await;
    let bytes = bytes?;
    Ok(bytes.first_chunk().map_or(0, |b| u64::from_be_bytes(*b)))
}
