//! Answers lost on the way from a server, and what other clients do before this one looks: whatever they
//! made of the change, it was made, and is not made again.

use jfs_meta::engine::{Answer, Key, Write};
use jfs_meta::{Compacted, Engine, EngineError};
use jfs_meta_redis::RedisEngine;
use jfs_tests::volume::{root, slice};
use jfs_tests::{Client, Cut, Fault, Faulty, Hooks, Kind, Proxy, Volume};
use jfs_types::*;
use std::sync::Arc;

/// A client behind a relay, and one that has a connection of its own.
struct Bed {
    v: Volume,
    c: Client,
    engine: Arc<dyn Engine>,
    proxy: Proxy,
    other: Client,
}

impl Bed {
    async fn new(kind: Kind) -> Bed {
        let v = Volume::new(kind, 0).await;
        let (engine, hooks) = v.db.connect_with_faults().await;
        let Hooks::Relay(proxy) = hooks else {
            unreachable!("a server has a relay")
        };
        let c = v.client_over(engine.clone()).await;
        let other = v.client().await;
        // Numbers are reserved: on SQL that is a commit of its own.
        c.touch(Ino::ROOT, b"first").await.unwrap();
        c.unlink(&root(), Ino::ROOT, b"first").await.unwrap();
        c.new_slice_id().await.unwrap();
        Bed {
            v,
            c,
            engine,
            proxy,
            other,
        }
    }

    /// A file of 100 bytes in one slice, made without faults.
    async fn file(&self, name: &[u8]) -> Ino {
        let ino = self.c.touch(Ino::ROOT, name).await.unwrap();
        self.c.put_slice(ino, 0, 0, 100).await.unwrap();
        ino
    }

    /// Runs `op`, whose first commit is carried out and not answered, and `others` before that is noticed.
    async fn in_the_gap<T>(&self, op: impl Future<Output = T>, others: impl Future) -> T {
        self.proxy.cut(1, Cut::AnswerHeld);
        let (answer, ()) = tokio::join!(op, async {
            self.proxy.held().await;
            others.await;
            self.proxy.let_go();
        });
        assert!(self.proxy.disarm());
        answer
    }

    async fn names(&self) -> Vec<String> {
        let names = self.other.names(Ino::ROOT).await;
        let names = names.into_iter().map(|n| String::from_utf8(n).unwrap());
        names.collect()
    }

    async fn chunk(&self, ino: Ino) -> Vec<SliceRecord> {
        let census = self.v.verify().await;
        census.chunks.get(&(ino, 0)).cloned().unwrap_or_default()
    }

    /// Compacts the chunk for the other client; what is merged goes.
    async fn compact_elsewhere(&self, ino: Ino) -> u64 {
        let plan = self.other.plan_compaction(ino, 0).await.unwrap().unwrap();
        let id = self.other.new_slice_id().await.unwrap();
        let done = self.other.commit_compaction(&plan, id).await.unwrap();
        let Compacted::Done(unused) = done else {
            panic!("{done:?}")
        };
        for (id, size) in unused {
            self.other.forget_slice(id, size).await.unwrap();
        }
        id
    }

    /// Marks in the Redis database.
    async fn marks(&self) -> usize {
        self.v.db.redis_keys("jfsCommit:*").len()
    }
}

/// Renames a file in the root.
async fn rename(c: &Client, from: &str, to: &str) -> Result<(), Errno> {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    c.rename(&root(), (Ino::ROOT, from), (Ino::ROOT, to), 0)
        .await
        .map(|_| ())
}

fn run<F: Future<Output = ()>>(kind: Kind, scenario: impl FnOnce(Bed) -> F) {
    jfs_tests::run(kind, |kind| async move {
        scenario(Bed::new(kind).await).await;
    });
}

/// Makes each of these functions a test on each server.
macro_rules! on_every_server {
    ($($name:ident),* $(,)?) => {
        mod redis { $( #[test] fn $name() { super::$name(super::Kind::Redis); } )* }
        mod postgres { $( #[test] fn $name() { super::$name(super::Kind::Postgres); } )* }
        mod mariadb { $( #[test] fn $name() { super::$name(super::Kind::Mariadb); } )* }
    };
}

on_every_server! {
    a_new_file_is_renamed_and_written,
    a_new_slice_is_compacted_and_deleted,
    a_truncated_file_is_appended_to,
    a_renamed_file_moves_on,
    a_removed_name_is_linked_again,
    a_compacted_chunk_is_compacted_again,
    a_setting_is_changed_again,
    commits_that_never_arrive,
    commits_that_arrive_late,
    a_commit_that_is_given_up,
}

fn a_new_file_is_renamed_and_written(kind: Kind) {
    run(kind, async |bed| {
        let (other, me) = (&bed.other, root());
        let made = bed.c.create(&me, Ino::ROOT, b"f", 0o644, 0);
        let made = bed.in_the_gap(made, async {
            let (ino, _) = other.lookup(&root(), Ino::ROOT, b"f").await.unwrap();
            rename(other, "f", "g").await.unwrap();
            other.put_slice(ino, 0, 0, 5000).await.unwrap();
        });
        let (ino, _) = made.await.unwrap();
        assert_eq!(bed.names().await, ["g"]);
        assert_eq!(other.getattr(ino).await.unwrap().length, 5000);
        assert_eq!(bed.chunk(ino).await.len(), 1);
    });
}

fn a_new_slice_is_compacted_and_deleted(kind: Kind) {
    run(kind, async |bed| {
        let f = bed.file(b"f").await;
        let mut merged = 0;
        let written = bed.in_the_gap(bed.c.put_slice(f, 0, 100, 50), async {
            merged = bed.compact_elsewhere(f).await;
        });
        written.await.unwrap();
        assert_eq!(bed.chunk(f).await, [slice(merged, 0, 150)]);
    });
}

fn a_truncated_file_is_appended_to(kind: Kind) {
    run(kind, async |bed| {
        let (f, me) = (bed.file(b"f").await, root());
        let truncated = bed.in_the_gap(bed.c.truncate(&me, f, 10), async {
            bed.other.put_slice(f, 0, 10, 30).await.unwrap();
        });
        truncated.await.unwrap();
        assert_eq!(bed.other.getattr(f).await.unwrap().length, 40);
        assert_eq!(bed.chunk(f).await.last().unwrap().pos, 10);
    });
}

fn a_renamed_file_moves_on(kind: Kind) {
    run(kind, async |bed| {
        let f = bed.file(b"f").await;
        let renamed = bed.in_the_gap(rename(&bed.c, "f", "g"), async {
            rename(&bed.other, "g", "h").await.unwrap();
        });
        renamed.await.unwrap();
        assert_eq!(bed.names().await, ["h"]);
        assert_eq!(bed.other.getattr(f).await.unwrap().nlink, 1);
        bed.v.verify().await;
    });
}

fn a_removed_name_is_linked_again(kind: Kind) {
    run(kind, async |bed| {
        let (f, me) = (bed.file(b"f").await, root());
        bed.c.link(&me, f, Ino::ROOT, b"g").await.unwrap();
        let removed = bed.in_the_gap(bed.c.unlink(&me, Ino::ROOT, b"f"), async {
            bed.other.link(&me, f, Ino::ROOT, b"f").await.unwrap();
        });
        removed.await.unwrap();
        assert_eq!(bed.names().await, ["f", "g"]);
        bed.v.verify().await;
    });
}

/// What the new slice holds is in use: by the slice that another compaction made of it, or until the trash
/// lets go of it. Its objects are not the caller's to remove.
fn a_compacted_chunk_is_compacted_again(kind: Kind) {
    run(kind, async |bed| {
        let f = bed.file(b"f").await;
        bed.c.put_slice(f, 0, 50, 100).await.unwrap();
        let plan = bed.c.plan_compaction(f, 0).await.unwrap().unwrap();
        let id = bed.c.new_slice_id().await.unwrap();
        let mut merged = 0;
        let done = bed.in_the_gap(bed.c.commit_compaction(&plan, id), async {
            bed.other.put_slice(f, 0, 150, 10).await.unwrap();
            merged = bed.compact_elsewhere(f).await;
        });
        assert_eq!(done.await, Ok(Compacted::Done(Vec::new())));
        for (id, size) in bed.c.unused_slices(10).await.unwrap() {
            bed.c.forget_slice(id, size).await.unwrap();
        }
        assert_eq!(bed.chunk(f).await, [slice(merged, 0, 160)]);
    });
}

fn a_setting_is_changed_again(kind: Kind) {
    run(kind, async |bed| {
        let before = bed.engine.load_setting().await.unwrap().unwrap();
        let changed = |days| {
            let format = Format {
                trash_days: days,
                ..bed.v.format.clone()
            };
            format.to_json()
        };
        let (first, second) = (changed(1), changed(2));
        let stored = bed.engine.store_setting(&before, first.as_bytes());
        let stored = bed.in_the_gap(stored, async {
            let again = bed
                .v
                .engine
                .store_setting(first.as_bytes(), second.as_bytes());
            again.await.unwrap();
        });
        stored.await.unwrap();
        let after = bed.engine.load_setting().await.unwrap().unwrap();
        assert_eq!(after, second.as_bytes());
        // And one that the server never heard of.
        bed.proxy.cut(1, Cut::Request);
        let stored = bed.engine.store_setting(&after, &before).await;
        assert!(
            matches!(stored, Err(EngineError::Transient(_))),
            "{stored:?}"
        );
        assert_eq!(bed.engine.load_setting().await.unwrap().unwrap(), after);
    });
}

/// Commits that the server never heard of are made, once.
fn commits_that_never_arrive(kind: Kind) {
    run(kind, async |bed| {
        for n in 0..5 {
            bed.proxy.fail(1, Fault::Dropped);
            let f = bed.file(format!("f{n}").as_bytes()).await;
            assert!(bed.proxy.disarm());
            assert_eq!(bed.chunk(f).await.len(), 1);
        }
        assert_eq!(bed.names().await.len(), 5);
    });
}

/// Commits that arrive when their client has given them up and made the change in another way.
fn commits_that_arrive_late(kind: Kind) {
    run(kind, async |bed| {
        bed.proxy.cut(1, Cut::RequestHeld);
        let f = bed.file(b"f").await;
        rename(&bed.c, "f", "g").await.unwrap();
        bed.proxy.deliver().await;
        assert!(bed.proxy.disarm());
        assert_eq!(bed.names().await, ["g"]);
        assert_eq!(bed.chunk(f).await.len(), 1);

        // One that reads nothing, so that its connection watches nothing, has that closed.
        let deleted = Write::MarkDeleted {
            ino: f,
            length: 100,
        };
        let attempt = bed.engine.begin().await.unwrap();
        bed.proxy.cut(1, Cut::RequestHeld);
        let sent = attempt.commit(&[deleted], Time::default()).await;
        assert!(matches!(sent, Err(EngineError::Transient(_))), "{sent:?}");
        bed.proxy.deliver().await;
        assert!(bed.proxy.disarm());
        let record = bed.v.engine.fetch(&[Key::Deleted(f, 100)]).await.unwrap();
        assert!(matches!(record[..], [Answer::Flag(false)]));
    });
}

/// A commit that is given up on its way and arrives after the next one is not taken for that.
fn a_commit_that_is_given_up(kind: Kind) {
    run(kind, async |bed| {
        let f = bed.file(b"f").await;
        let (ino, length) = (f, 100);
        let never_heard = [Write::ClearDeleted { ino, length }];
        // It reads nothing and so watches nothing.
        let attempt = bed.engine.begin().await.unwrap();
        bed.proxy.cut(1, Cut::RequestHeld);
        let given_up = tokio::select! {
            biased;
            () = bed.proxy.held() => true,
            _ = attempt.commit(&never_heard, Time::default()) => false,
        };
        assert!(given_up);
        let renamed = bed.in_the_gap(rename(&bed.c, "f", "g"), async {
            bed.proxy.deliver().await;
            rename(&bed.other, "g", "h").await.unwrap();
        });
        renamed.await.unwrap();
        assert_eq!(bed.names().await, ["h"]);
        bed.v.verify().await;
    });
}

/// As many marks as transactions at a time, however many there were; none after the end.
#[test]
fn marks_are_few_and_go_away() {
    run(Kind::Redis, async |bed| {
        let Bed { v, other, .. } = &bed;
        for n in 0..20 {
            other
                .touch(Ino::ROOT, format!("{n}").as_bytes())
                .await
                .unwrap();
        }
        bed.c.touch(Ino::ROOT, b"one more").await.unwrap();
        assert_eq!(bed.marks().await, 2, "one of each client");
        let ttl =
            v.db.redis_command(&[b"TTL", v.db.redis_keys("jfsCommit:*")[0].as_bytes()]);
        let ttl: i64 = ttl.trim_matches([':', '\r', '\n']).parse().unwrap();
        assert!((3000..=3600).contains(&ttl), "{ttl}");

        let engine: Arc<dyn Engine> = Arc::new(RedisEngine::open(&v.db.url()).await.unwrap());
        let many = Arc::new(v.client_over(engine.clone()).await);
        let mut dirs = Vec::new();
        for n in 0..100 {
            dirs.push(many.dir(Ino::ROOT, format!("d{n}").as_bytes()).await);
        }
        let tasks = (0..400).map(|n| {
            let (many, dir) = (many.clone(), dirs[n % 100]);
            tokio::spawn(async move { many.touch(dir, n.to_string().as_bytes()).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        let marks = bed.marks().await - 2;
        assert!((1..=64).contains(&marks), "{marks}");
        many.close_session().await.unwrap();
        engine.shutdown().await.unwrap();
        assert_eq!(bed.marks().await, 2);
    });
}

/// When the outcome cannot be found out, the operation ends with EIO and is not repeated.
#[test]
fn a_doubt_that_remains() {
    jfs_tests::run(Kind::Memory, async |kind| {
        let v = Volume::new(kind, 0).await;
        let faulty = Arc::new(Faulty::unsettled(v.db.connect().await));
        let c = v.client_over(faulty.clone()).await;
        let f = c.touch(Ino::ROOT, b"f").await.unwrap();
        c.put_slice(f, 0, 0, 100).await.unwrap();
        c.put_slice(f, 0, 50, 100).await.unwrap();
        for (fault, there) in [(Fault::Lost, true), (Fault::Dropped, false)] {
            faulty.fail_commit(1, fault);
            assert_eq!(c.touch(Ino::ROOT, b"g").await, Err(Errno::EIO));
            assert!(faulty.disarm());
            assert_eq!(c.names(Ino::ROOT).await.len() == 2, there);
            c.unlink(&root(), Ino::ROOT, b"g").await.ok();
            faulty.fail_commit(1, fault);
            let plan = c.plan_compaction(f, 0).await.unwrap().unwrap();
            let done = c.commit_compaction(&plan, 900).await;
            assert_eq!(done, Err(Errno::EIO));
            c.put_slice(f, 0, 120, 100).await.unwrap();
        }
        assert_eq!(c.names(Ino::ROOT).await, [b"f"]);
    });
}
