//! Buffers of a slice that is being written, and its upload.

use crate::budget::Lease;
use crate::store::Inner;
use crate::{ChunkError, ChunkStore};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jfs_cache::BlockKey;
use jfs_object::buffers::Buffer;
use jfs_types::CHUNK_SIZE;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::task::{JoinError, JoinHandle};

/// A slice whose blocks are all in the bucket.
#[derive(Clone, Debug)]
pub struct FinishedSlice {
    /// Its id.
    pub id: u64,
    /// Its size, bytes.
    pub size: u32,
    /// Object keys of its blocks.
    pub keys: Vec<String>,
}

/// A buffer that outgrows this becomes a whole block, bytes: two requests of the usual 128 KiB.
const DOUBLING_MAX: usize = 256 << 10;

/// Least size of the buffer of a first block, bytes: many slices are a few bytes at a random place.
const FIRST_LEAST: usize = 64;
/// Bytes that a slice takes besides its data until it is committed: this writer, the slice's place in the file's
/// queue, its record on the way to the engine, and the allocator's share of each.
const SLICE_COST: u64 = 1024;

/// One block of the slice.
enum Block {
    /// Being filled; may still change.
    Open(Buffer, Lease),
    /// Handed to upload, which holds data and lease until it is done.
    Sent,
}

/// A new slice: written to by one owner, uploaded block by block.
///
/// Data may be written at any offset up to the current length, but not into a block that was handed
/// to upload ([`SliceWriter::uploaded_to`]). Memory is counted to the store's budget until the block
/// is uploaded or the writer dropped.
pub struct SliceWriter {
    store: ChunkStore,
    id: Option<u64>,
    len: u32,
    blocks: Vec<Block>,
    /// Blocks handed to upload so far; always the first ones.
    sent: usize,
    uploads: Vec<JoinHandle<Result<(), ChunkError>>>,
    /// Blocks that [`Uploads::wait`] uploads itself.
    queued: Vec<BlockUpload>,
    /// Counts the slice itself.
    _lease: Lease,
}

impl SliceWriter {
    pub(crate) fn new(store: ChunkStore) -> SliceWriter {
        let mut lease = store.budget().lease();
        lease.grow(SLICE_COST);
        SliceWriter {
            store,
            id: None,
            len: 0,
            blocks: Vec::new(),
            sent: 0,
            uploads: Vec::new(),
            queued: Vec::new(),
            _lease: lease,
        }
    }

    /// Bytes written so far.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The id, once there is one.
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// Gives the slice its id; uploads need it.
    pub fn set_id(&mut self, id: u64) {
        self.id = Some(id);
    }

    /// Offset up to which the slice is handed to upload and cannot be written any more.
    pub fn uploaded_to(&self) -> u32 {
        (self.sent * self.store.block_size()) as u32
    }

    /// Whether `len` bytes can be written at `off`.
    pub fn accepts(&self, off: u32, len: usize) -> bool {
        off <= self.len && off >= self.uploaded_to() && u64::from(off) + len as u64 <= CHUNK_SIZE
    }

    /// Copies `data` to offset `off`.
    pub fn write(&mut self, off: u32, data: &[u8]) -> Result<(), ChunkError> {
        if !self.accepts(off, data.len()) {
            let text = format!(
                "write of {} bytes at {off} into a slice of {}",
                data.len(),
                self.len
            );
            return Err(ChunkError::Misuse(text));
        }
        let block_size = self.store.block_size();
        let (mut at, mut rest) = (off as usize, data);
        while !rest.is_empty() {
            let (index, inside) = (at / block_size, at % block_size);
            let n = rest.len().min(block_size - inside);
            if index == self.blocks.len() {
                if index == 0 {
                    self.blocks.reserve_exact(1); // there are many slices of one block
                }
                self.blocks
                    .push(Block::Open(Buffer::default(), self.store.budget().lease()));
            }
            if let Some(Block::Open(buffer, lease)) = self.blocks.get_mut(index) {
                // A first block may be the only one; later ones will most likely be filled.
                let least = if index == 0 { FIRST_LEAST } else { block_size };
                fill(buffer, lease, inside, &rest[..n], least, block_size);
            }
            at += n;
            rest = &rest[n..];
        }
        self.len = self.len.max(at as u32);
        Ok(())
    }

    /// Copies buffered bytes from offset `off`. False when the slice does not hold them all
    /// (any more: blocks handed to upload are gone from here).
    pub fn read(&self, off: u32, out: &mut [u8]) -> bool {
        if off as usize + out.len() > self.len as usize {
            return false;
        }
        let block_size = self.store.block_size();
        let (mut at, mut done) = (off as usize, 0);
        while done < out.len() {
            let (index, inside) = (at / block_size, at % block_size);
            let n = (out.len() - done).min(block_size - inside);
            let Block::Open(data, _) = &self.blocks[index] else {
                return false;
            };
            out[done..done + n].copy_from_slice(&data[inside..inside + n]);
            at += n;
            done += n;
        }
        true
    }

    /// Hands every complete block to upload in the background. Nothing happens without an id.
    pub fn upload_complete_blocks(&mut self) {
        let complete = self.len as usize / self.store.block_size();
        self.upload_to(complete);
    }

    /// Hands every block to upload. The slice takes no more writes.
    pub fn upload_rest(&mut self) {
        self.upload_to(self.blocks.len());
    }

    /// As [`SliceWriter::upload_rest`], for a caller that does nothing but wait. [`Uploads::wait`] uploads a slice of
    /// one block itself, which saves a task. True when that block will also survive a power cut, as `durable` asks
    /// for; otherwise [`ChunkStore::sync`] has to make it so.
    pub fn upload_rest_here(&mut self, durable: bool) -> bool {
        if self.sent > 0 || self.blocks.len() != 1 {
            self.upload_rest();
            return false;
        }
        let only = self.take_block(durable);
        self.queued.extend(only);
        durable && !self.queued.is_empty()
    }

    /// As [`SliceWriter::upload_rest`], for a caller that waits for many slices with [`ChunkStore::wait_for_uploads`].
    /// Only as many blocks are under way as may be uploaded at a time.
    pub fn queue_rest(&mut self) {
        while let Some(upload) = self.take_block(false) {
            self.queued.push(upload);
        }
    }

    fn upload_to(&mut self, end: usize) {
        while self.sent < end {
            let Some(upload) = self.take_block(false) else {
                return;
            };
            let task = self.store.inner.config.runtime.spawn(upload.run());
            self.uploads.push(task);
        }
    }

    /// Takes the next block out, to be uploaded. None when there is no id or no block.
    fn take_block(&mut self, durable: bool) -> Option<BlockUpload> {
        let (slice_id, index) = (self.id?, self.sent);
        let block = self.blocks.get_mut(index)?;
        let Block::Open(buffer, lease) = std::mem::replace(block, Block::Sent) else {
            return None;
        };
        self.sent += 1;
        let data = buffer.freeze();
        Some(BlockUpload {
            inner: self.store.inner.clone(),
            key: BlockKey {
                slice_id,
                index: index as u32,
                size: data.len() as u32,
            },
            data,
            durable,
            _lease: lease,
        })
    }

    /// Takes the uploads out. The caller awaits them without holding a lock on the writer.
    pub fn take_uploads(&mut self) -> Uploads {
        Uploads {
            tasks: std::mem::take(&mut self.uploads).into_iter().collect(),
            queued: std::mem::take(&mut self.queued),
        }
    }

    /// Uploads the rest and waits for all blocks.
    pub async fn finish(&mut self) -> Result<FinishedSlice, ChunkError> {
        let id = self
            .id
            .ok_or_else(|| ChunkError::Misuse("the slice has no id".to_string()))?;
        self.upload_rest();
        self.take_uploads().wait().await?;
        Ok(FinishedSlice {
            id,
            size: self.len,
            keys: self.store.keys(id, self.len),
        })
    }
}

/// Uploads under way.
pub struct Uploads {
    tasks: FuturesUnordered<JoinHandle<Result<(), ChunkError>>>,
    queued: Vec<BlockUpload>,
}

impl Uploads {
    /// Waits for all uploads, or until one fails. The others are still under way then, see [`Uploads::end`]. Queued
    /// blocks are uploaded one by one.
    pub async fn wait(&mut self) -> Result<(), ChunkError> {
        for upload in std::mem::take(&mut self.queued) {
            upload.run().await?;
        }
        while let Some(ended) = self.tasks.next().await {
            outcome(ended)?;
        }
        Ok(())
    }

    /// Waits until no upload is under way, whether they fail or not. Queued blocks are not begun.
    pub async fn end(mut self) {
        while self.tasks.next().await.is_some() {}
    }
}

impl ChunkStore {
    /// Waits for the uploads of many slices. Uploads their queued blocks, as many at a time as may be. The first failure
    /// is returned at once, and no more uploads begin. Uploads under way stay in `uploads`, see [`Uploads::end`].
    pub async fn wait_for_uploads(&self, uploads: &mut [Uploads]) -> Result<(), ChunkError> {
        let Some((all, others)) = uploads.split_first_mut() else {
            return Ok(());
        };
        for other in others {
            all.tasks.extend(std::mem::take(&mut other.tasks));
            all.queued.append(&mut other.queued);
        }
        let config = &self.inner.config;
        for block in std::mem::take(&mut all.queued) {
            while all.tasks.len() >= config.max_uploads.max(1)
                && let Some(ended) = all.tasks.next().await
            {
                outcome(ended)?;
            }
            all.tasks.push(config.runtime.spawn(block.run()));
        }
        all.wait().await
    }
}

fn outcome(ended: Result<Result<(), ChunkError>, JoinError>) -> Result<(), ChunkError> {
    ended.unwrap_or_else(|e| Err(ChunkError::Misuse(format!("an upload was cut off: {e}"))))
}

/// Copies into a block's buffer, which grows by doubling so that a small file stays small, and then to
/// a whole block at once.
fn fill(
    buffer: &mut Buffer,
    lease: &mut Lease,
    at: usize,
    data: &[u8],
    least: usize,
    block_size: usize,
) {
    let end = at + data.len();
    if end > buffer.capacity() {
        let before = buffer.capacity();
        let wanted = if end > DOUBLING_MAX {
            block_size
        } else {
            end.next_power_of_two().max(least).min(block_size)
        };
        *buffer = std::mem::take(buffer).grown(wanted.max(end));
        lease.grow((buffer.capacity() - before) as u64);
    }
    let overlap = buffer.len().min(end).saturating_sub(at);
    buffer[at..at + overlap].copy_from_slice(&data[..overlap]);
    buffer.extend_from_slice(&data[overlap..]);
}

/// One block on its way to the bucket.
struct BlockUpload {
    inner: Arc<Inner>,
    key: BlockKey,
    data: Bytes,
    durable: bool,
    /// Counts the data until it is uploaded.
    _lease: Lease,
}

impl BlockUpload {
    /// Compresses and puts the block, then caches it where that pays.
    async fn run(self) -> Result<(), ChunkError> {
        let BlockUpload {
            inner,
            key,
            data,
            durable,
            ..
        } = &self;
        let _slot = inner.uploads.acquire().await;
        let path = key.path(inner.config.hash_prefix);
        let compression = inner.config.compression;
        let stored = match compression {
            crate::Compression::None => Ok(data.clone()),
            _ => {
                let raw = data.clone();
                match tokio::task::spawn_blocking(move || compression.encode(&raw)).await {
                    Ok(result) => result,
                    Err(e) => Err(e.to_string()),
                }
            }
        };
        let stored = stored.map_err(|reason| ChunkError::Damaged {
            key: path.clone(),
            reason,
        })?;
        match durable {
            true => inner.objects.put_durable(&path, stored).await?,
            false => inner.objects.put(&path, stored).await?,
        }
        inner.uploaded.fetch_add(1, Ordering::Relaxed);
        if (key.size as usize) < inner.config.block_size || inner.config.cache_large_write {
            inner.cache.put_new(*key, data.clone());
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{ChunkConfig, Compression};
    use jfs_cache::{BlockCache, CacheConfig};
    use jfs_object::{ObjectStore, StoreOptions};

    const BLOCK: usize = 64 << 10;

    fn store(compression: Compression) -> ChunkStore {
        let objects = ObjectStore::open("mem", "", "v", &StoreOptions::default()).unwrap();
        let cache = BlockCache::open(CacheConfig {
            size_bytes: 1,
            ..CacheConfig::default()
        })
        .unwrap();
        let config = ChunkConfig {
            block_size: BLOCK,
            compression,
            hash_prefix: false,
            max_uploads: 4,
            max_downloads: 4,
            max_deletes: 4,
            cache_full_blocks: true,
            cache_large_write: false,
            prefetch: 1,
            buffer_size: 1 << 30,
            runtime: tokio::runtime::Handle::current(),
        };
        ChunkStore::new(objects, cache, config)
    }

    fn bytes(n: usize) -> Vec<u8> {
        (0..n).map(|i| (i / 3 * 7) as u8).collect()
    }

    #[tokio::test]
    async fn slices_of_every_size_come_back() {
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            let store = store(compression);
            for (id, size) in [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5]
                .into_iter()
                .enumerate()
            {
                let (id, data) = (id as u64 + 1, bytes(size));
                let mut w = store.new_slice();
                for (i, part) in data.chunks(10_000).enumerate() {
                    w.write((i * 10_000) as u32, part).unwrap();
                }
                w.set_id(id);
                let done = w.finish().await.unwrap();
                assert_eq!(
                    (done.size as usize, done.keys.len()),
                    (size, size.div_ceil(BLOCK))
                );
                let n = size as u32;
                assert_eq!(store.read(id, n, 0, size).await.unwrap(), data);
                assert_eq!(
                    store.read(id, n, n / 2, size - size / 2).await.unwrap(),
                    data[size / 2..]
                );
                assert!(store.read(id, n, 1, size).await.is_err());
                store.remove(id, n).await.unwrap();
                assert!(store.read(id, n, 0, size).await.unwrap_err().is_not_found());
            }
            assert_eq!(store.budget().used(), 0);
        }
    }

    #[tokio::test]
    async fn what_is_handed_to_upload_is_closed() {
        let store = store(Compression::None);
        let mut w = store.new_slice();
        w.write(0, &bytes(BLOCK + 100)).unwrap();
        w.upload_complete_blocks();
        assert_eq!(w.uploaded_to(), 0, "no id yet");
        w.set_id(1);
        w.upload_complete_blocks();
        assert_eq!(w.uploaded_to() as usize, BLOCK);
        assert!(w.write(5, b"x").is_err());
        assert!(w.write(BLOCK as u32 + 101, b"x").is_err(), "a gap");
        w.write(BLOCK as u32 + 50, b"overwritten").unwrap();
        let mut expected = bytes(BLOCK + 100);
        expected[BLOCK + 50..BLOCK + 61].copy_from_slice(b"overwritten");
        let mut out = vec![0; 100];
        assert!(w.read(BLOCK as u32, &mut out));
        assert_eq!(out, expected[BLOCK..]);
        assert!(!w.read(BLOCK as u32 + 1, &mut out), "past the end");
        assert!(!w.read(0, &mut out), "handed to upload");
        w.finish().await.unwrap();
        assert_eq!(
            store
                .read(1, (BLOCK + 100) as u32, 0, BLOCK + 100)
                .await
                .unwrap(),
            expected
        );
    }

    #[tokio::test]
    async fn damaged_blocks_are_errors() {
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            let store = store(compression);
            let mut w = store.new_slice();
            w.write(0, &bytes(5000)).unwrap();
            w.set_id(3);
            let done = w.finish().await.unwrap();
            let stored = store.objects().get(&done.keys[0], None).await.unwrap();
            store
                .objects()
                .put(&done.keys[0], stored.slice(..stored.len() / 2))
                .await
                .unwrap();
            assert!(
                store.read(3, 5000, 0, 5000).await.is_err(),
                "{compression:?} accepts a short block"
            );
        }
    }

    #[tokio::test]
    async fn small_writes_take_little_memory() {
        let store = store(Compression::None);
        let mut w = store.new_slice();
        w.write(0, &[1; 8]).unwrap();
        let used = store.budget().used();
        assert!(used > SLICE_COST, "the slice itself counts, too: {used}");
        assert!(used <= 2048, "{used}");
        drop(w);
        assert_eq!(store.budget().used(), 0);
    }
}
