//! What reading costs: bytes fetched from the store, and memory.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::eventually;
use common::pattern::{assert_same, pattern};
use common::volume::{BLOCK, Mount, Options, Volume};
use jfs_chunk::Compression;
use jfs_types::Ino;
use jfs_vfs::VfsConfig;
use std::sync::Arc;

const BLOCKS: usize = 40;
/// The kernel asks for this much at a time.
const READ: usize = 4 << 10;

async fn volume_with_a_file(options: Options) -> (Volume, Ino, Vec<u8>) {
    let volume = Volume::new(options).await;
    let mount = volume.mount().await;
    let data = pattern(1, BLOCKS * BLOCK);
    let (ino, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &data).await.unwrap();
    mount.close(fh).await.unwrap();
    (volume, ino, data)
}

/// Reads a file from its beginning to its end.
async fn read_all(mount: &Mount, ino: Ino, data: &[u8]) {
    let fh = mount.open_file(ino).await;
    for (n, want) in data.chunks(READ).enumerate() {
        let got = mount.get(fh, (n * READ) as u64, READ as u32).await.unwrap();
        assert_same(&got, want, "what was read");
    }
}

/// Reads a file as a kernel does that sends several requests at once: of each pair the second one is first.
async fn read_in_pairs(mount: &Mount, ino: Ino, data: &[u8]) {
    let fh = mount.open_file(ino).await;
    for (n, want) in data.chunks(2 * READ).enumerate() {
        let off = (n * 2 * READ) as u64;
        let second = mount.get(fh, off + READ as u64, READ as u32);
        let first = mount.get(fh, off, READ as u32);
        let (second, first) = futures_util::join!(second, first);
        assert_same(&[first.unwrap(), second.unwrap()].concat(), want, "a pair");
    }
}

/// Whatever the cache is, and also where one block is larger than the buffers.
#[tokio::test]
async fn a_sequential_read_fetches_each_byte_once() {
    let plain = Options::default();
    let nothing_cached = Options { cache: 0, ..plain };
    let lz4 = Options {
        compression: Compression::Lz4,
        ..nothing_cached
    };
    let few_buffers = |options| Options {
        buffer: 4 * BLOCK as u64,
        ..options
    };
    let tiny_buffers = |options| Options {
        buffer: BLOCK as u64,
        ..options
    };
    let partial = Options {
        cache_full_blocks: false,
        ..plain
    };
    let no_prefetch = Options {
        prefetch: 0,
        ..nothing_cached
    };
    let all = [
        ("plain", plain),
        ("nothing cached", nothing_cached),
        ("nothing cached, lz4", lz4),
        ("nothing cached, few buffers", few_buffers(nothing_cached)),
        ("lz4, few buffers", few_buffers(lz4)),
        ("nothing cached, tiny buffers", tiny_buffers(nothing_cached)),
        ("lz4, tiny buffers", tiny_buffers(lz4)),
        ("parts of blocks cached", partial),
        ("no prefetch", no_prefetch),
    ];
    for (what, options) in all {
        let (volume, ino, data) = volume_with_a_file(options).await;
        for max_readahead in [16 << 20, BLOCK as u64 / 4] {
            let config = VfsConfig {
                max_readahead,
                ..VfsConfig::default()
            };
            let stored: usize = volume
                .store
                .keys()
                .iter()
                .map(|k| volume.store.object(k).unwrap().len())
                .sum();
            for order in ["in order", "in pairs"] {
                let mount = volume.mount_with(config.clone()).await;
                volume.store.take_bytes_read();
                match order {
                    "in order" => read_all(&mount, ino, &data).await,
                    _ => read_in_pairs(&mount, ino, &data).await,
                }
                let read = volume.store.take_bytes_read();
                assert!(
                    read <= stored * 11 / 10,
                    "{what}, {order}, {max_readahead} ahead: {read} bytes fetched of {stored}"
                );
            }
        }
    }
}

/// Readers of one file at the same time share what is fetched.
#[tokio::test]
async fn readers_of_one_file_share_what_they_fetch() {
    let options = Options {
        cache: 0,
        ..Options::default()
    };
    let (volume, ino, data) = volume_with_a_file(options).await;
    let mount = volume.mount().await;
    volume.store.take_bytes_read();
    let readers = (0..4).map(|_| read_all(&mount, ino, &data));
    futures_util::future::join_all(readers).await;
    let read = volume.store.take_bytes_read();
    assert!(read <= data.len() * 11 / 10, "{read} bytes fetched");
}

/// Sequential readers of several files at the same time: the one that began first does not take the room of
/// the blocks that the others are in.
#[tokio::test(flavor = "multi_thread")]
async fn readers_of_several_files_share_the_buffers() {
    const FILES: usize = 4;
    let volume = Volume::new(Options {
        cache: 0,
        buffer: 8 * BLOCK as u64,
        ..Options::default()
    })
    .await;
    let mount = Arc::new(volume.mount().await);
    let mut files = Vec::new();
    for n in 0..FILES {
        let data = pattern(n as u64, BLOCKS * BLOCK);
        let (ino, fh) = mount.create_file(&format!("f{n}")).await;
        mount.put(fh, 0, &data).await.unwrap();
        mount.close(fh).await.unwrap();
        files.push((ino, data));
    }
    let mount = Arc::new(volume.mount().await);
    volume.store.take_reads();
    volume.store.take_bytes_read();
    let readers: Vec<_> = files
        .into_iter()
        .map(|(ino, data)| {
            let mount = mount.clone();
            tokio::spawn(async move { read_all(&mount, ino, &data).await })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    let blocks = FILES * BLOCKS;
    let (reads, bytes) = (volume.store.take_reads(), volume.store.take_bytes_read());
    assert!(reads <= blocks * 2, "{reads} reads of {blocks} blocks");
    assert!(bytes <= blocks * BLOCK * 13 / 10, "{bytes} bytes fetched");
}

/// Blocks that can only be fetched whole, more of them than there are buffers for: they come one after the
/// other, also while writers have taken everything.
#[tokio::test]
async fn downloads_stay_within_the_budget() {
    let buffer = 3 * BLOCK as u64;
    let options = Options {
        cache: 0,
        buffer,
        compression: Compression::Lz4,
        ..Options::default()
    };
    let (volume, ino, data) = volume_with_a_file(options).await;
    let mount = Arc::new(volume.mount().await);
    let fh = mount.open_file(ino).await;
    volume.store.gets.shut();
    let readers: Vec<_> = (0..BLOCKS)
        .map(|n| {
            let mount = mount.clone();
            tokio::spawn(async move { mount.read(fh, (n * BLOCK + 9) as u64, 100).await })
        })
        .collect();
    volume.store.gets.holds(1).await;
    let budget = mount.chunks().budget();
    let within = |what: &str| {
        let used = budget.used();
        assert!(used <= buffer, "{what}: {used} bytes of {buffer}");
    };
    within("all have come");
    let two = volume.store.gets.holds(2);
    let two = tokio::time::timeout(std::time::Duration::from_millis(50), two).await;
    assert!(two.is_err(), "there is room for one download");
    // Writers take what is left, and more than that.
    volume.store.puts.shut();
    let (_, out) = mount.create_file("out").await;
    let m = mount.clone();
    let writer = tokio::spawn(async move {
        for n in 0..8 {
            m.put(out, (n * BLOCK) as u64, &pattern(2, BLOCK))
                .await
                .unwrap();
        }
    });
    let full = || async { !mount.chunks().has_room() };
    eventually("the buffers are full", full).await;
    for _ in 0..BLOCKS {
        volume.store.gets.holds(1).await;
        volume.store.gets.call();
        tokio::task::yield_now().await;
        assert!(budget.used() <= 2 * buffer, "{}", budget.used());
    }
    for (n, reader) in readers.into_iter().enumerate() {
        let at = n * BLOCK + 9;
        assert_same(&reader.await.unwrap().unwrap(), &data[at..at + 100], "read");
    }
    volume.store.puts.open();
    writer.await.unwrap();
    mount.close(out).await.unwrap();
}
