//! Connections, each with one user at a time: a round trip of a plain read, or a whole transaction.
//!
//! WATCH belongs to a connection, so a transaction has one to itself. A connection whose transaction
//! was given up is marked; its next transaction starts with UNWATCH, which costs no round trip.

use crate::connection::Wire;
use crate::deadlines::Deadlines;
use crate::errors::{classify, is_demoted};
use crate::fence;
use crate::marks::{Mark, Marks};
use crate::read::{executed, unexpected};
use crate::url::Address;
use jfs_meta::engine::{Fence, FenceSlot};
use jfs_meta::{EngineError, OutageWait};
use parking_lot::Mutex;
use redis::{ConnectionInfo, Pipeline, RedisError, RedisResult, Value};
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Transactions at the same time.
const POOL_MAX: usize = 64;
/// Plain reads at the same time. They wait for nothing while they have a connection.
const READS_MAX: usize = 32;
/// Transactions that attempts wait for while they have a connection themselves, at the same time. They
/// take no slot of the others: were all slots with attempts that wait for one more, all would wait for ever.
const BESIDE_MAX: usize = 8;
/// Idle connections kept.
const IDLE_MAX: usize = 32;
/// Longest idle time of a connection. Firewalls forget connections that are silent for minutes.
const IDLE_AGE: Duration = Duration::from_secs(60);
/// Longest time for making a connection. A shorter limit of round trips counts instead.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time for removing the marks at the end. They expire without it.
const FAREWELL: Duration = Duration::from_secs(2);
/// Marks removed by one command.
const FAREWELL_KEYS: usize = 1000;

/// Access to one server.
pub(crate) struct Connections {
    info: ConnectionInfo,
    deadlines: Deadlines,
    pub(crate) shown: String,
    idle: Mutex<Vec<Connection>>,
    reads: Semaphore,
    slots: Arc<Semaphore>,
    beside: Arc<Semaphore>,
    marks: Arc<Marks>,
    pub(crate) fence: FenceSlot,
}

/// A connection, and what its last user left behind.
pub(crate) struct Connection {
    wire: Wire,
    used: Instant,
    /// The connection may still watch keys.
    pub(crate) watching: bool,
    /// The connection watches the setting, which was that of this fence then. See [`fence`].
    armed: Option<Arc<Fence>>,
}

/// A connection on loan; goes back to the pool unless it was broken.
pub(crate) struct Loan {
    pool: Arc<Connections>,
    pub(crate) inner: Option<Connection>,
    mark: Option<Mark>,
    /// The connection watches the mark.
    guarded: bool,
    /// What the connection was armed with before its first pipeline of this loan.
    pub(crate) armed: Option<Arc<Fence>>,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(mut connection) = self.inner.take() {
            // The armed watch was not used. An EXEC may have ended the watch, or not: UNWATCH is right in both cases.
            connection.watching |= self.armed.is_some();
            self.pool.give_back(connection);
        }
    }
}

impl Connections {
    pub(crate) fn new(address: Address) -> Connections {
        Connections {
            info: address.info,
            deadlines: Deadlines::new(address.timeout),
            shown: address.shown,
            idle: Mutex::default(),
            reads: Semaphore::new(READS_MAX),
            slots: Arc::new(Semaphore::new(POOL_MAX)),
            beside: Arc::new(Semaphore::new(BESIDE_MAX)),
            marks: Marks::new(),
            fence: FenceSlot::default(),
        }
    }

    async fn connect(&self) -> Result<Connection, EngineError> {
        // No timer per command: deadlines are set around round trips.
        let limit = CONNECT.min(self.deadlines.limit());
        let connected = tokio::time::timeout(limit, Wire::connect(&self.info)).await;
        let error = match connected {
            Ok(Ok(wire)) => {
                return Ok(Connection {
                    wire,
                    used: Instant::now(),
                    watching: false,
                    armed: None,
                });
            }
            Ok(Err(error)) => error,
            Err(_) => late(limit),
        };
        Err(match classify(&error) {
            EngineError::Transient(_) => EngineError::Transient(format!(
                "Redis at {} cannot be reached: {error}",
                self.shown
            )),
            other => other,
        })
    }

    /// An idle connection, or a new one.
    async fn connection(&self) -> Result<Connection, EngineError> {
        let idle = self.idle.lock().pop();
        match idle {
            Some(connection) if connection.used.elapsed() < IDLE_AGE => Ok(connection),
            Some(_) => {
                // The others were used before that one.
                self.forget_idle();
                self.connect().await
            }
            None => self.connect().await,
        }
    }

    fn give_back(&self, mut connection: Connection) {
        connection.used = Instant::now();
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// Runs a pipeline that is no transaction: one round trip.
    pub(crate) async fn query(&self, pipeline: &Pipeline) -> Result<Vec<Value>, EngineError> {
        let _read = self.permit(self.reads.acquire()).await?;
        let mut connection = self.connection().await?;
        match self.within(connection.wire.send(pipeline)).await {
            Ok(values) if values.iter().any(is_demoted) => {
                self.forget_idle();
                Ok(values)
            }
            Ok(values) => {
                self.give_back(connection);
                Ok(values)
            }
            Err(e) => {
                self.forget_idle();
                Err(classify(&e))
            }
        }
    }

    /// Drops idle connections after one broke: the server has most likely gone away, and each of them
    /// would cost an operation another try.
    fn forget_idle(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        drop(idle);
    }

    /// A connection of its own for a transaction.
    pub(crate) async fn take(self: &Arc<Self>) -> Result<Loan, EngineError> {
        self.take_of(&self.slots).await
    }

    /// The same for what an attempt waits for.
    pub(crate) async fn take_beside(self: &Arc<Self>) -> Result<Loan, EngineError> {
        self.take_of(&self.beside).await
    }

    async fn take_of(self: &Arc<Self>, slots: &Arc<Semaphore>) -> Result<Loan, EngineError> {
        let slot = self.permit(slots.clone().acquire_owned()).await?;
        Ok(Loan {
            pool: self.clone(),
            inner: Some(self.connection().await?),
            mark: None,
            guarded: false,
            armed: None,
            _slot: slot,
        })
    }

    /// Waits for a permit, but not for ever: those before may all wait for a server that does not answer.
    async fn permit<P>(
        &self,
        waiting: impl Future<Output = Result<P, AcquireError>>,
    ) -> Result<P, EngineError> {
        let mut waiting = std::pin::pin!(waiting);
        // Nearly always there is one, and no timer is needed.
        let granted = match futures_util::poll!(&mut waiting) {
            Poll::Ready(granted) => granted,
            Poll::Pending => tokio::time::timeout(self.deadlines.limit(), waiting)
                .await
                .map_err(|_| EngineError::Transient("all connections to Redis are busy".into()))?,
        };
        granted.map_err(|e| EngineError::Fatal(e.to_string()))
    }

    /// Whether the commit in doubt took place. It was sent on connection `id`, which broke, and which
    /// watches the mark if `guarded`.
    ///
    /// "No" is final. An EXEC that the server has not seen so far does nothing when its connection watches
    /// the mark, since looking changes that. One whose connection watches nothing ends with it: the
    /// server is told to close it. When neither can be made sure of, that is an error.
    async fn look(&self, mark: &Mark, guarded: bool, id: i64) -> Result<bool, EngineError> {
        // Looking leaves a key behind: not in the database of another volume.
        self.check_volume().await?;
        // The idle ones may be as dead as that one.
        let mut connection = self.connect().await?;
        let new = connection.wire.id();
        // A restarted server has no old connections. It counts connection numbers from the
        // beginning, so the number may belong to another client now.
        let started_again = (1..=id).contains(&new);
        let kill = !guarded && !started_again && id != 0;
        let mut p = Pipeline::new();
        if kill {
            p.cmd("CLIENT").arg("KILL").arg("ID").arg(id);
        }
        mark.look(&mut p);
        let mut answers = self
            .within(connection.wire.send(&p))
            .await
            .map_err(|e| classify(&e))?;
        self.give_back(connection);
        // How many were closed: none if it was closed already.
        let killed = kill.then(|| answers.remove(0));
        if mark.read(&answers)? {
            return Ok(true);
        }
        match killed {
            _ if guarded || started_again => Ok(false),
            Some(Value::Int(_)) => Ok(false),
            Some(refused) => Err(unexpected(refused)),
            None => Err(EngineError::Fatal("the connection has no number".into())),
        }
    }

    async fn within<T>(&self, call: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        match self.deadlines.within(call).await {
            Some(result) => result,
            None => Err(late(self.deadlines.limit())),
        }
    }

    /// Ends it all. The marks go, if the server is there; whatever is still in doubt keeps its own.
    pub(crate) async fn close(&self) {
        let marks = self.marks.abandon();
        let removed = tokio::time::timeout(FAREWELL, async {
            for part in marks.chunks(FAREWELL_KEYS) {
                let mut p = Pipeline::new();
                p.cmd("DEL").arg(part);
                self.query(&p).await?;
            }
            Ok::<(), EngineError>(())
        });
        match removed.await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::debug!("commit marks are left to expire: {e}"),
            Err(_) => tracing::debug!("commit marks are left to expire"),
        }
        self.forget_idle();
    }
}

fn late(limit: Duration) -> RedisError {
    RedisError::from(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("no answer within {limit:?}"),
    ))
}

/// The outcome of a pipeline on a borrowed connection.
pub(crate) enum Sent {
    /// The answers, in order; errors of the server are among them.
    Answers(Vec<Value>),
    /// The connection broke, and the outcome is unknown. The number is that of the connection, so
    /// that it can be killed.
    Broken(RedisError, i64),
}

/// The outcome of a commit.
pub(crate) enum Committed {
    /// The commit took place: the answers to its commands, and the answer to its mark.
    Answered(Vec<Value>),
    /// The commit took place, and its answers are lost.
    Unheard,
    /// A watched key had changed.
    Conflict,
}

impl Loan {
    /// The mark that has to be watched along with the first keys that are; `None` when it is already.
    pub(crate) fn guard(&mut self) -> Option<String> {
        if std::mem::replace(&mut self.guarded, true) {
            return None;
        }
        Some(self.mark().key().to_string())
    }

    fn mark(&mut self) -> &mut Mark {
        let marks = &self.pool.marks;
        self.mark.get_or_insert_with(|| marks.take())
    }

    /// Adds the mark and EXEC to a transaction that changes something, for [`Loan::commit`].
    pub(crate) fn end_marked(&mut self, p: &mut Pipeline) {
        self.mark().set(p);
        p.cmd("EXEC");
    }

    /// Sends a pipeline that ends with EXEC: one round trip. When the answer is lost, waits until it is
    /// known whether the commit took place: an error of any kind but `MaybeCommitted` says that it did not.
    /// Arms the connection for the fence `rearm`.
    pub(crate) async fn commit(
        &mut self,
        p: &mut Pipeline,
        rearm: Option<Arc<Fence>>,
    ) -> Result<Committed, EngineError> {
        if rearm.is_some() {
            fence::arm(p);
        }
        let (e, id) = match self.send(p).await {
            Sent::Answers(mut values) => {
                if let Some(fence) = rearm {
                    self.rearm(fence, &mut values);
                }
                self.mark.iter_mut().for_each(Mark::settle);
                return Ok(match self.executed(values)? {
                    None => Committed::Conflict,
                    Some(answers) => Committed::Answered(answers),
                });
            }
            Sent::Broken(e, id) => (e, id),
        };
        match self.mark.as_mut() {
            Some(mark) if mark.in_doubt() => {}
            // Nothing was to be changed.
            _ => return Err(classify(&e)),
        }
        if self.settle(&e, id).await? {
            return Ok(Committed::Unheard);
        }
        Err(EngineError::Transient(format!(
            "Redis: {e}; the commit did not take place"
        )))
    }

    /// Takes the answers to [`fence::arm`] from the end of `values`.
    fn rearm(&mut self, fence: Arc<Fence>, values: &mut Vec<Value>) {
        let answers = values.split_off(values.len().saturating_sub(fence::ARM_ANSWERS));
        let Some(connection) = self.inner.as_mut() else {
            return;
        };
        match answers.last().map(|stored| fence::check(&fence, stored)) {
            Some(Ok(())) => connection.armed = Some(fence),
            _ => connection.watching = true,
        }
    }

    /// Whether the commit whose answer was lost took place. As patient as others are with a server that is
    /// away; then it stays unknown.
    async fn settle(&mut self, lost: &RedisError, id: i64) -> Result<bool, EngineError> {
        tracing::warn!("the answer to a commit was lost ({lost}); looking whether it took place");
        let mut outage = OutageWait::begin();
        loop {
            let Some(mark) = self.mark.as_mut() else {
                return Ok(false);
            };
            match self.pool.look(mark, self.guarded, id).await {
                Ok(known) => {
                    mark.settle();
                    return Ok(known);
                }
                Err(EngineError::Transient(why)) if outage.wait(&why).await => {}
                Err(e) => {
                    let text = format!("{lost}; it cannot be found out: {e}");
                    return Err(EngineError::MaybeCommitted(text));
                }
            }
        }
    }

    /// Starts a pipeline. What an earlier user of the connection left watched is let go first; true
    /// when the first answer belongs to that.
    pub(crate) fn start(&mut self) -> (Pipeline, bool) {
        let mut p = Pipeline::new();
        let Some(connection) = self.inner.as_mut() else {
            return (p, false);
        };
        let unwatch = std::mem::take(&mut connection.watching);
        let armed = connection.armed.take();
        if unwatch {
            p.cmd("UNWATCH");
        } else if armed.is_some() {
            self.armed = armed;
        }
        (p, unwatch)
    }

    /// What EXEC answered, out of the answers to its pipeline; `None` when a watched key had changed. After
    /// a refusal the connection is not used again: old servers stay inside of the transaction.
    pub(crate) fn executed(
        &mut self,
        values: Vec<Value>,
    ) -> Result<Option<Vec<Value>>, EngineError> {
        let done = executed(values);
        if done.is_err() {
            self.inner = None;
        }
        done
    }

    /// Sends a pipeline: one round trip.
    pub(crate) async fn send(&mut self, pipeline: &Pipeline) -> Sent {
        let Some(mut connection) = self.inner.take() else {
            let e = std::io::Error::other("the connection is gone");
            return Sent::Broken(RedisError::from(e), 0);
        };
        match self.pool.within(connection.wire.send(pipeline)).await {
            Ok(values) if values.iter().any(is_demoted) => {
                self.pool.forget_idle();
                Sent::Answers(values)
            }
            Ok(values) => {
                self.inner = Some(connection);
                Sent::Answers(values)
            }
            Err(e) => {
                self.pool.forget_idle();
                Sent::Broken(e, connection.wire.id())
            }
        }
    }
}
