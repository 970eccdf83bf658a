//! What file storage costs over the plain blocking calls it ends in: ranged reads of 4 KiB and puts
//! of 4 MiB, best and median of several rounds, times per operation.
//!
//! `cargo run --release -p jfs-object --example store_overhead [DIRECTORY]` (default: a temporary
//! directory; a tmpfs gives the clearest figures).

use bytes::Bytes;
use jfs_object::{ObjectStore, StoreOptions};
use std::error::Error;
use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const BLOCK: usize = 4 << 20;
const READS: u64 = 5000;
const PUTS: u64 = 60;
const ROUNDS: usize = 9;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let scratch = tempfile::tempdir()?;
    let dir = std::env::args()
        .nth(1)
        .map_or_else(|| scratch.path().to_path_buf(), PathBuf::from);
    let name = format!("overhead-{}", std::process::id());
    let bucket = format!("{}/", dir.display());
    let store = ObjectStore::open("file", &bucket, &name, &StoreOptions::default())?;
    let block = Bytes::from(vec![7u8; BLOCK]);
    store.put("block", block.clone()).await?;
    let path = dir.join(&name).join("block");

    // In a task of the runtime, where the product runs it.
    let result = tokio::spawn(compare(store, path, block)).await?;
    std::fs::remove_dir_all(dir.join(&name))?;
    result
}

async fn compare(store: ObjectStore, path: PathBuf, block: Bytes) -> Outcome {
    let (mut plain_reads, mut store_reads) = (Vec::new(), Vec::new());
    let (mut plain_puts, mut store_puts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain_reads.push(round(READS, |i| plain_read(path.clone(), offset(i))).await?);
        store_reads.push(
            round(READS, |i| {
                let store = store.clone();
                async move {
                    store
                        .get("block", Some(offset(i)..offset(i) + 4096))
                        .await?;
                    Ok(())
                }
            })
            .await?,
        );
        plain_puts.push(
            round(PUTS, |_| {
                plain_put(path.with_file_name("plain"), block.clone())
            })
            .await?,
        );
        store_puts.push(
            round(PUTS, |_| {
                let (store, block) = (store.clone(), block.clone());
                async move { Ok(store.put("block", block).await?) }
            })
            .await?,
        );
    }
    report("4 KiB ranged read", &mut plain_reads, &mut store_reads);
    report("4 MiB put", &mut plain_puts, &mut store_puts);
    Ok(())
}

fn offset(i: u64) -> u64 {
    (i * 7919 % 1000) * 4096
}

/// Time per operation.
async fn round<F: Future<Output = Outcome>>(
    n: u64,
    operation: impl Fn(u64) -> F,
) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    let start = Instant::now();
    for i in 0..n {
        operation(i).await?;
    }
    Ok(start.elapsed() / n as u32)
}

async fn plain_read(path: PathBuf, at: u64) -> Outcome {
    let read = move || {
        let mut data = vec![0; 4096];
        File::open(path)?.read_exact_at(&mut data, at)?;
        Ok(data)
    };
    let data: std::io::Result<Vec<u8>> = tokio::task::spawn_blocking(read).await?;
    data?;
    Ok(())
}

async fn plain_put(path: PathBuf, data: Bytes) -> Outcome {
    fn write(path: &Path, data: &[u8]) -> std::io::Result<()> {
        let temp = path.with_extension("tmp");
        File::create(&temp)?.write_all(data)?;
        std::fs::rename(temp, path)
    }
    tokio::task::spawn_blocking(move || write(&path, &data)).await??;
    Ok(())
}

fn report(what: &str, plain: &mut [Duration], store: &mut [Duration]) {
    plain.sort_unstable();
    store.sort_unstable();
    let us = |d: Duration| d.as_secs_f64() * 1e6;
    for (name, at) in [("best", 0), ("median", ROUNDS / 2)] {
        let (p, s) = (us(plain[at]), us(store[at]));
        println!(
            "{what}, {name}: plain {p:.1} us, store {s:.1} us, {:+.1} us ({:+.1} %)",
            s - p,
            (s / p - 1.0) * 100.0
        );
    }
}
