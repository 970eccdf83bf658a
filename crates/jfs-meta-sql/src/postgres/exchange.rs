//! Exchanges: steps as pipelined requests, and what their answers mean.

use super::connect::{Connection, EXCHANGE, Waiting, drive};
use super::sqlstate::{self, Meaning};
use super::values::{Param, PgRow, misfit};
use crate::net::link::{CommitId, Failure, FailureKind, Link, LinkState, Reply, Run, Step};
use crate::net::pool::Lease;
use crate::statement::Catalog;
use async_trait::async_trait;
use futures_util::TryStreamExt;
use std::sync::Arc;
use tokio_postgres::{Client, Error, Statement};

/// A transaction. READ COMMITTED is not left to the defaults of the server; writing is.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// A connection on loan.
pub(super) struct PgLink {
    lease: Lease<Connection>,
    catalog: Arc<Catalog>,
    state: LinkState,
    /// The transaction that is open has failed, and takes nothing but ROLLBACK.
    failed: bool,
    commit: Option<CommitId>,
}

impl Drop for PgLink {
    fn drop(&mut self) {
        match self.state {
            LinkState::Idle => self.lease.give_back(),
            LinkState::Open => {} // closed, which undoes the transaction
            LinkState::Broken => self.lease.discard(),
        }
    }
}

impl PgLink {
    pub(super) fn new(lease: Lease<Connection>, catalog: Arc<Catalog>) -> PgLink {
        PgLink {
            lease,
            catalog,
            state: LinkState::Idle,
            failed: false,
            commit: None,
        }
    }

    /// Prepares what `steps` need and this connection does not have: one round trip, none in most exchanges. Returns the texts of
    /// `Step::Text`, prepared for this once, in order.
    async fn prepare(&mut self, steps: &[Step]) -> Result<Vec<Statement>, Failure> {
        let catalog = self.catalog.clone();
        let Some(connection) = self.lease.get() else {
            return Err(gone());
        };
        let mut wanted: Vec<(usize, &str)> = Vec::new();
        let mut known = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Run(run) if connection.prepared(run.statement, run.form).is_none() => {
                    if !known.contains(&(run.statement, run.form)) {
                        known.push((run.statement, run.form));
                        wanted.push((number, &catalog.form(run.statement, run.form).run));
                    }
                }
                Step::Text(sql) => wanted.push((number, sql)),
                _ => {}
            }
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let Connection { client, wire, .. } = connection;
        let requests = wanted
            .iter()
            .map(|(_, sql)| {
                let request: Waiting<'_, Statement> = Box::pin(client.prepare(sql));
                request
            })
            .collect();
        let before = std::mem::replace(&mut self.state, LinkState::Broken);
        let answers = within(drive(wire, requests)).await?;
        let count = answers.len();
        let mut texts = Vec::new();
        self.state = before;
        for ((number, _), answer) in wanted.iter().zip(answers) {
            let prepared = match answer {
                Ok(prepared) => prepared,
                Err(e) => {
                    self.failed = self.state == LinkState::Open;
                    return Err(self.understand(Some(*number), &e, false));
                }
            };
            match steps.get(*number) {
                Some(Step::Run(run)) => connection.keep(run.statement, run.form, prepared),
                _ => texts.push(prepared),
            }
        }
        if count < wanted.len() {
            self.state = LinkState::Broken;
            return Err(gone());
        }
        Ok(texts)
    }

    /// Says what an error means for the caller, and notes when the connection is of no use any more.
    fn understand(&mut self, step: Option<usize>, e: &Error, commits: bool) -> Failure {
        let Meaning {
            kind,
            text,
            ends_connection,
        } = sqlstate::meaning(e);
        if ends_connection {
            self.state = LinkState::Broken;
        }
        let lost = ends_connection && commits && kind == FailureKind::Transient;
        Failure {
            step,
            kind: if lost { FailureKind::Lost } else { kind },
            text,
        }
    }

    /// Goes from the state `before` to the one behind `steps`, all of which the server has answered. The step with the number `failed`
    /// has failed, and with it those that follow in its transaction.
    fn follow(&mut self, before: LinkState, steps: &[Step], failed: Option<usize>) {
        self.state = before;
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Begin => self.state = LinkState::Open,
                Step::Commit | Step::Rollback => self.state = LinkState::Idle,
                Step::Run(_) | Step::Text(_) => {}
            }
            if failed == Some(number) {
                self.failed = true;
                if matches!(step, Step::Begin) {
                    self.state = LinkState::Broken; // what is open, if anything, is unknown
                    return;
                }
            }
        }
        if failed.is_some_and(|number| number >= steps.len()) {
            self.failed = true;
        }
        self.failed &= self.state == LinkState::Open;
    }
}

fn gone() -> Failure {
    Failure {
        step: None,
        kind: FailureKind::Transient,
        text: "the connection to PostgreSQL is gone".into(),
    }
}

/// Waits, but not for ever.
async fn within<T>(answers: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(EXCHANGE, answers)
        .await
        .map_err(|_| Failure {
            step: None,
            kind: FailureKind::Transient,
            text: format!("PostgreSQL gave no answer within {EXCHANGE:?}"),
        })
}

/// An answer to one request.
enum Answer {
    Reply(Reply),
    Transaction(i64),
}

async fn ask(client: &Client, statement: &Statement, run: Option<&Run>) -> Result<Reply, Error> {
    let params = run.map_or(&[][..], |run| &run.params);
    let mut rows = std::pin::pin!(
        client
            .query_raw(statement, params.iter().map(Param))
            .await?
    );
    let mut reply = Reply::default();
    while let Some(row) = rows.try_next().await? {
        reply.rows.push(Box::new(PgRow(row)));
    }
    reply.affected = rows.rows_affected().unwrap_or(0);
    Ok(reply)
}

/// The request of a statement of the protocol.
async fn control(client: &Client, sql: &str) -> Result<Answer, Error> {
    client.batch_execute(sql).await?;
    Ok(Answer::Reply(Reply::default()))
}

/// The parameter that does not fit, or is one too many or too few.
fn misfits(statement: &Statement, run: &Run) -> Option<String> {
    let types = statement.params();
    if types.len() != run.params.len() {
        return Some(format!(
            "{:?} takes {} parameters",
            run.statement,
            types.len()
        ));
    }
    let mut pairs = run.params.iter().zip(types);
    pairs.find_map(|(value, ty)| misfit(value, ty))
}

#[async_trait]
impl Link for PgLink {
    async fn exchange(&mut self, steps: &[Step]) -> Result<Vec<Reply>, Failure> {
        if self.state == LinkState::Broken || self.failed && !matches!(steps, [Step::Rollback]) {
            return Err(gone());
        }
        let texts = self.prepare(steps).await?;
        let mut texts = texts.iter();
        let commits = steps.iter().any(|step| matches!(step, Step::Commit));
        let begins = steps.iter().any(|step| matches!(step, Step::Begin));
        if begins {
            self.commit = None;
        }
        let Some(connection) = self.lease.get() else {
            return Err(gone());
        };
        let mut checked = Vec::with_capacity(steps.len());
        for (number, step) in steps.iter().enumerate() {
            let statement = match step {
                Step::Run(run) => connection.prepared(run.statement, run.form),
                Step::Text(_) => texts.next(),
                _ => None,
            };
            if let (Step::Run(run), Some(statement)) = (step, statement)
                && let Some(text) = misfits(statement, run)
            {
                return Err(Failure {
                    step: Some(number),
                    kind: FailureKind::Value,
                    text,
                });
            }
            checked.push((step, statement.cloned()));
        }
        let Connection {
            client,
            wire,
            transaction,
            backend,
            ..
        } = connection;
        let (client, transaction) = (&*client, &*transaction);
        let mut requests: Vec<Waiting<'_, Answer>> = Vec::with_capacity(steps.len() + 1);
        for (step, statement) in &checked {
            requests.push(match (step, statement) {
                (Step::Begin, _) => Box::pin(control(client, BEGIN)),
                (Step::Commit, _) => Box::pin(control(client, "COMMIT")),
                (Step::Rollback, _) => Box::pin(control(client, "ROLLBACK")),
                (step, Some(statement)) => Box::pin(async move {
                    let run = match step {
                        Step::Run(run) => Some(run),
                        _ => None,
                    };
                    ask(client, statement, run).await.map(Answer::Reply)
                }),
                (_, None) => return Err(gone()),
            });
        }
        let named = begins
            && !steps
                .iter()
                .any(|step| matches!(step, Step::Commit | Step::Rollback));
        if named {
            requests.push(Box::pin(async move {
                let reply = client.query_one(transaction, &[]).await?;
                reply.try_get(0).map(Answer::Transaction)
            }));
        }
        let (count, backend) = (requests.len(), *backend);
        let before = std::mem::replace(&mut self.state, LinkState::Broken);
        let answers = match within(drive(wire, requests)).await {
            Ok(answers) => answers,
            Err(late) if commits => {
                return Err(Failure {
                    kind: FailureKind::Lost,
                    ..late
                });
            }
            Err(late) => return Err(late),
        };
        let mut replies = Vec::with_capacity(steps.len());
        let mut whole = answers.len() == count;
        let mut failure = None;
        for (number, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(Answer::Reply(reply)) => replies.push(reply),
                Ok(Answer::Transaction(id)) => {
                    self.commit = Some(CommitId::Transaction { id, backend });
                }
                Err(e) => {
                    whole &= !sqlstate::meaning(&e).ends_connection;
                    // The first failure says why; those behind it follow from it.
                    failure.get_or_insert((number, e));
                }
            }
        }
        if whole {
            self.follow(before, steps, failure.as_ref().map(|(number, _)| *number));
        }
        match failure {
            None if whole => Ok(replies),
            None if commits => Err(Failure {
                kind: FailureKind::Lost,
                ..gone()
            }),
            None => Err(gone()),
            Some((number, e)) => {
                let step = Some(number).filter(|number| *number < steps.len());
                Err(self.understand(step, &e, commits))
            }
        }
    }

    fn state(&self) -> LinkState {
        self.state
    }

    fn commit_id(&self) -> Option<CommitId> {
        self.commit
    }
}
