//! What programs see when the object store loses, damages, refuses or delays something.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bytes::Bytes;
use common::pattern::{assert_same, pattern};
use common::volume::{BLOCK, Mount, Options, Volume};
use common::{eventually, root};
use jfs_chunk::Compression;
use jfs_types::{Errno, Ino};
use jfs_vfs::SetAttrRequest;
use std::sync::Arc;

async fn start(options: Options) -> (Volume, Mount) {
    let volume = Volume::new(options).await;
    let mount = volume.mount().await;
    (volume, mount)
}

/// A file with `data`, written and closed.
async fn file(mount: &Mount, name: &str, data: &[u8]) -> Ino {
    let (ino, fh) = mount.create_file(name).await;
    mount.put(fh, 0, data).await.unwrap();
    mount.close(fh).await.unwrap();
    ino
}

/// Keys of the blocks of a file with one slice, in order.
async fn blocks(volume: &Volume, mount: &Mount, ino: Ino) -> Vec<String> {
    let records = volume.records(ino).await;
    assert_eq!(records.len(), 1);
    mount.chunks().keys(records[0].id.0, records[0].size)
}

/// Reads a range through a mount that has cached nothing.
async fn fresh_read(volume: &Volume, ino: Ino, off: u64, size: usize) -> Result<Bytes, Errno> {
    let mount = volume.mount().await;
    let fh = mount.open_file(ino).await;
    mount.get(fh, off, size as u32).await
}

fn to_size(size: u64) -> SetAttrRequest {
    SetAttrRequest {
        size: Some(size),
        ..SetAttrRequest::default()
    }
}

#[tokio::test]
async fn a_missing_block_is_an_error_of_its_range_only() {
    let (volume, mount) = start(Options::default()).await;
    let (one, two) = (pattern(1, 3 * BLOCK), pattern(2, 3 * BLOCK));
    let broken = file(&mount, "broken", &one).await;
    let whole = file(&mount, "whole", &two).await;
    let key = blocks(&volume, &mount, broken).await[1].clone();
    let lost = volume.store.object(&key);
    volume.store.tamper(&key, None);

    let other = volume.mount().await;
    let (b, w) = (other.open_file(broken).await, other.open_file(whole).await);
    for (off, size) in [
        (0, 3 * BLOCK),
        (BLOCK, BLOCK),
        (BLOCK + 5, 1),
        (BLOCK - 1, 2),
    ] {
        let got = other.get(b, off as u64, size as u32).await;
        assert_eq!(got, Err(Errno::EIO), "{off}..+{size}");
    }
    let got = other.get(b, 0, BLOCK as u32).await.unwrap();
    assert_same(&got, &one[..BLOCK], "before it");
    let got = other.get(b, 2 * BLOCK as u64, BLOCK as u32).await.unwrap();
    assert_same(&got, &one[2 * BLOCK..], "behind it");
    let got = other.get(w, 0, 3 * BLOCK as u32).await.unwrap();
    assert_same(&got, &two, "the other file");

    // The error is not remembered.
    volume.store.tamper(&key, lost);
    let got = other.get(b, 0, 3 * BLOCK as u32).await.unwrap();
    assert_same(&got, &one, "mended");
}

#[tokio::test]
async fn a_short_or_damaged_block_is_an_error() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let options = Options {
            compression,
            ..Options::default()
        };
        let (volume, mount) = start(options).await;
        let data = pattern(1, 2 * BLOCK);
        let ino = file(&mount, "f", &data).await;
        let key = blocks(&volume, &mount, ino).await[1].clone();
        let good = volume.store.object(&key).unwrap();
        let mut bad = vec![
            ("empty", Bytes::new()),
            ("one byte short", good.slice(..good.len() - 1)),
            ("half", good.slice(..good.len() / 2)),
        ];
        if compression != Compression::None {
            // What is not compressed has nothing that could tell.
            bad.push(("garbage", vec![0xA5; good.len()].into()));
        }
        for (what, object) in bad {
            volume.store.tamper(&key, Some(object));
            let what = format!("{compression:?}, {what}");
            let end = fresh_read(&volume, ino, 2 * BLOCK as u64 - 10, 10).await;
            assert_eq!(end, Err(Errno::EIO), "{what}");
            let all = fresh_read(&volume, ino, 0, 2 * BLOCK).await;
            assert_eq!(all, Err(Errno::EIO), "{what}");
            let first = fresh_read(&volume, ino, 0, BLOCK).await.unwrap();
            assert_same(&first, &data[..BLOCK], &what);
        }
        volume.store.tamper(&key, Some(good));
        let all = fresh_read(&volume, ino, 0, 2 * BLOCK).await.unwrap();
        assert_same(&all, &data, "mended");
    }
}

/// A failure is told until an fsync has told it; what was written before stays, what failed never shows.
#[tokio::test]
async fn a_failed_upload_is_reported_and_shows_nowhere() {
    for by_fsync in [true, false] {
        let (volume, mount) = start(Options::default()).await;
        let (ino, fh) = mount.create_file("f").await;
        mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
        mount.sync(fh).await.unwrap();
        volume.store.fail_puts(true);
        mount.put(fh, 50, &pattern(2, 2 * BLOCK)).await.unwrap();
        let reported = match by_fsync {
            true => mount.sync(fh).await,
            false => mount.flush(fh).await,
        };
        assert_eq!(reported, Err(Errno::EIO));
        volume.store.fail_puts(false);
        if !by_fsync {
            assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
        }
        mount.sync(fh).await.unwrap();
        assert_eq!(mount.getattr(ino).await.unwrap().attr.length, 100);
        let got = mount.get(fh, 0, 1000).await.unwrap();
        assert_same(&got, &pattern(1, 100), "here");
        mount.close(fh).await.unwrap();
        let got = fresh_read(&volume, ino, 0, 1000).await.unwrap();
        assert_same(&got, &pattern(1, 100), "elsewhere");
        assert_eq!(volume.store.keys().len(), 1, "nothing is left behind");
    }
}

/// The background found out: the next write says so, and so does close, until it has.
#[tokio::test]
async fn a_failed_background_upload_is_reported_by_write_and_close() {
    let options = Options {
        buffer: BLOCK as u64,
        ..Options::default()
    };
    let (volume, mount) = start(options).await;
    let (ino, fh) = mount.create_file("f").await;
    volume.store.fail_puts(true);
    mount.put(fh, 0, &pattern(1, 2 * BLOCK)).await.unwrap();
    // There is no room: everything is flushed in the background before this one gets its turn.
    let failed = || async { mount.put(fh, 5 * BLOCK as u64, b"more").await.is_err() };
    eventually("a write reports it", failed).await;
    volume.store.fail_puts(false);
    assert_eq!(mount.put(fh, 0, b"x").await, Err(Errno::EIO), "still");
    assert_eq!(mount.flush(fh).await, Err(Errno::EIO), "close, too");
    assert_eq!(mount.put(fh, 0, b"x").await, Err(Errno::EIO), "and again");
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO), "fsync settles it");
    mount.put(fh, 0, b"again").await.unwrap();
    mount.close(fh).await.unwrap();
    let got = fresh_read(&volume, ino, 0, 1000).await.unwrap();
    assert_same(&got, b"again", "after the report");
}

/// Everybody who had the file open hears of a failure, whoever met it: the other writer, the one whose
/// forked process closed first, and a reader who syncs. Who opens it later starts afresh.
#[tokio::test]
async fn every_handle_hears_of_a_failure() {
    let (volume, mount) = start(Options::default()).await;
    let (ino, a) = mount.create_file("f").await;
    let b = mount.open(&root(), ino, libc::O_RDWR).await.unwrap().0;
    let reader = mount.open_file(ino).await;
    mount.put(a, 0, &pattern(1, 100)).await.unwrap();
    mount.put(b, 100, &pattern(2, 100)).await.unwrap();
    volume.store.fail_puts(true);
    assert_eq!(mount.sync(reader).await, Err(Errno::EIO));
    volume.store.fail_puts(false);
    mount.sync(reader).await.unwrap();
    let late = mount.open(&root(), ino, libc::O_RDWR).await.unwrap().0;
    mount.put(late, 0, &pattern(3, 50)).await.unwrap();
    mount.sync(late).await.unwrap();
    for fh in [a, b] {
        assert_eq!(mount.try_flush(fh), None);
        assert_eq!(mount.flush(fh).await, Err(Errno::EIO));
        assert_eq!(mount.flush(fh).await, Err(Errno::EIO), "of another process");
        assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
        mount.sync(fh).await.unwrap();
    }
    for fh in [late, a, b] {
        mount.close(fh).await.unwrap();
    }
    let got = fresh_read(&volume, ino, 0, 1000).await.unwrap();
    assert_same(&got, &pattern(3, 50), "what was told to be stored");
}

/// The store fails and then takes its time to remove what was lost: every handle hears of it meanwhile.
#[tokio::test]
async fn a_failure_shows_at_once() {
    let (volume, mount) = start(Options::default()).await;
    let (ino, fh) = mount.create_file("f").await;
    let other = mount.open(&root(), ino, libc::O_RDWR).await.unwrap().0;
    mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
    volume.store.fail_puts(true);
    volume.store.deletes.shut();
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
    assert_eq!(mount.try_flush(other), None);
    assert_eq!(mount.flush(other).await, Err(Errno::EIO));
    volume.store.deletes.open();
    mount.close(fh).await.unwrap();
    assert_eq!(mount.close(other).await, Err(Errno::EIO));
}

/// What is written to a file that another mount has removed is lost, and that is said.
#[tokio::test]
async fn writing_to_what_another_mount_has_removed_fails() {
    let (volume, mount) = start(Options::default()).await;
    let (_, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
    mount.sync(fh).await.unwrap();
    let other = volume.mount().await;
    other.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
    mount.put(fh, 0, &pattern(2, 100)).await.unwrap();
    assert_eq!(mount.sync(fh).await, Err(Errno::EBADF));
    mount.put(fh, 0, &pattern(3, 100)).await.unwrap();
    assert_eq!(mount.close(fh).await, Err(Errno::EBADF));
}

/// Others that need the data in the store get an error, but the report is for who has written.
#[tokio::test]
async fn only_the_writer_takes_the_report_of_a_failure() {
    for what in ["read", "truncate", "release", "utimes"] {
        let (volume, mount) = start(Options::default()).await;
        let (ino, writer) = mount.create_file("f").await;
        let other = mount.open_file(ino).await;
        mount.put(writer, 0, &pattern(1, 100)).await.unwrap();
        mount.put(writer, 200, &pattern(2, 100)).await.unwrap();
        volume.store.fail_puts(true);
        match what {
            "read" => {
                let got = mount.get(other, 0, 300).await;
                assert_eq!(got, Err(Errno::EIO));
            }
            "truncate" => {
                let done = mount.setattr(&root(), ino, &to_size(10)).await;
                assert_eq!(done, Err(Errno::EIO));
            }
            "utimes" => {
                let set = SetAttrRequest {
                    mtime: Some(jfs_vfs::SetTime::Now),
                    ..SetAttrRequest::default()
                };
                assert_eq!(mount.setattr(&root(), ino, &set).await, Err(Errno::EIO));
            }
            _ => mount.release(other).await,
        }
        volume.store.fail_puts(false);
        assert_eq!(mount.close(writer).await, Err(Errno::EIO), "{what}");
    }
}

/// A download that is under way when the file changes: the reader gets what was there before or
/// after, and the cache never gives one for the other.
#[tokio::test]
async fn a_delayed_read_gives_old_or_new_bytes() {
    for by_other_mount in [false, true] {
        for change in ["overwrite", "part", "truncate", "grow again", "remove"] {
            let what = format!("{change}, by another mount: {by_other_mount}");
            let (volume, mount) = start(Options::default()).await;
            let old = pattern(1, 3 * BLOCK);
            let ino = file(&mount, "f", &old).await;
            let reader = Arc::new(volume.mount().await);
            let other = volume.mount().await;
            let changer = if by_other_mount { &other } else { &*reader };
            let fh = reader.open_file(ino).await;

            volume.store.gets.shut();
            let r = reader.clone();
            let read = tokio::spawn(async move { r.get(fh, 0, 3 * BLOCK as u32).await });
            volume.store.gets.holds(1).await;
            let mut new = old.clone();
            match change {
                "overwrite" | "part" => {
                    let (at, len) = match change {
                        "part" => (BLOCK - 100, 200),
                        _ => (0, old.len()),
                    };
                    new[at..at + len].copy_from_slice(&pattern(2, len));
                    let w = changer.open_file(ino).await;
                    changer.put(w, at as u64, &new[at..at + len]).await.unwrap();
                    changer.close(w).await.unwrap();
                }
                "truncate" => {
                    new.truncate(10);
                    changer.setattr(&root(), ino, &to_size(10)).await.unwrap();
                }
                "grow again" => {
                    new[10..].fill(0);
                    for size in [10, old.len() as u64] {
                        changer.setattr(&root(), ino, &to_size(size)).await.unwrap();
                    }
                }
                _ => {
                    changer.unlink(&root(), Ino::ROOT, b"f").await.unwrap();
                    changer.clean().await;
                }
            }
            volume.store.gets.open();
            match read.await.unwrap() {
                Ok(got) if got == new => {}
                Ok(got) => assert_same(&got, &old[..got.len()], &what),
                // Removed by another mount, which does not know that it is open here.
                Err(e) => assert_eq!((e, change), (Errno::EBADF, "remove"), "{what}"),
            }
            if change == "remove" {
                if by_other_mount {
                    let got = reader.get(fh, 0, 3 * BLOCK as u32).await;
                    assert_eq!(got, Err(Errno::EBADF), "{what}: afterwards");
                }
                continue;
            }
            let again = reader.open_file(ino).await;
            let got = reader.get(again, 0, 3 * BLOCK as u32).await.unwrap();
            assert_same(&got, &new, &format!("{what}: afterwards"));
        }
    }
}

/// A store that does not answer: writers wait, and what they have buffered stays within the budget
/// and what they had in hand when it was full.
#[tokio::test]
async fn buffers_stay_within_the_budget() {
    const WRITERS: usize = 16;
    const WRITE: usize = 48 << 10;
    let buffer = 1 << 20;
    let options = Options {
        buffer,
        max_uploads: 2,
        ..Options::default()
    };
    let (volume, mount) = start(options).await;
    let mount = Arc::new(mount);
    // A full budget may be passed by one write of everybody, each in up to two blocks.
    let limit = buffer + (WRITERS * (WRITE + 2 * BLOCK)) as u64;
    volume.store.puts.shut();
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let mount = mount.clone();
            tokio::spawn(async move {
                let (ino, fh) = mount.create_file(&format!("f{n}")).await;
                let mut peak = 0;
                for i in 0..40 {
                    let data = pattern((n * 100 + i) as u64, WRITE);
                    mount.put(fh, (i * WRITE) as u64, &data).await.unwrap();
                    peak = peak.max(mount.chunks().budget().used());
                    tokio::task::yield_now().await;
                }
                mount.close(fh).await.unwrap();
                (ino, peak)
            })
        })
        .collect();
    let full = || async { !mount.chunks().budget().has_room() };
    eventually("the buffers are full", full).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(mount.chunks().budget().used() <= limit);
    let (_, fh) = mount.create_file("one more").await;
    assert_eq!(mount.try_write(fh, 0, b"x"), None, "no room, no write");
    volume.store.puts.open();
    let mut most = 0;
    for (n, writer) in writers.into_iter().enumerate() {
        let (ino, peak) = writer.await.unwrap();
        assert!(peak <= limit, "{peak} of {limit}");
        most = most.max(peak);
        let expected: Vec<u8> = (0..40)
            .flat_map(|i| pattern((n * 100 + i) as u64, WRITE))
            .collect();
        let got = fresh_read(&volume, ino, 0, expected.len() + 1)
            .await
            .unwrap();
        assert_same(&got, &expected, &format!("f{n}"));
    }
    assert!(most >= buffer, "somebody has seen the buffers full: {most}");
    assert_eq!(mount.chunks().budget().used(), 0);
}

/// The kernel sends one large direct write as many requests at once. Appended through one handle they stay in
/// order, those among them that have to wait for room too.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_that_wait_for_room_stay_in_order() {
    const PIECE: usize = 5000;
    let options = Options {
        buffer: 256 << 10,
        max_uploads: 2,
        ..Options::default()
    };
    let (volume, mount) = start(options).await;
    let mount = Arc::new(mount);
    let (ino, fh) = mount.create_file("log").await;
    mount.close(fh).await.unwrap();
    let flags = libc::O_WRONLY | libc::O_APPEND;
    let (fh, _) = mount.open(&root(), ino, flags).await.unwrap();
    volume.store.puts.shut();
    let (mut waiting, mut expected) = (Vec::new(), Vec::new());
    for n in 0..200 {
        if n == 150 {
            volume.store.puts.open();
        }
        let data = pattern(n, PIECE);
        expected.extend_from_slice(&data);
        if mount.try_write(fh, 0, &data).is_some() {
            continue;
        }
        // As the reader thread begins it, in the order of the requests.
        let vfs = (*mount).clone();
        let mut write = Box::pin(async move { vfs.write(fh, 0, data.into()).await });
        if futures_util::poll!(&mut write).is_pending() {
            waiting.push(tokio::spawn(write));
        }
    }
    assert!(waiting.len() > 100, "{} had to wait", waiting.len());
    for write in waiting {
        assert_eq!(write.await.unwrap(), Ok(PIECE as u32));
    }
    mount.close(fh).await.unwrap();
    let got = fresh_read(&volume, ino, 0, expected.len() + 1)
        .await
        .unwrap();
    assert_same(&got, &expected, "pieces in order");
}
