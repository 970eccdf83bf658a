//! Connections: one shared for plain reads, a pool of unshared ones for transactions.
//!
//! WATCH belongs to a connection, so a transaction has one to itself. A connection whose transaction
//! was given up is marked; its next pipeline starts with UNWATCH, which costs no round trip.

use crate::deadlines::Deadlines;
use crate::errors::classify;
use crate::url::Address;
use jfs_meta::EngineError;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, RedisResult, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Transactions at the same time.
const POOL_MAX: usize = 64;
/// Transactions that attempts wait for while they have a connection themselves, at the same time. They
/// take no slot of the others: were all slots with attempts that wait for one more, all would wait for ever.
const BESIDE_MAX: usize = 8;
/// Idle connections kept.
const IDLE_MAX: usize = 16;
/// How long a connection may take to be made, if no round trip may take less.
const CONNECT: Duration = Duration::from_secs(10);

/// Access to one server.
pub(crate) struct Connections {
    client: Client,
    deadlines: Deadlines,
    pub(crate) shown: String,
    shared: Mutex<Option<MultiplexedConnection>>,
    idle: Mutex<Vec<Unshared>>,
    slots: Arc<Semaphore>,
    beside: Arc<Semaphore>,
}

/// A connection that nobody else uses.
pub(crate) struct Unshared {
    connection: MultiplexedConnection,
    /// The server's number for it.
    id: i64,
    /// It may still watch something.
    pub(crate) watching: bool,
}

/// An unshared connection on loan; goes back to the pool unless it was broken.
pub(crate) struct Loan {
    pool: Arc<Connections>,
    pub(crate) inner: Option<Unshared>,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.inner.take() {
            let mut idle = self.pool.idle.lock();
            if idle.len() < IDLE_MAX {
                idle.push(connection);
            }
        }
    }
}

impl Connections {
    pub(crate) fn new(address: Address) -> Result<Connections, EngineError> {
        let client = Client::open(address.info).map_err(|e| classify(&e))?;
        Ok(Connections {
            client,
            deadlines: Deadlines::new(address.timeout),
            shown: address.shown,
            shared: Mutex::new(None),
            idle: Mutex::default(),
            slots: Arc::new(Semaphore::new(POOL_MAX)),
            beside: Arc::new(Semaphore::new(BESIDE_MAX)),
        })
    }

    async fn connect(&self) -> Result<MultiplexedConnection, EngineError> {
        // No timer per command: deadlines are set around round trips.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(CONNECT.min(self.deadlines.limit())));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|e| match classify(&e) {
                EngineError::Transient(_) => EngineError::Transient(format!(
                    "Redis at {} cannot be reached: {e}",
                    self.shown
                )),
                other => other,
            })
    }

    async fn shared(&self) -> Result<MultiplexedConnection, EngineError> {
        if let Some(connection) = self.shared.lock().clone() {
            return Ok(connection);
        }
        let connection = self.connect().await?;
        *self.shared.lock() = Some(connection.clone());
        Ok(connection)
    }

    /// Runs a pipeline on the shared connection: one round trip.
    pub(crate) async fn query(&self, pipeline: &Pipeline) -> Result<Vec<Value>, EngineError> {
        let mut connection = self.shared().await?;
        let count = pipeline.len();
        match self
            .within(connection.send_packed_commands(pipeline, 0, count))
            .await
        {
            Ok(values) => Ok(values),
            Err(e) => {
                if !crate::errors::is_answer(&e) {
                    *self.shared.lock() = None;
                }
                Err(classify(&e))
            }
        }
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
        let waiting = slots.clone().acquire_owned();
        let slot = match slots.clone().try_acquire_owned() {
            Ok(slot) => slot,
            // Those before may all wait for a server that does not answer.
            Err(_) => tokio::time::timeout(self.deadlines.limit(), waiting)
                .await
                .map_err(|_| EngineError::Transient("all connections to Redis are busy".into()))?
                .map_err(|e| EngineError::Fatal(e.to_string()))?,
        };
        let idle = self.idle.lock().pop();
        let inner = match idle {
            Some(connection) => connection,
            None => {
                let mut connection = self.connect().await?;
                let id = self
                    .within(
                        redis::cmd("CLIENT")
                            .arg("ID")
                            .query_async::<i64>(&mut connection),
                    )
                    .await;
                Unshared {
                    connection,
                    id: id.unwrap_or(0),
                    watching: false,
                }
            }
        };
        Ok(Loan {
            pool: self.clone(),
            inner: Some(inner),
            _slot: slot,
        })
    }

    /// Makes sure the server never executes what was sent on a connection that broke.
    pub(crate) async fn fence(&self, id: i64) {
        if id == 0 {
            return;
        }
        let mut kill = Pipeline::new();
        kill.cmd("CLIENT").arg("KILL").arg("ID").arg(id);
        let _ = self.query(&kill).await;
    }

    async fn within<T>(&self, call: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        match self.deadlines.within(call).await {
            Some(result) => result,
            None => Err(RedisError::from(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no answer within {:?}", self.deadlines.limit()),
            ))),
        }
    }

    pub(crate) fn close(&self) {
        *self.shared.lock() = None;
        self.idle.lock().clear();
    }
}

use std::future::Future;

/// What became of a pipeline on an unshared connection.
pub(crate) enum Sent {
    /// The answers, in order.
    Answers(Vec<Value>),
    /// The server refused.
    Refused(RedisError),
    /// Nobody knows: the connection broke. It is gone from the loan; its number for fencing.
    Broken(RedisError, i64),
}

impl Loan {
    /// Starts a pipeline. What an earlier user of the connection left watched is let go first; true
    /// when the first answer belongs to that.
    pub(crate) fn start(&mut self) -> (Pipeline, bool) {
        let mut p = Pipeline::new();
        let unwatch = self
            .inner
            .as_mut()
            .is_some_and(|c| std::mem::take(&mut c.watching));
        if unwatch {
            p.cmd("UNWATCH");
        }
        (p, unwatch)
    }

    /// Sends a pipeline: one round trip.
    pub(crate) async fn send(&mut self, pipeline: &Pipeline) -> Sent {
        let Some(mut unshared) = self.inner.take() else {
            let e = std::io::Error::other("the connection is gone");
            return Sent::Broken(RedisError::from(e), 0);
        };
        let count = pipeline.len();
        match self
            .pool
            .within(unshared.connection.send_packed_commands(pipeline, 0, count))
            .await
        {
            Ok(values) => {
                self.inner = Some(unshared);
                Sent::Answers(values)
            }
            Err(e) if crate::errors::is_answer(&e) => {
                unshared.watching = true;
                self.inner = Some(unshared);
                Sent::Refused(e)
            }
            Err(e) => {
                // The server has most likely gone away, and with it the idle connections: each of
                // them would cost an operation another try.
                self.pool.idle.lock().clear();
                Sent::Broken(e, unshared.id)
            }
        }
    }
}
