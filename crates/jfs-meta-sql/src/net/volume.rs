//! The volume as a whole: its setting, making one, and bringing the tables of an older one up to date.

use crate::net::link::{Driver, FailureKind, Step};
use crate::net::pool::Use;
use crate::net::server::{Loan, Server, plain, rows};
use crate::records::existing::{self, Existing};
use crate::records::volume;
use crate::value::Value;
use jfs_meta::EngineError;
use jfs_types::Attr;

/// Most tries to bring tables up to date while other clients do the same.
const SCHEMA_TRIES_MAX: u32 = 10;

/// The first records of a new volume.
pub(crate) struct NewVolume<'a> {
    pub(crate) json: Value,
    pub(crate) root: &'a Attr,
    pub(crate) trash: Option<&'a Attr>,
    pub(crate) overwrite: bool,
}

impl<D: Driver> Server<D> {
    /// The setting document, `None` without a volume. The first look makes sure that the tables are whole.
    pub(crate) async fn load_setting(&self) -> Result<Option<Vec<u8>>, EngineError> {
        let mut link = self.link(Use::Call).await?;
        let mut steps = vec![plain(volume::setting())];
        let looks = self.fence.get().is_none();
        if looks {
            steps.push(plain(existing::query()));
        }
        let replies = match self.exchange(&mut link, &steps).await {
            Ok(replies) => replies,
            Err(failure) if failure.kind == FailureKind::Missing => return Ok(None),
            Err(failure) => return Err(self.error(failure)),
        };
        let setting = volume::setting_row(&mut rows(replies.first()))?;
        if setting.is_some() && looks {
            volume::check_tables(&self.schema, &self.existing_in(replies.get(1))?)?;
        }
        Ok(setting)
    }

    /// Replaces the setting document if it is `expect`.
    pub(crate) async fn store_setting(
        &self,
        expect: &[u8],
        json: &[u8],
    ) -> Result<(), EngineError> {
        let change = volume::replace_setting(volume::document(expect)?, volume::document(json)?);
        let query = crate::records::Query {
            statement: change.statement,
            params: change.params,
        };
        self.once(vec![query]).await.map(|_| ())
    }

    fn existing_in(
        &self,
        reply: Option<&crate::net::link::Reply>,
    ) -> Result<Existing, EngineError> {
        Existing::new(self.driver.catalog().prefix(), &mut rows(reply))
    }

    async fn existing(&self, link: &mut Loan<D::Link>) -> Result<Existing, EngineError> {
        let replies = self.exchange(link, &[plain(existing::query())]).await;
        let replies = replies.map_err(|failure| self.error(failure))?;
        self.existing_in(replies.first())
    }

    /// Adds tables, indexes and columns that are missing.
    pub(crate) async fn complete_schema(&self) -> Result<Existing, EngineError> {
        for _ in 0..SCHEMA_TRIES_MAX {
            let mut link = self.link(Use::Call).await?;
            let existing = self.existing(&mut link).await?;
            let missing = self.schema.missing(&existing);
            if missing.is_empty() {
                return Ok(existing);
            }
            let mut steps = vec![Step::Begin];
            steps.extend(missing.into_iter().map(Step::Text));
            steps.push(Step::Commit);
            match self.exchange(&mut link, &steps).await {
                Ok(_) => {}
                // Another client adds the same. A lost answer is looked for by the next look.
                Err(failure)
                    if matches!(failure.kind, FailureKind::Conflict | FailureKind::Lost) => {}
                Err(failure) => return Err(self.error(failure)),
            }
        }
        Err(EngineError::Transient(
            "the tables of the volume are being changed by others".into(),
        ))
    }

    /// Makes the tables and the first rows. `Conflict` when there is a volume and it is not to be overwritten.
    pub(crate) async fn create(&self, new: &NewVolume<'_>) -> Result<(), EngineError> {
        let existing = self.complete_schema().await?;
        let mut link = self.link(Use::Call).await?;
        let begin = [Step::Begin, plain(volume::setting())];
        let replies = self.exchange(&mut link, &begin).await;
        let replies = replies.map_err(|failure| self.error(failure))?;
        let setting = volume::setting_row(&mut rows(replies.get(1)))?;
        if setting.is_some() && !new.overwrite {
            return Err(EngineError::Conflict);
        }
        let first_rows = volume::first_rows(new.json.clone(), new.root, new.trash);
        // Of two clients that make a volume at once, the second one waits here and finds the setting of the first.
        let claim = setting
            .is_none()
            .then(|| first_rows.first().cloned())
            .flatten();
        let mut steps: Vec<Step> = claim.into_iter().map(plain).collect();
        let emptied = self.schema.emptied(&existing);
        steps.extend(emptied.into_iter().map(Step::Text));
        steps.extend(first_rows.into_iter().map(plain));
        steps.push(Step::Commit);
        match self.exchange(&mut link, &steps).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.error(failure)),
        }
    }
}
