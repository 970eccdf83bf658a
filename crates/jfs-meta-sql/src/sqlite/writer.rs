//! The writer thread: takes what waits, lets commits share a transaction, answers each.

use super::commit_group::{Commit, Committer};
use super::db::{Db, step};
use super::errors::{classify, classify_commit};
use jfs_meta::{EngineError, trips};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::oneshot;

/// Jobs that may wait; one more is refused as a transient failure, which its caller repeats.
const QUEUE_MAX: usize = 1024;
/// Commits that share one transaction.
const GROUP_MAX: usize = 64;

/// Work other than the commits of attempts.
type Call = Box<dyn FnOnce(&mut Committer) + Send>;

enum Job {
    Commit(Commit),
    Call(Call),
    Close(oneshot::Sender<Result<(), EngineError>>),
}

/// Handle of the writer thread, which ends when the handle is dropped.
pub(crate) struct Writer {
    jobs: SyncSender<Job>,
}

impl Writer {
    pub(crate) fn start(committer: Committer) -> Result<Writer, EngineError> {
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || serve(committer, queue))
            .map_err(|e| {
                EngineError::Fatal(format!("the database writer cannot be started: {e}"))
            })?;
        Ok(Writer { jobs })
    }

    /// Hands over a commit; its answer comes through its channel.
    pub(crate) fn commit(&self, commit: Commit) -> Result<(), EngineError> {
        self.send(Job::Commit(commit))
    }

    /// Runs `f` in a transaction of its own and waits for its result.
    pub(crate) async fn transaction<T: Send + 'static>(
        &self,
        f: impl FnOnce(Db<'_>) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, result) = oneshot::channel();
        let op = trips::current();
        self.send(Job::Call(Box::new(move |committer| {
            let done = transact(committer.db(op), |db| {
                committer.check_volume(op)?;
                f(db)
            });
            let _ = reply.send(done);
            committer.forget_setting();
            committer.next_epoch();
        })))?;
        result.await.map_err(|_| gone())?
    }

    /// Ends the thread and closes its connection. Jobs that were handed over before are done first.
    pub(crate) async fn close(&self) -> Result<(), EngineError> {
        let (reply, closed) = oneshot::channel();
        match self.send(Job::Close(reply)) {
            Err(EngineError::Fatal(_)) => return Ok(()), // closed before
            sent => sent?,
        }
        closed.await.map_err(|_| gone())?
    }

    fn send(&self, job: Job) -> Result<(), EngineError> {
        self.jobs.try_send(job).map_err(|e| match e {
            TrySendError::Full(_) => {
                EngineError::Transient("too many commits are waiting for the database".into())
            }
            TrySendError::Disconnected(_) => gone(),
        })
    }
}

/// There is no writer any more: the engine was shut down, or its thread died.
pub(crate) fn gone() -> EngineError {
    EngineError::Fatal("the database writer has ended".into())
}

fn serve(mut committer: Committer, queue: Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    let mut taken: Option<Job> = None;
    while let Some(job) = taken.take().or_else(|| queue.recv().ok()) {
        match job {
            Job::Call(call) => call(&mut committer),
            Job::Close(reply) => {
                drop(queue); // what comes now is refused
                let _ = reply.send(committer.c.close().map_err(|(_, e)| classify(e)));
                return;
            }
            Job::Commit(first) => {
                group.push(first);
                // The waiting commits share the transaction. The group does not wait for
                // more.
                while group.len() < GROUP_MAX && taken.is_none() {
                    match queue.try_recv() {
                        Ok(Job::Commit(next)) => group.push(next),
                        Ok(other) => taken = Some(other),
                        Err(_) => break,
                    }
                }
                committer.run(&mut group);
            }
        }
    }
}

/// Runs `f` between BEGIN and COMMIT; an error undoes what it did.
pub(crate) fn transact<T>(
    db: Db<'_>,
    f: impl FnOnce(Db<'_>) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    db.step(step::BEGIN_WRITE).map_err(classify)?;
    let result = f(db).and_then(|out| {
        db.step(step::COMMIT).map_err(classify_commit)?;
        Ok(out)
    });
    if !db.c.is_autocommit() {
        let _ = db.step(step::ROLLBACK); // the error that led here is what is reported
    }
    result
}
