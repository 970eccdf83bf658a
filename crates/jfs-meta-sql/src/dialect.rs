//! What differs between the databases in the text of a statement.
//!
//! Statements are written in one notation: `$1` for the first parameter, `{edge}` for a table, `[group]` for a column whose name needs
//! quotes.

use crate::value::Value;
use std::fmt::Write as _;

/// The SQL of one family of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

/// The lock that a reading statement takes on the rows it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lock {
    /// None.
    None,
    /// Others may read and lock the rows, and not change them.
    Share,
    /// The rows are going to be changed.
    Update,
}

/// The form in which a statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is, with a lock on the rows that it finds where it can.
    Plain(Lock),
    /// As a check on servers: fails unless it finds as many rows as one more parameter, the last one, says.
    Count,
}

/// A statement before its tables and parameters have their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The statement.
    pub(crate) run: String,
    /// A second statement whose rows are the result, where the first one cannot return any.
    pub(crate) read_back: Option<String>,
}

impl From<&str> for Text {
    fn from(run: &str) -> Text {
        Text::from(run.to_string())
    }
}

impl From<String> for Text {
    fn from(run: String) -> Text {
        Text {
            run,
            read_back: None,
        }
    }
}

/// Insertion of a row that may be there.
pub(crate) struct Upsert<'a> {
    /// Table, without prefix.
    pub(crate) table: &'a str,
    /// Columns, for the parameters in their order.
    pub(crate) columns: &'a [&'a str],
    /// Columns of the unique key.
    pub(crate) key: &'a [&'a str],
    /// Changes of a row that is there: column and expression.
    pub(crate) set: &'a [(&'a str, String)],
}

impl Dialect {
    /// `INSERT` of a row, or a change of the row with the same key.
    pub(crate) fn upsert(self, upsert: &Upsert<'_>) -> String {
        let Upsert {
            table,
            columns,
            key,
            set,
        } = upsert;
        let places = places(columns.len());
        let mut text = format!(
            "INSERT INTO {{{table}}} ({}) VALUES ({places})",
            columns.join(", ")
        );
        text += &match self {
            Dialect::Sqlite | Dialect::Postgres => {
                format!(" ON CONFLICT ({}) DO UPDATE SET ", key.join(", "))
            }
            Dialect::Mysql => " ON DUPLICATE KEY UPDATE ".to_string(),
        };
        let set: Vec<String> = set.iter().map(|(c, e)| format!("{c} = {e}")).collect();
        text + &set.join(", ")
    }

    /// `INSERT` of a row unless one with the same key is there.
    pub(crate) fn insert_or_ignore(self, table: &str, columns: &[&str]) -> String {
        let (ignore, end) = match self {
            Dialect::Sqlite | Dialect::Postgres => ("", " ON CONFLICT DO NOTHING"),
            Dialect::Mysql => ("IGNORE ", ""),
        };
        let places = places(columns.len());
        format!(
            "INSERT {ignore}INTO {{{table}}} ({}) VALUES ({places}){end}",
            columns.join(", ")
        )
    }

    /// A change of `table` that returns `expression` of the row it changed, which is the only one with `condition`.
    pub(crate) fn returning(
        self,
        change: &str,
        table: &str,
        expression: &str,
        condition: &str,
    ) -> Text {
        match self {
            Dialect::Sqlite | Dialect::Postgres => {
                format!("{change} RETURNING {expression}").into()
            }
            Dialect::Mysql => Text {
                run: change.to_string(),
                read_back: Some(format!(
                    "SELECT {expression} FROM {{{table}}} WHERE {condition}"
                )),
            },
        }
    }

    /// A change that must reach a row; on servers it fails otherwise, on SQLite the caller looks.
    pub(crate) fn must_hit(self, change: &str) -> Text {
        match self {
            Dialect::Sqlite => change.into(),
            Dialect::Postgres => format!(
                "WITH hit AS ({change} RETURNING 1) SELECT {} FROM hit",
                self.checked("count(*)", "count(*) > 0")
            )
            .into(),
            Dialect::Mysql => Text {
                run: change.to_string(),
                read_back: Some(format!("SELECT {}", self.checked("1", "ROW_COUNT() > 0"))),
            },
        }
    }

    /// The number `expression`, which is above 0. The statement fails on servers unless `condition` is true.
    pub(crate) fn checked(self, expression: &str, condition: &str) -> String {
        match self {
            Dialect::Sqlite => expression.to_string(),
            Dialect::Postgres => {
                format!("({expression}) / (CASE WHEN {condition} THEN 1 ELSE 0 END)")
            }
            Dialect::Mysql => {
                format!("({expression}) + IF({condition}, 0, 9223372036854775807)")
            }
        }
    }

    /// Whether a text column holds the bytes of a parameter. Texts that differ in capital letters, accents or trailing blanks only are
    /// equal to MySQL, so that the bytes are compared there.
    pub(crate) fn same_text(self, column: &str, place: &str) -> String {
        match self {
            Dialect::Sqlite | Dialect::Postgres => format!("{column} = {place}"),
            Dialect::Mysql => {
                format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY) = CAST({place} AS BINARY)")
            }
        }
    }

    /// Bytes joined.
    pub(crate) fn joined(self, parts: &[&str]) -> String {
        match self {
            Dialect::Sqlite | Dialect::Postgres => parts.join(" || "),
            Dialect::Mysql => format!("concat({})", parts.join(", ")),
        }
    }

    /// A column of bytes as such. `||` makes text of it on SQLite, whose functions then stop at a NUL.
    pub(crate) fn binary(self, column: &str) -> String {
        match self {
            Dialect::Sqlite => format!("CAST({column} AS BLOB)"),
            Dialect::Postgres | Dialect::Mysql => column.to_string(),
        }
    }

    /// The number of bytes in a column.
    pub(crate) fn byte_length(self, column: &str) -> String {
        match self {
            Dialect::Sqlite => format!("length({})", self.binary(column)),
            Dialect::Postgres | Dialect::Mysql => format!("octet_length({column})"),
        }
    }

    /// A check that the reading statement `select` finds as many rows as the parameter behind its own ones says.
    pub(crate) fn counted(self, select: &str) -> String {
        let last = (1..)
            .take_while(|n| select.contains(&format!("${n}")))
            .last();
        let count = format!("(SELECT count(*) FROM ({select}) counted)");
        let right = format!("{count} = ${}", last.unwrap_or(0) + 1);
        format!("SELECT {}", self.checked("1", &right))
    }

    /// The end of a reading statement that locks what it finds.
    pub(crate) fn lock_clause(self, lock: Lock) -> &'static str {
        match (self, lock) {
            (Dialect::Sqlite, _) | (_, Lock::None) => "",
            (_, Lock::Update) => " FOR UPDATE",
            (Dialect::Postgres, Lock::Share) => " FOR SHARE",
            // MySQL 8 and MariaDB both know this form.
            (Dialect::Mysql, Lock::Share) => " LOCK IN SHARE MODE",
        }
    }

    /// The statement with tables, quotes and parameters in the database's own form. On MySQL the
    /// parameters stay as they are; [`with_literals`] fills them in.
    pub(crate) fn render(self, text: &str, prefix: &str) -> String {
        let mut out = String::with_capacity(text.len() + 32);
        for c in text.chars() {
            match (c, self) {
                ('{', Dialect::Postgres) => {
                    out.push('"'); // a prefix may have capital letters
                    out.push_str(prefix);
                }
                ('}', Dialect::Postgres) => out.push('"'),
                ('{', _) => out.push_str(prefix),
                ('}', _) => {}
                ('[' | ']', Dialect::Mysql) => out.push('`'),
                ('[' | ']', _) => out.push('"'),
                ('$', Dialect::Sqlite) => out.push('?'),
                (c, _) => out.push(c),
            }
        }
        out
    }
}

/// `$1, $2, ...`
fn places(n: usize) -> String {
    let places: Vec<String> = (1..=n).map(|i| format!("${i}")).collect();
    places.join(", ")
}

/// A statement for MySQL with its parameters as literals: decimal numbers and hexadecimal bytes, which
/// need no quoting. `None` when a parameter is missing.
pub(crate) fn with_literals(sql: &str, params: &[Value]) -> Option<String> {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('$') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = after.split_at(digits);
        let place: usize = number.parse().ok()?;
        out.push_str(before);
        push_literal(&mut out, params.get(place.checked_sub(1)?)?);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

fn push_literal(out: &mut String, value: &Value) {
    let hex = |out: &mut String, data: &[u8]| {
        let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0'); // n is below 16
        out.reserve(2 * data.len() + 1);
        for byte in data {
            out.push(digit(byte >> 4));
            out.push(digit(byte & 15));
        }
    };
    match value {
        Value::Null => out.push_str("NULL"),
        Value::Int(n) => {
            let _ = write!(out, "{n}"); // into a String: cannot fail
        }
        Value::Bytes(data) => {
            out.push_str("x'");
            hex(out, data);
            out.push('\'');
        }
        Value::Text(data) => {
            // Compared with a text column by that column's rules.
            out.push_str("_utf8mb4 x'");
            hex(out, data);
            out.push('\'');
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_and_parameters() {
        let text = "SELECT [group] FROM {acl} WHERE id = $1 AND x = $12";
        assert_eq!(
            Dialect::Sqlite.render(text, "jfs_"),
            "SELECT \"group\" FROM jfs_acl WHERE id = ?1 AND x = ?12"
        );
        assert_eq!(
            Dialect::Postgres.render(text, "jfs_P_"),
            "SELECT \"group\" FROM \"jfs_P_acl\" WHERE id = $1 AND x = $12"
        );
        assert_eq!(
            Dialect::Mysql.render(text, "jfs_"),
            "SELECT `group` FROM jfs_acl WHERE id = $1 AND x = $12"
        );
    }

    #[test]
    fn literals_need_no_quoting() {
        let sql = "a $2, $1, $3 $4";
        let params = [
            Value::Int(-7),
            Value::bytes(b"'\\\0"),
            Value::text("ü'".as_bytes()),
            Value::Null,
        ];
        assert_eq!(
            with_literals(sql, &params).unwrap(),
            "a x'275c00', -7, _utf8mb4 x'c3bc27' NULL"
        );
        assert_eq!(with_literals("$5", &params), None);
        assert_eq!(with_literals("$0", &params), None);
        // A literal is never taken for a parameter.
        let dollar = [Value::bytes(b"$1"), Value::Int(2)];
        assert_eq!(with_literals("$1 $2", &dollar).unwrap(), "x'2431' 2");
    }
}
