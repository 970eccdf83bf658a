//! What holds between clients of ours: ends of sessions, and limits that one client does not have.

use super::owners::{Clients, Owners};
use super::script::Case;
use jfs_tests::{Kind, on_every_engine};
use jfs_types::{Caller, Ino};
use jfs_vfs::{LockRange, LockRecord, LockType};

on_every_engine! { data_follows_the_locks, no_deadlock_is_seen_across_clients, a_session_that_ends_lets_go, files_removed_elsewhere }

/// Each client adds one to a number in the file, through handles that stay open.
async fn data_follows_the_locks(kind: Kind) {
    let clients = Clients::new(kind, 2).await;
    let me = Caller::root();
    let first = clients.volumes[0].vfs();
    let made = first.create(&me, Ino::ROOT, b"f", 0o666, 0, libc::O_RDWR);
    let (entry, fh, _) = made.await.unwrap();
    first
        .write(fh, 0, 0u64.to_le_bytes().to_vec().into())
        .await
        .unwrap();
    first.flush(fh).await.unwrap();
    let second = clients.volumes[1].vfs();
    let (other, _) = second.open(&me, entry.ino, libc::O_RDWR).await.unwrap();
    for n in 0..16u64 {
        let (vfs, fh) = match n % 2 {
            0 => (first, fh),
            _ => (second, other),
        };
        let lock = async |kind| match n / 2 % 2 {
            0 => vfs.flock(fh, kind, true).await.unwrap(),
            _ => {
                let (owner, pid) = (fh, 1);
                let (start, end) = (0, 7);
                let record = LockRecord {
                    kind,
                    pid,
                    start,
                    end,
                };
                vfs.setlk(fh, LockRange { owner, record }, true)
                    .await
                    .unwrap();
            }
        };
        lock(LockType::Write).await;
        let seen = vfs.read(fh, 0, 8).await.unwrap();
        let seen = u64::from_le_bytes(seen[..].try_into().unwrap());
        assert_eq!(seen, n);
        let next = (n + 1).to_le_bytes().to_vec();
        vfs.write(fh, 0, next.into()).await.unwrap();
        // A downgrade is enough.
        lock(if n % 3 == 0 {
            LockType::Read
        } else {
            LockType::Unlock
        })
        .await;
        if n % 3 == 0 {
            let seen =
                u64::from_le_bytes(vfs.read(fh, 0, 8).await.unwrap()[..].try_into().unwrap());
            assert_eq!(seen, n + 1);
            lock(LockType::Unlock).await;
        }
    }
    first.release(fh).await;
    second.release(other).await;
    clients.check_nothing_is_held().await;
    clients.close().await;
}

/// Linux would answer EDEADLK at once. Here both wait, for five minutes at most.
async fn no_deadlock_is_seen_across_clients(kind: Kind) {
    let clients = Clients::new(kind, 2).await;
    let mut owners = Owners::at(&clients.places());
    let case = Case {
        rule: "a circle across clients is not found",
        script: "
            a open rw
            b open rw
            a set 1 W 0 9
            b set 1 W 10 19
            a set 1 W 10 19 wait
            b set 1 W 0 9 wait
            a waits
            b cancel
            b set 1 U 10 19
            a gets ok
        ",
    };
    case.run(&mut owners).await;
    owners.begin_file().await;
    clients.check_nothing_is_held().await;
    clients.close().await;
}

/// With open files and locks: the other client gets them.
async fn a_session_that_ends_lets_go(kind: Kind) {
    let mut clients = Clients::new(kind, 2).await;
    let me = Caller::root();
    let ends = clients.volumes.remove(0);
    let made = ends
        .vfs()
        .create(&me, Ino::ROOT, b"f", 0o666, 0, libc::O_RDWR);
    let (entry, fh, _) = made.await.unwrap();
    let wanted = |kind| LockRange {
        owner: 1,
        record: LockRecord {
            kind,
            pid: 1,
            start: 0,
            end: 9,
        },
    };
    let vfs = ends.vfs();
    vfs.flock(fh, LockType::Write, false).await.unwrap();
    vfs.setlk(fh, wanted(LockType::Write), false).await.unwrap();
    let stays = clients.volumes[0].vfs();
    let (other, _) = stays.open(&me, entry.ino, libc::O_RDWR).await.unwrap();
    let waits = {
        let vfs = stays.clone();
        tokio::spawn(async move {
            vfs.flock(other, LockType::Write, true).await.unwrap();
            vfs.setlk(other, wanted(LockType::Write), true)
                .await
                .unwrap();
        })
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!waits.is_finished());
    ends.close().await.unwrap();
    waits.await.unwrap();
    stays.drop_record_locks(other, 1).await.unwrap();
    stays.release(other).await;
    clients.check_nothing_is_held().await;
    clients.close().await;
}

/// The open file of one client is gone with its name when another client removes that. Its locks can still be dropped.
async fn files_removed_elsewhere(kind: Kind) {
    let clients = Clients::new(kind, 2).await;
    let mut owners = Owners::at(&clients.places());
    let case = Case {
        rule: "a file that another client removed",
        script: "
            a open rw
            a set 1 W 0 9
            a flock 1 W
            b unlink
            a set 1 W 20 29 = ENOENT
            a flock 1 R = ENOENT
            a set 1 U 0 4
            a get 1 R 0 9 = none
            a close 1
        ",
    };
    case.run(&mut owners).await;
    owners.begin_file().await;
    clients.check_nothing_is_held().await;
    clients.close().await;
}
