//! The server that an engine uses: exchanges that are counted, plain reads, and failures as errors.

use crate::dialect::{Form, Lock};
use crate::net::link::{CommitId, Driver, Failure, FailureKind, Link, LinkState, Reply, Run, Step};
use crate::net::pool::Use;
use crate::records::Query;
use crate::records::schema::Schema;
use crate::value::{RowList, Rows};
use jfs_meta::engine::{Capabilities, FenceSlot};
use jfs_meta::trips::{self, TripLog};
use jfs_meta::{EngineError, OutageWait};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// What all attempts and calls of an engine share.
pub(crate) struct Server<D> {
    pub(crate) driver: D,
    pub(crate) capabilities: Capabilities,
    pub(crate) trips: Arc<TripLog>,
    pub(crate) fence: FenceSlot,
    pub(crate) schema: Schema,
}

/// A connection on loan. A transaction that is open when it is dropped is undone in the background; the connection keeps its place in
/// the pool meanwhile, so that their number stays bounded.
pub(crate) struct Loan<L: Link>(Option<L>);

impl<L: Link> Deref for Loan<L> {
    type Target = L;

    fn deref(&self) -> &L {
        self.0.as_ref().expect("it is taken when dropped only")
    }
}

impl<L: Link> DerefMut for Loan<L> {
    fn deref_mut(&mut self) -> &mut L {
        self.0.as_mut().expect("it is taken when dropped only")
    }
}

impl<L: Link> Drop for Loan<L> {
    fn drop(&mut self) {
        let Some(mut link) = self.0.take() else {
            return;
        };
        if link.state() != LinkState::Open {
            return;
        }
        // Outside of a runtime the connection is closed, which undoes the transaction as well.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(e) = link.exchange(&[Step::Rollback]).await {
                    tracing::debug!("an attempt was given up with its connection: {}", e.text);
                }
            });
        }
    }
}

impl<D: Driver> Server<D> {
    pub(crate) fn new(driver: D) -> Server<D> {
        let catalog = driver.catalog();
        Server {
            capabilities: Capabilities {
                counts_acl_ids: false,
                is_remote: true,
                records_max: None,
                name: driver.names().0,
                usage_in_transaction: false,
                settles_lost_answers: true,
            },
            trips: Arc::default(),
            fence: FenceSlot::default(),
            schema: Schema::new(catalog.dialect(), catalog.prefix()),
            driver,
        }
    }

    pub(crate) async fn link(&self, wanted: Use) -> Result<Loan<D::Link>, EngineError> {
        self.driver.link(wanted).await.map(|link| Loan(Some(link)))
    }

    /// One exchange, which is one round trip.
    pub(crate) async fn exchange(
        &self,
        link: &mut D::Link,
        steps: &[Step],
    ) -> Result<Vec<Reply>, Failure> {
        self.trips
            .record_for(trips::current(), || self.brief(steps));
        link.exchange(steps).await
    }

    fn brief(&self, steps: &[Step]) -> String {
        let catalog = self.driver.catalog();
        let words = steps.iter().map(|step| match step {
            Step::Begin => "BEGIN",
            Step::Commit => "COMMIT",
            Step::Rollback => "ROLLBACK",
            Step::Run(run) => catalog.form(run.statement, run.form).brief.as_str(),
            Step::Text(sql) => sql.split('(').next().unwrap_or(sql).trim(),
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// Reads outside of a transaction: one round trip.
    pub(crate) async fn read(
        &self,
        queries: impl IntoIterator<Item = Query>,
    ) -> Result<Vec<Reply>, EngineError> {
        let steps: Vec<Step> = queries.into_iter().map(plain).collect();
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let mut link = self.link(Use::Call).await?;
        let replies = self.exchange(&mut link, &steps).await;
        replies.map_err(|failure| self.error(failure))
    }

    /// The same for one query, and what `decode` makes of its rows.
    pub(crate) async fn read_one<T>(
        &self,
        query: Query,
        decode: impl FnOnce(&mut dyn Rows) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let replies = self.read([query]).await?;
        decode(&mut rows(replies.first()))
    }

    /// The same for the rows of a table that older volumes lack: none there.
    pub(crate) async fn read_of_table<T: Default>(
        &self,
        query: Query,
        decode: impl FnOnce(&mut dyn Rows) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut link = self.link(Use::Call).await?;
        match self.exchange(&mut link, &[plain(query)]).await {
            Ok(replies) => decode(&mut rows(replies.first())),
            Err(failure) if failure.kind == FailureKind::Missing => Ok(T::default()),
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// A failure as an error.
    pub(crate) fn error(&self, failure: Failure) -> EngineError {
        match failure.kind {
            FailureKind::Conflict | FailureKind::Check => EngineError::Conflict,
            FailureKind::Transient => EngineError::Transient(failure.text),
            FailureKind::Lost => EngineError::MaybeCommitted(failure.text),
            FailureKind::Value | FailureKind::Fatal => EngineError::Fatal(failure.text),
            FailureKind::Missing => EngineError::Fatal(format!(
                "the database at {} holds no volume, or one of an older version that no client has mounted for writing since: {}",
                self.driver.names().1,
                failure.text
            )),
        }
    }

    /// Whether the commit whose answer was lost took place. As patient as others are with a server that is away; then it stays unknown.
    pub(crate) async fn settle(
        &self,
        id: Option<CommitId>,
        lost: &str,
    ) -> Result<bool, EngineError> {
        tracing::warn!("the answer to a commit was lost ({lost}); looking whether it took place");
        let unknown = |why: &str| EngineError::MaybeCommitted(format!("{lost}; {why}"));
        let Some(id) = id else {
            return Err(unknown("the transaction has no name"));
        };
        let mut outage = OutageWait::begin();
        loop {
            match self.driver.outcome(&id).await {
                Ok(Some(known)) => return Ok(known),
                Ok(None) => return Err(unknown("the server does not know it any more")),
                Err(EngineError::Transient(why)) if outage.wait(&why).await => {}
                Err(e) => return Err(unknown(&format!("it cannot be found out: {e}"))),
            }
        }
    }
}

/// A statement without locks.
pub(crate) fn plain(query: Query) -> Step {
    locking(query, Lock::None)
}

/// A statement that locks what it finds.
pub(crate) fn locking(query: Query, lock: Lock) -> Step {
    Step::Run(Run {
        statement: query.statement,
        form: Form::Plain(lock),
        params: query.params,
    })
}

/// The rows of a reply, none without one.
pub(crate) fn rows(reply: Option<&Reply>) -> RowList<'_> {
    RowList::new(reply.map_or(&[], |reply| &reply.rows))
}
