//! The pool of connections to one server, and the fate of commits whose answers were lost.

use super::connect::Connection;
use super::exchange::PgLink;
use super::url::{self, Address};
use crate::dialect::Dialect;
use crate::net::engine::NetEngine;
use crate::net::link::{CommitId, Driver, Link, Step};
use crate::net::pool::{Pool, Use};
use crate::statement::Catalog;
use crate::value::{RowList, Rows};
use async_trait::async_trait;
use jfs_meta::{Engine, EngineError};
use std::sync::Arc;

/// Opens the engine of a `postgres://` address: one connection, to see that the server can be used.
///
/// The address has the form `postgres://user:password@host:port/database?options`. `Fatal` for an address that cannot be read, and for a
/// server that refuses user, password or database; `Transient` for one that cannot be reached.
pub async fn open(url: &str) -> Result<Arc<dyn Engine>, EngineError> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let driver = PgDriver::new(url::parse(url, env)?);
    drop(driver.link(Use::Call).await?);
    Ok(Arc::new(NetEngine::new(driver)))
}

/// A server.
pub(super) struct PgDriver {
    address: Address,
    catalog: Arc<Catalog>,
    pool: Arc<Pool<Connection>>,
}

impl PgDriver {
    fn new(address: Address) -> PgDriver {
        PgDriver {
            catalog: Arc::new(Catalog::new(Dialect::Postgres, &address.prefix)),
            pool: Pool::new(address.limits),
            address,
        }
    }
}

#[async_trait]
impl Driver for PgDriver {
    type Link = PgLink;

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn names(&self) -> (&'static str, &str) {
        ("postgres", &self.address.shown)
    }

    fn names_at_begin(&self) -> bool {
        true
    }

    async fn link(&self, wanted: Use) -> Result<PgLink, EngineError> {
        let make = || Connection::make(&self.address, &self.catalog);
        let lease = self.pool.take(wanted, Connection::is_alive, make).await?;
        Ok(PgLink::new(lease, self.catalog.clone()))
    }

    /// A transaction whose connection broke may still be open at the server, which has not noticed: its process is ended then.
    async fn outcome(&self, id: &CommitId) -> Result<Option<bool>, EngineError> {
        let CommitId::Transaction { id, backend } = id else {
            return Ok(None);
        };
        let mut link = self.link(Use::Call).await?;
        // A process may have got the number of another one since: it is ended only while it runs this transaction.
        let ask = format!("SELECT txid_status({id})");
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {backend} AND backend_xid IS NOT NULL \
             AND CAST(CAST(backend_xid AS text) AS bigint) = {id} % 4294967296 AND state LIKE 'idle in transaction%'"
        );
        let steps = [Step::Text(ask), Step::Text(end)];
        let replies = link.exchange(&steps).await;
        let replies = replies.map_err(|e| EngineError::Transient(e.text))?;
        let mut rows = RowList::new(replies.first().map_or(&[], |reply| &reply.rows));
        let rows: &mut dyn Rows = &mut rows;
        let status = rows.first(|row| row.owned(0))?;
        match status.as_deref() {
            Some(b"committed") => Ok(Some(true)),
            Some(b"aborted") => Ok(Some(false)),
            Some(b"in progress") => Err(EngineError::Transient(
                "PostgreSQL has not ended the transaction yet".into(),
            )),
            _ => Ok(None),
        }
    }

    async fn close(&self) {
        self.pool.close();
    }
}
