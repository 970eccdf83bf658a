//! A connection to a server, as the engine sees it: many steps, one round trip.

use crate::dialect::Form;
use crate::net::pool::Use;
use crate::statement::{Catalog, Statement};
use crate::value::{Params, Row};
use async_trait::async_trait;
use jfs_meta::EngineError;

/// One step of an exchange.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Begins a transaction at READ COMMITTED.
    Begin,
    /// Ends it; its changes stay. A transaction without changes ends with [`Step::Rollback`] instead.
    Commit,
    /// Ends it; its changes go.
    Rollback,
    /// Runs a statement.
    Run(Run),
    /// Runs a text in the words of the database, without parameters: the schema and questions about it. Its rows are in the reply.
    Text(String),
}

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The statement.
    pub(crate) statement: Statement,
    /// The form in which it runs; see [`crate::statement::Catalog::form`].
    pub(crate) form: Form,
    /// Its parameters.
    pub(crate) params: Params,
}

/// The answer to a [`Step::Run`] or [`Step::Text`]; empty for the other steps.
#[derive(Default)]
pub(crate) struct Reply {
    /// Rows that were changed.
    pub(crate) affected: u64,
    /// Rows that were found.
    pub(crate) rows: Vec<Box<dyn Row + Send>>,
}

/// An exchange that did not succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The number of the step that failed, where that is known.
    pub(crate) step: Option<usize>,
    /// What it means.
    pub(crate) kind: FailureKind,
    /// The server's or the driver's words, without secrets.
    pub(crate) text: String,
}

/// What a failure means. But for `Lost`, the transaction was undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Another transaction was in the way: a deadlock, a lock that was not free in time, a key that is taken.
    Conflict,
    /// A check of a statement was false.
    Check,
    /// A value does not fit its column.
    Value,
    /// Trying again may help, and nothing was changed.
    Transient,
    /// The connection ended while a COMMIT was on its way.
    Lost,
    /// A table, column or the database is missing.
    Missing,
    /// Trying again does not help.
    Fatal,
}

/// The state of a connection between two exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// No transaction is open: the connection can be used by others.
    Idle,
    /// A transaction is open, perhaps one that has failed and waits for its ROLLBACK.
    Open,
    /// The connection is of no use any more.
    Broken,
}

/// A connection that one caller owns. Dropped in the state `Idle` it goes back to its pool, and is closed otherwise.
#[async_trait]
pub(crate) trait Link: Send + 'static {
    /// Sends all steps in one flush and waits for their replies, which come in the order of the steps. Statements behind one that failed
    /// have no effect: their transaction is undone, even if a commit follows.
    ///
    /// A parameter that its column cannot hold fails with `Value` before anything is sent.
    ///
    /// The link's own deadline ends the wait, and the connection with it. So does dropping the future.
    async fn exchange(&mut self, steps: &[Step]) -> Result<Vec<Reply>, Failure>;

    /// See [`LinkState`].
    fn state(&self) -> LinkState;

    /// The name of the transaction that is open, or of the one whose COMMIT was sent last. `None` while it has none.
    fn commit_id(&self) -> Option<CommitId>;
}

/// A kind of server.
#[async_trait]
pub(crate) trait Driver: Send + Sync + 'static {
    /// Its connections.
    type Link: Link;

    /// The statements in the server's dialect.
    fn catalog(&self) -> &Catalog;

    /// The name of the engine, and the address without secrets.
    fn names(&self) -> (&'static str, &str);

    /// Whether the server names a transaction when it begins. A transaction whose answer must not get lost then begins in an exchange
    /// before the one with its COMMIT. Where false, the link gives it a name as part of the commit.
    fn names_at_begin(&self) -> bool;

    /// A connection from the pool; waits for one as long as the driver's deadline allows.
    async fn link(&self, wanted: Use) -> Result<Self::Link, EngineError>;

    /// What became of a commit whose answer was lost: whether it was applied, `None` when the server cannot say. "No" is final: the commit
    /// never takes place after this answer. `Transient` while the server does not know yet.
    async fn outcome(&self, id: &CommitId) -> Result<Option<bool>, EngineError>;

    /// Makes what [`Driver::outcome`] needs in the database, if anything, before the first write of a session.
    async fn prepare_writes(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Closes all connections.
    async fn close(&self);
}

/// The name under which a server knows a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitId {
    /// PostgreSQL's transaction id, and the process that serves the connection.
    Transaction {
        /// The id with its epoch.
        id: i64,
        /// The server's process.
        backend: i32,
    },
    /// The number that the commit writes into the mark of its connection.
    Mark {
        /// The mark.
        mark: i64,
        /// The number.
        number: i64,
    },
}
