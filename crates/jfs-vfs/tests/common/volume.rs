//! A volume in memory, and mounts of it.

use super::engine::TestEngine;
use super::events::Events;
use super::root;
use super::store::TestStore;
use bytes::Bytes;
use jfs_cache::{BlockCache, CacheConfig};
use jfs_chunk::{ChunkConfig, ChunkStore, Compression};
use jfs_meta::engine::{Answer, Key};
use jfs_meta::memory::MemoryEngine;
use jfs_meta::{Compacted, Engine, Meta, MetaConfig, SessionInfo, Work};
use jfs_object::{ObjectStore, StoreOptions};
use jfs_types::{
    Attr, Clock, Errno, FileType, Format, Ino, SliceId, SliceRecord, SystemClock, SystemRand,
};
use jfs_vfs::{ReadNow, Vfs, VfsConfig};
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

/// Bytes of a block unless a test wants others: the smallest the format allows.
pub(crate) const BLOCK: usize = 64 << 10;

/// How a volume is made and mounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Bytes of a block.
    pub(crate) block: usize,
    pub(crate) compression: Compression,
    /// Bytes of buffers of a mount.
    pub(crate) buffer: u64,
    /// Bytes of the block cache of a mount.
    pub(crate) cache: u64,
    /// Whether full blocks are cached.
    pub(crate) cache_full_blocks: bool,
    pub(crate) max_uploads: usize,
    pub(crate) prefetch: usize,
    pub(crate) trash_days: i64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            block: BLOCK,
            compression: Compression::None,
            buffer: 16 << 20,
            cache: 256 << 10,
            cache_full_blocks: true,
            max_uploads: 8,
            prefetch: 1,
            trash_days: 0,
        }
    }
}

/// A formatted volume: what outlives its mounts.
pub(crate) struct Volume {
    pub(crate) options: Options,
    pub(crate) engine: TestEngine,
    pub(crate) store: Arc<TestStore>,
    pub(crate) events: Events,
    format: Format,
}

impl Volume {
    pub(crate) async fn new(options: Options) -> Volume {
        let events = Events::default();
        let engine = TestEngine::new(Arc::new(MemoryEngine::new()), events.clone());
        let format = Format {
            name: "test".into(),
            uuid: "c0ffee00-0000-4000-8000-000000000001".into(),
            storage: "mem".into(),
            block_size: options.block as u32 / 1024,
            trash_days: options.trash_days,
            meta_version: 1,
            dir_stats: true,
            ..Format::default()
        };
        let mut dir = Attr::new(FileType::Directory);
        let now = SystemClock.now();
        (dir.mode, dir.parent) = (0o777, Ino::ROOT);
        (dir.atime, dir.mtime, dir.ctime) = (now, now, now);
        let trash = (options.trash_days > 0).then_some(&dir);
        let json = format.to_json();
        let made = engine.create_volume(json.as_bytes(), &dir, trash, false);
        made.await.unwrap();
        Volume {
            options,
            engine,
            store: Arc::new(TestStore::new(events.clone())),
            events,
            format,
        }
    }

    /// The volume as a power cut leaves it: the engine keeps every commit, the bucket what was synced.
    pub(crate) fn after_power_cut(&self) -> Volume {
        Volume {
            options: self.options,
            engine: self.engine.clone(),
            store: Arc::new(self.store.after_power_cut()),
            events: Events::default(),
            format: self.format.clone(),
        }
    }

    /// Another client, with caches and a session of its own.
    pub(crate) async fn mount(&self) -> Mount {
        self.mount_with(VfsConfig::default()).await
    }

    /// As [`Volume::mount`] with other settings; buffers are as the volume's options say.
    pub(crate) async fn mount_with(&self, config: VfsConfig) -> Mount {
        let vfs_config = VfsConfig {
            buffer_size: self.options.buffer,
            prefetch: self.options.prefetch,
            ..config
        };
        let options = StoreOptions {
            io_retries: 0,
            ..StoreOptions::default()
        };
        let objects = ObjectStore::with_backend_and(self.store.clone(), &options);
        let cache = CacheConfig {
            size_bytes: self.options.cache,
            ..CacheConfig::default()
        };
        let config = ChunkConfig {
            block_size: self.options.block,
            compression: self.options.compression,
            hash_prefix: false,
            max_uploads: self.options.max_uploads,
            max_downloads: 8,
            max_deletes: 4,
            cache_full_blocks: self.options.cache_full_blocks,
            cache_large_write: false,
            prefetch: self.options.prefetch,
            buffer_size: self.options.buffer,
            runtime: Handle::current(),
        };
        let chunks = ChunkStore::new(objects, BlockCache::open(cache).unwrap(), config);
        let (clock, rand) = (Arc::new(SystemClock), Arc::new(SystemRand));
        let engine = Arc::new(self.engine.clone());
        let config = MetaConfig {
            skip_dir_mtime: Duration::ZERO,
            ..MetaConfig::default()
        };
        let (meta, work) = Meta::new(engine, self.format.clone(), config, clock, rand);
        meta.new_session(&SessionInfo::default()).await.unwrap();
        Mount {
            vfs: Vfs::new(meta, chunks, vfs_config, Handle::current()),
            work: Mutex::new(work),
        }
    }

    /// Slices that compactions replaced and that wait for the end of the trash period: id and size.
    pub(crate) async fn delayed(&self) -> Vec<(u64, u32)> {
        let all = self.engine.list_delayed(i64::MAX, usize::MAX).await;
        let all = all.unwrap().into_iter();
        all.flat_map(|d| jfs_meta::wire::decode_delayed(&d.entries).unwrap())
            .collect()
    }

    /// The slice records of a file, zeros left out, in the order of chunks and of commits.
    pub(crate) async fn records(&self, ino: Ino) -> Vec<SliceRecord> {
        let mut records = Vec::new();
        for index in self.engine.list_chunks(ino, u64::MAX).await.unwrap() {
            let answers = self.engine.fetch(&[Key::Chunk(ino, index)]).await.unwrap();
            let Some(Answer::Bytes(Some(bytes))) = answers.into_iter().next() else {
                continue;
            };
            let all = jfs_meta::wire::decode_records(&bytes).unwrap();
            records.extend(all.into_iter().filter(|r| r.id != SliceId::ZERO));
        }
        records
    }
}

/// The last chunk that is looked at by [`Mount::compact`].
const COMPACTED_MAX: u32 = 5;
/// The longest slice that it makes.
const COMPACTED_BYTES_MAX: u32 = 2 << 20;

/// One client of a volume: its file system, and what it wants done to data.
pub(crate) struct Mount {
    vfs: Vfs,
    work: Mutex<Receiver<Work>>,
}

impl Deref for Mount {
    type Target = Vfs;
    fn deref(&self) -> &Vfs {
        &self.vfs
    }
}

impl Mount {
    /// Creates a file in the root and opens it. Returns inode and handle.
    pub(crate) async fn create_file(&self, name: &str) -> (Ino, u64) {
        let (caller, flags) = (root(), libc::O_RDWR);
        let made = self.create(&caller, Ino::ROOT, name.as_bytes(), 0o644, 0, flags);
        let (entry, fh, _) = made.await.unwrap();
        (entry.ino, fh)
    }

    /// Opens a file for reading and writing.
    pub(crate) async fn open_file(&self, ino: Ino) -> u64 {
        self.open(&root(), ino, libc::O_RDWR).await.unwrap().0
    }

    /// Writes all of `data`.
    pub(crate) async fn put(&self, fh: u64, off: u64, data: &[u8]) -> Result<(), Errno> {
        let data = Bytes::copy_from_slice(data);
        let len = data.len() as u32;
        let written = self.write(fh, off, data).await?;
        assert_eq!(written, len, "a short write");
        Ok(())
    }

    /// Reads as the kernel does: from memory when that answers. The buffer is a used one.
    pub(crate) async fn get(&self, fh: u64, off: u64, size: u32) -> Result<Bytes, Errno> {
        let mut buffer = vec![0xEE; 5000];
        match self.try_read(fh, off, size, &mut buffer) {
            Some(Ok(ReadNow::Shared(bytes))) => Ok(bytes),
            Some(Ok(ReadNow::Copied(len))) => {
                buffer.truncate(len);
                Ok(buffer.into())
            }
            Some(Err(e)) => Err(e),
            None => self.read(fh, off, size).await,
        }
    }

    /// close(2): flush and release.
    pub(crate) async fn close(&self, fh: u64) -> Result<(), Errno> {
        let flushed = self.flush(fh).await;
        self.release(fh).await;
        flushed
    }

    pub(crate) async fn sync(&self, fh: u64) -> Result<(), Errno> {
        self.fsync(fh).await
    }

    /// Deletes the data of removed files, as the background of a mount does.
    pub(crate) async fn clean(&self) {
        let (meta, chunks) = (self.meta().clone(), self.chunks().clone());
        let next = || self.work.lock().try_recv().ok();
        while let Some(work) = next() {
            let mut unused = Vec::new();
            match work {
                Work::DeleteFile { ino, length } => {
                    for index in meta.chunks_of_deleted(ino, length).await.unwrap() {
                        unused.extend(meta.delete_chunk(ino, index).await.unwrap());
                    }
                    meta.finish_deleted(ino, length).await.unwrap();
                }
                Work::DeleteSlices(slices) => unused = slices,
                Work::Compact { .. } => {}
            }
            for (id, size) in unused {
                chunks.remove(id, size).await.unwrap();
                meta.forget_slice(id, size).await.unwrap();
            }
        }
    }

    /// Compacts the chunks of a file one by one, where there is something to gain, as the background of a
    /// mount does.
    pub(crate) async fn compact(&self, ino: Ino) {
        let (meta, chunks) = (self.meta().clone(), self.chunks().clone());
        for index in 0..=COMPACTED_MAX {
            let Some(plan) = meta.plan_compaction(ino, index).await.unwrap() else {
                continue;
            };
            if plan.size() > COMPACTED_BYTES_MAX {
                continue; // slow, and nothing new
            }
            let mut slice = chunks.new_slice();
            let id = meta.new_slice_id().await.unwrap();
            slice.set_id(id);
            for piece in &plan.pieces {
                let (size, len) = (piece.size, piece.len as usize);
                let data = match piece.id {
                    SliceId::ZERO => vec![0; len].into(),
                    id => chunks.read(id.0, size, piece.off, len).await.unwrap(),
                };
                slice.write(slice.len(), &data).unwrap();
            }
            slice.finish().await.unwrap();
            match meta.commit_compaction(&plan, id).await.unwrap() {
                Compacted::Done(unused) => {
                    for (id, size) in unused {
                        chunks.remove(id, size).await.unwrap();
                        meta.forget_slice(id, size).await.unwrap();
                    }
                }
                Compacted::Changed => chunks.remove(id, plan.size()).await.unwrap(),
            }
        }
    }

    /// Writes everything out and ends the session. Open handles are forgotten.
    pub(crate) async fn unmount(&self) {
        self.flush_all().await.unwrap();
        self.meta().close_session().await.unwrap();
    }
}
