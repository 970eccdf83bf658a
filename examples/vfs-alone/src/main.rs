//! A program on [`Vfs`] alone: metadata in memory, objects in memory, no mount and no FUSE crate.
//!
//! The crate `jfs` is easier to use; this is for programs that work by inodes and handles themselves, and shows which
//! parts a `Vfs` needs.

use jfs_cache::{BlockCache, CacheConfig};
use jfs_chunk::{ChunkConfig, ChunkStore, Compression};
use jfs_meta::memory::MemoryEngine;
use jfs_meta::{Engine, Meta, MetaConfig, SessionInfo};
use jfs_object::{ObjectStore, StoreOptions};
use jfs_types::{Attr, Caller, Clock, FileType, Format, Ino, SystemClock, SystemRand};
use jfs_vfs::{Vfs, VfsConfig};
use std::error::Error;
use std::sync::Arc;
use tokio::runtime::Handle;

const BLOCK_BYTES: usize = 1 << 20;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let format = format(&*engine).await?;
    // `_work` is what a background would do: nothing here is deleted or compacted.
    let (meta, _work) = Meta::new(
        engine,
        format,
        MetaConfig::default(),
        Arc::new(SystemClock),
        Arc::new(SystemRand),
    );
    meta.new_session(&SessionInfo::default()).await?;
    let vfs = Vfs::new(
        meta.clone(),
        chunks()?,
        VfsConfig::default(),
        Handle::current(),
    );

    let me = Caller::root();
    let dir = vfs.mkdir(&me, Ino::ROOT, b"dir", 0o755, 0o022).await?;
    let (file, fh, _) = vfs
        .create(&me, dir.ino, b"file", 0o644, 0o022, libc::O_RDWR)
        .await?;
    vfs.write(fh, 0, b"hello, world".as_slice().into()).await?;
    vfs.flush(fh).await?;
    let read = vfs.read(fh, 7, 100).await?;
    let length = vfs.getattr(file.ino).await?.attr.length;
    vfs.release(fh).await;
    meta.close_session().await?;

    println!("{length} bytes, the last {}: {read:?}", read.len());
    match read[..] == b"world"[..] && length == 12 {
        true => Ok(()),
        false => Err("the content differs".into()),
    }
}

/// An empty volume.
async fn format(engine: &dyn Engine) -> Result<Format, Box<dyn Error>> {
    let format = Format {
        name: "alone".into(),
        uuid: "c0ffee00-0000-4000-8000-000000000001".into(),
        storage: "mem".into(),
        block_size: (BLOCK_BYTES >> 10) as u32,
        meta_version: 1,
        dir_stats: true,
        ..Format::default()
    };
    let now = SystemClock.now();
    let root = Attr {
        mode: 0o755,
        parent: Ino::ROOT,
        atime: now,
        mtime: now,
        ctime: now,
        ..Attr::new(FileType::Directory)
    };
    let json = format.to_json();
    engine
        .create_volume(json.as_bytes(), &root, None, false)
        .await?;
    Ok(format)
}

/// Blocks in memory.
fn chunks() -> Result<ChunkStore, Box<dyn Error>> {
    let objects = ObjectStore::open("mem", "", "alone", &StoreOptions::default())?;
    let cache = BlockCache::open(CacheConfig::default())?;
    let config = ChunkConfig {
        block_size: BLOCK_BYTES,
        compression: Compression::None,
        hash_prefix: false,
        max_uploads: 4,
        max_downloads: 8,
        max_deletes: 2,
        cache_full_blocks: true,
        cache_large_write: false,
        prefetch: 0,
        buffer_size: 32 << 20,
        runtime: Handle::current(),
    };
    Ok(ChunkStore::new(objects, cache, config))
}
