//! Two clients share a volume: tasks of both count in one file, under a lock that all clients see.
//!
//! What was closed under the lock is seen by the next open, on any client (docs/SEMANTICS.md). Locks
//! end with the session of the client that holds them, so a client that dies blocks the others for one session's
//! life at most. `cargo run -p jfs --example shared_counter`

mod support;

use jfs::{Error, Fs, OpenOptions, Volume};
use tokio::task::JoinSet;

/// Tasks of each client.
const TASKS: u64 = 2;
/// How often each counts.
const ROUNDS: u64 = 10;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let url = support::new_volume(dir.path()).await?;
    let clients = [
        Volume::open(&url, OpenOptions::new()).await?,
        Volume::open(&url, OpenOptions::new()).await?,
    ];
    clients[0].fs().write("/counter", "0").await?;
    clients[0].fs().write("/lock", "").await?;

    let mut tasks = JoinSet::new();
    for client in &clients {
        for _ in 0..TASKS {
            let fs = client.fs();
            tasks.spawn(async move {
                for _ in 0..ROUNDS {
                    count(&fs).await?;
                }
                Ok::<(), Error>(())
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let total = number(&clients[1].fs()).await?;
    let expected = clients.len() as u64 * TASKS * ROUNDS;
    println!("counted to {total} of {expected}");
    for client in clients {
        client.close().await?;
    }
    if total != expected {
        return Err("a count was lost".into());
    }
    Ok(())
}

/// Adds one. The lock belongs to the open file and ends with it.
async fn count(fs: &Fs) -> Result<(), Error> {
    let lock = fs.options().write(true).open("/lock").await?;
    lock.lock().await?;
    let next = number(fs).await? + 1;
    fs.write("/counter", next.to_string()).await?;
    lock.close().await
}

async fn number(fs: &Fs) -> Result<u64, Error> {
    let text = fs.read_to_string("/counter").await?;
    Ok(text.parse().unwrap_or(0))
}
