//! What reading blocks of a bucket costs this process: rate, processor time and page faults per MiB.
//!
//! `ACCESS_KEY=... SECRET_KEY=... cargo run --release -p jfs-object --example bucket_reads http://HOST:PORT/BUCKET [STORAGE]`
//! with a server that is there; the bucket is made.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use jfs_object::{Location, ObjectStore, StoreOptions};
use nix::sys::resource::{UsageWho, getrusage};
use std::error::Error;
use std::time::Instant;

const BLOCK: usize = 4 << 20;
const BLOCKS: usize = 64;
/// Reads at a time, as those of a mount that reads ahead.
const AT_A_TIME: usize = 4;
const ROUNDS: usize = 6;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let bucket = arguments.next().ok_or("which bucket?")?;
    let location = Location {
        storage: arguments.next().unwrap_or_else(|| "s3".into()),
        bucket,
        volume_name: "reads".into(),
        access_key: std::env::var("ACCESS_KEY").unwrap_or_default(),
        secret_key: std::env::var("SECRET_KEY").unwrap_or_default(),
        ..Location::default()
    };
    let store = ObjectStore::open_at(&location, &StoreOptions::default())?;
    // In tasks of the runtime, where the product runs it.
    tokio::spawn(measure(store)).await?
}

async fn measure(store: ObjectStore) -> Outcome {
    store.create().await?;
    let block: Bytes = (0..BLOCK).map(|n| (n * 7919 >> 3) as u8).collect();
    for n in 0..BLOCKS {
        store.put(&format!("block-{n}"), block.clone()).await?;
    }
    for round in 0..ROUNDS {
        let (began, before) = (Instant::now(), usage()?);
        let reads = (0..BLOCKS).map(|n| {
            let store = store.clone();
            let read = async move {
                store
                    .get(&format!("block-{n}"), Some(0..BLOCK as u64))
                    .await
            };
            async { Ok::<_, Box<dyn Error + Send + Sync>>(tokio::spawn(read).await??) }
        });
        let mut reads = stream::iter(reads).buffered(AT_A_TIME);
        while let Some(data) = reads.try_next().await? {
            assert_eq!(data.len(), BLOCK);
        }
        let (mib, after) = ((BLOCK * BLOCKS >> 20) as f64, usage()?);
        println!(
            "round {round}: {:.0} MiB/s, {:.0} us user and {:.0} us system per MiB, {:.1} page faults per MiB",
            mib / began.elapsed().as_secs_f64(),
            (after.0 - before.0) / mib,
            (after.1 - before.1) / mib,
            (after.2 - before.2) / mib,
        );
    }
    for n in 0..BLOCKS {
        store.delete(&format!("block-{n}")).await?;
    }
    Ok(())
}

/// Microseconds in user and in system mode, and page faults, of this process so far.
fn usage() -> Result<(f64, f64, f64), Box<dyn Error + Send + Sync>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("an odd /proc/self/stat")?;
    let field = |n: usize| {
        fields
            .split(' ')
            .nth(n - 3)
            .unwrap_or_default()
            .parse::<f64>()
    };
    // A clock tick is 10 ms on all machines that matter.
    Ok((field(14)? * 1e4, field(15)? * 1e4, field(10)?))
}
