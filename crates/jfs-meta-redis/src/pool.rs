//! Connections, each leased by one caller at a time.
//!
//! The one used last is taken first, so that few stay busy and the rest is closed after a while.
//! Attempts and single requests have bounds of their own: an attempt that asks for something beside its
//! transaction never waits for another attempt to end.

use crate::conn::{Conn, KEEP, Lost};
use crate::deadline::Clock;
use crate::resp::{Replies, Request};
use crate::url::Target;
use jfs_meta::EngineError;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Attempts that hold a connection at the same time.
const ATTEMPTS_MAX: usize = 64;
/// Single requests at the same time.
const REQUESTS_MAX: usize = 64;
/// A connection that nobody took for so long is closed.
const IDLE: Duration = Duration::from_secs(60);

/// What a connection is taken for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Attempt,
    Request,
}

/// All connections to one server.
pub(crate) struct Pool {
    pub(crate) target: Target,
    pub(crate) clock: Arc<Clock>,
    idle: Mutex<Vec<Box<Conn>>>,
    attempts: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    closed: AtomicBool,
}

impl Pool {
    pub(crate) fn new(target: Target) -> Pool {
        let shortest = target.limits.read.min(target.limits.write);
        Pool {
            target,
            clock: Arc::new(Clock::new(shortest)),
            idle: Mutex::new(Vec::new()),
            attempts: Arc::new(Semaphore::new(ATTEMPTS_MAX)),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            closed: AtomicBool::new(false),
        }
    }

    /// Starts the task that keeps the clock going and closes idle connections. It ends with the pool.
    pub(crate) fn start(self: &Arc<Pool>) {
        let pool = Arc::downgrade(self);
        let length = self.clock.length();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(length).await;
                match pool.upgrade() {
                    Some(pool) if !pool.closed.load(Ordering::Relaxed) => {
                        pool.clock.tick();
                        pool.close_idle();
                    }
                    _ => return,
                }
            }
        });
    }

    /// Takes a connection: an idle one, or a new one.
    pub(crate) async fn take(self: &Arc<Pool>, what: Use) -> Result<Lease, EngineError> {
        let semaphore = match what {
            Use::Attempt => &self.attempts,
            Use::Request => &self.requests,
        };
        let permit = match semaphore.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let permit = semaphore.clone().acquire_owned().await;
                permit.map_err(|_| closed())?
            }
        };
        loop {
            let idle = self.idle.lock().pop();
            match idle {
                Some(conn) if conn.alive() => return Ok(Lease::new(self.clone(), conn, permit, true)),
                Some(_) => continue,
                None => break,
            }
        }
        let conn = self.connect().await?;
        Ok(Lease::new(self.clone(), conn, permit, false))
    }

    /// A new connection. Tries again while the server cannot be reached, up to the connect limit.
    async fn connect(&self) -> Result<Box<Conn>, EngineError> {
        let limits = &self.target.limits;
        let start = Instant::now();
        let mut pause = limits.backoff_min;
        loop {
            if self.closed.load(Ordering::Acquire) {
                return Err(closed());
            }
            match Conn::connect(&self.target, &self.clock).await {
                Ok((conn, _)) => return Ok(Box::new(conn)),
                Err(EngineError::Transient(_)) if start.elapsed() + pause < limits.connect => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(limits.backoff_max);
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Puts a connection made elsewhere at the callers' disposal.
    pub(crate) fn give(&self, conn: Box<Conn>) {
        if !conn.busy && !self.closed.load(Ordering::Acquire) {
            self.idle.lock().push(conn);
        }
    }

    /// Closes what is idle and lets nobody take anything any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.attempts.close();
        self.requests.close();
        self.idle.lock().clear();
    }

    fn close_idle(&self) {
        let old = self.clock.now().saturating_sub(self.clock.ticks(IDLE));
        let mut idle = self.idle.lock();
        let stale = idle.iter().take_while(|conn| conn.used < old).count();
        // The last one stays: somebody will come.
        let stale = stale.min(idle.len().saturating_sub(1));
        drop(idle.drain(..stale));
    }
}

fn closed() -> EngineError {
    EngineError::Fatal("the connection to Redis is shut down".to_string())
}

/// A connection in use. Dropping it gives it back; in the middle of an exchange it is closed.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    conn: Option<Box<Conn>>,
    _permit: OwnedSemaphorePermit,
    /// It was idle before: the server may have closed it unnoticed.
    pub(crate) reused: bool,
    /// Keys that an earlier user left watched are to be released first.
    unwatch: bool,
}

impl Lease {
    fn new(pool: Arc<Pool>, mut conn: Box<Conn>, permit: OwnedSemaphorePermit, reused: bool) -> Lease {
        conn.request.clear(KEEP);
        let unwatch = std::mem::take(&mut conn.watching);
        Lease { pool, conn: Some(conn), _permit: permit, reused, unwatch }
    }

    pub(crate) fn conn(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("a lease has a connection until it is replaced or dropped")
    }

    /// The request to fill in. Keys that an earlier user watched are released by it.
    pub(crate) fn request(&mut self) -> &mut Request {
        let unwatch = self.unwatch;
        let request = &mut self.conn().request;
        if unwatch && request.commands() == 0 {
            request.call(&[b"UNWATCH"]);
        }
        request
    }

    /// Sends the request and waits for the replies.
    pub(crate) async fn exchange(&mut self) -> Result<Replies<'_>, Lost> {
        let unwatch = std::mem::take(&mut self.unwatch);
        let mut replies = self.conn().exchange().await?;
        if unwatch {
            replies.skip().map_err(|_| Lost::Garbage)?;
        }
        Ok(replies)
    }

    /// Another connection in place of one that broke. What is idle is likely to be broken as well
    /// and is closed.
    pub(crate) async fn replace(&mut self) -> Result<(), EngineError> {
        self.conn = None;
        self.pool.idle.lock().clear();
        let conn = self.pool.connect().await?;
        self.conn = Some(conn);
        (self.reused, self.unwatch) = (false, false);
        Ok(())
    }

    /// Closes the connection instead of giving it back.
    pub(crate) fn cut(&mut self) {
        if let Some(conn) = &mut self.conn {
            conn.busy = true;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut conn) = self.conn.take() {
            conn.used = self.pool.clock.now();
            conn.watching |= self.unwatch;
            self.pool.give(conn);
        }
    }
}
