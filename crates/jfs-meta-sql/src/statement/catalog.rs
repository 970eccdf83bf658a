//! The statements of a volume in the words of its database, each rendered when it is first used.

use super::Statement;
use crate::dialect::{Dialect, Form, Lock};
use std::sync::OnceLock;

/// A statement in the words of its database.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// The statement.
    pub(crate) run: String,
    /// See [`Text::read_back`](crate::dialect::Text::read_back).
    pub(crate) read_back: Option<String>,
    /// The statement in a few words, for the round-trip log.
    pub(crate) brief: String,
}

/// Forms of a statement: three locks and the count.
const FORMS: usize = 4;

/// All statements for one database and one prefix of tables.
#[derive(Debug)]
pub(crate) struct Catalog {
    dialect: Dialect,
    prefix: String,
    /// By the number of the statement.
    all: Vec<[OnceLock<Prepared>; FORMS]>,
}

impl Catalog {
    /// Statements on tables whose names begin with `prefix`, usually `jfs_`.
    pub(crate) fn new(dialect: Dialect, prefix: &str) -> Catalog {
        Catalog {
            dialect,
            prefix: prefix.to_string(),
            all: Statement::ALL.iter().map(|_| Default::default()).collect(),
        }
    }

    /// The database's family.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The beginning of the tables' names.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A statement without locks.
    pub(crate) fn get(&self, statement: Statement) -> &Prepared {
        self.locking(statement, Lock::None)
    }

    /// A reading statement that locks what it finds, where it can.
    pub(crate) fn locking(&self, statement: Statement, lock: Lock) -> &Prepared {
        self.form(statement, Form::Plain(lock))
    }

    /// A statement in the form in which it is to run.
    pub(crate) fn form(&self, statement: Statement, form: Form) -> &Prepared {
        let at = match form {
            Form::Plain(lock) => lock as usize,
            Form::Count => FORMS - 1,
        };
        self.all[statement as usize][at].get_or_init(|| self.prepare(statement, form))
    }

    fn prepare(&self, statement: Statement, form: Form) -> Prepared {
        let text = statement.text(self.dialect);
        let (run, read_back) = match form {
            Form::Plain(lock) if statement.is_lockable() => {
                (text.run + self.dialect.lock_clause(lock), text.read_back)
            }
            Form::Plain(_) => (text.run, text.read_back),
            Form::Count => (self.dialect.counted(&text.run), None),
        };
        let run = self.dialect.render(&run, &self.prefix);
        Prepared {
            brief: brief(&run, &self.prefix),
            run,
            read_back: read_back.map(|sql| self.dialect.render(&sql, &self.prefix)),
        }
    }
}

/// A statement in a few words, for the round-trip log: what it does and to which tables.
pub(crate) fn brief(sql: &str, prefix: &str) -> String {
    let words = || {
        sql.split_ascii_whitespace()
            .map(|word| word.trim_matches(['`', '"', '(', ')']))
    };
    let verb = words().find(|word| matches!(*word, "SELECT" | "INSERT" | "UPDATE" | "DELETE"));
    let Some(verb) = verb else {
        return words().take(3).collect::<Vec<_>>().join(" ");
    };
    let mut tables: Vec<&str> = words()
        .filter(|word| word.starts_with(prefix) && !word.contains(['.', '"']))
        .collect();
    tables.dedup();
    format!("{verb} {}", tables.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_in_a_few_words() {
        let sqlite = Catalog::new(Dialect::Sqlite, "jfs_");
        for (statement, words) in [
            (Statement::Node, "SELECT jfs_node"),
            (Statement::EdgeNode, "SELECT jfs_edge jfs_node"),
            (Statement::NodeAndEdge, "SELECT jfs_node jfs_edge"),
            (Statement::EdgeInsert, "INSERT jfs_edge"),
            (Statement::SustainedInsert, "INSERT jfs_sustained"),
            (Statement::NodeTouch, "UPDATE jfs_node"),
            (Statement::QuotaDelete, "DELETE jfs_dir_quota"),
            (Statement::ChunkAppend, "INSERT jfs_chunk"),
        ] {
            assert_eq!(sqlite.get(statement).brief, words);
        }
        assert_eq!(brief("BEGIN IMMEDIATE", "jfs_"), "BEGIN IMMEDIATE");
        assert_eq!(brief("ROLLBACK TO one", "jfs_"), "ROLLBACK TO one");
        let postgres = Catalog::new(Dialect::Postgres, "jfs_x_");
        assert_eq!(
            postgres.get(Statement::NodeTouch).brief,
            "UPDATE jfs_x_node"
        );
    }
}
