//! One connection: a request goes out, its replies come back, by the task that waits for them.

use crate::deadline::{Clock, Deadline};
use crate::errors::{classify, unanswered};
use crate::resp::{Replies, Request, Scanner, Value};
use crate::stream::Stream;
use crate::url::Target;
use jfs_meta::EngineError;
use std::io;
use std::sync::Arc;
use std::task::{Poll, ready};
use thiserror::Error;

/// What buffers of a connection keep between requests, bytes.
pub(crate) const KEEP: usize = 16 << 10;

/// Why an exchange ended without its replies.
#[derive(Debug, Error)]
pub(crate) enum Lost {
    /// The connection broke.
    #[error("{0}")]
    Broken(io::Error),
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// The deadline passed.
    #[error("the server did not answer in time")]
    Late,
    /// What came was not the protocol.
    #[error("the server does not speak the Redis protocol")]
    Garbage,
    /// A test wanted it.
    #[error("cut on purpose")]
    Fault,
}

impl Lost {
    /// Whether the connection may have been dead before it was used.
    pub(crate) fn is_disconnect(&self) -> bool {
        matches!(self, Lost::Broken(_) | Lost::Closed)
    }
}

/// Which server process a connection talks to, and its number there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// `CLIENT ID`; 0 when the server does not tell.
    pub(crate) client: i64,
    /// `run_id` of the server; empty when it does not tell.
    pub(crate) server: String,
}

/// A connection that one caller uses at a time.
pub(crate) struct Conn {
    stream: Stream,
    deadline: Deadline,
    write_ticks: u64,
    read_ticks: u64,
    input: Vec<u8>,
    /// What is sent by the next exchange.
    pub(crate) request: Request,
    pub(crate) identity: Identity,
    /// The server watches keys for us.
    pub(crate) watching: bool,
    /// An exchange has begun and not ended: what comes next on the stream is unknown.
    pub(crate) busy: bool,
    /// When it was last used, in ticks.
    pub(crate) used: u64,
}

impl Conn {
    /// Connects, logs in and selects the database, within the limit of the target. Returns what
    /// `INFO server` says, too; empty when the user may not ask.
    pub(crate) async fn connect(target: &Target, clock: &Arc<Clock>) -> Result<(Conn, String), EngineError> {
        match tokio::time::timeout(target.limits.connect, greet(target, clock)).await {
            Ok(result) => result,
            Err(_) => Err(EngineError::Transient(format!(
                "Redis at {} did not answer within {:?}",
                target.address, target.limits.connect
            ))),
        }
    }

    /// Whether the stream is still good, as far as this side knows; costs no system call as a rule.
    pub(crate) fn alive(&self) -> bool {
        let silent = self.stream.try_read(&mut [0]);
        matches!(silent, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends the request and waits for all its replies. When the future is dropped before the end,
    /// or fails, the connection stays `busy` and must not be used again.
    pub(crate) async fn exchange(&mut self) -> Result<Replies<'_>, Lost> {
        self.busy = true;
        self.send().await?;
        let filled = self.receive().await?;
        self.deadline.clear();
        self.busy = false;
        self.request.clear(KEEP);
        Ok(Replies::new(&self.input[..filled]))
    }

    async fn send(&mut self) -> Result<(), Lost> {
        self.deadline.set(self.write_ticks);
        let mut sent = 0;
        std::future::poll_fn(|cx| {
            loop {
                let rest = &self.request.bytes()[sent..];
                if rest.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                match self.stream.poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(Lost::Closed)),
                    Poll::Ready(Ok(n)) => sent += n,
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(Lost::Broken(e))),
                    Poll::Pending if self.deadline.passed(cx.waker()) => {
                        return Poll::Ready(Err(Lost::Late));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Reads until every reply is there; returns how many bytes that is.
    async fn receive(&mut self) -> Result<usize, Lost> {
        self.deadline.set(self.read_ticks);
        if self.input.len() > KEEP {
            self.input.truncate(KEEP);
            self.input.shrink_to_fit();
        }
        let mut scanner = Scanner::new(self.request.commands());
        let mut filled = 0;
        std::future::poll_fn(|cx| {
            loop {
                if scanner.complete(&self.input[..filled]).map_err(|_| Lost::Garbage)? {
                    return Poll::Ready(Ok(filled));
                }
                if filled == self.input.len() {
                    self.input.resize((2 * filled).max(KEEP), 0);
                }
                let polled = self.stream.poll_read(cx, &mut self.input[filled..]);
                if polled.is_pending() && self.deadline.passed(cx.waker()) {
                    return Poll::Ready(Err(Lost::Late));
                }
                match ready!(polled) {
                    Ok(0) => return Poll::Ready(Err(Lost::Closed)),
                    Ok(n) => filled += n,
                    Err(e) => return Poll::Ready(Err(Lost::Broken(e))),
                }
            }
        })
        .await
    }
}

async fn greet(target: &Target, clock: &Arc<Clock>) -> Result<(Conn, String), EngineError> {
    let stream = Stream::connect(&target.address).await.map_err(|e| {
        EngineError::Transient(format!("cannot connect to Redis at {}: {e}", target.address))
    })?;
    let mut conn = Conn {
        stream,
        deadline: Deadline::new(clock),
        write_ticks: clock.ticks(target.limits.write),
        read_ticks: clock.ticks(target.limits.read),
        input: Vec::new(),
        request: Request::default(),
        identity: Identity::default(),
        watching: false,
        busy: false,
        used: clock.now(),
    };
    let request = &mut conn.request;
    let login = !target.password.is_empty();
    match (login, target.user.as_str()) {
        (false, _) => {}
        (true, "") => request.call(&[b"AUTH", target.password.as_bytes()]),
        (true, user) => request.call(&[b"AUTH", user.as_bytes(), target.password.as_bytes()]),
    }
    request.call(&[b"SELECT", target.database.to_string().as_bytes()]);
    request.call(&[b"CLIENT", b"ID"]);
    request.call(&[b"INFO", b"server"]);
    let mut replies = conn.exchange().await.map_err(|lost| unanswered(&lost))?;
    if login {
        replies.done()?;
    }
    replies.done()?;
    let client = match replies.value()? {
        Value::Integer(id) => id,
        _ => 0, // before version 5
    };
    let info = match replies.value()? {
        Value::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Error(text) if text.starts_with(b"NOPERM") => String::new(),
        Value::Error(text) => return Err(classify(text)),
        _ => String::new(),
    };
    let server = info_field(&info, "run_id").unwrap_or_default().to_string();
    conn.identity = Identity { client, server };
    Ok((conn, info))
}

/// A field of an `INFO` reply.
pub(crate) fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}
