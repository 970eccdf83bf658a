//! What all parts of an engine share, and how requests outside attempts are made.

use crate::conn::{Identity, Lost};
use crate::errors::{in_doubt, unanswered};
use crate::faults::FaultPlan;
use crate::layout;
use crate::pool::{Lease, Pool, Use};
use crate::resp::{Replies, Request, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::Capabilities;
use jfs_meta::trips::TripLog;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long the server may take to fence a broken connection off.
const FENCE: Duration = Duration::from_secs(5);

/// The engine behind its handles.
pub(crate) struct Shared {
    pub(crate) pool: Arc<Pool>,
    pub(crate) trips: TripLog,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) capabilities: Capabilities,
    /// Scripts are allowed, as far as we know.
    pub(crate) scripts: AtomicBool,
}

/// What sending a request twice would do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twice {
    /// The same as once, or nothing that matters.
    Harmless,
    /// Something else: a lost answer leaves a doubt.
    Wrong,
}

impl Shared {
    /// One round trip that may be repeated: sends what `build` writes, hands the replies to `decode`.
    pub(crate) async fn ask<T>(
        &self,
        build: impl Fn(&mut Request),
        decode: impl FnOnce(&mut Replies<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.send(Twice::Harmless, build, decode).await
    }

    /// One round trip.
    pub(crate) async fn send<T>(
        &self,
        twice: Twice,
        build: impl Fn(&mut Request),
        decode: impl FnOnce(&mut Replies<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut lease = self.pool.take(Use::Request).await?;
        loop {
            build(lease.request());
            self.record(&mut lease);
            let reused = lease.reused;
            match lease.exchange().await {
                Ok(mut replies) => return decode(&mut replies),
                Err(lost) if twice == Twice::Wrong => return Err(in_doubt(&lost)),
                Err(lost) if reused && lost.is_disconnect() => lease.replace().await?,
                Err(lost) => return Err(unanswered(&lost)),
            }
        }
    }

    /// One round trip that runs what `build` writes as a transaction without watched keys. `decode`
    /// is handed the replies of its commands.
    pub(crate) async fn atomically<T>(
        &self,
        twice: Twice,
        build: impl FnOnce(&mut Request),
        decode: impl FnOnce(&mut Replies<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut inner = Request::default();
        build(&mut inner);
        let wrapped = |request: &mut Request| {
            request.call(&[b"MULTI"]);
            request.append(&inner);
            request.call(&[b"EXEC"]);
        };
        self.send(twice, wrapped, |replies| match executed(replies, inner.commands())? {
            true => decode(replies),
            false => Err(EngineError::Conflict),
        })
        .await
    }

    /// A read-modify-write of a few keys: reads them with WATCH, lets `plan` decide what to write (`None`:
    /// nothing), and writes that in a transaction. Two round trips. `Conflict` when a key changed.
    pub(crate) async fn update<T>(
        &self,
        watch: &[&[u8]],
        read: impl Fn(&mut Request),
        plan: impl FnOnce(&mut Replies<'_>, &mut Request) -> Result<(T, bool), EngineError>,
    ) -> Result<T, EngineError> {
        let mut lease = self.pool.take(Use::Request).await?;
        let mut writes = Request::default();
        let (out, write) = loop {
            let request = lease.request();
            watch_keys(request, watch);
            read(request);
            self.record(&mut lease);
            let reused = lease.reused;
            lease.conn().watching = true;
            match lease.exchange().await {
                Ok(mut replies) => {
                    replies.done()?;
                    break plan(&mut replies, &mut writes)?;
                }
                Err(lost) if reused && lost.is_disconnect() => lease.replace().await?,
                Err(lost) => return Err(unanswered(&lost)),
            }
        };
        if !write {
            return Ok(out);
        }
        let commands = writes.commands();
        let request = lease.request();
        request.call(&[b"MULTI"]);
        request.append(&writes);
        request.call(&[b"EXEC"]);
        self.record(&mut lease);
        match lease.exchange().await {
            Ok(mut replies) => {
                let applied = executed(&mut replies, commands);
                lease.conn().watching = false;
                if applied? { Ok(out) } else { Err(EngineError::Conflict) }
            }
            Err(lost) => Err(self.doubt(lease, &lost).await),
        }
    }

    /// Counts the round trip that `lease` is about to make.
    pub(crate) fn record(&self, lease: &mut Lease) {
        self.trips.record(|| lease.conn().request.describe());
    }

    /// The error of a commit whose answer was lost on `lease`. By the time this returns the server
    /// will not run it any more, if it can be reached.
    pub(crate) async fn doubt(&self, mut lease: Lease, lost: &Lost) -> EngineError {
        let identity = lease.conn().identity.clone();
        lease.cut();
        drop(lease);
        if tokio::time::timeout(FENCE, self.fence(&identity)).await.is_err() {
            tracing::debug!("the server cannot be asked to close a broken connection");
        }
        in_doubt(lost)
    }

    /// Lets the server close the connection `identity`: what it has received on it and not run yet is
    /// dropped. A restarted server knows nothing of it, and its numbers are new.
    async fn fence(&self, identity: &Identity) {
        if identity.client == 0 {
            return;
        }
        let Ok(mut lease) = self.pool.take(Use::Request).await else { return };
        if lease.conn().identity.server != identity.server {
            return;
        }
        let id = layout::signed(identity.client);
        lease.request().call(&[b"CLIENT", b"KILL", b"ID", &id]);
        if let Err(lost) = lease.exchange().await {
            tracing::debug!("a broken connection is left to the server: {lost}");
        }
    }
}

/// Appends `WATCH keys`.
pub(crate) fn watch_keys(request: &mut Request, keys: &[&[u8]]) {
    request.begin(1 + keys.len());
    request.word(b"WATCH");
    for key in keys {
        request.word(key);
    }
}

/// Reads the replies of MULTI, of `commands` queued commands and the head of EXEC's. True: it ran, and
/// the replies of the commands follow. False: a watched key had changed.
pub(crate) fn executed(replies: &mut Replies<'_>, commands: usize) -> Result<bool, EngineError> {
    let mut refused = None;
    for _ in 0..=commands {
        match replies.value()? {
            Value::Status(_) => {}
            Value::Error(text) => {
                refused.get_or_insert(text);
            }
            other => return Err(EngineError::Fatal(format!("the server queued a command with {other:?}"))),
        }
    }
    match (replies.value()?, refused) {
        (Value::Error(text), first) => Err(crate::errors::classify(first.unwrap_or(text))),
        (_, Some(text)) => Err(crate::errors::classify(text)),
        (Value::Nil, None) => Ok(false),
        (Value::Array(n), None) if n == commands => Ok(true),
        (other, None) => Err(EngineError::Fatal(format!("EXEC answered {other:?} for {commands} commands"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn outcomes_of_a_transaction() {
        let run = |text: &[u8]| executed(&mut Replies::new(text), 1);
        assert!(run(b"+OK\r\n+QUEUED\r\n*1\r\n:1\r\n").unwrap());
        assert!(!run(b"+OK\r\n+QUEUED\r\n*-1\r\n").unwrap());
        assert!(!run(b"+OK\r\n+QUEUED\r\n$-1\r\n").unwrap());
        let full = run(b"+OK\r\n-OOM command not allowed\r\n-EXECABORT Transaction discarded\r\n");
        assert!(matches!(full, Err(EngineError::Fatal(t)) if t.contains("maxmemory")));
        let loading = run(b"-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n");
        assert!(matches!(loading, Err(EngineError::Transient(_))));
        assert!(run(b"+OK\r\n+QUEUED\r\n*2\r\n:1\r\n:1\r\n").is_err());
        assert!(run(b"+OK\r\n").is_err());
    }
}
