//! What readers see while somebody writes (docs/SEMANTICS.md, "Consistency between mounts").

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::pattern::{assert_same, pattern};
use common::root;
use common::volume::{BLOCK, Mount, Options, Volume};
use jfs_types::{CHUNK_SIZE, Ino};
use jfs_vfs::{SetAttrRequest, SetTime, VfsConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

async fn start() -> (Volume, Mount) {
    let volume = Volume::new(Options::default()).await;
    let mount = volume.mount().await;
    (volume, mount)
}

/// `--fast-statfs`: nobody is asked, own changes show, and those of others after a heartbeat.
#[tokio::test]
async fn statfs_from_what_is_known() {
    let (volume, other) = start().await;
    let config = VfsConfig {
        fast_statfs: true,
        ..VfsConfig::default()
    };
    let mount = volume.mount_with(config).await;
    let before = mount.statfs(Ino::ROOT).await.unwrap();
    let (_, fh) = other.create_file("theirs").await;
    other.close(fh).await.unwrap();
    let asked = other.statfs(Ino::ROOT).await.unwrap();
    assert_eq!(asked.used_inodes, before.used_inodes + 1);
    volume.engine.fail_looks(true);
    assert!(other.statfs(Ino::ROOT).await.is_err() && other.try_statfs().is_none());
    assert_eq!(mount.statfs(Ino::ROOT).await.unwrap(), before);
    assert_eq!(mount.try_statfs(), Some(before));
    volume.engine.fail_looks(false);
    let (_, fh) = mount.create_file("own").await;
    mount.put(fh, 0, &[1; 5000]).await.unwrap();
    mount.close(fh).await.unwrap();
    let own = mount.try_statfs().unwrap();
    assert_eq!(own.used_inodes, before.used_inodes + 1);
    assert_eq!(own.avail_space, before.avail_space - 8192);
    mount.meta().refresh_usage().await;
    let all = mount.try_statfs().unwrap();
    assert_eq!(all.used_inodes, before.used_inodes + 2);
    assert_eq!(all, other.statfs(Ino::ROOT).await.unwrap());
}

#[tokio::test]
async fn an_open_sees_what_was_closed_elsewhere() {
    let (volume, one) = start().await;
    let two = volume.mount().await;
    let (ino, fh) = one.create_file("f").await;
    one.close(fh).await.unwrap();
    let (mut writer, mut reader) = (&one, &two);
    let mut content = Vec::new();
    // A handle that stays open must not keep others from seeing the file anew.
    let _open = two.open_file(ino).await;
    for round in 0..10u64 {
        let off = (round * 1000) as usize;
        let data = pattern(round, BLOCK);
        content.resize(off + BLOCK, 0);
        content[off..].copy_from_slice(&data);
        let w = writer.open_file(ino).await;
        writer.put(w, off as u64, &data).await.unwrap();
        match round % 3 {
            0 => writer.sync(w).await.unwrap(),
            _ => writer.close(w).await.unwrap(),
        }
        let r = reader.open_file(ino).await;
        let got = reader.get(r, 0, 1 << 20).await.unwrap();
        assert_same(&got, &content, &format!("round {round}"));
        let found = reader.lookup(&root(), Ino::ROOT, b"f").await.unwrap();
        assert_eq!(found.attr.length, content.len() as u64);
        reader.close(r).await.unwrap();
        std::mem::swap(&mut writer, &mut reader);
    }
}

#[tokio::test]
async fn a_truncation_elsewhere_is_seen_at_open() {
    let (volume, one) = start().await;
    let two = volume.mount().await;
    let (ino, fh) = one.create_file("f").await;
    one.put(fh, 0, &pattern(1, 3 * BLOCK)).await.unwrap();
    one.close(fh).await.unwrap();
    let fh = two.open_file(ino).await;
    two.get(fh, 0, 3 * BLOCK as u32).await.unwrap();
    for size in [10, 3 * BLOCK as u64] {
        let set = SetAttrRequest {
            size: Some(size),
            ..SetAttrRequest::default()
        };
        one.setattr(&root(), ino, &set).await.unwrap();
    }
    let fh = two.open_file(ino).await;
    let mut expected = pattern(1, 3 * BLOCK);
    expected[10..].fill(0);
    let got = two.get(fh, 0, 1 << 20).await.unwrap();
    assert_same(&got, &expected, "cut off and grown again");
}

#[tokio::test]
async fn writes_are_seen_through_every_handle_at_once() {
    let (_volume, mount) = start().await;
    let (ino, w) = mount.create_file("f").await;
    let r = mount.open(&root(), ino, libc::O_RDONLY).await.unwrap().0;
    let mut content = Vec::new();
    // Across blocks and across the border of a chunk, forwards, backwards and over each other.
    for (n, off) in [0, 50, BLOCK - 3, 5 * BLOCK, BLOCK, 10]
        .into_iter()
        .enumerate()
    {
        let data = pattern(n as u64, BLOCK / 2);
        content.resize(content.len().max(off + data.len()), 0);
        content[off..off + data.len()].copy_from_slice(&data);
        mount.put(w, off as u64, &data).await.unwrap();
        assert_eq!(
            mount.getattr(ino).await.unwrap().attr.length,
            content.len() as u64
        );
        let got = mount.get(r, off as u64, data.len() as u32).await.unwrap();
        assert_same(&got, &data, &format!("write {n}"));
        let got = mount.get(r, 0, 1 << 20).await.unwrap();
        assert_same(&got, &content, &format!("all after write {n}"));
    }
    let data = pattern(99, 100);
    mount.put(w, CHUNK_SIZE - 50, &data).await.unwrap();
    let got = mount.get(r, CHUNK_SIZE - 50, 1000).await.unwrap();
    assert_same(&got, &data, "across two chunks");
}

/// An answer of the engine that is older than a commit comes late. It must not take the commit back.
#[tokio::test]
async fn late_answers_do_not_take_a_commit_back() {
    for what in ["getattr", "lookup", "readdir", "open"] {
        let (volume, mount) = start().await;
        let mount = Arc::new(mount);
        let (ino, fh) = mount.create_file("f").await;
        let data = pattern(1, 100);
        mount.put(fh, 0, &data).await.unwrap();

        volume.engine.answers().shut();
        let m = mount.clone();
        let late = tokio::spawn(async move {
            match what {
                "getattr" => m.getattr(ino).await.unwrap().attr.length,
                "lookup" => {
                    let found = m.lookup(&root(), Ino::ROOT, b"f").await;
                    found.unwrap().attr.length
                }
                "readdir" => {
                    let dir = m.try_opendir(&root(), Ino::ROOT).unwrap();
                    let listing = m.readdir(dir, 0).await.unwrap();
                    listing[2].attr.as_ref().unwrap().length
                }
                _ => {
                    let fh = m.open_file(ino).await;
                    m.get(fh, 0, 1000).await.unwrap().len() as u64
                }
            }
        });
        volume.engine.answers().holds(1).await;
        mount.flush(fh).await.unwrap();
        volume.engine.answers().open();
        assert_eq!(late.await.unwrap(), 100, "{what}: it was written before");

        let got = mount.get(fh, 0, 1000).await.unwrap();
        assert_same(&got, &data, what);
        let appender = mount
            .open(&root(), ino, libc::O_WRONLY | libc::O_APPEND)
            .await;
        mount.put(appender.unwrap().0, 0, b"end").await.unwrap();
        let got = mount.get(fh, 0, 1000).await.unwrap();
        assert_same(&got, &[&data[..], b"end"].concat(), what);
    }
}

/// The stream that the appending tests write: byte `i`, never zero.
fn stream(from: u64, len: usize) -> Vec<u8> {
    (from..from + len as u64)
        .map(|i| ((i / 7 + i) % 255) as u8 + 1)
        .collect()
}

/// One handle appends, flushes and syncs; others look and read all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appended_bytes_are_seen_whole_and_at_once() {
    const TOTAL: u64 = 3 << 20;
    let options = Options {
        buffer: 512 << 10,
        ..Options::default()
    };
    let volume = Volume::new(options).await;
    let mount = Arc::new(volume.mount().await);
    let (ino, fh) = mount.create_file("f").await;
    let append = mount
        .open(&root(), ino, libc::O_WRONLY | libc::O_APPEND)
        .await;
    let append = append.unwrap().0;
    let written = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));

    let readers: Vec<_> = (0..2u64)
        .map(|n| {
            let (mount, written, done) = (mount.clone(), written.clone(), done.clone());
            tokio::spawn(async move {
                let mut at = 0;
                while !done.load(Ordering::SeqCst) {
                    let least = written.load(Ordering::SeqCst);
                    let length = match n {
                        0 => mount.getattr(ino).await.unwrap().attr.length,
                        _ => {
                            let found = mount.lookup(&root(), Ino::ROOT, b"f").await;
                            found.unwrap().attr.length
                        }
                    };
                    assert!(length >= least, "a length of {length} after {least}");
                    let from = if at < length {
                        at
                    } else {
                        length.saturating_sub(5000)
                    };
                    let got = mount.get(fh, from, 100_000).await.unwrap();
                    assert!(from + got.len() as u64 >= length.min(from + 100_000));
                    assert_same(&got, &stream(from, got.len()), &format!("from {from}"));
                    at = from + got.len() as u64;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut step = 0u64;
    while written.load(Ordering::SeqCst) < TOTAL {
        let at = written.load(Ordering::SeqCst);
        let len = 1 + (step * 7919 % 30_000) as usize;
        mount.put(append, 0, &stream(at, len)).await.unwrap();
        written.store(at + len as u64, Ordering::SeqCst);
        match step % 5 {
            0 => mount.flush(append).await.unwrap(),
            3 => mount.sync(append).await.unwrap(),
            _ => tokio::task::yield_now().await,
        }
        step += 1;
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    mount.close(append).await.unwrap();
    let other = volume.mount().await;
    let fh = other.open_file(ino).await;
    let total = written.load(Ordering::SeqCst) as usize;
    let got = other.get(fh, 0, total as u32 + 1).await.unwrap();
    assert_same(&got, &stream(0, total), "in the end");
}

/// Records that several handles append at the same time all stay, each in one piece.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_of_several_handles_never_overwrite_each_other() {
    const RECORD: usize = 100;
    let (_volume, mount) = start().await;
    let mount = Arc::new(mount);
    let (ino, fh) = mount.create_file("log").await;
    let writers: Vec<_> = (1..=4u8)
        .map(|n| {
            let mount = mount.clone();
            tokio::spawn(async move {
                let flags = libc::O_WRONLY | libc::O_APPEND;
                let fh = mount.open(&root(), ino, flags).await.unwrap().0;
                for i in 0..500 {
                    mount.put(fh, 0, &[n; RECORD]).await.unwrap();
                    if i % 50 == 0 {
                        mount.flush(fh).await.unwrap();
                    }
                }
                mount.close(fh).await.unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let got = mount.get(fh, 0, 1 << 20).await.unwrap();
    assert_eq!(got.len(), 4 * 500 * RECORD);
    let mut counts = [0; 5];
    for record in got.chunks(RECORD) {
        assert!(record.iter().all(|b| *b == record[0]), "records are mixed");
        counts[record[0] as usize] += 1;
    }
    assert_eq!(counts, [0, 500, 500, 500, 500]);
}

/// Records that two mounts append in turn, through handles that stay open, all stay: also across the end of
/// a chunk, and after one of the mounts has emptied the file.
#[tokio::test]
async fn appends_of_two_mounts_never_overwrite_each_other() {
    const RECORD: usize = 1000;
    let volume = start().await.0;
    let (first, second) = (volume.mount().await, volume.mount().await);
    let (ino, made) = first.create_file("log").await;
    let flags = libc::O_WRONLY | libc::O_APPEND;
    let a = first.open(&root(), ino, flags).await.unwrap().0;
    let b = second.open(&root(), ino, flags).await.unwrap().0;
    let start = CHUNK_SIZE - 3500;
    first.put(made, start - 1, &[9]).await.unwrap();
    first.close(made).await.unwrap();
    let mut want = Vec::new();
    for n in 0..8u8 {
        let (mount, fh) = if n % 2 == 0 {
            (&first, a)
        } else {
            (&second, b)
        };
        mount.put(fh, 0, &[n; RECORD]).await.unwrap();
        mount.sync(fh).await.unwrap();
        want.extend([n; RECORD]);
    }
    let other = volume.mount().await;
    let fh = other.open_file(ino).await;
    let got = other.get(fh, start, 1 << 20).await.unwrap();
    assert_same(&got, &want, "in turn");
    // Both have something that is not committed when the file is emptied.
    first.put(a, 0, &[20; RECORD]).await.unwrap();
    second.put(b, 0, &[21; RECORD]).await.unwrap();
    let empty = SetAttrRequest {
        size: Some(0),
        ..Default::default()
    };
    other.setattr(&root(), ino, &empty).await.unwrap();
    second.sync(b).await.unwrap();
    first.sync(a).await.unwrap();
    let fh = other.open_file(ino).await;
    let got = other.get(fh, 0, 1 << 20).await.unwrap();
    assert_same(
        &got,
        &[[21; RECORD], [20; RECORD]].concat(),
        "after it was emptied",
    );
}

/// A handle that was opened before another mount made the file shorter reads the old content or the new one:
/// no zeros behind the new end.
#[tokio::test]
async fn nothing_is_read_behind_the_end_of_a_rewritten_file() {
    let (volume, writer) = start().await;
    let reader = volume.mount().await;
    let (ino, fh) = writer.create_file("file").await;
    writer.put(fh, 0, &[1; 1000]).await.unwrap();
    writer.flush(fh).await.unwrap();
    let before = reader.open_file(ino).await;
    let shorter = SetAttrRequest {
        size: Some(0),
        ..Default::default()
    };
    writer.setattr(&root(), ino, &shorter).await.unwrap();
    writer.put(fh, 0, &[2; 500]).await.unwrap();
    writer.flush(fh).await.unwrap();
    let got = reader.get(before, 0, 4096).await.unwrap();
    assert_same(&got, &[2; 500], "read after the change");
    assert_same(
        &reader.get(before, 300, 700).await.unwrap(),
        &[2; 200],
        "once more",
    );
    writer.close(fh).await.unwrap();
}

/// Another content of the same length whose time was set back, as some copying programs do, is seen by the
/// next open of another mount. What a mount has renamed or protected itself it need not read again.
#[tokio::test]
async fn a_time_that_was_set_back_hides_nothing() {
    let (volume, writer) = start().await;
    let reader = volume.mount().await;
    let (ino, fh) = writer.create_file("file").await;
    writer.put(fh, 0, &[1; 1000]).await.unwrap();
    writer.flush(fh).await.unwrap();
    let mtime = writer.getattr(ino).await.unwrap().attr.mtime;
    let open = async |mount: &Mount| mount.open(&root(), ino, libc::O_RDONLY).await.unwrap();
    let (first, _) = open(&reader).await;
    assert_same(
        &reader.get(first, 0, 4096).await.unwrap(),
        &[1; 1000],
        "first",
    );
    assert!(open(&reader).await.1, "nothing has changed");
    writer.put(fh, 0, &[2; 1000]).await.unwrap();
    writer.flush(fh).await.unwrap();
    let back = SetAttrRequest {
        mtime: Some(SetTime::At(mtime)),
        ..Default::default()
    };
    writer.setattr(&root(), ino, &back).await.unwrap();
    let (second, keeps) = open(&reader).await;
    assert!(!keeps, "the kernel may keep its pages");
    assert_same(
        &reader.get(second, 0, 4096).await.unwrap(),
        &[2; 1000],
        "second",
    );
    reader
        .rename(&root(), (Ino::ROOT, b"file"), (Ino::ROOT, b"moved"), 0)
        .await
        .unwrap();
    assert!(open(&reader).await.1, "its own rename");
    let mode = SetAttrRequest {
        mode: Some(0o600),
        ..Default::default()
    };
    reader.setattr(&root(), ino, &mode).await.unwrap();
    assert!(
        open(&reader).await.1,
        "own changes of the name and the mode"
    );
    writer.close(fh).await.unwrap();
}

/// As above when what appends meets what is written to a place on the same mount.
#[tokio::test]
async fn appends_behind_other_writes_follow_the_end() {
    for place_first in [true, false] {
        let (volume, mount) = start().await;
        let other = volume.mount().await;
        let (ino, fixed) = mount.create_file("log").await;
        mount.put(fixed, 0, &[1; 100]).await.unwrap();
        mount.sync(fixed).await.unwrap();
        let flags = libc::O_WRONLY | libc::O_APPEND;
        let append = mount.open(&root(), ino, flags).await.unwrap().0;
        let others = other.open(&root(), ino, flags).await.unwrap().0;
        let write = async |first: bool| match first {
            true => mount.put(fixed, 50, &[2; 50]).await.unwrap(),
            false => mount.put(append, 0, &[3; 10]).await.unwrap(),
        };
        write(place_first).await;
        write(!place_first).await;
        other.put(others, 0, &[4; 10]).await.unwrap();
        other.sync(others).await.unwrap();
        mount.sync(append).await.unwrap();
        let reader = volume.mount().await;
        let fh = reader.open_file(ino).await;
        let got = reader.get(fh, 0, 1000).await.unwrap();
        let want = [&[1u8; 50][..], &[2; 50], &[4; 10], &[3; 10]].concat();
        assert_same(&got, &want, "each in its place");
    }
}

/// While one flush is slow, what is written on top of it asks for one more, not for one each.
#[tokio::test]
async fn many_small_writes_ask_for_one_flush_at_a_time() {
    const WRITES: u64 = 3000;
    let (volume, mount) = start().await;
    let (_, fh) = mount.create_file("f").await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let put = async |n: u64| {
        let off = (WRITES - n) * 4096;
        mount.put(fh, off, &n.to_le_bytes()).await.unwrap();
        // Lets the tasks run.
        tokio::task::yield_now().await;
    };
    volume.engine.commits().shut();
    for n in 0..WRITES / 2 {
        put(n).await;
    }
    volume.engine.commits().holds(1).await;
    let before = tasks();
    for n in WRITES / 2..WRITES {
        put(n).await;
    }
    assert!(tasks() <= before + 2, "{before} tasks, then {}", tasks());

    volume.engine.commits().open();
    mount.flush(fh).await.unwrap();
    for n in 0..WRITES {
        let got = mount.get(fh, (WRITES - n) * 4096, 8).await.unwrap();
        assert_eq!(got[..], n.to_le_bytes());
    }
}
