//! Scans: all records of a kind, by SCAN over the keys of the database or over the fields of one hash.
//!
//! The server promises that SCAN returns each key, field or member that is there from the first call to
//! the last one, perhaps several times, also from a cursor that another connection was given. A page
//! ends in the middle of what a SCAN has named; the position then carries the keys that are left.

mod keys_of_inodes;
mod single_keys;

use crate::attempt::names;
use crate::connections::Connections;
use crate::read::unexpected;
use jfs_meta::EngineError;
use jfs_meta::engine::{ScanCursor, ScanKind, ScanPage};
use jfs_meta::trips::TripLog;
use redis::{Pipeline, Value};

/// A page of a scan in the making.
pub(crate) struct Scan<'a> {
    pool: &'a Connections,
    trips: &'a TripLog,
    from: &'a ScanCursor,
    page: ScanPage,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(pool: &'a Connections, trips: &'a TripLog, from: &'a ScanCursor) -> Scan<'a> {
        Scan {
            pool,
            trips,
            from,
            page: ScanPage::default(),
        }
    }

    /// The page.
    pub(crate) async fn page(mut self) -> Result<ScanPage, EngineError> {
        match self.from.kind() {
            ScanKind::Inodes
            | ScanKind::Symlinks
            | ScanKind::Chunks
            | ScanKind::Entries
            | ScanKind::Xattrs
            | ScanKind::Parents
            | ScanKind::Sustained => self.keys_of_inodes().await?,
            ScanKind::SliceUsers
            | ScanKind::Delayed
            | ScanKind::Deleted
            | ScanKind::Sessions
            | ScanKind::DirStats
            | ScanKind::Quotas
            | ScanKind::Acls => self.single_key().await?,
        }
        Ok(self.page)
    }

    /// Runs a pipeline as one counted round trip. Errors of the server are among the answers.
    async fn ask(&self, p: &Pipeline) -> Result<Vec<Value>, EngineError> {
        self.trips.record(|| names(p));
        self.pool.query(p).await
    }

    /// Adds a key that is of another type than a volume has there. Other errors of the server end the scan.
    fn refused(&mut self, key: &str, answer: Value) -> Result<(), EngineError> {
        match &answer {
            Value::ServerError(e) if e.code() == "WRONGTYPE" => {
                let error = EngineError::corrupt(key, "the key is of another type");
                self.page.add(Err(error))
            }
            _ => Err(unexpected(answer)),
        }
    }
}
