//! The pool of connections to one server, and the fate of commits whose answers were lost.

use super::connect::{Connection, SpareMarks};
use super::exchange::MyLink;
use super::marks::Marks;
use super::url::{self, Address};
use crate::dialect::Dialect;
use crate::net::engine::NetEngine;
use crate::net::link::{CommitId, Driver, Failure, FailureKind, Link, Reply, Step};
use crate::net::pool::{Pool, Use};
use crate::statement::Catalog;
use async_trait::async_trait;
use jfs_meta::{Engine, EngineError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// The table of marks is there, and this client may use it.
    marks_on: AtomicBool,
    spare: SpareMarks,
}

impl Shared {
    /// Whether commits write their marks.
    pub(super) fn marks_are_on(&self) -> bool {
        self.marks_on.load(Ordering::Relaxed)
    }

    /// A mark could not be written. Without the table, or the right to use it, commits go on without marks.
    pub(super) fn mark_failed(&self, kind: FailureKind) {
        if matches!(kind, FailureKind::Missing | FailureKind::Fatal)
            && self.marks_on.swap(false, Ordering::Relaxed)
        {
            warn!(
                "commit marks cannot be written any more: until the next session, the fate of a commit whose answer is lost is unknown"
            );
        }
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
                marks_on: AtomicBool::new(false),
                spare: SpareMarks::default(),
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
        let spare = std::mem::take(&mut *self.shared.spare.lock());
        let ids: Vec<i64> = spare.iter().map(|mark| mark.id).collect();
        if ids.is_empty() {
            return;
        }
        let marks = &self.shared.marks;
        let removed = async {
            let nobody = SpareMarks::default();
            let mut connection = Connection::make(&self.shared.address, &nobody).await.ok()?;
            let text = format!("{}; {}", marks.remove(&ids), marks.any());
            let replies = connection.results(&text).await.ok()?;
            if replies.last().is_some_and(|any| any.rows.is_empty()) {
                let text = format!(
                    "SET SESSION lock_wait_timeout = 1; {}",
                    marks.drop_table()
                );
                connection.results(&text).await.ok()?;
            }
            Some(())
        };
        if !matches!(timeout(self.shared.address.exchange, removed).await, Ok(Some(()))) {
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
        let replies = match self.ask(&[marks.decide(mark, number), marks.number(mark)]).await {
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
        let marks = &self.shared.marks;
        let mut asked = self.ask(&[marks.tidy()]).await;
        if matches!(&asked, Err(Asked::Statement(failure)) if failure.kind == FailureKind::Missing) {
            asked = self.ask(&[marks.create(), marks.tidy()]).await;
        }
        match asked {
            Ok(_) => self.shared.marks_on.store(true, Ordering::Relaxed),
            Err(Asked::Connection(e)) => return Err(e),
            Err(Asked::Statement(failure)) => match failure.kind {
                FailureKind::Fatal => warn!(
                    "the fate of a commit whose answer is lost stays unknown: the table of commit marks cannot be used: {}",
                    failure.text
                ),
                _ => return Err(EngineError::Transient(failure.text)),
            },
        }
        Ok(())
    }

    async fn close(&self) {
        self.pool.close(); // its connections leave their marks
        if self.shared.marks_are_on() {
            self.remove_marks().await;
        }
    }
}
