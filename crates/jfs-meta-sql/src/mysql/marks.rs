//! Commit marks: what became of a commit whose answer was lost.
//!
//! Each connection has a mark, a row of `{prefix}commit_mark`. Each of its commits writes its own number there, as the last change of its
//! transaction. When an answer is lost, another connection writes the number behind it unless the commit has done so. That waits for a
//! transaction which holds the row, and whichever comes first decides: a commit that is still on its way finds a number that is too high,
//! and fails.
//!
//! The table is made when a session begins, or before the first commit of a client without one. A row that was not written for
//! [`KEPT_SECONDS`] goes when a session begins; those of a client go with its engine.

use crate::dialect::Dialect;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Marks without a connection that are kept for the next one.
const SPARE_MAX: usize = 256;
/// Time for which the mark of a client that died is kept, seconds.
const KEPT_SECONDS: u32 = 86_400;
/// Between the numbers of two commits: the number between says that the first one did not take place.
const STEP: i64 = 2;

/// The table's name without its prefix.
const TABLE: &str = "commit_mark";

/// The mark of a connection.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    table: String,
    /// The key of the row.
    pub(super) id: i64,
    /// The number of the next commit.
    pub(super) number: i64,
    /// The table that has the row, see [`Spare::table`].
    made: Option<u32>,
}

impl Mark {
    /// A mark that no other connection of the server has.
    pub(super) fn new(prefix: &str, id: i64) -> Mark {
        Mark {
            table: format!("{prefix}{TABLE}"),
            id,
            number: STEP,
            made: None,
        }
    }

    /// Statements of the next commit. They fail when the row is not as this connection left it in the table `now`.
    pub(super) fn statements(&self, now: u32) -> Vec<String> {
        let Mark {
            table, id, number, ..
        } = self;
        match self.made == Some(now) {
            false => vec![format!(
                "INSERT INTO {table} (mark, number, used) VALUES ({id}, {number}, UNIX_TIMESTAMP())"
            )],
            true => vec![
                format!(
                    "UPDATE {table} SET number = {number}, used = UNIX_TIMESTAMP() WHERE mark = {id} AND number < {number}"
                ),
                format!("SELECT {}", Dialect::Mysql.checked("1", "ROW_COUNT() > 0")),
            ],
        }
    }

    /// A commit has written the row in the table `now`.
    pub(super) fn committed(&mut self, now: u32) {
        self.made = Some(now);
    }

    /// Marks the number of the last commit as used, applied or not.
    pub(super) fn next(&mut self) {
        self.number += STEP;
    }
}

/// Marks of connections that were closed in a known state: new connections go on with them.
#[derive(Debug, Default)]
pub(super) struct Spare {
    table: AtomicU32,
    marks: Mutex<Vec<Mark>>,
}

impl Spare {
    /// The table as this client knows it: another number after it was made anew, without the rows.
    pub(super) fn table(&self) -> u32 {
        self.table.load(Ordering::Relaxed)
    }

    /// The table is gone.
    pub(super) fn table_is_gone(&self) {
        self.table.fetch_add(1, Ordering::Relaxed);
        self.marks.lock().clear();
    }

    /// Keeps a mark, if its row is there.
    pub(super) fn keep(&self, mark: Mark) {
        let mut marks = self.marks.lock();
        if mark.made == Some(self.table()) && marks.len() < SPARE_MAX {
            marks.push(mark);
        }
    }

    /// A mark for a new connection.
    pub(super) fn take(&self) -> Option<Mark> {
        self.marks.lock().pop()
    }

    /// All of them.
    pub(super) fn take_all(&self) -> Vec<Mark> {
        std::mem::take(&mut *self.marks.lock())
    }
}

/// Statements on the table of marks.
#[derive(Debug)]
pub(super) struct Marks {
    table: String,
}

impl Marks {
    pub(super) fn new(prefix: &str) -> Marks {
        Marks {
            table: format!("{prefix}{TABLE}"),
        }
    }

    /// Makes the table.
    pub(super) fn create(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (mark BIGINT PRIMARY KEY NOT NULL, number BIGINT NOT NULL, used BIGINT NOT NULL) ENGINE=InnoDB",
            self.table
        )
    }

    /// Removes marks that are no longer written. Fails where the table is missing.
    pub(super) fn tidy(&self) -> String {
        format!(
            "DELETE FROM {} WHERE used < UNIX_TIMESTAMP() - {KEPT_SECONDS}",
            self.table
        )
    }

    /// Decides that the commit `number` of the mark `id` never takes place, unless it has.
    pub(super) fn decide(&self, id: i64, number: i64) -> String {
        format!(
            "INSERT INTO {} (mark, number, used) VALUES ({id}, {}, UNIX_TIMESTAMP()) \
             ON DUPLICATE KEY UPDATE number = GREATEST(number, IF(number = {number}, 0, {}))",
            self.table,
            number + 1,
            number + 1
        )
    }

    /// Reads the number of the mark `id`.
    pub(super) fn number(&self, id: i64) -> String {
        format!("SELECT number FROM {} WHERE mark = {id}", self.table)
    }

    /// Removes marks.
    pub(super) fn remove(&self, ids: &[i64]) -> String {
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        format!(
            "DELETE FROM {} WHERE mark IN ({})",
            self.table,
            ids.join(", ")
        )
    }

    /// Whether there is any mark.
    pub(super) fn any(&self) -> String {
        format!("SELECT 1 FROM {} LIMIT 1", self.table)
    }

    /// Removes the table.
    pub(super) fn drop_table(&self) -> String {
        format!("DROP TABLE IF EXISTS {}", self.table)
    }
}
