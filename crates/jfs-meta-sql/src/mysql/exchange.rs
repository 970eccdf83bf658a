//! Exchanges: steps as one text, and what its results mean.

use super::codes::{self, Meaning};
use super::connect::Connection;
use super::driver::Shared;
use super::text::{self, Packet, Role, Unsendable};
use crate::net::link::{CommitId, Failure, FailureKind, Link, LinkState, Reply, Step};
use crate::net::pool::Lease;
use crate::statement::Statement;
use async_trait::async_trait;
use mysql_async::Error;
use std::sync::Arc;
use tokio::time::timeout;

/// A connection on loan.
pub(super) struct MyLink {
    lease: Lease<Connection>,
    shared: Arc<Shared>,
    state: LinkState,
    commit: Option<CommitId>,
}

impl Drop for MyLink {
    fn drop(&mut self) {
        match self.state {
            LinkState::Idle => self.lease.give_back(),
            LinkState::Open => {} // closed, which undoes the transaction
            LinkState::Broken => {
                // A commit may be in doubt.
                if let Some(connection) = self.lease.get() {
                    connection.mark = None;
                }
                self.lease.discard();
            }
        }
    }
}

impl MyLink {
    pub(super) fn new(lease: Lease<Connection>, shared: Arc<Shared>) -> MyLink {
        MyLink {
            lease,
            shared,
            state: LinkState::Idle,
            commit: None,
        }
    }

    /// The packets for `steps`, and the name of the commit that is among them. `table`: see [`Spare::table`].
    ///
    /// [`Spare::table`]: super::marks::Spare::table
    fn prepare(
        &mut self,
        steps: &[Step],
        table: u32,
    ) -> Result<(Vec<Packet>, Option<CommitId>), Failure> {
        let Some(connection) = self.lease.get() else {
            return Err(gone());
        };
        let commits = steps.iter().any(|step| matches!(step, Step::Commit));
        let marked = commits && self.shared.marks_are_on();
        let mark = connection.mark.as_mut().filter(|_| marked);
        let statements = mark.as_ref().map(|mark| mark.statements(table));
        let statements = statements.unwrap_or_default();
        let parts = text::parts(steps, &self.shared.catalog, &statements);
        let packets = parts.and_then(|parts| text::packets(parts, connection.packet_max));
        let packets = packets.map_err(|Unsendable { step, text }| Failure {
            step: Some(step),
            kind: FailureKind::Fatal,
            text,
        })?;
        let id = mark.map(|mark| {
            let (id, number) = (mark.id, mark.number);
            mark.next();
            CommitId::Mark { mark: id, number }
        });
        Ok((packets, id))
    }

    /// Sends one packet and reads its replies.
    async fn send(&mut self, packet: &Packet) -> Result<Vec<Reply>, Problem> {
        let Some(connection) = self.lease.get() else {
            return Err(Problem::Late(gone().text));
        };
        let limit = self.shared.address.exchange;
        match timeout(limit, connection.results(&packet.text)).await {
            Ok(Ok(replies)) if replies.len() == packet.parts.len() => Ok(replies),
            Ok(Ok(replies)) => Err(Problem::Late(format!(
                "MySQL gave {} results to {} statements",
                replies.len(),
                packet.parts.len()
            ))),
            Ok(Err((at, e))) => Err(Problem::Failed(at, e)),
            Err(_) => Err(Problem::Late(format!(
                "MySQL gave no answer within {limit:?}"
            ))),
        }
    }

    /// Understands that the statement with the number `at` of `packet` failed, and undoes the transaction that it belongs to. `open`: one
    /// was open before the packet.
    async fn failed(&mut self, packet: &Packet, open: bool, at: usize, e: &Error) -> Failure {
        let Meaning {
            mut kind,
            text,
            ends_connection,
            undone,
        } = codes::meaning(e);
        let answered = matches!(e, Error::Server(_));
        let (step, role) = match packet.parts.get(at) {
            Some((step, role)) if answered => (Some(*step), Some(*role)),
            _ => (None, None),
        };
        match role {
            // The text did not get to its end in time, or the server ended within the commit.
            None if packet.parts.iter().any(|(_, role)| *role == Role::Commit) => {
                kind = FailureKind::Lost;
            }
            Some(Role::Commit) if kind != FailureKind::Conflict => kind = FailureKind::Lost,
            Some(Role::Mark) => {
                // The row is not as this connection left it, or the table is gone: the next connection makes its own.
                self.shared.mark_failed(kind, &text);
                kind = FailureKind::Transient;
                return Failure { step, kind, text };
            }
            _ => {}
        }
        if !ends_connection && answered && role != Some(Role::Commit) {
            let before = packet.parts.iter().take(at).map(|(_, role)| *role);
            let open = before.fold(open, |open, role| match role {
                Role::Begin => true,
                Role::Commit | Role::Rollback => false,
                _ => open,
            });
            let clean = undone || !open || self.undo().await;
            if clean {
                self.state = LinkState::Idle;
            }
        }
        Failure { step, kind, text }
    }

    /// Undoes the transaction that is open. Whether that succeeded.
    async fn undo(&mut self) -> bool {
        let rollback = Packet {
            text: "ROLLBACK".into(),
            parts: vec![(0, Role::Rollback)],
        };
        self.send(&rollback).await.is_ok()
    }
}

/// A packet without the replies that it asks for.
enum Problem {
    /// No answer in time, or an unexpected one.
    Late(String),
    /// The statement with this number failed.
    Failed(usize, Error),
}

fn gone() -> Failure {
    Failure {
        step: None,
        kind: FailureKind::Transient,
        text: "the connection to MySQL is gone".into(),
    }
}

/// A list of slices that has no room for one more record has it again when it was compacted, which its length has asked for long ago.
fn full_list(failure: Failure, steps: &[Step]) -> Failure {
    let appends = |step: &Step| {
        matches!(step, Step::Run(run)
            if matches!(run.statement, Statement::ChunkAppend | Statement::ChunkAppendRange))
    };
    let step = failure.step.and_then(|step| steps.get(step));
    match failure.kind {
        FailureKind::Value if step.is_some_and(appends) => Failure {
            kind: FailureKind::Transient,
            text: format!(
                "a list of slices is full until it is compacted: {}",
                failure.text
            ),
            ..failure
        },
        _ => failure,
    }
}

/// The state behind `steps`, all of which have succeeded.
fn follow(before: LinkState, steps: &[Step]) -> LinkState {
    steps.iter().fold(before, |state, step| match step {
        Step::Begin => LinkState::Open,
        Step::Commit | Step::Rollback => LinkState::Idle,
        Step::Run(_) | Step::Text(_) => state,
    })
}

#[async_trait]
impl Link for MyLink {
    async fn exchange(&mut self, steps: &[Step]) -> Result<Vec<Reply>, Failure> {
        if self.state == LinkState::Broken {
            return Err(gone());
        }
        let commits = steps.iter().any(|step| matches!(step, Step::Commit));
        if commits {
            self.shared.look_for_marks().await;
        }
        let table = self.shared.spare.table();
        let (packets, commit) = self.prepare(steps, table)?;
        if commits || steps.iter().any(|step| matches!(step, Step::Begin)) {
            self.commit = commit;
        }
        // Until the replies are there, also when this future is dropped.
        let before = std::mem::replace(&mut self.state, LinkState::Broken);
        let mut replies: Vec<Reply> = steps.iter().map(|_| Reply::default()).collect();
        let mut open = before == LinkState::Open;
        for packet in packets {
            let found = match self.send(&packet).await {
                Ok(found) => found,
                Err(Problem::Failed(at, e)) => {
                    let failure = self.failed(&packet, open, at, &e).await;
                    return Err(full_list(failure, steps));
                }
                Err(Problem::Late(text)) => {
                    let commits = packet.parts.iter().any(|(_, role)| *role == Role::Commit);
                    let kind = match commits {
                        true => FailureKind::Lost,
                        false => FailureKind::Transient,
                    };
                    return Err(Failure {
                        step: None,
                        kind,
                        text,
                    });
                }
            };
            for (reply, (step, role)) in found.into_iter().zip(&packet.parts) {
                match (role, replies.get_mut(*step)) {
                    (Role::Statement, Some(place)) => *place = reply,
                    (Role::ReadBack, Some(place)) => place.rows = reply.rows,
                    (Role::Begin, _) => open = true,
                    (Role::Commit | Role::Rollback, _) => open = false,
                    _ => {}
                }
            }
        }
        self.state = follow(before, steps);
        if commit.is_some()
            && let Some(mark) = self.lease.get().and_then(|c| c.mark.as_mut())
        {
            mark.committed(table);
        }
        Ok(replies)
    }

    fn state(&self) -> LinkState {
        self.state
    }

    fn commit_id(&self) -> Option<CommitId> {
        self.commit
    }
}
