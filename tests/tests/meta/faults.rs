//! Lost answers and transient failures at every step of every operation: it is done exactly once or
//! not at all, and everything that is counted is counted right.

use super::operations::Op;
use jfs_meta::wire::LockType;
use jfs_meta::{CopyRange, SetXattr};
use jfs_tests::{Client, Fault, Faulty, Hooks, Kind, Volume, on_every_engine};
use jfs_types::*;
use std::sync::Arc;

on_every_engine! { answers_lost_inside_the_engine, commits_dropped_inside_the_engine, lost_answers, dropped_commits, transient_commits, transient_calls, closing_a_nameless_file, deleting_data, lost_statistics }

/// What the operations work on: equal in every volume that [`start`] made.
struct Start {
    v: Volume,
    c: Client,
    faulty: Arc<Faulty>,
    hooks: Hooks,
}

/// `d` with file, linked file, symlink, directories; the same numbers every time.
async fn start(kind: Kind, trash_days: i64) -> Start {
    let v = Volume::new(kind, trash_days).await;
    let (engine, hooks) = v.db.connect_with_faults().await;
    let faulty = Arc::new(Faulty::new(engine));
    let c = v.client_over(faulty.clone()).await;
    assert_eq!(c.dir(Ino::ROOT, b"d").await, D);
    assert_eq!(c.touch(D, b"file").await.unwrap(), FILE);
    assert_eq!(c.touch(D, b"linked").await.unwrap(), LINKED);
    assert_eq!(c.dir(D, b"empty").await, EMPTY);
    assert_eq!(c.dir(Ino::ROOT, b"e").await, E);
    c.link(&jfs_tests::volume::root(), LINKED, E, b"second")
        .await
        .unwrap();
    Op::Symlink(D, "symlink").run(&c).await;
    c.readlink(LINK).await.unwrap();
    Op::Mkdir(E, "target").run(&c).await;
    Op::Create(E, "other").run(&c).await;
    assert_eq!(c.touch(D, b"many").await.unwrap(), MANY);
    assert_eq!(c.dir(D, b"acl").await, ACL);
    for op in [
        Op::SetXattr(MANY, "user.old", "value", SetXattr::Any),
        Op::Acl(ACL, AclKind::Default, 4),
        Op::Acl(MANY, AclKind::Access, 5),
        Op::Flock(MANY, 5, LockType::Read),
        Op::Setlk(MANY, 5, LockType::Write, 10, 20),
    ] {
        assert!(op.run(&c).await.starts_with("Ok"));
    }
    for n in 0..3 {
        Op::Write {
            ino: MANY,
            index: 0,
            id: 1100 + n,
            pos: n as u32 * 50,
            len: 100,
        }
        .run(&c)
        .await;
    }
    for (ino, id) in [(FILE, 1001), (LINKED, 1002)] {
        Op::Write {
            ino,
            index: 0,
            id,
            pos: 0,
            len: 5000,
        }
        .run(&c)
        .await;
    }
    v.flush().await;
    v.tick();
    Start {
        v,
        c,
        faulty,
        hooks,
    }
}

const D: Ino = Ino(2);
const FILE: Ino = Ino(3);
const LINKED: Ino = Ino(4);
const EMPTY: Ino = Ino(5);
const E: Ino = Ino(6);
const LINK: Ino = Ino(7);
const MANY: Ino = Ino(10);
const ACL: Ino = Ino(11);

fn operations() -> Vec<Op> {
    vec![
        Op::Create(D, "new"),
        Op::Mkdir(D, "new"),
        Op::Symlink(D, "new"),
        Op::Link(FILE, E, "new"),
        Op::Link(LINKED, D, "new"),
        Op::Unlink(D, "file"),
        Op::Unlink(D, "linked"),
        Op::Unlink(D, "symlink"),
        Op::Rmdir(D, "empty"),
        Op::Rename(D, "file", D, "new", 0),
        Op::Rename(D, "file", E, "new", 0),
        Op::Rename(D, "linked", E, "new", 0),
        Op::Rename(D, "file", E, "other", 0),
        Op::Rename(D, "linked", E, "other", 0),
        Op::Rename(D, "file", E, "second", 0),
        Op::Rename(D, "empty", E, "target", 0),
        Op::Rename(D, "empty", E, "new", 0),
        Op::Write {
            ino: FILE,
            index: 0,
            id: 2001,
            pos: 100,
            len: 10,
        },
        Op::Write {
            ino: FILE,
            index: 1,
            id: 2001,
            pos: 100,
            len: 9000,
        },
        Op::Write {
            ino: LINKED,
            index: 0,
            id: 2001,
            pos: 5000,
            len: 9000,
        },
        Op::Truncate(FILE, 10),
        Op::Truncate(FILE, 3 * CHUNK_SIZE + 5),
        Op::Truncate(LINKED, 0),
        Op::Chmod(FILE, 0o600),
        Op::Chmod(D, 0o700),
        Op::Getattr(FILE),
        Op::Lookup(D, "file"),
        Op::Readlink(LINK),
        Op::Mknod(D, "new"),
        Op::SetXattr(FILE, "user.new", "v", SetXattr::Create),
        Op::SetXattr(MANY, "user.old", "v", SetXattr::Replace),
        Op::SetXattr(MANY, "user.old", "v", SetXattr::Any),
        Op::DelXattr(MANY, "user.old"),
        Op::Unlink(D, "many"),
        Op::Rename(D, "file", D, "many", 2),
        Op::Rename(D, "file", E, "other", 2),
        Op::Rename(D, "linked", E, "other", 2),
        Op::Rename(D, "empty", E, "other", 2),
        Op::Rename(D, "empty", E, "target", 2),
        fallocate(FILE, 0, 0, 10_000),
        fallocate(FILE, 1, 0, 10_000),
        fallocate(FILE, 3, 100, 10_000),
        fallocate(LINKED, 0x10, 100, 90_000),
        Op::Copy(copy(MANY, 25, FILE, 4990, 120)),
        Op::Copy(copy(MANY, 25, LINKED, CHUNK_SIZE - 10, 120)),
        Op::Copy(copy(MANY, 0, MANY, 5000, 200)),
        Op::Create(ACL, "new"),
        Op::Mkdir(ACL, "new"),
        Op::Acl(FILE, AclKind::Access, 7),
        Op::Acl(D, AclKind::Default, 5),
        Op::Acl(MANY, AclKind::Access, 0),
        Op::Chmod(MANY, 0o604),
        Op::Flock(MANY, 6, LockType::Read),
        Op::Flock(MANY, 5, LockType::Write),
        Op::Flock(MANY, 5, LockType::Unlock),
        Op::Setlk(MANY, 5, LockType::Unlock, 12, 13),
        Op::Setlk(MANY, 5, LockType::Unlock, 0, u64::MAX),
        Op::Setlk(MANY, 6, LockType::Write, 21, 30),
        Op::Compact(MANY, 5000),
    ]
}

fn fallocate(ino: Ino, mode: i32, off: u64, size: u64) -> Op {
    Op::Fallocate {
        ino,
        mode,
        off,
        size,
    }
}

pub(super) fn copy(from: Ino, from_off: u64, to: Ino, to_off: u64, size: u64) -> CopyRange {
    CopyRange {
        from,
        from_off,
        to,
        to_off,
        size,
    }
}

/// The answer and the state of an operation that meets no fault.
async fn undisturbed(kind: Kind, trash_days: i64, op: &Op) -> (String, String) {
    let s = start(kind, trash_days).await;
    let answer = op.run(&s.c).await;
    assert!(answer.starts_with("Ok"), "{op:?}: {answer}");
    (answer, s.v.verify().await.text_by_position())
}

/// Fails the n-th commit or call of every operation, n = 1, 2, 3 ... until it gets through. On servers with SQL, where a volume
/// takes longest, each sweep takes a share of the operations; together the sweeps inside of the engine have all of them.
async fn sweep(kind: Kind, inside: bool, number: usize, arm: impl Fn(&Start, u64)) {
    let shares = match (kind.is_sql_server(), inside) {
        (false, _) => 1,
        (true, true) => 2,
        (true, false) => 6,
    };
    // On the engines that store something, a volume per step takes time: the trash there only.
    let trash = if kind == Kind::Memory {
        vec![0, 1]
    } else {
        vec![1]
    };
    for trash_days in trash {
        for op in operations()
            .into_iter()
            .skip(number % shares)
            .step_by(shares)
        {
            let (answer, state) = undisturbed(Kind::Memory, trash_days, &op).await;
            for n in 1.. {
                assert!(n < 30, "{op:?} never gets through");
                let s = start(kind, trash_days).await;
                arm(&s, n);
                let got = op.run(&s.c).await;
                let struck = s.faulty.disarm() | (inside && s.hooks.disarm());
                let after = s.v.verify().await.text_by_position();
                assert_eq!(got, answer, "{op:?}, step {n}");
                assert_eq!(after, state, "{op:?}, step {n}");
                if !struck {
                    let reads = matches!(op, Op::Getattr(_) | Op::Lookup(..) | Op::Readlink(_));
                    assert!(n > 1 || reads, "{op:?} was never disturbed");
                    break;
                }
            }
        }
    }
}

async fn answers_lost_inside_the_engine(kind: Kind) {
    sweep(kind, true, 0, |s, n| s.hooks.fail_commit(n, Fault::Lost)).await;
}

async fn commits_dropped_inside_the_engine(kind: Kind) {
    sweep(kind, true, 1, |s, n| s.hooks.fail_commit(n, Fault::Dropped)).await;
}

async fn lost_answers(kind: Kind) {
    sweep(kind, false, 0, |s, n| s.faulty.fail_commit(n, Fault::Lost)).await;
}

async fn dropped_commits(kind: Kind) {
    sweep(kind, false, 1, |s, n| {
        s.faulty.fail_commit(n, Fault::Dropped)
    })
    .await;
}

async fn transient_commits(kind: Kind) {
    sweep(kind, false, 2, |s, n| {
        s.faulty.fail_commit(n, Fault::Transient)
    })
    .await;
}

async fn transient_calls(kind: Kind) {
    sweep(kind, false, 3, |s, n| s.faulty.fail_call(n)).await;
}

/// The last close of a nameless file, and the end of its session.
async fn closing_a_nameless_file(kind: Kind) {
    for fault in [Fault::Lost, Fault::Dropped, Fault::Transient] {
        let s = start(kind, 0).await;
        s.c.open(&jfs_tests::volume::root(), FILE, 0).await.unwrap();
        Op::Unlink(D, "file").run(&s.c).await;
        assert_eq!(s.c.close(FILE), Some(FILE));
        s.faulty.fail_commit(1, fault);
        s.c.delete_sustained(FILE).await.unwrap();
        assert!(s.faulty.disarm());
        assert_eq!(s.c.work().len(), 1, "{fault:?}: the data is deleted once");
        let census = s.v.verify().await;
        assert!(census.sustained.is_empty());
        assert_eq!(census.deleted.len(), 1);
    }
}

/// Deltas of directory statistics are added once, whatever is known of them.
async fn lost_statistics(kind: Kind) {
    for fault in [Fault::Lost, Fault::Dropped, Fault::Transient] {
        for then_away in 0..7 {
            let s = start(kind, 0).await;
            for name in ["one", "two"] {
                Op::Create(D, name).run(&s.c).await;
            }
            Op::Create(E, "three").run(&s.c).await;
            s.faulty.fail_statistics(fault);
            // One of the calls of the flush and of the counting that may follow; with 0 none.
            s.faulty.fail_call(then_away);
            s.c.flush_stats().await;
            s.faulty.disarm();
            Op::Create(E, "four").run(&s.c).await;
            // Asks for sound statistics.
            s.v.verify().await;
        }
    }
}

/// Chunks of removed files: a slice loses exactly one user.
async fn deleting_data(kind: Kind) {
    for fault in [Fault::Lost, Fault::Dropped, Fault::Transient] {
        for step in 1..=3 {
            let s = start(kind, 0).await;
            Op::Unlink(D, "file").run(&s.c).await;
            s.faulty.fail_commit(step, fault);
            let mut unused = s.c.do_work().await;
            s.faulty.disarm();
            // What a lost answer did not tell is found by the hourly job.
            unused.extend(s.c.unused_slices(10).await.unwrap());
            for (id, size) in &unused {
                s.c.forget_slice(*id, *size).await.unwrap();
            }
            assert_eq!(unused, [(1001, 5000)], "{fault:?} at {step}");
            let census = s.v.verify().await;
            assert!(census.deleted.is_empty() && census.unused.is_empty());
        }
    }
}
