//! Requests that wait: how soon they are granted, that none starves, and that none leaves anything when it is cut.

use super::owners::Clients;
use jfs_tests::{Kind, Rng, on_every_engine};
use jfs_types::{Caller, Errno, Ino};
use jfs_vfs::{LOCK_END_MAX, LockRange, LockRecord, LockType, Vfs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

on_every_engine! {
    an_unlock_wakes_at_once, an_unlock_elsewhere_is_noticed, a_writer_among_readers, counting_right,
    cut_requests, closing_while_waiting, round_trips
}

use LockType::{Read, Unlock, Write};

/// A file, opened by each client.
async fn file(clients: &Clients, handles: usize) -> (Ino, Vec<u64>) {
    let me = Caller::root();
    let first = clients.volumes[0].vfs();
    let made = first.create(&me, Ino::ROOT, b"file", 0o666, 0, libc::O_RDWR);
    let (entry, fh, _) = made.await.unwrap();
    let mut all = vec![fh];
    for n in 1..handles {
        let vfs = clients.volumes[n % clients.volumes.len()].vfs();
        all.push(vfs.open(&me, entry.ino, libc::O_RDWR).await.unwrap().0);
    }
    (entry.ino, all)
}

fn range(owner: u64, kind: LockType, start: u64, end: u64) -> LockRange {
    let pid = 7;
    let record = LockRecord {
        kind,
        pid,
        start,
        end,
    };
    LockRange { owner, record }
}

/// The time from an unlock to the grant, after a long wait.
async fn noticed_after(holder: &Vfs, waiter: &Vfs, fhs: [u64; 2]) -> Duration {
    holder.flock(fhs[0], Write, false).await.unwrap();
    let vfs = waiter.clone();
    let waits = tokio::spawn(async move {
        vfs.flock(fhs[1], Write, true).await.unwrap();
        Instant::now()
    });
    // Pauses have grown.
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert!(!waits.is_finished());
    let begin = Instant::now();
    holder.flock(fhs[0], Unlock, false).await.unwrap();
    let took = waits.await.unwrap().duration_since(begin);
    waiter.flock(fhs[1], Unlock, false).await.unwrap();
    took
}

async fn an_unlock_wakes_at_once(kind: Kind) {
    let clients = Clients::new(kind, 1).await;
    let (_, fhs) = file(&clients, 2).await;
    let vfs = clients.volumes[0].vfs();
    let took = noticed_after(vfs, vfs, [fhs[0], fhs[1]]).await;
    // The engine would be asked again after a second.
    assert!(took < Duration::from_millis(300), "{took:?}");
    clients.close().await;
}

async fn an_unlock_elsewhere_is_noticed(kind: Kind) {
    let clients = Clients::new(kind, 2).await;
    let (_, fhs) = file(&clients, 2).await;
    let [here, there] = [clients.volumes[0].vfs(), clients.volumes[1].vfs()];
    let took = noticed_after(here, there, [fhs[0], fhs[1]]).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    clients.close().await;
}

/// Readers follow one another so that there is always one. A writer gets its turn all the same.
async fn a_writer_among_readers(kind: Kind) {
    let clients = Clients::new(kind, 1).await;
    let (_, fhs) = file(&clients, 4).await;
    let vfs = clients.volumes[0].vfs().clone();
    for whole in [true, false] {
        let lock = {
            let vfs = vfs.clone();
            move |fh, kind, wait| {
                let vfs = vfs.clone();
                async move {
                    match whole {
                        true => vfs.flock(fh, kind, wait).await,
                        false => vfs.setlk(fh, range(fh, kind, 0, 9), wait).await,
                    }
                }
            }
        };
        let (done, overlaps) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let reading = Arc::new(AtomicU64::new(0));
        let mut readers = Vec::new();
        for (n, fh) in fhs[1..].iter().copied().enumerate() {
            let (lock, done, overlaps) = (lock.clone(), done.clone(), overlaps.clone());
            let reading = reading.clone();
            readers.push(tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20 * n as u64)).await;
                while !done.load(Ordering::Relaxed) {
                    lock(fh, Read, true).await.unwrap();
                    let others = reading.fetch_add(1, Ordering::Relaxed);
                    overlaps.fetch_add(u64::from(others > 0), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(60)).await;
                    reading.fetch_sub(1, Ordering::Relaxed);
                    lock(fh, Unlock, false).await.unwrap();
                }
            }));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let written = tokio::time::timeout(Duration::from_secs(8), lock(fhs[0], Write, true)).await;
        done.store(true, Ordering::Relaxed);
        written.expect("the writer starves").unwrap();
        assert_eq!(reading.load(Ordering::Relaxed), 0);
        lock(fhs[0], Unlock, false).await.unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
        assert!(overlaps.load(Ordering::Relaxed) > 5);
    }
    clients.check_nothing_is_held().await;
    clients.close().await;
}

/// Tasks of two clients count under either lock.
async fn counting_right(kind: Kind) {
    let clients = Clients::new(kind, 2).await;
    let (_, fhs) = file(&clients, 6).await;
    let (count, inside) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for (n, fh) in fhs.iter().copied().enumerate() {
        let vfs = clients.volumes[n % 2].vfs().clone();
        let (count, inside) = (count.clone(), inside.clone());
        tasks.push(tokio::spawn(async move {
            for _ in 0..8 {
                let wanted = range(fh, Write, 5, LOCK_END_MAX);
                vfs.setlk(fh, wanted, true).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two are inside");
                let seen = count.load(Ordering::SeqCst);
                tokio::task::yield_now().await;
                count.store(seen + 1, Ordering::SeqCst);
                inside.fetch_sub(1, Ordering::SeqCst);
                let wanted = range(fh, Unlock, 0, LOCK_END_MAX);
                vfs.setlk(fh, wanted, false).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count.load(Ordering::SeqCst), 48);
    clients.check_nothing_is_held().await;
    clients.close().await;
}

/// Requests that are dropped at any moment, also when the lock was about to be granted.
async fn cut_requests(kind: Kind) {
    let clients = Clients::new(kind, 1).await;
    let (ino, fhs) = file(&clients, 2).await;
    let (vfs, meta) = (clients.volumes[0].vfs(), clients.volumes[0].meta());
    let mut rng = Rng::new(1);
    let (mut cut, mut granted) = (0, 0);
    for n in 0..150 {
        let whole = n % 2 == 0;
        if !whole {
            vfs.setlk(fhs[0], range(1, Read, 3, 5), false)
                .await
                .unwrap();
        }
        let wait = rng.below(2) == 0;
        let request = async {
            match whole {
                true => vfs.flock(fhs[0], Write, wait).await,
                false => vfs.setlk(fhs[0], range(1, Write, 0, 9), wait).await,
            }
        };
        let longest = *rng.pick(&[3000, 60_000]);
        let after = Duration::from_micros(rng.below(longest));
        let in_time = tokio::select! {
            biased;
            () = async {
                if rng.below(3) == 0 { tokio::task::yield_now().await } else { spin(after).await }
            } => None,
            done = request => Some(done),
        };
        match in_time {
            Some(done) => {
                done.unwrap();
                granted += 1;
                match whole {
                    true => vfs.flock(fhs[0], Unlock, false).await.unwrap(),
                    false => {
                        let back = range(1, Unlock, 0, 9);
                        vfs.setlk(fhs[0], back, false).await.unwrap();
                    }
                }
            }
            None => {
                cut += 1;
                let left = |held: &jfs_meta::InodeLocks| {
                    let ranges: Vec<_> = held.posix.iter().flat_map(|h| h.what.iter()).collect();
                    let shared = ranges
                        .iter()
                        .all(|l| (l.kind, l.start, l.end) == (Read, 3, 5));
                    held.flocks.is_empty() && shared && ranges.len() == usize::from(!whole)
                };
                let until = Instant::now() + Duration::from_secs(10);
                // Also the request that is still on its way has to end.
                tokio::time::sleep(Duration::from_millis(3)).await;
                while !left(&meta.locks_on(ino).await.unwrap()) {
                    assert!(Instant::now() < until, "round {n} left a lock");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                vfs.setlk(fhs[0], range(1, Unlock, 0, 9), false)
                    .await
                    .unwrap();
            }
        }
    }
    assert!(cut > 20 && granted > 0, "{cut} cut, {granted} granted");
    for fh in fhs {
        vfs.release(fh).await;
    }
    clients.check_nothing_is_held().await;
    clients.close().await;
}

/// Timers are too coarse.
async fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        tokio::task::yield_now().await;
    }
}

/// A handle that is closed while a request waits through it: EBADF, and nothing is left.
async fn closing_while_waiting(kind: Kind) {
    let clients = Clients::new(kind, 1).await;
    let (_, fhs) = file(&clients, 3).await;
    let vfs = clients.volumes[0].vfs();
    vfs.flock(fhs[0], Write, false).await.unwrap();
    vfs.setlk(fhs[0], range(1, Write, 0, 9), false)
        .await
        .unwrap();
    let mut waiting = Vec::new();
    for (fh, whole) in [(fhs[1], true), (fhs[2], false)] {
        let vfs = vfs.clone();
        waiting.push(tokio::spawn(async move {
            match whole {
                true => vfs.flock(fh, Write, true).await,
                false => vfs.setlk(fh, range(2, Write, 0, 9), true).await,
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    for fh in [fhs[1], fhs[2]] {
        if !vfs.try_release(fh) {
            vfs.release(fh).await;
        }
    }
    for waits in waiting {
        let ended = tokio::time::timeout(Duration::from_millis(500), waits).await;
        assert_eq!(ended.unwrap().unwrap(), Err(Errno::EBADF));
    }
    // The last handle of the file takes the locks of every owner along.
    assert!(!vfs.try_release(fhs[0]));
    vfs.release(fhs[0]).await;
    clients.check_nothing_is_held().await;
    clients.close().await;
}

/// What locks cost on Redis; nowhere does the close of a file without locks ask the engine.
async fn round_trips(kind: Kind) {
    let clients = Clients::new(kind, 1).await;
    let (_, fhs) = file(&clients, 2).await;
    let (vfs, meta) = (clients.volumes[0].vfs(), clients.volumes[0].meta());
    let log = meta.engine().trips();
    log.enable(true);
    let counted = || {
        let ours = |t: &jfs_meta::trips::Trip| ["flock", "setlk", "getlk"].contains(&t.operation);
        log.take().into_iter().filter(ours).count()
    };
    let (mine, its) = (range(1, Write, 0, 9), range(2, Read, 5, 5));
    let mut trips = Vec::new();
    vfs.setlk(fhs[0], mine, false).await.unwrap();
    trips.push(counted());
    vfs.setlk(fhs[0], mine, false).await.unwrap();
    trips.push(counted());
    assert_eq!(vfs.setlk(fhs[1], its, false).await, Err(Errno::EAGAIN));
    trips.push(counted());
    assert!(vfs.getlk(fhs[1], its).await.unwrap().is_some());
    trips.push(counted());
    vfs.drop_record_locks(fhs[1], 1).await.unwrap();
    trips.push(counted());
    vfs.flock(fhs[0], Write, false).await.unwrap();
    trips.push(counted());
    assert!(!vfs.try_release(fhs[0]));
    vfs.release(fhs[0]).await;
    trips.push(counted());
    if kind == Kind::Redis {
        assert_eq!(trips, [2, 1, 1, 1, 2, 2, 2]);
    }
    vfs.setlk(fhs[1], range(2, Unlock, 0, 9), false)
        .await
        .unwrap();
    vfs.drop_record_locks(fhs[1], 2).await.unwrap();
    vfs.flock(fhs[1], Unlock, false).await.unwrap();
    assert!(vfs.try_release(fhs[1]));
    assert_eq!(counted(), 0);
    log.enable(false);
    clients.check_nothing_is_held().await;
    clients.close().await;
}
