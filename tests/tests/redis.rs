//! Redis in trouble: servers that go away and come back, that refuse, that are full. Each test has a
//! server of its own.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_meta::engine::{DirCursor, Key, Write, own};
use jfs_meta::{Engine, EngineError, Meta, MetaConfig};
use jfs_meta_redis::RedisEngine;
use jfs_testkit::{RedisOptions, RedisServer};
use jfs_tests::rng::SharedRng;
use jfs_tests::volume::{root, setting};
use jfs_tests::{Cut, Proxy, Wire};
use jfs_types::*;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any of these tests may take.
const TIME_MAX: Duration = Duration::from_secs(50);

fn run<F: Future<Output = ()>>(test: F) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let in_time = runtime.block_on(async { tokio::time::timeout(TIME_MAX, test).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    in_time.unwrap_or_else(|_| panic!("still running after {TIME_MAX:?}"));
}

/// A formatted volume on a server.
struct Bed {
    server: Mutex<RedisServer>,
    engine: Arc<RedisEngine>,
    meta: Arc<Meta>,
}

impl Bed {
    async fn new(options: RedisOptions) -> Bed {
        let server = RedisServer::start_with(options).unwrap();
        let engine = Arc::new(RedisEngine::open(&server.url(1)).await.unwrap());
        let mut top = Attr::new(FileType::Directory);
        (top.mode, top.parent) = (0o777, Ino::ROOT);
        let json = setting().to_json();
        engine
            .create_volume(json.as_bytes(), &top, None, false)
            .await
            .unwrap();
        let (meta, _work) = Meta::new(
            engine.clone(),
            setting(),
            MetaConfig::default(),
            Arc::new(SystemClock),
            Arc::new(SharedRng::new(7)),
        );
        Bed {
            server: Mutex::new(server),
            engine,
            meta,
        }
    }

    /// Sends a command, words separated by blanks, to the volume's database.
    fn tell(&self, command: &str) -> String {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        String::from_utf8(self.server.lock().command(1, &words).unwrap()).unwrap()
    }

    /// Creates and closes a file.
    async fn touch(&self, name: String) -> Result<Ino, Errno> {
        let me = root();
        let made = self.meta.create(&me, Ino::ROOT, name.as_bytes(), 0o644, 0);
        let (ino, _) = made.await?;
        assert_eq!(self.meta.close(ino), None);
        Ok(ino)
    }

    /// An attempt that changes the root, as it ends at the engine.
    async fn attempt(&self) -> Result<(), EngineError> {
        let mut attempt = self.engine.begin().await?;
        let key = own(Key::Attr(Ino::ROOT));
        let attr = attempt.read(&[key]).await?.remove(0).into_attr()?;
        let write = Write::PutAttr {
            ino: Ino::ROOT,
            attr: attr.unwrap(),
        };
        attempt.commit(&[write], Time::default()).await.map(|_| ())
    }
}

/// Rounds of operations, more at a time than connections are kept idle, while the server dies and comes
/// back: only the time that the operation takes shows it.
#[test]
fn an_outage_is_waited_out() {
    run(async {
        let options = RedisOptions {
            append_only: true,
            ..RedisOptions::default()
        };
        let bed = Arc::new(Bed::new(options).await);
        let file = bed.touch("file".into()).await.unwrap();
        round(&bed, file, 0).await;
        // Idle connections that the server has closed are no outage at all.
        bed.tell("CLIENT KILL TYPE normal");
        round(&bed, file, 1).await;
        let it = bed.clone();
        let outage = tokio::task::spawn_blocking(move || {
            let mut server = it.server.lock();
            server.kill9().unwrap();
            std::thread::sleep(OUTAGE);
            server.restart().unwrap();
        });
        let mut rounds = 2;
        while !outage.is_finished() {
            round(&bed, file, rounds).await;
            rounds += 1;
        }
        outage.await.unwrap();
        round(&bed, file, rounds).await;
        let names = bed.tell("HLEN d1");
        assert_eq!(names, format!(":{}\r\n", 1 + TASKS * (rounds + 1)));
    });
}

/// The server dies after a commit, before its answer is heard: when it is back, its mark tells.
#[test]
fn a_server_that_dies_after_a_commit() {
    run(async {
        let options = RedisOptions {
            append_only: true,
            ..RedisOptions::default()
        };
        let bed = Bed::new(options).await;
        let port = bed.server.lock().port();
        let proxy = Proxy::start(port, Wire::Redis).await;
        let url = format!("redis://127.0.0.1:{}/1", proxy.port());
        let (behind, _work) = Meta::new(
            Arc::new(RedisEngine::open(&url).await.unwrap()),
            setting(),
            MetaConfig::default(),
            Arc::new(SystemClock),
            Arc::new(SharedRng::new(8)),
        );
        let me = root();
        for (n, cut) in [(1, Cut::AnswerHeld), (2, Cut::RequestHeld)] {
            proxy.cut(1, cut);
            let name = n.to_string();
            let made = behind.create(&me, Ino::ROOT, name.as_bytes(), 0o644, 0);
            let (made, ()) = tokio::join!(made, async {
                proxy.held().await;
                bed.server.lock().kill9().unwrap();
                proxy.let_go();
                tokio::time::sleep(Duration::from_millis(300)).await;
                bed.server.lock().restart().unwrap();
            });
            made.unwrap();
            assert!(proxy.disarm());
            assert_eq!(bed.tell("HLEN d1"), format!(":{n}\r\n"));
            assert_eq!(bed.tell("GET totalInodes"), format!("$1\r\n{n}\r\n"));
        }
    });
}

/// Longer than a client waits that only means to bridge a busy moment.
const OUTAGE: Duration = Duration::from_secs(3);
/// Operations at the same time.
const TASKS: usize = 24;

/// One of everything, many times at once.
async fn round(bed: &Arc<Bed>, file: Ino, n: usize) {
    let one = |k: usize| {
        let bed = bed.clone();
        async move {
            bed.touch(format!("{n}-{k}")).await?;
            bed.meta.getattr(file).await?;
            bed.meta.lookup(&root(), Ino::ROOT, b"file").await?;
            let page = bed
                .meta
                .readdir(&root(), Ino::ROOT, &DirCursor::Start, true)
                .await?;
            let length = (n * TASKS + k) as u64;
            bed.meta.truncate(&root(), file, length).await?;
            Ok::<_, Errno>(page.entries.len())
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|k| tokio::spawn(one(k))).collect();
    for task in tasks {
        let seen = task.await.unwrap();
        assert!(seen.is_ok_and(|n| n > 0), "{seen:?}");
    }
}

/// Where MULTI is refused the commands after it would be carried out one by one: such a user does not
/// get to write.
#[test]
fn a_user_without_transactions_is_refused() {
    run(async {
        let bed = Bed::new(RedisOptions::default()).await;
        bed.engine.prepare_writes().await.unwrap();
        bed.tell("ACL SETUSER half on >secret ~* +@all -multi");
        let url = bed.server.lock().url(1);
        let url = url.replace("redis://", "redis://half:secret@");
        let half = RedisEngine::open(&url).await.unwrap();
        assert!(half.load_setting().await.unwrap().is_some());
        let refused = half.prepare_writes().await.unwrap_err().to_string();
        assert!(
            refused.contains("'multi'") && refused.contains("permission"),
            "{refused}"
        );
        assert!(!refused.contains("secret"), "{refused}");
    });
}

/// What a server refuses inside MULTI comes back as EXECABORT, which names no reason: the command that
/// was refused does.
#[test]
fn the_reason_of_a_refused_commit_is_found() {
    run(async {
        let bed = Bed::new(RedisOptions::default()).await;
        bed.tell("CONFIG SET maxmemory 1");
        let full = bed.attempt().await;
        assert!(
            matches!(&full, Err(EngineError::Fatal(why)) if why.contains("raise its maxmemory")),
            "{full:?}"
        );
        assert_eq!(bed.touch("full".into()).await, Err(Errno::EIO));
        bed.tell("CONFIG SET maxmemory 0");
        // The connection is fit for use.
        bed.touch("room".into()).await.unwrap();

        // A server that was made a replica for a moment, as in a handover, takes no writes.
        bed.tell("REPLICAOF 127.0.0.1 1");
        let replica = bed.attempt().await;
        assert!(
            matches!(&replica, Err(EngineError::Transient(why)) if why.contains("replica")),
            "{replica:?}"
        );
        let (touched, _) = tokio::join!(bed.touch("late".into()), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            bed.tell("REPLICAOF NO ONE");
        });
        touched.unwrap();
    });
}

/// A command that fails inside EXEC leaves the others carried out: never called a success.
#[test]
fn a_commit_that_fails_in_part_is_reported() {
    run(async {
        let bed = Bed::new(RedisOptions::default()).await;
        bed.tell("SET usedSpace many");
        assert_eq!(bed.touch("file".into()).await, Err(Errno::EIO));
        bed.tell("DEL usedSpace");
        bed.touch("other".into()).await.unwrap();
    });
}

/// Attempts that need the number of a new ACL rule wait for it with a connection in hand: more of them
/// than there are connections do not wait for each other.
#[test]
fn many_attempts_may_need_acl_rules() {
    run(async {
        let bed = Arc::new(Bed::new(RedisOptions::default()).await);
        let mut files = Vec::new();
        for n in 0..150 {
            files.push(bed.touch(n.to_string()).await.unwrap());
        }
        let mut tasks = Vec::new();
        for (n, ino) in (0..).zip(files) {
            let bed = bed.clone();
            tasks.push(tokio::spawn(async move {
                let rule = AclRule {
                    named_users: vec![AclEntry { id: n, perm: 7 }],
                    mask: 7,
                    ..AclRule::empty()
                };
                bed.meta.set_acl(&root(), ino, AclKind::Access, &rule).await
            }));
        }
        let mut rules = Vec::new();
        for task in tasks {
            rules.push(task.await.unwrap().unwrap().access_acl);
        }
        rules.sort_unstable();
        rules.dedup();
        assert_eq!(rules.len(), 150);
    });
}
