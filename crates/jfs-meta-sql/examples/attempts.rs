//! What reads and create-shaped commits cost: `attempts DIR [FILTER]`, where DIR is the place for the
//! database (tmpfs leaves the disk out) and FILTER picks lines. Prints microseconds and CPU per operation. The figures of
//! docs/decisions/0003-sqlite-reads.md come from here.

use jfs_meta::engine::*;
use jfs_meta_sql::SqliteEngine;
use jfs_types::*;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long each line is measured.
const SPAN: Duration = Duration::from_secs(2);

#[derive(Clone)]
enum Work {
    /// One attempt: begin, read directory and name, commit this many writes.
    Create(usize),
    /// One lookup on the thread of the task.
    Direct,
    /// One lookup on a thread of its own, through channels.
    Hop(Vec<Sender<Ask>>),
    /// Half lookups on the thread of the task, half creates.
    Mixed,
}

type Ask = (Name, oneshot::Sender<bool>);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let dir = std::env::args()
        .nth(1)
        .ok_or("usage: attempts DIR [FILTER]")?;
    let filter = std::env::args().nth(2).unwrap_or_default();
    let path = format!("{dir}/attempts-{}.db", std::process::id());
    let engine = Arc::new(SqliteEngine::open(&format!("sqlite3://{path}"))?);
    engine
        .create_volume(b"{}", &Attr::new(FileType::Directory), None, false)
        .await?;
    for n in 0..8 {
        let mut attempt = engine.begin().await?;
        attempt.read(&[own(Key::Attr(Ino(2 + n)))]).await?;
        let attr = Attr::new(FileType::Directory);
        attempt
            .commit(
                &[Write::NewNode {
                    ino: Ino(2 + n),
                    attr,
                }],
                Time::default(),
            )
            .await?;
    }
    let hop = Work::Hop((0..2).map(|_| reader_thread(engine.clone())).collect());
    for (label, work) in [
        ("create, 2 writes", Work::Create(2)),
        ("create-shaped, 6 writes", Work::Create(6)),
        ("lookup on the calling thread", Work::Direct),
        ("lookup on one of 2 reader threads", hop),
        ("lookup, create, lookup, ...", Work::Mixed),
    ] {
        for callers in [1, 8] {
            if !format!("{label}, {callers} callers").contains(&filter) {
                continue;
            }
            let start = (Instant::now(), usage());
            let tasks: Vec<_> = (0..callers)
                .map(|n| tokio::spawn(run(engine.clone(), work.clone(), n)))
                .collect();
            let mut count = 0;
            for task in tasks {
                count += task.await??;
            }
            let wall = start.0.elapsed().as_secs_f64() * 1e6 / count as f64;
            let (cpu, switches) = usage();
            let cpu = (cpu - start.1.0) * 1e6 / count as f64;
            let switches = (switches as f64 - start.1.1 as f64) / count as f64;
            println!(
                "{label:34} {callers} callers: {wall:7.1} us, {cpu:7.1} us CPU, {switches:5.2} switches"
            );
        }
    }
    engine.shutdown().await?;
    std::fs::remove_file(path)?;
    Ok(())
}

async fn run(engine: Arc<SqliteEngine>, work: Work, caller: u64) -> Result<u64, Failure> {
    let until = Instant::now() + SPAN;
    let dir = Ino(2 + caller);
    let mut count = 0;
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1000);
    while Instant::now() < until {
        count += 1;
        let create =
            matches!(work, Work::Create(_)) || matches!(work, Work::Mixed) && count % 2 == 0;
        if create {
            let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let writes = if let Work::Create(writes) = work {
                writes
            } else {
                2
            };
            create_one(&engine, dir, n, writes).await?;
            continue;
        }
        let name = Name::stored(format!("file-{}", 1000 + count % 5000).as_bytes());
        match &work {
            Work::Hop(threads) => {
                let (reply, answer) = oneshot::channel();
                threads[count as usize % threads.len()].send((name, reply))?;
                answer.await?;
            }
            _ => {
                engine.lookup(dir, &name).await?;
            }
        }
    }
    Ok(count)
}

async fn create_one(engine: &SqliteEngine, dir: Ino, n: u64, writes: usize) -> Result<(), Failure> {
    let name = Name::stored(format!("file-{n}").as_bytes());
    let ino = Ino(n);
    let mut attempt = engine.begin().await?;
    let answers = attempt
        .read(&[own(Key::Attr(dir)), own(Key::Entry(dir, name.clone()))])
        .await?;
    let Some(Answer::Attr(Some(attr))) = answers.into_iter().next() else {
        return Err("the directory is missing".into());
    };
    let record = SliceRecord {
        pos: 0,
        id: SliceId(n),
        size: 4096,
        off: 0,
        len: 4096,
    };
    let entry = Entry {
        kind: FileType::Regular,
        ino,
    };
    let all = [
        Write::NewEntry { dir, name, entry },
        Write::NewNode {
            ino,
            attr: Attr::new(FileType::Regular),
        },
        Write::TouchDir {
            ino: dir,
            attr,
            nlink_delta: 0,
            times: true,
        },
        Write::NewDirStat { dir: ino },
        Write::AppendSlice {
            ino,
            index: 0,
            record,
        },
        Write::NewSlice { id: n, size: 4096 },
    ];
    attempt.commit(&all[..writes], Time::default()).await?;
    Ok(())
}

/// A thread that looks names up in directory 2 for others.
fn reader_thread(engine: Arc<SqliteEngine>) -> Sender<Ask> {
    let (sender, asks) = channel::<Ask>();
    std::thread::spawn(move || {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for (name, reply) in asks {
            // The engine answers within the first poll: it reads on the thread that polls.
            let found = engine.lookup(Ino(2), &name).as_mut().poll(&mut context);
            let _ = reply.send(found.is_ready());
        }
    });
    sender
}

/// CPU seconds of this process so far, and the context switches of its living threads.
fn usage() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: f64 = stat
        .split(' ')
        .skip(13)
        .take(2)
        .filter_map(|n| n.parse::<f64>().ok())
        .sum();
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let switches = tasks
        .filter_map(|t| std::fs::read_to_string(t.path().join("status")).ok())
        .flat_map(|s| s.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains("ctxt_switches"))
        .filter_map(|line| {
            line.split_whitespace()
                .nth(1)
                .and_then(|n| n.parse::<u64>().ok())
        })
        .sum();
    (ticks / 100.0, switches)
}
