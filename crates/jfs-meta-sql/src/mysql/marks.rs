//! Commit marks: what became of a commit whose answer was lost.
//!
//! Each connection has a mark, a row of `{prefix}commit_mark`. Each of its commits writes its own number there, as the last change of its
//! transaction. When an answer is lost, another connection writes the number behind it unless the commit has done so. That waits for a
//! transaction which holds the row, and whichever comes first decides: a commit that is still on its way finds a number that is too high,
//! and fails.
//!
//! A row that was not written for [`KEPT_SECONDS`] goes when a session begins; those of a client go with its engine.

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
    /// The row is there.
    made: bool,
}

impl Mark {
    /// A mark that no other connection of the server has.
    pub(super) fn new(prefix: &str, id: i64) -> Mark {
        Mark {
            table: format!("{prefix}{TABLE}"),
            id,
            number: STEP,
            made: false,
        }
    }

    /// Statements of the next commit. They fail when the row is not as this connection left it.
    pub(super) fn statements(&self) -> Vec<String> {
        let Mark {
            table, id, number, ..
        } = self;
        match self.made {
            false => vec![format!(
                "INSERT INTO {table} (mark, number, used) VALUES ({id}, {number}, UNIX_TIMESTAMP())"
            )],
            true => vec![
                format!(
                    "UPDATE {table} SET number = {number}, used = UNIX_TIMESTAMP() WHERE mark = {id} AND number < {number}"
                ),
                format!(
                    "SELECT {}",
                    crate::dialect::Dialect::Mysql.checked("1", "ROW_COUNT() > 0")
                ),
            ],
        }
    }

    /// Whether a commit has written the row.
    pub(super) fn is_made(&self) -> bool {
        self.made
    }

    /// A commit has written the row.
    pub(super) fn committed(&mut self) {
        self.made = true;
    }

    /// The number of the last commit is used up, whatever became of it.
    pub(super) fn next(&mut self) {
        self.number += STEP;
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
        format!("DELETE FROM {} WHERE mark IN ({})", self.table, ids.join(", "))
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
