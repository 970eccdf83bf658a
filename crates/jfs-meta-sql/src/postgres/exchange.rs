//! Exchanges: steps as pipelined requests, and what their answers mean.

use super::connect::{Connection, EXCHANGE, SCHEMA_EXCHANGE, Waiting, drive};
use super::sqlstate::{self, Meaning};
use super::values::{Param, PgRow, misfit};
use crate::net::link::{CommitId, Failure, FailureKind, Link, LinkState, Reply, Run, Step};
use crate::net::pool::Lease;
use crate::statement::Catalog;
use async_trait::async_trait;
use futures_util::TryStreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::{Client, Error, SimpleQueryMessage, Statement};

/// A transaction. READ COMMITTED is not left to the defaults of the server; writing is.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Lets the statements of the transaction take as long as they need.
const UNHURRIED: &str = "SET LOCAL statement_timeout = 0";
/// Both.
const BEGIN_UNHURRIED: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0";

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
                Step::Run(run)
                    if connection.prepared(run.statement, run.form).is_none()
                        && !known.contains(&(run.statement, run.form)) =>
                {
                    known.push((run.statement, run.form));
                    wanted.push((number, &catalog.form(run.statement, run.form).run));
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
        let answers = within(EXCHANGE, drive(wire, requests)).await?;
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

    /// Pairs each step with its statement. A parameter that does not fit fails here, before anything is sent: the statements behind it
    /// would be carried out without it.
    fn ready<'s>(
        &mut self,
        steps: &'s [Step],
        texts: Vec<Statement>,
    ) -> Result<Vec<Ready<'s>>, Failure> {
        let Some(connection) = self.lease.get() else {
            return Err(gone());
        };
        let mut texts = texts.into_iter();
        let mut ready = Vec::with_capacity(steps.len());
        for (number, step) in steps.iter().enumerate() {
            let statement = match step {
                Step::Run(run) => {
                    let statement = connection
                        .prepared(run.statement, run.form)
                        .ok_or_else(gone)?;
                    if let Some(text) = misfits(statement, run) {
                        return Err(Failure {
                            step: Some(number),
                            kind: FailureKind::Value,
                            text,
                        });
                    }
                    Some(statement.clone())
                }
                Step::Text(_) => Some(texts.next().ok_or_else(gone)?),
                Step::Begin | Step::Commit | Step::Rollback => None,
            };
            ready.push((step, statement));
        }
        Ok(ready)
    }

    /// Lets the statements of the open transaction take as long as they need: one round trip.
    async fn unhurry(&mut self) -> Result<(), Failure> {
        let Some(connection) = self.lease.get() else {
            return Err(gone());
        };
        let (client, wire) = (&connection.client, &mut connection.wire);
        let request: Waiting<'_, Answer> = Box::pin(control(client, UNHURRIED));
        let before = std::mem::replace(&mut self.state, LinkState::Broken);
        let answers = within(EXCHANGE, drive(wire, vec![request])).await?;
        self.conclude(before, &[], answers, 1, false).map(|_| ())
    }

    /// Turns the answers to an exchange of `count` requests into replies, or says what the failure means.
    fn conclude(
        &mut self,
        before: LinkState,
        steps: &[Step],
        answers: Vec<Result<Answer, Error>>,
        count: usize,
        commits: bool,
    ) -> Result<Vec<Reply>, Failure> {
        let mut replies = Vec::with_capacity(steps.len());
        let mut whole = answers.len() == count;
        let mut failure = None;
        for (number, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(Answer::Reply(reply)) => replies.push(reply),
                Ok(Answer::Transaction(id)) => {
                    replies.push(Reply::default());
                    let backend = self.lease.get().map_or(0, |connection| connection.backend);
                    self.commit = Some(CommitId::Transaction { id, backend });
                }
                Err(e) => {
                    whole &= !sqlstate::meaning(&e).is_cut;
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
            Some((number, e)) => Err(self.understand(Some(number), &e, commits)),
        }
    }

    /// Says what an error means for the caller, and notes when the connection is of no use any more.
    fn understand(&mut self, step: Option<usize>, e: &Error, commits: bool) -> Failure {
        let Meaning {
            kind,
            text,
            ends_connection,
            is_cut,
        } = sqlstate::meaning(e);
        if ends_connection {
            self.state = LinkState::Broken;
        }
        let lost = is_cut && commits && kind == FailureKind::Transient;
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
async fn within<T>(limit: Duration, answers: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(limit, answers)
        .await
        .map_err(|_| Failure {
            step: None,
            kind: FailureKind::Transient,
            text: format!("PostgreSQL gave no answer within {limit:?}"),
        })
}

/// An answer to one request.
enum Answer {
    Reply(Reply),
    /// A transaction was begun, and this is its name.
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

/// What an exchange does to transactions.
struct Shape {
    begins: bool,
    commits: bool,
    /// The transaction is left open, so that its name may be needed.
    stays_open: bool,
    /// The schema is changed, or tables are emptied.
    has_texts: bool,
}

impl Shape {
    fn of(steps: &[Step]) -> Shape {
        let any = |wanted: fn(&Step) -> bool| steps.iter().any(wanted);
        let begins = any(|step| matches!(step, Step::Begin));
        Shape {
            begins,
            commits: any(|step| matches!(step, Step::Commit)),
            stays_open: begins && !any(|step| matches!(step, Step::Commit | Step::Rollback)),
            has_texts: any(|step| matches!(step, Step::Text(_))),
        }
    }
}

/// A step with the statement that it runs, prepared.
type Ready<'s> = (&'s Step, Option<Statement>);

/// The request that begins a transaction and asks for its name.
async fn begin_named(client: &Client, begin: &str) -> Result<Answer, Error> {
    // The form of the question is older than PostgreSQL 13.
    let text = format!("{begin}; SELECT txid_current()");
    let messages = client.simple_query(&text).await?;
    let id = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(id.map_or_else(|| Answer::Reply(Reply::default()), Answer::Transaction))
}

/// The requests of an exchange, one for each step.
fn requests<'a>(
    client: &'a Client,
    steps: &'a [Ready<'a>],
    shape: &Shape,
) -> Vec<Waiting<'a, Answer>> {
    let begin = match shape.has_texts {
        true => BEGIN_UNHURRIED,
        false => BEGIN,
    };
    let mut requests: Vec<Waiting<'a, Answer>> = Vec::with_capacity(steps.len());
    for (step, statement) in steps {
        requests.push(match (step, statement) {
            (Step::Begin, _) if shape.stays_open => Box::pin(begin_named(client, begin)),
            (Step::Begin, _) => Box::pin(control(client, begin)),
            (Step::Commit, _) => Box::pin(control(client, "COMMIT")),
            (Step::Rollback, _) | (_, None) => Box::pin(control(client, "ROLLBACK")),
            (step, Some(statement)) => Box::pin(async move {
                let run = match step {
                    Step::Run(run) => Some(run),
                    _ => None,
                };
                ask(client, statement, run).await.map(Answer::Reply)
            }),
        });
    }
    requests
}

#[async_trait]
impl Link for PgLink {
    async fn exchange(&mut self, steps: &[Step]) -> Result<Vec<Reply>, Failure> {
        if self.state == LinkState::Broken || self.failed && !matches!(steps, [Step::Rollback]) {
            return Err(gone());
        }
        let shape = Shape::of(steps);
        let texts = self.prepare(steps).await?;
        let ready = self.ready(steps, texts)?;
        if shape.begins {
            self.commit = None;
        }
        let unhurried = shape.has_texts && (shape.begins || self.state == LinkState::Open);
        if unhurried && !shape.begins {
            self.unhurry().await?;
        }
        let limit = match unhurried {
            true => SCHEMA_EXCHANGE,
            false => EXCHANGE,
        };
        let Some(connection) = self.lease.get() else {
            return Err(gone());
        };
        let (client, wire) = (&connection.client, &mut connection.wire);
        let requests = requests(client, &ready, &shape);
        let count = requests.len();
        // A connection whose answers were not waited for is of no use.
        let before = std::mem::replace(&mut self.state, LinkState::Broken);
        let answers = match within(limit, drive(wire, requests)).await {
            Ok(answers) => answers,
            Err(late) if shape.commits => {
                return Err(Failure {
                    kind: FailureKind::Lost,
                    ..late
                });
            }
            Err(late) => return Err(late),
        };
        self.conclude(before, steps, answers, count, shape.commits)
    }

    fn state(&self) -> LinkState {
        self.state
    }

    fn commit_id(&self) -> Option<CommitId> {
        self.commit
    }
}
