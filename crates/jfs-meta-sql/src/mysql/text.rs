//! The texts of an exchange: each step as statements, and the way back from the number of a result to its step.

use crate::dialect::with_literals;
use crate::net::link::{Run, Step};
use crate::statement::Catalog;

/// Between two statements of a text.
const BETWEEN: &str = ";";

/// What the result of a statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Begins a transaction.
    Begin,
    /// Ends one, and its changes go.
    Rollback,
    /// A change or a question.
    Statement,
    /// Rows in place of those that the statement before cannot return.
    ReadBack,
    /// Writes the commit mark, or checks that it was written.
    Mark,
    /// Ends a transaction, and its changes stay.
    Commit,
}

/// A statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The number of its step.
    pub(super) step: usize,
    pub(super) role: Role,
    text: String,
}

/// Statements that go out together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) text: String,
    /// The statements in their order.
    pub(super) parts: Vec<(usize, Role)>,
}

/// An exchange that cannot be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsendable {
    pub(super) step: usize,
    pub(super) text: String,
}

/// The statements for `steps`. A commit writes its mark with the statements `mark`, which may be none.
pub(super) fn parts(
    steps: &[Step],
    catalog: &Catalog,
    mark: &[String],
) -> Result<Vec<Part>, Unsendable> {
    let mut parts = Vec::with_capacity(steps.len() + 2);
    for (step, what) in steps.iter().enumerate() {
        let mut add = |role: Role, text: String| parts.push(Part { step, role, text });
        match what {
            Step::Begin => add(Role::Begin, "BEGIN".into()),
            Step::Rollback => add(Role::Rollback, "ROLLBACK".into()),
            Step::Commit => {
                for statement in mark {
                    add(Role::Mark, statement.clone());
                }
                add(Role::Commit, "COMMIT".into());
            }
            Step::Text(text) => add(Role::Statement, text.clone()),
            Step::Run(run) => {
                let prepared = catalog.form(run.statement, run.form);
                add(Role::Statement, filled(step, &prepared.run, run)?);
                if let Some(read_back) = &prepared.read_back {
                    add(Role::ReadBack, filled(step, read_back, run)?);
                }
            }
        }
    }
    Ok(parts)
}

fn filled(step: usize, sql: &str, run: &Run) -> Result<String, Unsendable> {
    with_literals(sql, &run.params).ok_or_else(|| Unsendable {
        step,
        text: format!("{:?} lacks a parameter", run.statement),
    })
}

/// Joins statements to packets of at most `max` bytes, as few as possible.
pub(super) fn packets(parts: Vec<Part>, max: usize) -> Result<Vec<Packet>, Unsendable> {
    let mut packets: Vec<Packet> = Vec::with_capacity(1);
    for Part { step, role, text } in parts {
        if text.len() > max {
            return Err(Unsendable {
                step,
                text: format!(
                    "a statement of {} bytes is larger than the {max} bytes that the server takes: raise max_allowed_packet on the server",
                    text.len()
                ),
            });
        }
        match packets.last_mut() {
            Some(last) if last.text.len() + BETWEEN.len() + text.len() <= max => {
                last.text.push_str(BETWEEN);
                last.text.push_str(&text);
                last.parts.push((step, role));
            }
            _ => packets.push(Packet {
                text,
                parts: vec![(step, role)],
            }),
        }
    }
    Ok(packets)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::dialect::{Dialect, Form, Lock};
    use crate::mysql::marks::Mark;
    use crate::statement::Statement;
    use crate::value::Value;

    fn run(statement: Statement, lock: Lock, params: Vec<Value>) -> Step {
        Step::Run(Run {
            statement,
            form: Form::Plain(lock),
            params,
        })
    }

    #[test]
    fn an_exchange_is_one_text() {
        let catalog = Catalog::new(Dialect::Mysql, "jfs_");
        let steps = [
            Step::Begin,
            run(Statement::Refs, Lock::Update, vec![7.into()]),
            run(Statement::NodeNlink, Lock::None, vec![1.into(), 2.into()]),
            Step::Commit,
        ];
        let parts = parts(&steps, &catalog, &[]).unwrap();
        let packets = packets(parts, 1 << 20).unwrap();
        assert_eq!(packets.len(), 1);
        assert_eq!(
            packets[0].text,
            "BEGIN;SELECT refs FROM jfs_chunk_ref WHERE chunkid = 7 FOR UPDATE;\
             UPDATE jfs_node SET nlink = nlink + 1 WHERE inode = 2;\
             SELECT (1) + IF(ROW_COUNT() > 0, 0, 9223372036854775807);COMMIT"
        );
        let roles = [
            (0, Role::Begin),
            (1, Role::Statement),
            (2, Role::Statement),
            (2, Role::ReadBack),
            (3, Role::Commit),
        ];
        assert_eq!(packets[0].parts, roles);
    }

    #[test]
    fn a_commit_writes_its_mark_last() {
        let catalog = Catalog::new(Dialect::Mysql, "jfs_p_");
        let mut mark = Mark::new("jfs_p_", 9);
        let first = parts(&[Step::Commit], &catalog, &mark.statements(7)).unwrap();
        assert_eq!(first.last().unwrap().role, Role::Commit);
        assert!(first[0].text.starts_with("INSERT INTO jfs_p_commit_mark"));
        mark.committed(7);
        for (table, wanted) in [(7, 2), (8, 1)] {
            let next = parts(&[Step::Commit], &catalog, &mark.statements(table)).unwrap();
            let marks = next.iter().filter(|part| part.role == Role::Mark);
            assert_eq!(marks.count(), wanted, "table {table}");
        }
    }

    #[test]
    fn packets_hold_what_the_server_takes() {
        let part = |step, text: &str| Part {
            step,
            role: Role::Statement,
            text: text.into(),
        };
        let all = || {
            vec![
                part(0, "aaaa"),
                part(1, "bbbb"),
                part(2, "cc"),
                part(3, "dddd"),
            ]
        };
        let texts = |max| -> Vec<String> {
            let packets = packets(all(), max).unwrap();
            packets.into_iter().map(|packet| packet.text).collect()
        };
        assert_eq!(texts(100), ["aaaa;bbbb;cc;dddd"]);
        assert_eq!(texts(9), ["aaaa;bbbb", "cc;dddd"]);
        assert_eq!(texts(4), ["aaaa", "bbbb", "cc", "dddd"]);
        let refused = packets(all(), 3).unwrap_err();
        assert_eq!(refused.step, 0);
        assert!(refused.text.contains("max_allowed_packet"));
    }
}
