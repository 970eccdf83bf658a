//! The writer thread: commits that wait together share one database transaction.

use crate::errors::classify;
use crate::read::answer;
use crate::write::Target;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, Key, Receipt, Write};
use jfs_meta::trips::TripLog;
use jfs_types::Time;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::sync::oneshot;

/// Jobs that may wait; senders wait beyond that.
const QUEUE_MAX: usize = 1024;
/// Jobs that share one transaction.
const GROUP_MAX: usize = 64;

/// One commit: what it saw and what it changes.
pub(crate) struct Commit {
    pub(crate) seen: Vec<(Key, Answer)>,
    pub(crate) writes: Vec<Write>,
    pub(crate) at: Time,
    pub(crate) op: &'static str,
    pub(crate) reply: oneshot::Sender<Result<Receipt, EngineError>>,
}

/// A transaction that does not fit the record vocabulary (sessions, counters).
type Call = Box<dyn FnOnce(&mut Connection) + Send>;

enum Job {
    Commit(Commit),
    Call(Call),
}

/// Handle of the writer thread. The thread ends when the handle is dropped.
pub(crate) struct Writer {
    jobs: SyncSender<Job>,
}

impl Writer {
    pub(crate) fn start(connection: Connection, trips: Arc<TripLog>) -> Result<Writer, EngineError> {
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || serve(connection, &queue, &trips))
            .map_err(|e| EngineError::Fatal(format!("the database writer cannot be started: {e}")))?;
        Ok(Writer { jobs })
    }

    pub(crate) fn commit(&self, commit: Commit) -> Result<(), EngineError> {
        self.send(Job::Commit(commit))
    }

    /// Runs `f` on the writing connection and waits for its result.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Connection) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, result) = oneshot::channel();
        self.send(Job::Call(Box::new(move |c| {
            let _ = reply.send(f(c));
        })))?;
        result.await.map_err(|_| gone())?
    }

    fn send(&self, job: Job) -> Result<(), EngineError> {
        self.jobs.try_send(job).map_err(|e| match e {
            std::sync::mpsc::TrySendError::Full(_) => {
                EngineError::Transient("too many commits are waiting for the database".into())
            }
            std::sync::mpsc::TrySendError::Disconnected(_) => gone(),
        })
    }
}

pub(crate) fn gone() -> EngineError {
    EngineError::Fatal("the database writer has ended".into())
}

fn serve(mut c: Connection, queue: &Receiver<Job>, trips: &TripLog) {
    let mut waiting: Option<Job> = None;
    loop {
        let job = match waiting.take() {
            Some(job) => job,
            None => match queue.recv() {
                Ok(job) => job,
                Err(_) => return,
            },
        };
        match job {
            Job::Call(call) => call(&mut c),
            Job::Commit(first) => {
                let mut group = vec![first];
                while group.len() < GROUP_MAX {
                    match queue.try_recv() {
                        Ok(Job::Commit(next)) => group.push(next),
                        Ok(other) => {
                            waiting = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                run_group(&c, group, trips);
            }
        }
    }
}

/// Runs a group of commits in one transaction and answers each.
fn run_group(c: &Connection, group: Vec<Commit>, trips: &TripLog) {
    let op = group.first().map_or("background", |g| g.op);
    let step = |sql: &str| {
        trips.record_for(op, || sql.to_string());
        c.prepare_cached(sql).and_then(|mut s| s.raw_query().next().map(|_| ())).map_err(classify)
    };
    if let Err(e) = step("BEGIN IMMEDIATE") {
        let text = e.to_string();
        for commit in group {
            let _ = commit.reply.send(Err(match &e {
                EngineError::Transient(_) => EngineError::Transient(text.clone()),
                _ => EngineError::Fatal(text.clone()),
            }));
        }
        return;
    }
    let alone = group.len() == 1;
    let mut results = Vec::with_capacity(group.len());
    for commit in &group {
        let result = if alone {
            run_one(c, commit, trips)
        } else {
            step("SAVEPOINT one").and_then(|()| {
                let result = run_one(c, commit, trips);
                let end = if result.is_ok() { "RELEASE one" } else { "ROLLBACK TO one" };
                step(end)?;
                if result.is_err() {
                    step("RELEASE one")?;
                }
                result
            })
        };
        results.push(result);
    }
    let end = if results.iter().any(Result::is_ok) { step("COMMIT") } else { step("ROLLBACK") };
    if !c.is_autocommit() {
        let _ = step("ROLLBACK");
    }
    for (commit, result) in group.into_iter().zip(results) {
        let result = match (&end, result) {
            // A failed COMMIT was rolled back: nothing of the group is there.
            (Err(e), Ok(_)) => Err(EngineError::Transient(format!("commit failed: {e}"))),
            (_, result) => result,
        };
        let _ = commit.reply.send(result);
    }
}

/// Validates and applies one commit.
fn run_one(c: &Connection, commit: &Commit, trips: &TripLog) -> Result<Receipt, EngineError> {
    for (key, seen) in &commit.seen {
        if answer(c, key, trips, commit.op)? != *seen {
            return Err(EngineError::Conflict);
        }
    }
    let target = Target { c, trips, op: commit.op, at: commit.at };
    let mut receipt = Receipt::default();
    for write in &commit.writes {
        target.apply(write, &mut receipt)?;
    }
    Ok(receipt)
}
