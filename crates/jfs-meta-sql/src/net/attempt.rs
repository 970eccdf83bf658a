//! One attempt on a server: each batch of reads is an exchange that locks, the commit is one exchange more.

use crate::net::batch::{self, Seen};
use crate::net::link::{Driver, Step};
use crate::net::pool::Use;
use crate::net::server::{Loan, Server, rows};
use crate::records;
use async_trait::async_trait;
use jfs_meta::engine::{Answer, Fence, Read, Receipt, Strength, Write};
use jfs_meta::{Attempt, EngineError};
use jfs_types::{Ino, Time};
use std::sync::Arc;

/// An attempt. Dropped, its connection goes back to the pool after a ROLLBACK in the background.
pub(crate) struct NetAttempt<D: Driver> {
    pub(crate) server: Arc<Server<D>>,
    pub(crate) link: Option<Loan<D::Link>>,
    /// A transaction was begun.
    pub(crate) begun: bool,
    /// The fence when the attempt began.
    pub(crate) fence: Option<Arc<Fence>>,
    /// Records that must be the same at the commit.
    pub(crate) seen: Vec<Seen>,
    /// Inodes whose rows are locked for a change.
    owned: Vec<Ino>,
}

impl<D: Driver> NetAttempt<D> {
    pub(crate) fn new(server: Arc<Server<D>>) -> NetAttempt<D> {
        NetAttempt {
            fence: server.fence.get(),
            server,
            link: None,
            begun: false,
            seen: Vec::with_capacity(4),
            owned: Vec::new(),
        }
    }

    /// The attempt's connection.
    pub(crate) async fn take_link(&mut self) -> Result<Loan<D::Link>, EngineError> {
        match self.link.take() {
            Some(link) => Ok(link),
            // The transaction went with its connection.
            None if self.begun => Err(EngineError::Transient("the attempt has failed".into())),
            None => self.server.link(Use::Attempt).await,
        }
    }
}

#[async_trait]
impl<D: Driver> Attempt for NetAttempt<D> {
    async fn read(&mut self, reads: &[Read]) -> Result<Vec<Answer>, EngineError> {
        let begins = !self.begun && batch::holds(reads);
        let batch = batch::plan(reads, &self.owned);
        let mut steps = Vec::with_capacity(batch.steps.len() + 1);
        if begins {
            steps.push(Step::Begin);
        }
        steps.extend(batch.steps);
        let mut link = self.take_link().await?;
        let replies = self.server.exchange(&mut link, &steps).await;
        let replies = replies.map_err(|failure| self.server.error(failure))?;
        self.link = Some(link);
        self.begun |= begins;
        self.owned.extend(batch.owned);
        let replies = replies.get(usize::from(begins)..).unwrap_or_default();
        let mut answers = Vec::with_capacity(reads.len());
        for (read, place) in reads.iter().zip(batch.of_read) {
            let reply = replies.get(place);
            let answer = records::answer(&read.key, &mut rows(reply))?;
            if read.strength != Strength::Peek {
                self.seen.push(Seen {
                    key: read.key.clone(),
                    answer: answer.clone(),
                    guard: batch::guard(&read.key, reply.map_or(0, |reply| reply.rows.len())),
                });
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn commit(self: Box<Self>, writes: &[Write], at: Time) -> Result<Receipt, EngineError> {
        match writes.is_empty() {
            true => self.validate().await.map(|()| Receipt::default()),
            false => self.apply(writes, at).await,
        }
    }

    async fn end(self: Box<Self>) {
        // The loan of the connection ends the transaction.
    }
}
