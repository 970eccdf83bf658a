//! Several clients of one database at the same time, on few names: whatever they do to each other,
//! one order explains the end.

use super::operations::Op;
use jfs_meta::{Compacted, Meta, SetXattr};
use jfs_tests::volume::root;
use jfs_tests::{Census, Client, Faulty, Kind, Rng, Volume, on_every_engine};
use jfs_types::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

on_every_engine! {
    random_clients_leave_a_sound_volume, random_clients_with_a_trash, short_histories_have_an_order,
    crossing_renames_make_no_circle, nothing_is_created_in_a_removed_directory, one_name_one_winner,
    counts_of_many_links, clients_that_vanish,
}

/// Clients with an engine each, as processes have; with odd seeds they share one, so that their
/// commits meet in its queue.
async fn clients(v: &Volume, n: u64, seed: u64) -> Vec<Client> {
    let shared = v.db.connect().await;
    let mut clients = Vec::new();
    for k in 0..n {
        let engine = if seed % 2 == 1 {
            shared.clone()
        } else {
            v.db.connect().await
        };
        let engine = Faulty::yielding(engine, seed * 1000 + k);
        clients.push(v.racing_client(Arc::new(engine)).await);
    }
    clients
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

async fn random_clients_leave_a_sound_volume(kind: Kind) {
    random_clients(kind, 0).await;
}

async fn random_clients_with_a_trash(kind: Kind) {
    random_clients(kind, 1).await;
}

async fn random_clients(kind: Kind, trash_days: i64) {
    for seed in 0..if kind == Kind::Memory { 12 } else { 4 } {
        let v = Volume::new(kind, trash_days).await;
        let clients = clients(&v, 3, seed).await;
        let tasks: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(k, c)| tokio::spawn(wander(c.meta.clone(), Rng::new(seed * 10 + k as u64), 150)))
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.unwrap();
        }
        v.flush().await;
        for c in &clients {
            c.do_work().await;
        }
        let census = v.census().await;
        let problems = census.problems(true);
        assert!(
            problems.is_empty(),
            "seed {seed}: {}\n{}",
            problems.join("\n"),
            census.text()
        );
        assert!(done > 60, "seed {seed}: only {done} operations succeeded");
    }
}

/// Random operations on what is there; returns how many succeeded. Errors of the engine are none
/// that a caller may see.
async fn wander(c: Arc<Meta>, mut rng: Rng, steps: usize) -> usize {
    let me = root();
    let mut done = 0;
    let mut open: Vec<Ino> = Vec::new();
    for _ in 0..steps {
        let dir = some_dir(&c, &mut rng).await;
        let name = rng.pick(&NAMES).as_bytes();
        let child = c
            .lookup(&me, dir, name)
            .await
            .map(|(ino, _)| ino)
            .unwrap_or(Ino(999_999));
        let result = match rng.below(18) {
            0 | 1 => match c.create(&me, dir, name, 0o644, 0).await {
                Ok((ino, _)) => {
                    open.push(ino);
                    Ok(())
                }
                Err(e) => Err(e),
            },
            2 | 3 => c.mkdir(&me, dir, name, 0o755, 0).await.map(|_| ()),
            4 => c
                .link(
                    &me,
                    child,
                    some_dir(&c, &mut rng).await,
                    rng.pick(&NAMES).as_bytes(),
                )
                .await
                .map(|_| ()),
            5 => c.unlink(&me, dir, name).await,
            6 => c.rmdir(&me, dir, name).await,
            7 | 8 => {
                let to = (some_dir(&c, &mut rng).await, rng.pick(&NAMES).as_bytes());
                let flags = *rng.pick(&[0, 0, 2]);
                c.rename(&me, (dir, name), to, flags).await.map(|_| ())
            }
            9 => {
                let id = c.new_slice_id().await.unwrap();
                let record = jfs_tests::volume::slice(
                    id,
                    rng.below(10_000) as u32,
                    1 + rng.below(10_000) as u32,
                );
                c.write_chunk(child, 0, record, c.now()).await.map(|_| ())
            }
            10 => c.truncate(&me, child, rng.below(100_000)).await.map(|_| ()),
            12 => {
                let set = c.set_xattr(child, name, b"value", SetXattr::Any).await;
                set.and(c.list_xattrs(child).await.map(|_| ()))
            }
            13 => {
                let from = c.lookup(&me, Ino::ROOT, rng.pick(&NAMES).as_bytes()).await;
                let from = from.map(|(ino, _)| ino).unwrap_or(child);
                let to_off = 100_000 + rng.below(100_000);
                let range = super::faults::copy(from, rng.below(10_000), child, to_off, 20_000);
                c.copy_file_range(range).await.map(|_| ())
            }
            14 | 15 => compact(&c, child).await,
            16 => {
                let kind = *rng.pick(&[AclKind::Access, AclKind::Default]);
                let rule = super::operations::rule_for(rng.below(4) as u16);
                c.set_acl(&me, child, kind, &rule).await.map(|_| ())
            }
            _ => match open.pop() {
                Some(ino) => match c.close(ino) {
                    Some(ino) => c.delete_sustained(ino).await,
                    None => Ok(()),
                },
                None => c.symlink(&me, dir, name, b"t").await.map(|_| ()),
            },
        };
        match result {
            Ok(()) => done += 1,
            Err(e) => assert_ne!(
                e,
                Errno::EIO,
                "conflicts are for the engine and us to settle"
            ),
        }
    }
    for ino in open {
        if let Some(ino) = c.close(ino) {
            c.delete_sustained(ino).await.unwrap();
        }
    }
    done
}

/// Compacts the first chunk of a file, as the background does but for the data.
async fn compact(c: &Meta, ino: Ino) -> Result<(), Errno> {
    let Some(plan) = c.plan_compaction(ino, 0).await? else {
        return Ok(());
    };
    let id = c.new_slice_id().await?;
    if let Compacted::Done(unused) = c.commit_compaction(&plan, id).await? {
        for (id, size) in unused {
            c.forget_slice(id, size).await?;
        }
    }
    Ok(())
}

/// A directory at most three levels down, at random.
async fn some_dir(c: &Meta, rng: &mut Rng) -> Ino {
    let mut dir = Ino::ROOT;
    for _ in 0..rng.below(4) {
        match c.lookup(&root(), dir, rng.pick(&NAMES).as_bytes()).await {
            Ok((ino, attr)) if attr.is_dir() => dir = ino,
            _ => break,
        }
    }
    dir
}

// ---- short histories

const FILE: Ino = Ino(2);
const DIR: Ino = Ino(3);
const LINKED: Ino = Ino(4);

/// Root with `f` (FILE), `d` (DIR), `l` and `d/l` (LINKED), a symlink `s`: the same numbers on every
/// engine.
async fn prepared(kind: Kind) -> Volume {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    assert_eq!(c.touch(Ino::ROOT, b"f").await.unwrap(), FILE);
    assert_eq!(c.dir(Ino::ROOT, b"d").await, DIR);
    assert_eq!(c.touch(Ino::ROOT, b"l").await.unwrap(), LINKED);
    c.link(&root(), LINKED, DIR, b"l").await.unwrap();
    Op::Symlink(Ino::ROOT, "s").run(&c).await;
    v.flush().await;
    v.tick();
    v
}

fn random_op(rng: &mut Rng, client: u64, step: u64) -> Op {
    let dirs = [Ino::ROOT, Ino::ROOT, DIR];
    let names = ["f", "l", "x", "d"];
    let files = [FILE, LINKED];
    let (dir, to) = (*rng.pick(&dirs), *rng.pick(&dirs));
    let (name, name2) = (*rng.pick(&names), *rng.pick(&names));
    let ino = *rng.pick(&files);
    match rng.below(17) {
        13 => Op::SetXattr(
            ino,
            "user.a",
            if rng.below(2) == 0 { "x" } else { "y" },
            SetXattr::Create,
        ),
        14 => Op::DelXattr(ino, "user.a"),
        15 => Op::Copy(super::faults::copy(FILE, 10, LINKED, 3000, 4000)),
        16 => Op::Rename(dir, name, to, name2, 2),
        0 => Op::Create(dir, name),
        1 => Op::Mkdir(dir, name),
        2 => Op::Symlink(dir, name),
        3 => Op::Link(ino, dir, name),
        4 | 5 => Op::Unlink(dir, name),
        6 => Op::Rmdir(dir, name),
        7 | 8 => Op::Rename(dir, name, to, name2, rng.below(2) as u32),
        9 => {
            let id = 100_000 + client * 100 + step;
            Op::Write {
                ino,
                index: 0,
                id,
                pos: rng.below(9000) as u32,
                len: 5000,
            }
        }
        10 => Op::Truncate(ino, rng.below(20_000)),
        11 => Op::Lookup(dir, name),
        _ => Op::Chmod(ino, rng.below(0o1000) as u16),
    }
}

/// Two clients, three or four operations each: answers and end state must be those of some
/// interleaving, run one after the other on the engine in memory.
async fn short_histories_have_an_order(kind: Kind) {
    let histories = if kind == Kind::Memory { 150 } else { 40 };
    for seed in 0..histories {
        let mut rng = Rng::new(seed);
        let count = 3 + seed % 2;
        let plans: Vec<Vec<Op>> = (0..2)
            .map(|client| {
                (0..count)
                    .map(|step| random_op(&mut rng, client, step))
                    .collect()
            })
            .collect();
        let v = prepared(kind).await;
        let clients = clients(&v, 2, seed).await;
        let tasks: Vec<_> = clients
            .iter()
            .zip(plans.clone())
            .map(|(c, plan)| {
                let meta = c.meta.clone();
                tokio::spawn(async move {
                    let mut answers = Vec::new();
                    for op in plan {
                        answers.push(op.run(&meta).await);
                    }
                    answers
                })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        let state = v.verify().await.text_without_times();
        if !explained(&plans, &answers, &state).await {
            panic!("seed {seed}: no order explains\n{plans:#?}\n{answers:#?}\n{state}");
        }
    }
}

async fn explained(plans: &[Vec<Op>], answers: &[Vec<String>], state: &str) -> bool {
    let count = plans[0].len();
    // Every way to choose which of the 2n steps are the first client's.
    for chosen in 0u32..1 << (2 * count) {
        if chosen.count_ones() as usize != count {
            continue;
        }
        let v = prepared(Kind::Memory).await;
        let clients = [v.client().await, v.client().await];
        let mut next = [0, 0];
        let mut same = true;
        for step in 0..2 * count {
            let who = usize::from(chosen & (1 << step) == 0);
            let answer = plans[who][next[who]].run(&clients[who]).await;
            same = answer == answers[who][next[who]];
            next[who] += 1;
            if !same {
                break;
            }
        }
        if same && v.verify().await.text_without_times() == state {
            return true;
        }
    }
    false
}

// ---- known traps

/// x below y while y goes below x: both would cut off a circle.
async fn crossing_renames_make_no_circle(kind: Kind) {
    let both = AtomicUsize::new(0);
    for seed in 0..if kind == Kind::Memory { 100 } else { 30 } {
        let v = Volume::new(kind, 0).await;
        let clients = clients(&v, 2, seed).await;
        // From different directories and deeper than one level, so that nothing but the climb makes
        // the two meet.
        let (p, q) = (
            clients[0].dir(Ino::ROOT, b"p").await,
            clients[0].dir(Ino::ROOT, b"q").await,
        );
        let (x, y) = (clients[0].dir(p, b"x").await, clients[0].dir(q, b"y").await);
        let (x2, y2) = (
            clients[0].dir(x, b"deep").await,
            clients[0].dir(y, b"deep").await,
        );
        let (a, b) = (clients[0].meta.clone(), clients[1].meta.clone());
        let first = tokio::spawn(async move {
            a.rename(&root(), (p, b"x"), (y2, b"in"), 0)
                .await
                .map(|_| ())
        });
        let second = tokio::spawn(async move {
            b.rename(&root(), (q, b"y"), (x2, b"in"), 0)
                .await
                .map(|_| ())
        });
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let census = v.census().await;
        let problems = census.problems(true);
        assert!(
            problems.is_empty(),
            "seed {seed}, {first:?} {second:?}: {problems:#?}"
        );
        match (first, second) {
            (Ok(()), Err(Errno::EINVAL)) | (Err(Errno::EINVAL), Ok(())) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
        both.fetch_add(1, Ordering::Relaxed);
    }
    assert!(both.into_inner() > 0);
}

/// A create, a link and a rename into a directory race with its removal.
async fn nothing_is_created_in_a_removed_directory(kind: Kind) {
    let mut removed = 0;
    for seed in 0..if kind == Kind::Memory { 240 } else { 40 } {
        for trash_days in [0, 1] {
            let v = Volume::new(kind, trash_days).await;
            let clients = clients(&v, 2, seed).await;
            let c = &clients[0];
            let d = c.dir(Ino::ROOT, b"d").await;
            let f = c.touch(Ino::ROOT, b"f").await.unwrap();
            let e = c.dir(Ino::ROOT, b"e").await;
            let over = c.dir(Ino::ROOT, b"over").await;
            assert!(d < e && e < over);
            let (a, b) = (clients[0].meta.clone(), clients[1].meta.clone());
            let create = tokio::spawn(async move {
                match seed % 4 {
                    0 => a
                        .create(&root(), d, b"new", 0o644, 0)
                        .await
                        .map(|(ino, _)| assert_eq!(a.close(ino), None)),
                    1 => a.mkdir(&root(), d, b"new", 0o755, 0).await.map(|_| ()),
                    2 => a.link(&root(), f, d, b"new").await.map(|_| ()),
                    _ => a
                        .rename(&root(), (Ino::ROOT, b"e"), (d, b"new"), 0)
                        .await
                        .map(|_| ()),
                }
            });
            let remove = tokio::spawn(async move {
                match seed / 4 % 2 {
                    // A rename over it removes it as well.
                    0 => b
                        .rename(&root(), (Ino::ROOT, b"over"), (Ino::ROOT, b"d"), 0)
                        .await
                        .map(|_| ()),
                    _ => b.rmdir(&root(), Ino::ROOT, b"d").await,
                }
            });
            let (create, remove) = (create.await.unwrap(), remove.await.unwrap());
            let census = v.census().await;
            let problems = census.problems(true);
            assert!(
                problems.is_empty(),
                "seed {seed}: {create:?}, {remove:?}: {problems:#?}"
            );
            match (&create, &remove) {
                (Ok(()), Err(Errno::ENOTEMPTY)) => {}
                (Err(Errno::ENOENT), Ok(())) => removed += 1,
                other => panic!("seed {seed}: {other:?}"),
            }
        }
    }
    assert!(removed > 0, "the removal never won: nothing was tested");
}

/// Many clients create, move and remove one name: each step has one winner.
async fn one_name_one_winner(kind: Kind) {
    for round in 0..10 {
        let v = Volume::new(kind, round % 2).await;
        let clients = clients(&v, 4, round as u64).await;
        let each = |op: fn(usize) -> Op| {
            let tasks: Vec<_> = clients
                .iter()
                .enumerate()
                .map(|(k, c)| {
                    let meta = c.meta.clone();
                    tokio::spawn(async move { op(k).run(&meta).await.starts_with("Ok") })
                })
                .collect();
            async {
                let mut won = 0;
                for task in tasks {
                    won += usize::from(task.await.unwrap());
                }
                won
            }
        };
        const TO: [&str; 4] = ["to0", "to1", "to2", "to3"];
        assert_eq!(each(|_| Op::Create(Ino::ROOT, "f")).await, 1);
        assert_eq!(
            each(|k| Op::Rename(Ino::ROOT, "f", Ino::ROOT, TO[k], 0)).await,
            1
        );
        let name = clients[0].names(Ino::ROOT).await.remove(0);
        clients[0]
            .rename(&root(), (Ino::ROOT, &name), (Ino::ROOT, b"f"), 0)
            .await
            .unwrap();
        assert_eq!(each(|_| Op::Unlink(Ino::ROOT, "f")).await, 1);
        assert_eq!(each(|_| Op::Mkdir(Ino::ROOT, "f")).await, 1);
        assert_eq!(each(|_| Op::Rmdir(Ino::ROOT, "f")).await, 1);
        v.verify().await;
    }
}

/// Names of one inode made and removed by all clients at once: the count is the number of names.
async fn counts_of_many_links(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let clients = clients(&v, 3, 77).await;
    let f = clients[0].touch(Ino::ROOT, b"f").await.unwrap();
    let dirs = [Ino::ROOT, clients[0].dir(Ino::ROOT, b"d").await];
    let mut tasks = Vec::new();
    for (k, c) in clients.iter().enumerate() {
        let meta = c.meta.clone();
        tasks.push(tokio::spawn(async move {
            for n in 0..20 {
                let name = format!("l{k}-{n}").into_bytes();
                let dir = dirs[n % 2];
                meta.link(&root(), f, dir, &name).await.unwrap();
                let id = meta.new_slice_id().await.unwrap();
                let record = jfs_tests::volume::slice(id, 0, (n * 1000 + 1) as u32);
                meta.write_chunk(f, 0, record, meta.now()).await.unwrap();
                if n % 3 != 0 {
                    meta.unlink(&root(), dir, &name).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(clients[0].getattr(f).await.unwrap().nlink, 1 + 3 * 7);
    v.verify().await;
}

/// Clients that stop in the middle of whatever they do, as processes that are killed: names, links and
/// users of slices are right, and the usage counters are where they are part of the commit (on SQL they
/// may lack the last second, as with the reference client). What the dead kept open goes with their
/// sessions.
async fn clients_that_vanish(kind: Kind) {
    for seed in 0..if kind == Kind::Memory { 20 } else { 6 } {
        let v = Volume::new(kind, 0).await;
        let clients = clients(&v, 3, 2 * seed).await;
        let mut rng = Rng::new(seed);
        let tasks: Vec<_> = clients
            .iter()
            .map(|c| {
                let wander = wander(c.meta.clone(), Rng::new(rng.below(1 << 40)), 10_000);
                (tokio::spawn(wander), 1 + rng.below(60))
            })
            .collect();
        for (task, life_ms) in tasks {
            tokio::time::sleep(std::time::Duration::from_millis(life_ms)).await;
            task.abort();
            assert!(
                task.await.is_err_and(|e| e.is_cancelled()),
                "it did not end by itself"
            );
        }
        let exact = v.engine.capabilities().usage_in_transaction;
        let flushed_later = |problem: &String| {
            problem.starts_with("statistics of") || !exact && problem.starts_with("usage counters")
        };
        // A last commit may still be on its way to the server.
        let mut before = String::new();
        let census = loop {
            let census = Census::take(&*v.engine).await;
            let text = census.text();
            if std::mem::replace(&mut before, text) == before {
                break census;
            }
        };
        let mut problems = census.problems(true);
        problems.retain(|p| !flushed_later(p));
        assert!(problems.is_empty(), "seed {seed}: {problems:#?}\n{before}");

        let heir = v.client().await;
        assert!(v.live_on(&heir).await >= 3);
        heir.do_work().await;
        let census = Census::take(&*v.engine).await;
        assert!(census.sustained.is_empty(), "{:?}", census.sustained);
        let mut problems = census.problems(true);
        problems.retain(|p| !flushed_later(p));
        assert!(
            problems.is_empty(),
            "seed {seed}: {problems:#?}\n{}",
            census.text()
        );
    }
}
