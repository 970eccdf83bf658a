//! Changes outside of attempts. They require the same volume; its setting may have changed.

use crate::net::commit::fence_step;
use crate::net::link::{Driver, Failure, FailureKind, Link, Reply, Step};
use crate::net::pool::Use;
use crate::net::server::{Loan, Server, plain, rows};
use crate::records::{Query, volume};
use jfs_meta::EngineError;
use jfs_meta::engine::Fence;

impl<D: Driver> Server<D> {
    /// Applies changes that may be applied twice: a lost answer is `Transient`. One round trip, two more after the setting has changed.
    pub(crate) async fn repeatable(&self, queries: Vec<Query>) -> Result<Vec<Reply>, EngineError> {
        let mut link = self.link(Use::Call).await?;
        let Some(fence) = self.fence.get() else {
            let replies = self.finish(&mut link, vec![Step::Begin], &queries).await;
            return replies.map_err(|failure| self.again(failure));
        };
        let begin = vec![Step::Begin, fence_step(&fence)?];
        match self.finish(&mut link, begin, &queries).await {
            Ok(replies) => Ok(replies),
            Err(Failure {
                kind: FailureKind::Check,
                step: Some(1),
                ..
            }) => {
                let replies = self
                    .begin_checked(&mut link, Some(&fence), &queries)
                    .await?;
                let ended = self.exchange(&mut link, &[Step::Commit]).await;
                ended.map_err(|failure| self.again(failure))?;
                Ok(replies)
            }
            Err(failure) => Err(self.again(failure)),
        }
    }

    /// Applies changes that must not be applied twice: their replies come before the COMMIT is sent, and what becomes of it is found out
    /// when its answer is lost. Two round trips.
    pub(crate) async fn once(&self, queries: Vec<Query>) -> Result<Vec<Reply>, EngineError> {
        let mut link = self.link(Use::Call).await?;
        let fence = self.fence.get();
        let replies = self
            .begin_checked(&mut link, fence.as_deref(), &queries)
            .await?;
        match self.exchange(&mut link, &[Step::Commit]).await {
            Ok(_) => Ok(replies),
            Err(Failure {
                kind: FailureKind::Lost,
                text,
                ..
            }) => {
                let id = link.commit_id();
                drop(link);
                match self.settle(id, &text).await? {
                    true => Ok(replies),
                    false => Err(EngineError::Transient(format!(
                        "{text}; the change did not take place"
                    ))),
                }
            }
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// Begins a transaction with changes, and returns the replies to them. Fails with `Replaced` when the database holds another volume
    /// than the fence's.
    async fn begin_checked(
        &self,
        link: &mut Loan<D::Link>,
        fence: Option<&Fence>,
        queries: &[Query],
    ) -> Result<Vec<Reply>, EngineError> {
        let mut steps = vec![Step::Begin];
        steps.extend(fence.map(|_| plain(volume::setting())));
        let first = steps.len();
        steps.extend(queries.iter().cloned().map(plain));
        let replies = self.exchange(link, &steps).await;
        let mut replies = replies.map_err(|failure| match failure.kind {
            FailureKind::Missing if fence.is_some() => {
                EngineError::Replaced("the volume's tables are gone".into())
            }
            _ => self.error(failure),
        })?;
        if let Some(fence) = fence {
            let stored = volume::setting_row(&mut rows(replies.get(1)))?;
            volume::check_volume(fence, stored.as_deref())?;
        }
        Ok(replies.split_off(first.min(replies.len())))
    }

    /// Behind `steps`, the changes and COMMIT. Returns the replies to the changes.
    async fn finish(
        &self,
        link: &mut Loan<D::Link>,
        mut steps: Vec<Step>,
        queries: &[Query],
    ) -> Result<Vec<Reply>, Failure> {
        let first = steps.len();
        steps.extend(queries.iter().cloned().map(plain));
        steps.push(Step::Commit);
        let mut replies = self.exchange(link, &steps).await?;
        replies.truncate(first + queries.len());
        Ok(replies.split_off(first))
    }

    /// The error of a change that may be applied twice.
    fn again(&self, failure: Failure) -> EngineError {
        match self.error(failure) {
            EngineError::MaybeCommitted(text) => EngineError::Transient(text),
            e => e,
        }
    }
}
