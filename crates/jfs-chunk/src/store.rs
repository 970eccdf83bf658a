//! Reading, prefetching and removing slices.

use crate::budget::Room;
use crate::download::{Downloads, Running};
use crate::downloaded_blocks::{DownloadedBlocks, Need};
use crate::writer::SliceWriter;
use crate::{Budget, ChunkError, Compression};
use bytes::{Bytes, BytesMut};
use futures_util::future::try_join_all;
use jfs_cache::{BlockCache, BlockKey};
use jfs_object::ObjectStore;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Blocks that may be on their way ahead of readers at the same time.
const PREFETCH_MAX: usize = 32;
/// Bytes of held blocks that are given up at a time for writers: one or two blocks.
const GIVEN_UP: u64 = 8 << 20;

/// How blocks are cut, stored and moved.
#[derive(Clone, Debug)]
pub struct ChunkConfig {
    /// Bytes of a block.
    pub block_size: usize,
    /// How blocks are stored.
    pub compression: Compression,
    /// Whether object keys have a hash prefix.
    pub hash_prefix: bool,
    /// Uploads at the same time.
    pub max_uploads: usize,
    /// Downloads at the same time.
    pub max_downloads: usize,
    /// Deletions at the same time.
    pub max_deletes: usize,
    /// Whether full blocks are cached when they are read (smaller ones always are).
    pub cache_full_blocks: bool,
    /// Whether full blocks are cached after their upload too (smaller ones always are).
    pub cache_large_write: bool,
    /// Blocks fetched whole on a random read; 0 = none.
    pub prefetch: usize,
    /// Bytes of buffers in total.
    pub buffer_size: u64,
    /// Where background uploads run.
    pub runtime: Handle,
}

pub(crate) struct Inner {
    pub(crate) objects: ObjectStore,
    pub(crate) cache: BlockCache,
    pub(crate) config: ChunkConfig,
    pub(crate) budget: Budget,
    pub(crate) uploads: Semaphore,
    /// Blocks uploaded so far.
    pub(crate) uploaded: AtomicU64,
    deletes: Semaphore,
    downloads: Downloads,
    /// Number of blocks on their way ahead of readers.
    ahead: AtomicUsize,
    /// Blocks that were downloaded whole.
    downloaded: DownloadedBlocks,
    /// Whole blocks that are fetched because a small part of them was read ([`ChunkConfig::prefetch`]).
    around: Arc<Semaphore>,
}

/// The data of a volume. Cheap to clone.
#[derive(Clone)]
pub struct ChunkStore {
    pub(crate) inner: Arc<Inner>,
}

impl ChunkStore {
    /// A store over an object store and a cache.
    pub fn new(objects: ObjectStore, cache: BlockCache, config: ChunkConfig) -> ChunkStore {
        let inner = Inner {
            downloads: Downloads::new(config.max_downloads),
            uploads: Semaphore::new(config.max_uploads.max(1)),
            uploaded: AtomicU64::new(0),
            deletes: Semaphore::new(config.max_deletes.max(1)),
            budget: Budget::new(config.buffer_size),
            ahead: AtomicUsize::new(0),
            downloaded: DownloadedBlocks::default(),
            around: Arc::new(Semaphore::new(config.prefetch)),
            objects,
            cache,
            config,
        };
        ChunkStore {
            inner: Arc::new(inner),
        }
    }

    /// Bytes of a block.
    pub fn block_size(&self) -> usize {
        self.inner.config.block_size
    }

    /// The budget that write buffers, downloads and blocks held for readers count against.
    pub fn budget(&self) -> &Budget {
        &self.inner.budget
    }

    /// Whether more may be written. Blocks that are held for readers give way.
    pub fn has_room(&self) -> bool {
        let budget = &self.inner.budget;
        let give_up = || self.inner.downloaded.give_up(GIVEN_UP, budget, Need::Write);
        budget.has_room() || (give_up() && budget.has_room())
    }

    /// Waits until more may be written.
    pub async fn wait_for_room(&self) {
        let has_room = || self.has_room().then_some(());
        self.inner.budget.wait_for(has_room).await;
    }

    /// The block cache.
    pub fn cache(&self) -> &BlockCache {
        &self.inner.cache
    }

    /// The object store.
    pub fn objects(&self) -> &ObjectStore {
        &self.inner.objects
    }

    /// Blocks uploaded so far: it grows while the object store takes something.
    pub fn uploads_done(&self) -> u64 {
        self.inner.uploaded.load(Ordering::Relaxed)
    }

    /// Buffers for a new slice.
    pub fn new_slice(&self) -> SliceWriter {
        SliceWriter::new(self.clone())
    }

    /// The blocks that `len` bytes from `off` of a slice touch: key, and the range inside the block.
    fn parts(
        &self,
        id: u64,
        size: u32,
        off: u32,
        len: usize,
    ) -> impl Iterator<Item = (BlockKey, Range<usize>)> + use<> {
        let (block, size, off) = (self.block_size(), size as usize, off as usize);
        let end = off + len;
        let first = off / block;
        (first..end.div_ceil(block)).map(move |index| {
            let start = index * block;
            let block_len = block.min(size.saturating_sub(start));
            let key = BlockKey {
                slice_id: id,
                index: index as u32,
                size: block_len as u32,
            };
            (key, off.max(start) - start..end.min(start + block) - start)
        })
    }

    /// Fills `out` from offset `off` of a slice when every block answers from the cache at once.
    /// Never waits; for the threads that read requests.
    pub fn try_read(&self, id: u64, size: u32, off: u32, out: &mut [u8]) -> bool {
        if off as usize + out.len() > size as usize {
            return false;
        }
        let mut done = 0;
        for (key, range) in self.parts(id, size, off, out.len()) {
            let n = range.len();
            let out = &mut out[done..done + n];
            if self.inner.downloaded.read(&key, range.start, out) {
                self.inner.cache.count_read(true, n);
            } else if !self.inner.cache.try_read(&key, range.start, out) {
                return false;
            }
            done += n;
        }
        true
    }

    /// Part of a slice without a copy, when it lies in one block that memory holds.
    pub fn share(&self, id: u64, size: u32, off: u32, len: usize) -> Option<Bytes> {
        if off as usize + len > size as usize {
            return None;
        }
        let mut parts = self.parts(id, size, off, len);
        match (parts.next(), parts.next()) {
            (Some((key, range)), None) => {
                let block = self.in_memory(&key, range.clone())?;
                self.inner.cache.count_read(true, range.len());
                Some(block.slice(range))
            }
            _ => None,
        }
    }

    /// Reads exactly `len` bytes from offset `off` of a slice. Blocks are fetched at the same time;
    /// readers of one block share one request.
    pub async fn read(
        &self,
        id: u64,
        size: u32,
        off: u32,
        len: usize,
    ) -> Result<Bytes, ChunkError> {
        if off as usize + len > size as usize {
            return Err(ChunkError::Misuse(format!(
                "read of {len} at {off} in slice {id} of {size} bytes"
            )));
        }
        let mut parts = self.parts(id, size, off, len);
        match (parts.next(), parts.next()) {
            (None, _) => Ok(Bytes::new()),
            (Some((key, range)), None) => self.read_block(key, range).await,
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(parts);
                let pieces =
                    try_join_all(all.map(|(key, range)| self.read_block(key, range))).await?;
                let mut joined = BytesMut::with_capacity(len);
                pieces.iter().for_each(|p| joined.extend_from_slice(p));
                Ok(joined.freeze())
            }
        }
    }

    /// The whole block when memory holds it; the bytes `range` of it are going to be read.
    fn in_memory(&self, key: &BlockKey, range: Range<usize>) -> Option<Bytes> {
        let downloaded = self.inner.downloaded.get(key, range);
        downloaded.or_else(|| self.inner.cache.get_memory(key))
    }

    async fn read_block(&self, key: BlockKey, range: Range<usize>) -> Result<Bytes, ChunkError> {
        let cache = &self.inner.cache;
        if let Some(block) = self.in_memory(&key, range.clone()) {
            cache.count_read(true, range.len());
            return Ok(block.slice(range));
        }
        if let Some(data) = cache.read(&key, range.clone()).await {
            return Ok(data);
        }
        let small = range.len() * 4 <= key.size as usize;
        if self.reads_ranges() && small && !self.inner.downloads.is_running(&key) {
            // Not more than that: of blocks larger than the cache has room for, most would be fetched for
            // nothing, and slow down the reads that asked.
            if let Ok(permit) = self.inner.around.clone().try_acquire_owned() {
                self.fetch_ahead(key, Need::Ahead, Some(permit));
            }
            let path = key.path(self.inner.config.hash_prefix);
            let _room = self.room(range.len() as u64).await;
            let _slot = self.inner.downloads.slot().await;
            let range = range.start as u64..range.end as u64;
            return Ok(self.inner.objects.get(&path, Some(range)).await?);
        }
        let block = self.whole_block(key).await?;
        self.inner.downloaded.get(&key, range.clone()); // marks it
        Ok(block.slice(range))
    }

    /// Whether a part of a block can be fetched alone.
    fn reads_ranges(&self) -> bool {
        self.inner.config.compression == Compression::None && self.inner.objects.reads_ranges()
    }

    /// What a download of the whole block takes at most: what is stored, and what is made of it.
    fn cost(&self, key: &BlockKey) -> u64 {
        let copies = if self.reads_ranges() { 1 } else { 2 };
        u64::from(key.size) * copies
    }

    /// Room for a download that somebody waits for.
    async fn room(&self, bytes: u64) -> Room {
        let Inner {
            budget, downloaded, ..
        } = &*self.inner;
        let give_up = |bytes| downloaded.give_up(bytes, budget, Need::Read);
        budget.download(bytes, give_up).await
    }

    /// Downloads a block unless somebody is at it already, and holds and caches it.
    pub(crate) async fn whole_block(&self, key: BlockKey) -> Result<Bytes, ChunkError> {
        self.start(key, None).wait().await
    }

    /// Begins to download a block whole. `ahead`: nobody waits for it, and its room is taken.
    fn start(&self, key: BlockKey, ahead: Option<Ahead>) -> Running {
        let Inner {
            downloads, config, ..
        } = &*self.inner;
        downloads.start(key, &config.runtime, || {
            // One that has just ended is held before it is running no more.
            if let Some(block) = self.in_memory(&key, 0..0) {
                return Err(block);
            }
            let store = self.clone();
            Ok(async move {
                let done = store.download(key, ahead).await;
                if let Err(e) = &done {
                    tracing::debug!("download: {e}");
                }
                done
            })
        })
    }

    async fn download(&self, key: BlockKey, ahead: Option<Ahead>) -> Result<Bytes, ChunkError> {
        let inner = &*self.inner;
        let (room, next, _ahead) = match ahead {
            Some(Ahead {
                room,
                next,
                place,
                permit,
            }) => (room, next, Some((place, permit))),
            None => (self.room(self.cost(&key)).await, true, None),
        };
        let path = key.path(inner.config.hash_prefix);
        let _slot = inner.downloads.slot().await;
        let (compression, size) = (inner.config.compression, key.size as usize);
        let block = match compression {
            Compression::None => {
                let range = 0..u64::from(key.size);
                Ok(inner.objects.get(&path, Some(range)).await?)
            }
            _ => {
                let stored = inner.objects.get(&path, None).await?;
                let decode = move || compression.decode(stored, size);
                match tokio::task::spawn_blocking(decode).await {
                    Ok(result) => result,
                    Err(e) => Err(e.to_string()),
                }
            }
        };
        let block = block.map_err(|reason| ChunkError::Damaged { key: path, reason })?;
        inner.downloaded.put(key, block.clone(), room, next);
        let full = key.size as usize >= inner.config.block_size;
        if !full || inner.config.cache_full_blocks {
            inner.cache.put(key, block.clone());
        }
        Ok(block)
    }

    /// Fetches a block in the background. False when enough is on its way already, or there is no room: ask
    /// again later.
    fn fetch_ahead(
        &self,
        key: BlockKey,
        wanted: Need,
        permit: Option<OwnedSemaphorePermit>,
    ) -> bool {
        let inner = &*self.inner;
        if inner.downloaded.contains(&key)
            || inner.downloads.is_running(&key)
            || inner.cache.contains(&key)
        {
            return true;
        }
        let Some(place) = AheadPlace::take(&self.inner) else {
            return false;
        };
        let cost = self.cost(&key);
        let room = loop {
            let room = match wanted {
                Need::Ahead => inner.budget.try_download_ahead(cost),
                _ => inner.budget.try_download(cost),
            };
            if let Some(room) = room {
                break room;
            }
            if !inner.downloaded.give_up(cost, &inner.budget, wanted) {
                return false;
            }
        };
        let ahead = Ahead {
            room,
            next: wanted == Need::Next,
            place,
            permit,
        };
        self.start(key, Some(ahead));
        true
    }

    /// Prefetches the blocks that `len` bytes from `off` of a slice touch. Returns how many of these bytes
    /// are on their way, or there. `next`: a reader is about to enter the first block. It then gets the room
    /// of blocks that are further ahead of other readers.
    pub fn prefetch_range(&self, id: u64, size: u32, off: u32, len: usize, next: bool) -> usize {
        let mut done = 0;
        let mut wanted = if next { Need::Next } else { Need::Ahead };
        for (key, range) in self.parts(id, size, off, len) {
            if !self.fetch_ahead(key, wanted, None) {
                break;
            }
            wanted = Need::Ahead;
            done += range.len();
        }
        done
    }

    /// The blocks that `len` bytes from `off` of a slice touch: object key, bytes of the block, and the
    /// range inside it.
    pub fn blocks(
        &self,
        id: u64,
        size: u32,
        off: u32,
        len: usize,
    ) -> impl Iterator<Item = (String, u32, Range<usize>)> + use<> {
        let prefix = self.inner.config.hash_prefix;
        self.parts(id, size, off, len)
            .map(move |(key, range)| (key.path(prefix), key.size, range))
    }

    /// Object keys of a slice.
    pub fn keys(&self, id: u64, size: u32) -> Vec<String> {
        let prefix = self.inner.config.hash_prefix;
        self.parts(id, size, 0, size as usize)
            .map(|(key, _)| key.path(prefix))
            .collect()
    }

    /// Makes blocks that were uploaded survive a power cut. What the disk has refused to flush once stays
    /// an error: see [`ObjectStore::sync`].
    pub async fn sync(&self, keys: &[String]) -> Result<(), ChunkError> {
        Ok(self.inner.objects.sync(keys).await?)
    }

    /// An error when the disk has refused to flush a block of this slice: what it holds now may not be what
    /// was written.
    pub fn check_flushed(&self, id: u64, size: u32) -> Result<(), ChunkError> {
        match self.inner.objects.unflushed(&self.keys(id, size)) {
            Some(e) => Err(e.into()),
            None => Ok(()),
        }
    }

    /// Whether blocks that were uploaded may be lost in a power cut before [`ChunkStore::sync`].
    pub fn needs_sync(&self) -> bool {
        self.inner.objects.needs_sync()
    }

    /// Deletes all blocks of a slice, in the bucket and in the cache. Missing ones are no error.
    pub async fn remove(&self, id: u64, size: u32) -> Result<(), ChunkError> {
        let keys: Vec<BlockKey> = self
            .parts(id, size, 0, size as usize)
            .map(|(key, _)| key)
            .collect();
        let delete = |key: BlockKey| async move {
            let _slot = self.inner.deletes.acquire().await;
            self.inner.cache.remove(&key);
            self.inner.downloaded.remove(&key);
            self.inner
                .objects
                .delete(&key.path(self.inner.config.hash_prefix))
                .await
        };
        try_join_all(keys.into_iter().map(delete)).await?;
        Ok(())
    }
}

/// A download that nobody waits for.
struct Ahead {
    room: Room,
    /// A reader is about to enter the block.
    next: bool,
    place: AheadPlace,
    permit: Option<OwnedSemaphorePermit>,
}

/// One of [`PREFETCH_MAX`] places, until it is dropped.
struct AheadPlace(Arc<Inner>);

impl AheadPlace {
    fn take(inner: &Arc<Inner>) -> Option<AheadPlace> {
        let more = |n: usize| (n < PREFETCH_MAX).then_some(n + 1);
        let taken = inner
            .ahead
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| AheadPlace(inner.clone()))
    }
}

impl Drop for AheadPlace {
    fn drop(&mut self) {
        self.0.ahead.fetch_sub(1, Ordering::Relaxed);
    }
}
