//! The pool of connections to one server, and the fate of commits whose answers were lost.

use super::codes;
use super::connect::Connection;
use super::exchange::MyLink;
use super::marks::{Marks, Spare};
use super::url::{self, Address};
use crate::dialect::Dialect;
use crate::net::engine::NetEngine;
use crate::net::link::{CommitId, Driver, Failure, FailureKind, Link, Reply, Step};
use crate::net::pool::{Pool, Use};
use crate::statement::Catalog;
use async_trait::async_trait;
use jfs_meta::{Engine, EngineError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::time::timeout;
use tracing::{debug, warn};

/// Opens the engine of a `mysql://` address: one connection, to see that the server can be used.
///
/// The address has the form `mysql://user:password@(host:port)/database?options`. `Fatal` for an address that cannot be read, and for a
/// server that refuses user, password or database; `Transient` for one that cannot be reached.
pub async fn open(url: &str) -> Result<Arc<dyn Engine>, EngineError> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let driver = MyDriver::new(url::parse(url, env)?);
    drop(driver.link(Use::Call).await?);
    Ok(Arc::new(NetEngine::new(driver)))
}

/// What the connections of a server have in common.
pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) catalog: Catalog,
    marks: Marks,
    /// One of [`NEW`], [`LOOKING`], [`ON`], [`OFF`].
    marks_state: AtomicU8,
    pub(super) spare: Arc<Spare>,
}

/// It is not known whether commits can write marks.
const NEW: u8 = 0;
/// A task finds out. Commits go on without marks meanwhile.
const LOOKING: u8 = 1;
/// Commits write marks.
const ON: u8 = 2;
/// This client may not use the table.
const OFF: u8 = 3;

impl Shared {
    /// Whether commits write their marks.
    pub(super) fn marks_are_on(&self) -> bool {
        self.marks_state.load(Ordering::Relaxed) == ON
    }

    /// A mark could not be written. The next commit makes a table that is gone; without the right to use it, commits go on without marks.
    pub(super) fn mark_failed(&self, kind: FailureKind, why: &str) {
        match kind {
            FailureKind::Missing => {
                self.spare.table_is_gone();
                self.marks_state.store(NEW, Ordering::Relaxed);
            }
            FailureKind::Fatal => self.marks_off(why),
            _ => {}
        }
    }

    fn marks_off(&self, why: &str) {
        if self.marks_state.swap(OFF, Ordering::Relaxed) != OFF {
            warn!(
                "the fate of a commit whose answer is lost stays unknown: the table of commit marks cannot be used: {why}"
            );
        }
    }

    /// Finds out whether marks can be written, unless that is known; makes their table. On a connection of its own, because the caller's
    /// may have a transaction.
    pub(super) async fn look_for_marks(&self) {
        let looks =
            self.marks_state
                .compare_exchange(NEW, LOOKING, Ordering::Relaxed, Ordering::Relaxed);
        if looks.is_err() {
            return;
        }
        let found = Looking(&self.marks_state);
        match timeout(self.address.exchange, self.make_marks()).await {
            Ok(Ok(())) => self.marks_state.store(ON, Ordering::Relaxed),
            Ok(Err(Some(why))) => self.marks_off(&why),
            // The next commit asks again.
            Ok(Err(None)) | Err(_) => {}
        }
        drop(found);
    }

    /// Fails with the reason for which there will be no marks, or without one when asking again may help.
    async fn make_marks(&self) -> Result<(), Option<String>> {
        let connection = Connection::make(&self.address, &Arc::default()).await;
        let mut connection = connection.map_err(|_| None)?;
        let tidy = self.marks.tidy();
        let create = format!("{}; {tidy}", self.marks.create());
        for text in [&tidy, &create] {
            match connection.results(text).await {
                Ok(_) => return Ok(()),
                Err((_, e)) => {
                    let meaning = codes::meaning(&e);
                    match meaning.kind {
                        FailureKind::Missing => {} // made by the next text
                        FailureKind::Fatal => return Err(Some(meaning.text)),
                        _ => return Err(None),
                    }
                }
            }
        }
        Err(None)
    }
}

/// Goes back from [`LOOKING`] to [`NEW`] when nothing was found out, also when the task is dropped.
struct Looking<'a>(&'a AtomicU8);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        let _ = self
            .0
            .compare_exchange(LOOKING, NEW, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A server.
pub(super) struct MyDriver {
    shared: Arc<Shared>,
    pool: Arc<Pool<Connection>>,
}

impl MyDriver {
    pub(super) fn new(address: Address) -> MyDriver {
        MyDriver {
            pool: Pool::new(address.limits),
            shared: Arc::new(Shared {
                catalog: Catalog::new(Dialect::Mysql, &address.prefix),
                marks: Marks::new(&address.prefix),
                marks_state: AtomicU8::new(NEW),
                spare: Arc::default(),
                address,
            }),
        }
    }

    /// Runs statements of the schema or about marks, on a connection of the pool.
    async fn ask(&self, texts: &[String]) -> Result<Vec<Reply>, Asked> {
        let mut link = self.link(Use::Call).await.map_err(Asked::Connection)?;
        let steps: Vec<Step> = texts.iter().cloned().map(Step::Text).collect();
        link.exchange(&steps).await.map_err(Asked::Statement)
    }

    /// Removes the marks of this client, and the table when it was the last one that had any.
    async fn remove_marks(&self) {
        let spare = self.shared.spare.take_all();
        let ids: Vec<i64> = spare.iter().map(|mark| mark.id).collect();
        if ids.is_empty() {
            return;
        }
        let marks = &self.shared.marks;
        let removed = async {
            let made = Connection::make(&self.shared.address, &Arc::default()).await;
            let mut connection = made.ok()?;
            let text = format!("{}; {}", marks.remove(&ids), marks.any());
            let replies = connection.results(&text).await.ok()?;
            if replies.last().is_some_and(|any| any.rows.is_empty()) {
                let text = format!("SET SESSION lock_wait_timeout = 1; {}", marks.drop_table());
                connection.results(&text).await.ok()?;
            }
            Some(())
        };
        if !matches!(
            timeout(self.shared.address.exchange, removed).await,
            Ok(Some(()))
        ) {
            debug!("commit marks were left behind: the next session removes them after a day");
        }
    }
}

/// A question that was not answered.
enum Asked {
    Connection(EngineError),
    Statement(Failure),
}

#[async_trait]
impl Driver for MyDriver {
    type Link = MyLink;

    fn catalog(&self) -> &Catalog {
        &self.shared.catalog
    }

    fn names(&self) -> (&'static str, &str) {
        ("mysql", &self.shared.address.shown)
    }

    fn names_at_begin(&self) -> bool {
        false
    }

    async fn link(&self, wanted: Use) -> Result<MyLink, EngineError> {
        let make = || Connection::make(&self.shared.address, &self.shared.spare);
        let lease = self.pool.take(wanted, Connection::is_alive, make).await?;
        Ok(MyLink::new(lease, self.shared.clone()))
    }

    async fn outcome(&self, id: &CommitId) -> Result<Option<bool>, EngineError> {
        let CommitId::Mark { mark, number } = *id else {
            return Ok(None);
        };
        let marks = &self.shared.marks;
        let replies = match self
            .ask(&[marks.decide(mark, number), marks.number(mark)])
            .await
        {
            Ok(replies) => replies,
            Err(Asked::Connection(e)) => return Err(e),
            Err(Asked::Statement(failure)) => {
                return match failure.kind {
                    FailureKind::Missing => Ok(None),
                    FailureKind::Fatal => Err(EngineError::Fatal(failure.text)),
                    _ => Err(EngineError::Transient(failure.text)),
                };
            }
        };
        let row = replies.last().and_then(|reply| reply.rows.first());
        let found = row.map(|row| row.number(0)).transpose()?.flatten();
        Ok(found.map(|found| found == number))
    }

    /// Makes the table of marks. Without the right to, commits go on without marks: a warning says so.
    async fn prepare_writes(&self) -> Result<(), EngineError> {
        self.shared.look_for_marks().await;
        Ok(())
    }

    async fn close(&self) {
        self.pool.close(); // its connections leave their marks
        if self.shared.marks_are_on() {
            self.remove_marks().await;
        }
    }
}
