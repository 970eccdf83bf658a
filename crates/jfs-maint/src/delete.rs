//! Removes the data of removed files and unused slices.
//!
//! Safe to repeat at any point: a chunk's list goes together with one user of each slice, objects go
//! when a slice has no user left, its bookkeeping goes after the objects, and the record of the file
//! last.

use crate::compact::{Compactor, compact_chunk};
use jfs_chunk::ChunkStore;
use jfs_meta::{FORGET_MAX, Meta, Work};
use jfs_types::{Errno, Ino};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// Takes work from the metadata operations until told to stop.
pub(crate) async fn run(
    meta: Arc<Meta>,
    chunks: ChunkStore,
    mut work: mpsc::Receiver<Work>,
    max_deletes: usize,
    mut stopped: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(max_deletes));
    let mut tasks = JoinSet::new();
    let (emptied, queue) = mpsc::channel(FORGET_MAX);
    let finisher = tokio::spawn(crate::background(finish(meta.clone(), queue)));
    let compactor = Compactor::default();
    loop {
        let item = tokio::select! {
            item = work.recv() => item,
            _ = stopped.wait_for(|stop| *stop) => None,
        };
        let Some(item) = item else { break };
        // Objects go before the records of what they belonged to, so a client that may not write the
        // records does not begin.
        if !meta.is_writable() {
            continue;
        }
        while tasks.try_join_next().is_some() {}
        if let Work::Compact { ino, index } = item {
            if let Some(place) = compactor.start(ino, index) {
                let (meta, chunks) = (meta.clone(), chunks.clone());
                tasks.spawn(crate::background(async move {
                    let _place = place;
                    if let Err(e) = compact_chunk(&meta, &chunks, ino, index).await {
                        tracing::warn!("chunk {index} of {ino:?} could not be compacted: {e}");
                    }
                }));
            }
            continue;
        }
        if max_deletes == 0 {
            continue; // drained so that the channel never fills; other clients find the records
        }
        let Ok(slot) = slots.clone().acquire_owned().await else {
            break;
        };
        let (meta, chunks) = (meta.clone(), chunks.clone());
        let emptied = emptied.clone();
        tasks.spawn(crate::background(async move {
            let _slot = slot;
            let done = match &item {
                Work::DeleteFile { ino, length } => {
                    match delete_data(&meta, &chunks, *ino, *length).await {
                        // The finisher outlives this task.
                        Ok(file) => {
                            let _ = emptied.send(file).await;
                            Ok(())
                        }
                        Err(e) => Err(e),
                    }
                }
                Work::DeleteSlices(slices) => delete_slices(&meta, &chunks, slices).await,
                Work::Compact { .. } => Ok(()),
            };
            if let Err(e) = done {
                tracing::warn!("{item:?} is left to the hourly job: {e}");
            }
        }));
    }
    while tasks.join_next().await.is_some() {}
    drop(emptied);
    let _ = finisher.await;
}

/// A removed file whose data is gone.
struct Emptied {
    ino: Ino,
    length: u64,
    /// Its last slices. They have no objects any more; their bookkeeping goes with the record of the file.
    slices: Vec<(u64, u32)>,
}

/// Removes the records of files whose data is gone: one commit for all that came during the one before.
async fn finish(meta: Arc<Meta>, mut queue: mpsc::Receiver<Emptied>) {
    let mut batch = Vec::with_capacity(FORGET_MAX);
    while queue.recv_many(&mut batch, FORGET_MAX).await > 0 {
        let files: Vec<(Ino, u64)> = batch.iter().map(|f: &Emptied| (f.ino, f.length)).collect();
        let slices: Vec<(u64, u32)> = batch.drain(..).flat_map(|f| f.slices).collect();
        if let Err(e) = meta.finish_deleted_files(&files, &slices).await {
            let n = files.len();
            tracing::warn!("the records of {n} removed files are left to the hourly job: {e}");
        }
    }
}

/// Removes all data of a file that was deleted, then its record.
pub async fn delete_file(
    meta: &Meta,
    chunks: &ChunkStore,
    ino: Ino,
    length: u64,
) -> Result<(), Errno> {
    let file = delete_data(meta, chunks, ino, length).await?;
    meta.finish_deleted_files(&[(ino, length)], &file.slices)
        .await
}

/// Removes all data of a file that was deleted.
async fn delete_data(
    meta: &Meta,
    chunks: &ChunkStore,
    ino: Ino,
    length: u64,
) -> Result<Emptied, Errno> {
    // Slices without objects.
    let mut gone = Vec::new();
    for index in meta.chunks_of_deleted(ino, length).await? {
        let unused = meta.delete_chunk(ino, index).await?;
        let removed = delete_objects(chunks, &unused, &mut gone).await;
        if gone.len() > FORGET_MAX || removed.is_err() {
            meta.forget_slices(&std::mem::take(&mut gone)).await?;
        }
        removed?;
    }
    Ok(Emptied {
        ino,
        length,
        slices: gone,
    })
}

/// Deletes the objects of slices without users, then their bookkeeping. One that fails does not keep
/// the others; the first failure is returned.
pub async fn delete_slices(
    meta: &Meta,
    chunks: &ChunkStore,
    slices: &[(u64, u32)],
) -> Result<(), Errno> {
    let mut result = Ok(());
    for slices in slices.chunks(FORGET_MAX) {
        let mut gone = Vec::new();
        let removed = delete_objects(chunks, slices, &mut gone).await;
        let forgotten = meta.forget_slices(&gone).await;
        result = result.and(removed).and(forgotten);
    }
    result
}

/// Deletes the objects of slices and adds to `gone` those that have none left.
async fn delete_objects(
    chunks: &ChunkStore,
    slices: &[(u64, u32)],
    gone: &mut Vec<(u64, u32)>,
) -> Result<(), Errno> {
    let mut result = Ok(());
    for (id, size) in slices {
        match chunks.remove(*id, *size).await {
            Ok(()) => gone.push((*id, *size)),
            Err(e) => {
                tracing::warn!("slice {id} could not be deleted: {e}");
                result = Err(Errno::EIO);
            }
        }
    }
    result
}
