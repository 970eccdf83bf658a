//! The end of an attempt: checks, changes, the fence and COMMIT in one exchange.

use crate::dialect::{Form, Lock};
use crate::net::attempt::NetAttempt;
use crate::net::batch::{self, Guard, Seen};
use crate::net::link::{Driver, Failure, FailureKind, Link, Run, Step};
use crate::net::server::{Loan, Server, plain, rows};
use crate::records::{self, Change, Query, volume};
use crate::statement::Statement;
use jfs_meta::EngineError;
use jfs_meta::engine::{Answer, Fence, Key, Receipt, Write};
use jfs_types::Time;

/// Fails unless the setting is the fence's.
pub(crate) fn fence_step(fence: &Fence) -> Result<Step, EngineError> {
    let document = volume::document(fence.document())?;
    Ok(plain(Query::new(Statement::SettingIs, [document])))
}

impl<D: Driver> NetAttempt<D> {
    /// Ends an attempt that changes nothing: makes sure that what it has read is still so.
    pub(crate) async fn validate(mut self) -> Result<(), EngineError> {
        let unlocked: Vec<Seen> = self
            .seen
            .drain(..)
            .filter(|seen| seen.guard != Guard::Locked)
            .collect();
        let mut steps = Vec::new();
        if let Some(fence) = &self.fence {
            steps.push(fence_step(fence)?);
        }
        let fenced = steps.len();
        steps.extend(unlocked.iter().map(|seen| plain(records::query(&seen.key))));
        if steps.is_empty() {
            return Ok(());
        }
        if self.begun {
            steps.push(Step::Rollback);
        }
        let mut link = self.take_link().await?;
        let replies = self.server.exchange(&mut link, &steps).await;
        let replies = replies.map_err(|failure| match failure.step {
            Some(step) if step < fenced && failure.kind == FailureKind::Check => {
                EngineError::SettingChanged
            }
            _ => self.server.error(failure),
        })?;
        for (seen, reply) in unlocked
            .iter()
            .zip(replies.get(fenced..).unwrap_or_default())
        {
            if records::answer(&seen.key, &mut rows(Some(reply)))? != seen.answer {
                return Err(EngineError::Conflict);
            }
        }
        Ok(())
    }

    /// Applies `writes`, or none.
    pub(crate) async fn apply(
        mut self,
        writes: &[Write],
        at: Time,
    ) -> Result<Receipt, EngineError> {
        let changes: Vec<Change> = records::changes(writes, at)
            .into_iter()
            .map(|change| self.exclusive(change))
            .collect();
        let mut link = self.take_link().await?;
        compare(&self.server, &mut link, &self.seen).await?;
        let mut steps = Vec::with_capacity(changes.len() + 4);
        if !self.begun {
            match self.server.driver.names_at_begin() {
                true => {
                    let begun = self.server.exchange(&mut link, &[Step::Begin]).await;
                    begun.map_err(|failure| self.server.error(failure))?;
                }
                false => steps.push(Step::Begin),
            }
        }
        steps.extend(self.checks(writes));
        let first = steps.len();
        steps.extend(changes.iter().map(|change| {
            Step::Run(Run {
                statement: change.statement,
                form: Form::Plain(Lock::None),
                params: change.params.clone(),
            })
        }));
        let fence = steps.len();
        if let Some(fence) = &self.fence {
            steps.push(fence_step(fence)?);
        }
        steps.push(Step::Commit);
        let replies = match self.server.exchange(&mut link, &steps).await {
            Ok(replies) => replies,
            Err(Failure {
                kind: FailureKind::Lost,
                text,
                ..
            }) => {
                let id = link.commit_id();
                drop(link);
                return match self.server.settle(id, &text).await? {
                    // The hourly jobs find what the lost answers would have told.
                    true => Ok(Receipt::default()),
                    false => Err(EngineError::Transient(format!(
                        "{text}; the commit did not take place"
                    ))),
                };
            }
            Err(failure) => {
                let change = failure
                    .step
                    .and_then(|step| changes.get(step.checked_sub(first)?));
                return Err(match (failure.kind, failure.step, change) {
                    (FailureKind::Check, Some(step), _) if step == fence => {
                        EngineError::SettingChanged
                    }
                    (FailureKind::Check, _, Some(change)) => change.expect.failed(),
                    _ => self.server.error(failure),
                });
            }
        };
        let mut receipt = Receipt::default();
        for (change, reply) in changes.iter().zip(replies.get(first..).unwrap_or_default()) {
            // Missing rows have failed on the server; only what a change returns is of interest.
            let affected = reply.affected.max(1);
            records::settle(change, affected, &mut rows(Some(reply)), &mut receipt)?;
        }
        Ok(receipt)
    }

    /// A change that stores a record which was missing fails where it has come since.
    fn exclusive(&self, mut change: Change) -> Change {
        let Some(insertion) = batch::insertion(change.statement) else {
            return change;
        };
        let name = change.params.first();
        let was_missing = |seen: &Seen| {
            seen.guard == Guard::Count(0) && records::query(&seen.key).params.first() == name
        };
        if self.seen.iter().any(was_missing) {
            change.statement = insertion;
        }
        change
    }

    /// Checks of what cannot be locked, but for names and inodes that the commit makes: their places are unique.
    fn checks(&self, writes: &[Write]) -> Vec<Step> {
        let is_made = |key: &Key| {
            writes.iter().any(|write| match (write, key) {
                (Write::NewEntry { dir, name, .. }, Key::Entry(of, known)) => {
                    dir == of && name == known
                }
                (Write::NewNode { ino, .. }, Key::Attr(known)) => ino == known,
                _ => false,
            })
        };
        let check = |seen: &Seen| match seen.guard {
            Guard::Count(found) if !is_made(&seen.key) => {
                let Query { statement, params } = batch::counted(&seen.key, found);
                Some(Step::Run(Run {
                    statement,
                    form: Form::Count,
                    params,
                }))
            }
            _ => None,
        };
        self.seen.iter().filter_map(check).collect()
    }
}

/// Reads again what neither a lock nor a check keeps: one more round trip, for the few operations that need it.
async fn compare<D: Driver>(
    server: &Server<D>,
    link: &mut Loan<D::Link>,
    seen: &[Seen],
) -> Result<(), EngineError> {
    let again: Vec<&Seen> = seen
        .iter()
        .filter(|seen| seen.guard == Guard::Compare)
        .collect();
    if again.is_empty() {
        return Ok(());
    }
    let steps: Vec<Step> = again
        .iter()
        .map(|seen| plain(records::query(&seen.key)))
        .collect();
    let replies = server.exchange(link, &steps).await;
    let replies = replies.map_err(|failure| server.error(failure))?;
    for (seen, reply) in again.iter().zip(&replies) {
        let now: Answer = records::answer(&seen.key, &mut rows(Some(reply)))?;
        if now != seen.answer {
            return Err(EngineError::Conflict);
        }
    }
    Ok(())
}
