//! Connections that are kept: a bound on their number, their age, and the wait for one.
//!
//! An attempt has a connection for as long as it lasts, and may wait for calls outside of it meanwhile. Those calls have slots of
//! their own: were all slots with attempts that wait for one more, all would wait for ever.

use jfs_meta::EngineError;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at the same time where the address says nothing, or 0. Servers take 100 to 151 unless they are told otherwise, and
/// several mounts share one.
pub(crate) const OPEN_USUAL: usize = 32;
/// Most connections that an address can ask for.
const OPEN_MAX: usize = 256;
/// Idle connections kept where the address says nothing.
const IDLE_MAX: usize = 16;
/// Longest idle time of a connection where the address says nothing.
const IDLE_AGE: Duration = Duration::from_secs(300);

/// The bounds of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections at the same time, 2 or more.
    pub(crate) open_max: usize,
    /// Idle connections that are kept.
    pub(crate) idle_max: usize,
    /// Longest idle time of a connection.
    pub(crate) idle_age: Duration,
    /// Longest life of a connection, `None` without a limit.
    pub(crate) life_max: Option<Duration>,
    /// Longest wait for a free connection.
    pub(crate) wait: Duration,
}

impl Limits {
    /// The bounds of an address that names none.
    pub(crate) fn new(wait: Duration) -> Limits {
        Limits {
            open_max: OPEN_USUAL,
            idle_max: IDLE_MAX,
            idle_age: IDLE_AGE,
            life_max: None,
            wait,
        }
    }

    /// Takes an option of an address. Returns whether `key` is one of a pool; an unreadable value is `None`.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Option<bool> {
        let seconds = || {
            let time = jfs_types::duration::parse(value).filter(|_| !value.is_empty())?;
            (time < Duration::from_secs(1 << 31)).then_some(time)
        };
        match key {
            // A call outside of attempts has a slot of its own.
            "max_open_conns" => match value.parse().ok()? {
                0 => self.open_max = OPEN_USUAL,
                n => self.open_max = usize::clamp(n, 2, OPEN_MAX),
            },
            "max_idle_conns" => self.idle_max = usize::min(value.parse().ok()?, OPEN_MAX),
            "max_idle_time" => self.idle_age = seconds()?,
            "max_life_time" => self.life_max = Some(seconds()?).filter(|time| !time.is_zero()),
            _ => return Some(false),
        }
        Some(true)
    }
}

/// The use of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// An attempt.
    Attempt,
    /// A call that needs no other connection while it has this one.
    Call,
}

/// Connections of the kind `C`.
pub(crate) struct Pool<C> {
    limits: Limits,
    idle: Mutex<Vec<Idle<C>>>,
    attempts: Arc<Semaphore>,
    calls: Arc<Semaphore>,
}

struct Idle<C> {
    connection: C,
    made: Instant,
    used: Instant,
}

/// A connection on loan. Dropped, the connection is closed; see [`Lease::give_back`].
pub(crate) struct Lease<C> {
    pool: Arc<Pool<C>>,
    connection: Option<C>,
    made: Instant,
    _slot: OwnedSemaphorePermit,
}

impl<C> Pool<C> {
    pub(crate) fn new(limits: Limits) -> Arc<Pool<C>> {
        let calls = (limits.open_max / 4).max(1);
        Arc::new(Pool {
            limits,
            idle: Mutex::new(Vec::new()),
            attempts: Arc::new(Semaphore::new(limits.open_max.saturating_sub(calls).max(1))),
            calls: Arc::new(Semaphore::new(calls)),
        })
    }

    /// An idle connection that `is_alive`, or the one that `connect` makes. `Transient` after the longest wait.
    pub(crate) async fn take<F>(
        self: &Arc<Self>,
        wanted: Use,
        mut is_alive: impl FnMut(&mut C) -> bool,
        connect: impl FnOnce() -> F,
    ) -> Result<Lease<C>, EngineError>
    where
        F: Future<Output = Result<C, EngineError>>,
    {
        let slots = match wanted {
            Use::Attempt => &self.attempts,
            Use::Call => &self.calls,
        };
        let slot = match slots.clone().try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => tokio::time::timeout(self.limits.wait, slots.clone().acquire_owned())
                .await
                .map_err(|_| {
                    EngineError::Transient(format!(
                        "all connections to the database have been busy for {:?}",
                        self.limits.wait
                    ))
                })?
                .map_err(|_| EngineError::Fatal("the metadata engine is closed".into()))?,
        };
        let (connection, made) = loop {
            let Some(idle) = self.pop() else {
                break (connect().await?, Instant::now());
            };
            let Idle {
                mut connection,
                made,
                ..
            } = idle;
            if is_alive(&mut connection) {
                break (connection, made);
            }
            self.forget_idle();
        };
        Ok(Lease {
            pool: self.clone(),
            connection: Some(connection),
            made,
            _slot: slot,
        })
    }

    /// The connection that was used last and is not too old.
    fn pop(&self) -> Option<Idle<C>> {
        let mut idle = self.idle.lock();
        let taken = idle.pop()?;
        if taken.used.elapsed() < self.limits.idle_age {
            return Some(taken);
        }
        // The others were used before that one.
        let old = std::mem::take(&mut *idle);
        drop(idle);
        drop(old);
        None
    }

    /// Drops idle connections, after one broke: the server has most likely gone away, and each of them would cost an operation another
    /// try.
    pub(crate) fn forget_idle(&self) {
        let idle = std::mem::take(&mut *self.idle.lock());
        drop(idle);
    }

    /// Closes the pool: connections that are idle now or later, and waits for one.
    pub(crate) fn close(&self) {
        self.attempts.close();
        self.calls.close();
        self.forget_idle();
    }
}

impl<C> Lease<C> {
    /// The connection, `None` after [`Lease::discard`].
    pub(crate) fn get(&mut self) -> Option<&mut C> {
        self.connection.as_mut()
    }

    /// Closes the connection, which is broken.
    pub(crate) fn discard(&mut self) {
        if self.connection.take().is_some() {
            self.pool.forget_idle();
        }
    }

    /// Gives the connection back for the next user.
    pub(crate) fn give_back(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let limits = &self.pool.limits;
        let old = limits
            .life_max
            .is_some_and(|max| self.made.elapsed() >= max);
        let mut idle = self.pool.idle.lock();
        if !old && idle.len() < limits.idle_max && !self.pool.calls.is_closed() {
            idle.push(Idle {
                connection,
                made: self.made,
                used: Instant::now(),
            });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn pool(open_max: usize) -> Arc<Pool<u32>> {
        Pool::new(Limits {
            open_max,
            idle_max: 1,
            ..Limits::new(Duration::from_millis(30))
        })
    }

    async fn take(
        pool: &Arc<Pool<u32>>,
        wanted: Use,
        made: u32,
    ) -> Result<Lease<u32>, EngineError> {
        pool.take(wanted, |c| *c != 13, || async move { Ok(made) })
            .await
    }

    #[tokio::test]
    async fn slots_are_bounded_and_calls_have_their_own() {
        let pool = pool(2);
        let attempt = take(&pool, Use::Attempt, 1).await.unwrap();
        let full = take(&pool, Use::Attempt, 2).await.err().unwrap();
        assert!(full.to_string().contains("busy"), "{full}");
        let call = take(&pool, Use::Call, 3).await.unwrap();
        drop((attempt, call));
        take(&pool, Use::Attempt, 4).await.unwrap();
        pool.close();
        assert!(matches!(
            take(&pool, Use::Call, 5).await.err(),
            Some(EngineError::Fatal(_))
        ));
    }

    #[tokio::test]
    async fn what_comes_back_is_used_again_while_it_lives() {
        let pool = pool(16);
        let (mut a, mut b) = (
            take(&pool, Use::Attempt, 1).await.unwrap(),
            take(&pool, Use::Attempt, 2).await.unwrap(),
        );
        a.give_back();
        b.give_back(); // one too many
        let mut again = take(&pool, Use::Call, 3).await.unwrap();
        assert_eq!(again.get(), Some(&mut 1));
        *again.get().unwrap() = 13;
        again.give_back();
        let mut fresh = take(&pool, Use::Call, 4).await.unwrap();
        assert_eq!(fresh.get(), Some(&mut 4), "a dead one is not used");
        fresh.discard();
        fresh.give_back();
        assert_eq!(take(&pool, Use::Call, 5).await.unwrap().get(), Some(&mut 5));
    }

    #[test]
    fn options() {
        let mut limits = Limits::new(Duration::from_secs(1));
        for (key, value) in [
            ("max_open_conns", "1"),
            ("max_idle_conns", "9"),
            ("max_idle_time", "20"),
            ("max_life_time", "1h"),
        ] {
            assert_eq!(limits.set(key, value), Some(true), "{key}");
        }
        assert_eq!((limits.open_max, limits.idle_max), (2, 9));
        assert_eq!(limits.idle_age, Duration::from_secs(20));
        assert_eq!(limits.life_max, Some(Duration::from_secs(3600)));
        assert_eq!(limits.set("max_life_time", "0"), Some(true));
        assert_eq!(limits.set("max_open_conns", "0"), Some(true));
        assert_eq!((limits.open_max, limits.life_max), (OPEN_USUAL, None));
        assert_eq!(limits.set("max_idle_time", "x"), None);
        assert_eq!(limits.set("sslmode", "x"), Some(false));
    }
}
