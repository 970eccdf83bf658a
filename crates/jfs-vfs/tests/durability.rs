//! What fsync and close promise (docs/SEMANTICS.md, "Durability"), seen by an object store and an
//! engine that write down the order of what happens.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::engine::Fault;
use common::events::Event;
use common::eventually;
use common::pattern::{assert_same, pattern};
use common::volume::{BLOCK, Mount, Options, Volume};
use jfs_types::{Errno, Format, Ino};
use std::sync::Arc;
use std::time::Duration;

/// As many slices may be committed and not synced before all are synced in the background.
const UNSYNCED_MAX: usize = 4096;
/// As many before writers and copies wait for that.
const LISTED_MAX: usize = 64 * UNSYNCED_MAX;

async fn start() -> (Volume, Mount) {
    let volume = Volume::new(Options::default()).await;
    let mount = volume.mount().await;
    (volume, mount)
}

/// Panics unless every block of a file was durable when `end` events had happened.
async fn assert_durable(volume: &Volume, mount: &Mount, ino: Ino, end: usize) {
    for record in volume.records(ino).await {
        for key in mount.chunks().keys(record.id.0, record.size) {
            assert!(volume.events.is_durable(&key, end), "{key} is not durable");
        }
    }
}

/// Panics unless every block of a file was durable before the commit that made it visible.
async fn assert_synced_first(volume: &Volume, mount: &Mount, ino: Ino) {
    let records = volume.records(ino).await;
    assert!(!records.is_empty());
    for record in records {
        let commit = volume.events.commit_of(record.id.0).unwrap();
        for key in mount.chunks().keys(record.id.0, record.size) {
            let first = volume.events.is_durable(&key, commit);
            assert!(first, "{key} was committed before it was synced");
        }
    }
}

fn syncs(volume: &Volume) -> usize {
    let all = volume.events.all();
    all.iter().filter(|e| matches!(e, Event::Sync(_))).count()
}

#[tokio::test]
async fn fsync_makes_data_durable_before_it_commits() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    mount
        .put(fh, 0, &pattern(1, 3 * BLOCK + 100))
        .await
        .unwrap();
    mount
        .put(fh, 9 * BLOCK as u64, &pattern(2, 50))
        .await
        .unwrap();
    mount.put(fh, 70 << 20, &pattern(3, BLOCK)).await.unwrap();
    mount.sync(fh).await.unwrap();
    assert_eq!(volume.records(ino).await.len(), 3);
    assert_synced_first(&volume, &mount, ino).await;

    // Overwriting adds slices; only they are left to sync.
    mount.put(fh, 10, &pattern(4, 20)).await.unwrap();
    mount.sync(fh).await.unwrap();
    assert_synced_first(&volume, &mount, ino).await;
}

#[tokio::test]
async fn fsync_covers_blocks_that_were_uploaded_before() {
    let (volume, mount) = start().await;
    mount.meta().reserve_slice_ids().await.unwrap();
    let (ino, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &pattern(1, 4 * BLOCK + 1)).await.unwrap();
    let uploaded = || async { volume.store.keys().len() == 4 };
    eventually("full blocks are uploaded in the background", uploaded).await;
    mount.sync(fh).await.unwrap();
    assert_eq!(volume.store.keys().len(), 5);
    assert_synced_first(&volume, &mount, ino).await;
}

/// What flush, close or the background have committed is only known to be in the store; an fsync
/// through any handle makes it durable.
#[tokio::test]
async fn fsync_covers_what_close_has_committed() {
    for flags in [libc::O_RDONLY, libc::O_RDWR] {
        let (volume, mount) = start().await;
        let (ino, fh) = mount.create_file("f").await;
        mount.put(fh, 0, &pattern(1, 2 * BLOCK)).await.unwrap();
        mount.flush(fh).await.unwrap();
        mount.put(fh, 10, &pattern(2, 5)).await.unwrap();
        mount.close(fh).await.unwrap();
        assert_eq!(syncs(&volume), 0, "close does not wait for the disk");

        let opened = mount.open(&common::root(), ino, flags).await;
        let fh = opened.unwrap().0;
        mount.sync(fh).await.unwrap();
        assert_durable(&volume, &mount, ino, volume.events.count()).await;
        assert_eq!(volume.records(ino).await.len(), 2);

        let before = volume.store.sync_requests();
        mount.sync(fh).await.unwrap();
        assert_eq!(volume.store.sync_requests(), before, "nothing is left");
    }
}

#[tokio::test]
async fn close_waits_for_the_store_and_the_commit() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    let data = pattern(1, 2 * BLOCK + 7);
    mount.put(fh, 0, &data).await.unwrap();
    mount.close(fh).await.unwrap();
    assert_eq!(volume.store.keys().len(), 3);
    let other = volume.mount().await;
    let fh = other.open_file(ino).await;
    assert_same(&other.get(fh, 0, 1 << 20).await.unwrap(), &data, "f");
}

/// Names change while blocks are on their way to the store: the data belongs to the inode, whatever it is
/// called by then and whatever it has replaced.
#[tokio::test]
async fn a_rename_during_an_upload_loses_nothing() {
    let (volume, mount) = start().await;
    let old = mount.create_file("target").await;
    mount.put(old.1, 0, &pattern(1, 100)).await.unwrap();
    mount.close(old.1).await.unwrap();
    let (ino, fh) = mount.create_file("f").await;
    let data = pattern(2, 2 * BLOCK + 7);
    volume.store.puts.shut();
    mount.put(fh, 0, &data).await.unwrap();
    volume.store.puts.holds(1).await;
    for (from, to) in [(&b"f"[..], &b"g"[..]), (b"g", b"target")] {
        let (from, to) = ((Ino::ROOT, from), (Ino::ROOT, to));
        mount.rename(&common::root(), from, to, 0).await.unwrap();
    }
    volume.store.puts.open();
    mount.close(fh).await.unwrap();
    let other = volume.mount().await;
    let found = other
        .lookup(&common::root(), Ino::ROOT, b"target")
        .await
        .unwrap();
    assert_eq!(found.ino, ino);
    let fh = other.open_file(ino).await;
    assert_same(&other.get(fh, 0, 1 << 20).await.unwrap(), &data, "target");
}

/// Starts an fsync of what another sync is busy with, and asks when it returns whether it was true.
async fn fsync_beside(volume: &Arc<Volume>, mount: &Arc<Mount>, ino: Ino) {
    let fh = mount.open(&common::root(), ino, libc::O_RDONLY).await;
    let fh = fh.unwrap().0;
    let (v, m) = (volume.clone(), mount.clone());
    let fsync = tokio::spawn(async move {
        m.sync(fh).await.unwrap();
        assert_durable(&v, &m, ino, v.events.count()).await;
    });
    others_go_on().await;
    volume.store.syncs.open();
    fsync.await.unwrap();
}

#[tokio::test]
async fn two_fsyncs_at_once_both_wait() {
    let (volume, mount) = start().await;
    let (volume, mount) = (Arc::new(volume), Arc::new(mount));
    let (ino, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
    mount.close(fh).await.unwrap();
    let fh = mount.open(&common::root(), ino, libc::O_RDONLY).await;
    let fh = fh.unwrap().0;
    volume.store.syncs.shut();
    let m = mount.clone();
    let first = tokio::spawn(async move { m.sync(fh).await.unwrap() });
    volume.store.syncs.holds(1).await;
    fsync_beside(&volume, &mount, ino).await;
    first.await.unwrap();
}

/// Files of many tiny slices, closed; the last one exceeds what may stay unsynced.
async fn many_slices(mount: &Mount) -> Vec<Ino> {
    const SLICES: usize = 500;
    let mut all = Vec::new();
    for i in 0..=UNSYNCED_MAX / SLICES {
        let (ino, fh) = mount.create_file(&format!("f{i}")).await;
        for off in (0..SLICES as u64).rev() {
            mount.put(fh, off * 2, b"x").await.unwrap();
        }
        mount.close(fh).await.unwrap();
        all.push(ino);
    }
    all
}

/// Waits until every block in the store is durable.
async fn all_durable(volume: &Volume) {
    let durable = || async {
        let keys = volume.store.keys();
        keys.iter().all(|key| volume.store.is_durable(key))
    };
    eventually("the background syncs everything", durable).await;
}

#[tokio::test]
async fn fsync_waits_for_the_background_sync() {
    let (volume, mount) = start().await;
    let (volume, mount) = (Arc::new(volume), Arc::new(mount));
    volume.store.syncs.shut();
    let files = many_slices(&mount).await;
    volume.store.syncs.holds(1).await;
    fsync_beside(&volume, &mount, files[7]).await;
    all_durable(&volume).await;
}

/// In a bucket everything is durable when it is stored: nothing is remembered, nothing synced.
#[tokio::test]
async fn buckets_are_not_synced() {
    let (volume, mount) = start().await;
    volume.store.be_a_bucket();
    let files = many_slices(&mount).await;
    let from = mount.open_file(files[0]).await;
    let (_, to) = mount.create_file("copy").await;
    for _ in 0..10 {
        copy(&mount, from, to, 1000).await.unwrap();
    }
    others_go_on().await;
    mount.close(to).await.unwrap();
    assert_eq!(volume.store.sync_requests(), 0);
}

/// Blocks of removed files cannot be synced any more; that must not be tried for ever.
#[tokio::test]
async fn removed_files_do_not_keep_the_background_sync_busy() {
    let (volume, mount) = start().await;
    volume.store.syncs.shut();
    let files = many_slices(&mount).await;
    for i in 0..files.len() / 2 {
        let (name, root) = (format!("f{i}"), common::root());
        mount
            .unlink(&root, Ino::ROOT, name.as_bytes())
            .await
            .unwrap();
    }
    mount.clean().await;
    assert!(volume.records(files[0]).await.is_empty());
    volume.store.syncs.open();
    all_durable(&volume).await;

    let quiet = || async {
        let before = volume.store.sync_requests();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        volume.store.sync_requests() == before
    };
    eventually("it comes to an end", quiet).await;
    let before = volume.store.sync_requests();
    for i in 0..10 {
        let (_, fh) = mount.create_file(&format!("g{i}")).await;
        mount.put(fh, 0, b"x").await.unwrap();
        mount.close(fh).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(volume.store.sync_requests(), before, "synced without need");
}

/// Copies `len` bytes from the start of one file to that of another.
async fn copy(mount: &Mount, from: u64, to: u64, len: u64) -> Result<u64, Errno> {
    mount.copy_file_range((from, 0), (to, 0), len).await
}

/// Objects that were asked to be made durable so far, each as often as it was.
fn synced_keys(volume: &Volume) -> usize {
    let all = volume.events.all();
    let keys = all.iter().map(|e| match e {
        Event::Sync(keys) => keys.len(),
        _ => 0,
    });
    keys.sum()
}

/// An fsync of a copy makes durable what both files hold, once.
#[tokio::test]
async fn copies_back_and_forth_do_not_add_up() {
    let (volume, mount) = start().await;
    let (a, b) = (mount.create_file("a").await, mount.create_file("b").await);
    let data = pattern(1, 8 << 10);
    for (seed, (_, fh)) in [(1, a), (2, b)] {
        mount.put(fh, 0, &pattern(seed, 8 << 10)).await.unwrap();
        mount.flush(fh).await.unwrap();
    }
    for _ in 0..10 {
        assert_eq!(copy(&mount, a.1, b.1, 8 << 10).await, Ok(8 << 10));
        assert_eq!(copy(&mount, b.1, a.1, 8 << 10).await, Ok(8 << 10));
    }
    survives_a_power_cut(&volume, &mount, b, &data).await;
    assert!(synced_keys(&volume) <= 2, "{}", synced_keys(&volume));
}

/// A closed file of so many tiny slices, and its length.
async fn sliced_file(mount: &Mount, name: &str, slices: u64) -> (Ino, u64) {
    let (ino, fh) = mount.create_file(name).await;
    for off in (0..slices).rev() {
        mount.put(fh, off * 2, b"x").await.unwrap();
    }
    mount.close(fh).await.unwrap();
    (ino, slices * 2 - 1)
}

/// What copies add to the lists of what an fsync has to sync has the limit that writes have.
#[tokio::test]
async fn many_copies_are_synced_in_the_background() {
    let (volume, mount) = start().await;
    let (ino, len) = sliced_file(&mount, "source", 40).await;
    let from = mount.open_file(ino).await;
    let (mut copies, many) = (Vec::new(), UNSYNCED_MAX / 40 + 2);
    for i in 0..many {
        let (ino, fh) = mount.create_file(&format!("copy{i}")).await;
        copy(&mount, from, fh, len).await.unwrap();
        copies.push((ino, fh));
    }
    all_durable(&volume).await;
    // Those that came too late for it find their work done, and what is new is not lost.
    mount.put(from, 0, &pattern(1, 100)).await.unwrap();
    for (ino, fh) in [copies[0], copies[many - 1]] {
        copy(&mount, from, fh, len).await.unwrap();
        mount.sync(fh).await.unwrap();
        assert_durable(&volume, &mount, ino, volume.events.count()).await;
    }
}

/// A store that cannot sync what it is given is not given more and more: writers and copies are told.
#[tokio::test]
async fn the_lists_of_what_is_not_durable_have_an_end() {
    const SLICES: u64 = 4096;
    let (volume, mount) = start().await;
    let mount = Arc::new(mount);
    let (ino, len) = sliced_file(&mount, "source", SLICES).await;
    let from = mount.open_file(ino).await;
    let mut many = Vec::new();
    for i in 0..LISTED_MAX as u64 / SLICES + 2 {
        many.push(mount.create_file(&format!("copy{i}")).await);
    }
    volume.store.fail_syncs(true);
    let mut copied = 0;
    for (_, fh) in &many {
        match copy(&mount, from, *fh, len).await {
            Ok(_) => copied += 1,
            Err(e) => {
                assert_eq!(e, Errno::EIO);
                break;
            }
        }
    }
    // The source's own list counts.
    assert_eq!(copied, LISTED_MAX / SLICES as usize - 1);
    let (ino, fh) = many[copied];
    assert_eq!(mount.getattr(ino).await.unwrap().attr.length, 0);
    mount.put(fh, 0, b"x").await.unwrap();
    assert_eq!(mount.flush(fh).await, Err(Errno::EIO));
    assert_eq!(volume.records(ino).await, []);
    assert_eq!(
        mount.sync(fh).await,
        Err(Errno::EIO),
        "and told by an fsync"
    );
    assert_eq!(mount.sync(many[0].1).await, Err(Errno::EIO));

    // A store that is slow is waited for.
    volume.store.fail_syncs(false);
    volume.store.syncs.shut();
    let m = mount.clone();
    let waiting = tokio::spawn(async move { copy(&m, from, fh, len).await });
    volume.store.syncs.holds(1).await;
    others_go_on().await;
    assert!(!waiting.is_finished());
    volume.store.syncs.open();
    assert_eq!(waiting.await.unwrap(), Ok(len));
    mount.put(fh, 0, b"y").await.unwrap();
    mount.flush(fh).await.unwrap();
    for (ino, fh) in [many[0], many[copied]] {
        mount.sync(fh).await.unwrap();
        assert_durable(&volume, &mount, ino, volume.events.count()).await;
    }
}

/// Writes to a file until its commit is held as the second one.
async fn written_behind(
    mount: &Arc<Mount>,
    volume: &Volume,
    fh: u64,
    data: &[u8],
) -> tokio::task::JoinHandle<Result<(), Errno>> {
    mount.put(fh, 0, data).await.unwrap();
    let m = mount.clone();
    let writing = tokio::spawn(async move { m.flush(fh).await });
    volume.engine.commits().holds(2).await;
    writing
}

/// The source is written while the target is being made ready: the copy has what was written, and an
/// fsync of it makes that durable.
#[tokio::test]
async fn a_copy_of_what_was_just_committed_is_durable() {
    let (volume, mount) = start().await;
    let mount = Arc::new(mount);
    let (a, b) = (mount.create_file("a").await, mount.create_file("b").await);
    mount.put(a.1, 0, &pattern(1, 100)).await.unwrap();
    mount.flush(a.1).await.unwrap();
    mount.put(b.1, 0, &pattern(2, 100)).await.unwrap();
    let commits = volume.engine.commits();
    commits.shut();
    let m = mount.clone();
    let copying = tokio::spawn(async move { copy(&m, a.1, b.1, 100).await });
    // The copy has found its source clean and commits the target.
    commits.holds(1).await;
    let data = pattern(3, 100);
    let writing = written_behind(&mount, &volume, a.1, &data).await;
    // The target is committed; what comes next has to wait for the source's commit.
    commits.call();
    others_go_on().await;
    commits.open();
    assert_eq!(copying.await.unwrap(), Ok(100));
    writing.await.unwrap().unwrap();
    assert_same(&mount.get(b.1, 0, 100).await.unwrap(), &data, "b");

    survives_a_power_cut(&volume, &mount, b, &data).await;
}

/// The same while the copy waits for another one into its target.
#[tokio::test]
async fn a_copy_that_waits_lists_what_comes_meanwhile() {
    let (volume, mount) = start().await;
    let mount = Arc::new(mount);
    // The copy waits for the target before it takes the source: the order is that of inodes.
    let (b, a) = (mount.create_file("b").await, mount.create_file("a").await);
    let c = mount.create_file("c").await;
    for (_, fh) in [a, c] {
        mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
        mount.flush(fh).await.unwrap();
    }
    assert!(b.0 < a.0);
    let commits = volume.engine.commits();
    commits.shut();
    let m = mount.clone();
    let first = tokio::spawn(async move { copy(&m, c.1, b.1, 100).await });
    commits.holds(1).await;
    let m = mount.clone();
    let second = tokio::spawn(async move { copy(&m, a.1, b.1, 100).await });
    others_go_on().await;
    let data = pattern(3, 100);
    let writing = written_behind(&mount, &volume, a.1, &data).await;
    commits.call();
    assert_eq!(first.await.unwrap(), Ok(100));
    others_go_on().await;
    commits.open();
    assert_eq!(second.await.unwrap(), Ok(100));
    writing.await.unwrap().unwrap();
    assert_same(&mount.get(b.1, 0, 100).await.unwrap(), &data, "b");
    survives_a_power_cut(&volume, &mount, b, &data).await;
}

/// Lets other tasks run until they wait for something that does not come.
async fn others_go_on() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Syncs a file; what is left after a power cut has `data`.
async fn survives_a_power_cut(volume: &Volume, mount: &Mount, file: (Ino, u64), data: &[u8]) {
    mount.sync(file.1).await.unwrap();
    let left = volume.after_power_cut().mount().await;
    let fh = left.open_file(file.0).await;
    assert_same(
        &left.get(fh, 0, 1 << 20).await.unwrap(),
        data,
        "what is left",
    );
}

#[tokio::test]
async fn a_failed_sync_is_reported_and_nothing_is_committed() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
    volume.store.fail_syncs(true);
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
    assert_eq!(volume.records(ino).await, []);
    assert_eq!(mount.getattr(ino).await.unwrap().attr.length, 0);
    volume.store.fail_syncs(false);
    mount.sync(fh).await.unwrap();
    mount.put(fh, 0, &pattern(2, 100)).await.unwrap();
    mount.sync(fh).await.unwrap();
    assert_synced_first(&volume, &mount, ino).await;
}

/// A program that gives up waiting for an fsync is not told later that all is well.
#[tokio::test]
async fn an_abandoned_fsync_is_reported_by_the_next() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
    volume.store.puts.shut();
    tokio::select! {
        done = mount.sync(fh) => panic!("the store has not answered: {done:?}"),
        () = volume.store.puts.holds(1) => {}
    }
    volume.store.puts.open();
    assert_eq!(mount.getattr(ino).await.unwrap().attr.length, 0);
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
    mount.put(fh, 0, &pattern(2, 100)).await.unwrap();
    mount.sync(fh).await.unwrap();
    assert_synced_first(&volume, &mount, ino).await;
    assert_eq!(volume.records(ino).await.len(), 1);
}

/// What close has committed stays; the next fsync tries again.
#[tokio::test]
async fn a_failed_sync_of_committed_data_is_tried_again() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
    mount.flush(fh).await.unwrap();
    volume.store.fail_syncs(true);
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
    volume.store.fail_syncs(false);
    mount.sync(fh).await.unwrap();
    assert_durable(&volume, &mount, ino, volume.events.count()).await;
}

/// The disk tells of lost data once. It stays lost, for every descriptor and every copy, and costs nothing
/// else: what is written later, and other files.
#[tokio::test]
async fn what_the_disk_refused_to_flush_stays_an_error() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    mount.put(fh, 0, &pattern(1, 100)).await.unwrap();
    mount.flush(fh).await.unwrap();
    let lost = volume.store.keys().remove(0);
    volume.store.refuse(&lost);
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
    let later = pattern(2, 100);
    mount.put(fh, 100, &later).await.unwrap();
    assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
    let again = mount.open_file(ino).await;
    assert_eq!(mount.sync(again).await, Err(Errno::EIO));
    assert_same(&mount.get(fh, 100, 100).await.unwrap(), &later, "later");
    let kept = volume.store.keys().into_iter().filter(|key| *key != lost);
    for key in kept {
        assert!(volume.store.is_durable(&key), "{key} was written later");
    }
    let (_, other) = mount.create_file("copy").await;
    copy(&mount, fh, other, 100).await.unwrap();
    assert_eq!(mount.sync(other).await, Err(Errno::EIO), "a copy");
    let (_, other) = mount.create_file("other").await;
    mount.put(other, 0, b"x").await.unwrap();
    assert_eq!(mount.sync(other).await, Ok(()));
    // The data goes: with it the error.
    volume.store.tamper(&lost, None);
    assert_eq!(mount.sync(again).await, Ok(()));
}

/// In the background, one block that the disk refuses does not keep the others from it.
#[tokio::test]
async fn a_refused_block_keeps_no_other_from_being_synced() {
    let (volume, mount) = start().await;
    let mount = Arc::new(mount);
    let (ino, _) = sliced_file(&mount, "f", 3000).await;
    let lost = volume.store.keys().remove(1000);
    volume.store.refuse(&lost);
    let (other, _) = sliced_file(&mount, "g", 3000).await;
    // Both together are too many: they are synced in the background. What is left on the lists shows in the
    // number of requests that an fsync makes.
    let fh = mount.open_file(ino).await;
    let mut requests = usize::MAX;
    for _ in 0..100 {
        let before = volume.store.sync_requests();
        assert_eq!(mount.sync(fh).await, Err(Errno::EIO));
        requests = volume.store.sync_requests() - before;
        if requests == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(requests, 1, "one slice is left");
    let fh = mount.open_file(other).await;
    assert_eq!(mount.sync(fh).await, Ok(()));
    assert!(
        volume
            .store
            .keys()
            .iter()
            .all(|k| volume.store.is_durable(k) || *k == lost)
    );
}

/// The commit took place, its answer was lost, and so was the answer to the look at what happened:
/// the file shows the data, so the blocks have to stay.
#[tokio::test]
async fn blocks_of_a_commit_in_doubt_stay() {
    for fault in [Fault::Lost, Fault::Dropped] {
        let (volume, mount) = start().await;
        let (ino, fh) = mount.create_file("f").await;
        let data = pattern(1, BLOCK + 100);
        mount.put(fh, 0, &data).await.unwrap();
        volume.engine.fail_write(fault);
        volume.engine.fail_looks(true);
        assert_eq!(mount.sync(fh).await, Err(Errno::EIO), "{fault:?}");
        volume.engine.fail_looks(false);
        mount.unmount().await;

        let other = volume.mount().await;
        let fh = other.open_file(ino).await;
        let got = other.get(fh, 0, 1 << 20).await.unwrap();
        let expected = if fault == Fault::Lost { &data[..] } else { b"" };
        assert_same(&got, expected, &format!("{fault:?}"));
    }
}

/// Many slices take several commits. What the first ones have committed is visible, so a later fsync
/// has to make it durable even though the last one failed.
#[tokio::test]
async fn what_was_committed_before_a_failure_is_synced_later() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    for off in (0..150).rev() {
        mount.put(fh, off * 2, b"x").await.unwrap();
    }
    volume.engine.fail_write_after(1, Fault::Refused);
    assert_eq!(mount.flush(fh).await, Err(Errno::EIO));
    let committed = volume.records(ino).await.len();
    assert!(committed > 0 && committed < 150);
    assert_eq!(
        mount.sync(fh).await,
        Err(Errno::EIO),
        "what is lost is told"
    );
    mount.sync(fh).await.unwrap();
    assert_durable(&volume, &mount, ino, volume.events.count()).await;
}

/// When the answer alone is lost, the client finds out and nobody notices.
#[tokio::test]
async fn a_lost_answer_to_a_commit_of_data_is_looked_up() {
    for fault in [Fault::Lost, Fault::Dropped] {
        let (volume, mount) = start().await;
        let (ino, fh) = mount.create_file("f").await;
        let data = pattern(1, BLOCK + 100);
        mount.put(fh, 0, &data).await.unwrap();
        volume.engine.fail_write(fault);
        mount.sync(fh).await.unwrap();
        assert_eq!(volume.records(ino).await.len(), 1, "{fault:?}");
        assert_same(&mount.get(fh, 0, 1 << 20).await.unwrap(), &data, "f");
    }
}

/// The file system refused the data: its blocks are of no use to anybody.
#[tokio::test]
async fn blocks_of_a_refused_commit_go() {
    let (volume, mount) = start().await;
    let (ino, fh) = mount.create_file("f").await;
    let small = Format {
        capacity: 1 << 20,
        ..(*mount.meta().format()).clone()
    };
    mount.meta().set_format(small);
    mount.put(fh, 0, &pattern(1, 2 << 20)).await.unwrap();
    assert_eq!(mount.close(fh).await, Err(Errno::ENOSPC));
    eventually("its blocks are removed", async || {
        volume.store.keys().is_empty()
    })
    .await;
    assert_eq!(mount.getattr(ino).await.unwrap().attr.length, 0);
}

/// Removing what a failed flush has left takes as long as the store likes; the failure is told before.
#[tokio::test]
async fn a_failure_is_reported_before_its_blocks_are_removed() {
    let (volume, mount) = start().await;
    let small = Format {
        capacity: 1 << 20,
        ..(*mount.meta().format()).clone()
    };
    mount.meta().set_format(small);
    volume.store.deletes.shut();
    for sync in [false, true] {
        let name = format!("f{sync}");
        let (_, fh) = mount.create_file(&name).await;
        mount.put(fh, 0, &pattern(1, 2 << 20)).await.unwrap();
        let told = async {
            match sync {
                true => mount.sync(fh).await,
                false => mount.close(fh).await,
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(10), told).await;
        assert_eq!(told.expect("a report"), Err(Errno::ENOSPC));
    }
    volume.store.deletes.holds(1).await;
    volume.store.deletes.open();
}

/// One failed upload is enough to know; the others may take as long as the store likes.
#[tokio::test]
async fn a_failure_is_reported_before_the_other_uploads_end() {
    let (volume, mount) = start().await;
    let (_, fh) = mount.create_file("f").await;
    volume.store.puts.shut();
    mount.put(fh, 0, &pattern(1, 2 * BLOCK)).await.unwrap();
    volume.store.puts.holds(2).await;
    volume.store.fail_puts(true);
    volume.store.puts.call();
    let told = tokio::time::timeout(Duration::from_secs(10), mount.sync(fh)).await;
    assert_eq!(told.expect("a report"), Err(Errno::EIO));
    volume.store.puts.open();
}

/// A little generator: which file, what next.
fn next(state: &mut u64, n: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % n
}

/// After every fsync the power fails, in thought: what is left has everything that was synced.
#[tokio::test]
async fn a_power_cut_leaves_what_was_synced() {
    for seed in 1..=30u64 {
        let (volume, mount) = start().await;
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut files = Vec::new();
        for name in ["a", "b", "c"] {
            let (ino, fh) = mount.create_file(name).await;
            files.push((ino, fh, Vec::new()));
        }
        for step in 0..40u64 {
            let (ino, fh, content) = &mut files[next(&mut state, 3) as usize];
            match next(&mut state, 8) {
                0..=3 => {
                    let off = next(&mut state, content.len() as u64 + 1) as usize;
                    let len = 1 + next(&mut state, 2 * BLOCK as u64) as usize;
                    let data = pattern(seed * 100 + step, len);
                    mount.put(*fh, off as u64, &data).await.unwrap();
                    content.resize(content.len().max(off + len), 0);
                    content[off..off + len].copy_from_slice(&data);
                }
                4 => mount.flush(*fh).await.unwrap(),
                5 => {
                    mount.close(*fh).await.unwrap();
                    *fh = mount.open_file(*ino).await;
                }
                _ => {
                    mount.sync(*fh).await.unwrap();
                    let left = volume.after_power_cut();
                    let mount = left.mount().await;
                    let fh = mount.open_file(*ino).await;
                    let got = mount.get(fh, 0, 16 << 20).await.unwrap();
                    assert_same(&got, content, &format!("seed {seed}, step {step}"));
                }
            }
        }
    }
}
