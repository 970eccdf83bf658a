//! Changes outside of attempts. They require the same volume, whatever its setting.

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
                self.begin_checked(&mut link, Some(&fence)).await?;
                let replies = self.finish(&mut link, Vec::new(), &queries).await;
                replies.map_err(|failure| self.again(failure))
            }
            Err(failure) => Err(self.again(failure)),
        }
    }

    /// Applies changes that must not be applied twice: a lost answer is looked for. `None`: they were applied, and their replies are lost.
    /// Two round trips.
    pub(crate) async fn once(
        &self,
        queries: Vec<Query>,
    ) -> Result<Option<Vec<Reply>>, EngineError> {
        let mut link = self.link(Use::Call).await?;
        let fence = self.fence.get();
        self.begin_checked(&mut link, fence.as_deref()).await?;
        match self.finish(&mut link, Vec::new(), &queries).await {
            Ok(replies) => Ok(Some(replies)),
            Err(Failure {
                kind: FailureKind::Lost,
                text,
                ..
            }) => {
                let id = link.commit_id();
                drop(link);
                match self.settle(id, &text).await? {
                    true => Ok(None),
                    false => Err(EngineError::Transient(format!(
                        "{text}; the change did not take place"
                    ))),
                }
            }
            Err(failure) => Err(self.error(failure)),
        }
    }

    /// Begins a transaction and fails with `Replaced` when the database holds another volume than the fence's.
    pub(crate) async fn begin_checked(
        &self,
        link: &mut Loan<D::Link>,
        fence: Option<&Fence>,
    ) -> Result<(), EngineError> {
        let mut steps = vec![Step::Begin];
        steps.extend(fence.map(|_| plain(volume::setting())));
        let replies = self.exchange(link, &steps).await;
        let replies = replies.map_err(|failure| match failure.kind {
            FailureKind::Missing => EngineError::Replaced("the volume's tables are gone".into()),
            _ => self.error(failure),
        })?;
        match fence {
            Some(fence) => {
                let stored = volume::setting_row(&mut rows(replies.get(1)))?;
                volume::check_volume(fence, stored.as_deref())
            }
            None => Ok(()),
        }
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
