//! A connection to a server, as the engine sees it: many steps, one round trip.

use crate::dialect::Lock;
use crate::statement::Statement;
use crate::value::{Params, Row};
use async_trait::async_trait;
use jfs_meta::EngineError;

/// One step of an exchange.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Begins a transaction.
    Begin,
    /// Ends it; its changes stay.
    Commit,
    /// Ends it; its changes go.
    Rollback,
    /// Runs a statement.
    Run(Run),
    /// Asks for the id of the transaction, which [`Driver::outcome`] understands. Nothing on servers that name commits in another way.
    TransactionId,
}

/// A statement with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The statement.
    pub(crate) statement: Statement,
    /// The lock on the rows that it finds.
    pub(crate) lock: Lock,
    /// Its parameters.
    pub(crate) params: Params,
}

/// The answer to a [`Step::Run`] (empty for the other steps but `TransactionId`: one row, one column).
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

/// A connection that one caller owns.
#[async_trait]
pub(crate) trait Link: Send + 'static {
    /// Sends all steps in one flush and waits for their replies, which come in the order of the steps. Statements behind one that failed
    /// have no effect: a transaction that they belong to is undone, whatever steps follow.
    ///
    /// The deadline of the engine ends the wait, and the connection with it.
    async fn exchange(&mut self, steps: &[Step]) -> Result<Vec<Reply>, Failure>;

    /// Whether the connection can be used again: it lives, and no transaction is open.
    fn is_reusable(&self) -> bool;
}

/// A kind of server.
#[async_trait]
pub(crate) trait Driver: Send + Sync + 'static {
    /// Its connections.
    type Link: Link;

    /// A connection from the pool; waits for one as long as the engine's deadline allows.
    async fn link(&self) -> Result<Self::Link, EngineError>;

    /// What became of a commit whose answer was lost: whether it was applied, `None` when the server cannot say.
    async fn outcome(&self, id: &CommitId) -> Result<Option<bool>, EngineError>;

    /// Closes all connections.
    async fn close(&self);
}

/// The name under which a server knows a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitId {
    /// PostgreSQL's transaction id.
    Transaction(String),
    /// The number that the commit writes into the mark of its connection.
    Mark {
        /// The mark.
        mark: i64,
        /// The number.
        number: i64,
    },
}
