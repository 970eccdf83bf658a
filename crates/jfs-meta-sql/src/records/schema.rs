//! The tables and indexes of a volume, once for all databases. The text for SQLite is byte for byte that of
//! the reference client; on the servers the types and names are.

use super::existing::Existing;
use crate::dialect::Dialect;
use Type::*;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    /// A number of 64 bits.
    I64,
    /// A number of 32 bits; of 64 on SQLite.
    I32,
    /// A number of 64 bits that the database counts up, the primary key.
    Serial,
    /// The same with 32 bits.
    Serial32,
    /// Text of at most 255 characters.
    Str,
    /// Text.
    Text,
    /// At most 255 bytes.
    Bin255,
    /// At most 4096 bytes.
    Bin4096,
    /// Bytes, at most 65,535 on MySQL.
    Blob,
}

/// The number of values that a column may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The primary key.
    Key,
    /// Always a value.
    NotNull,
    /// Always a value, 0 unless another is given.
    Zero,
    /// NULL or a value.
    Nullable,
}

/// A column: name, type, rule.
type Column = (&'static str, Type, Rule);

/// A table, without its prefix.
#[derive(Debug)]
struct Table {
    name: &'static str,
    columns: &'static [Column],
    /// Columns of a primary key that has several.
    key: &'static [&'static str],
    indexes: &'static [Index],
}

/// An index: whether its values are unique, the last part of its name, its columns.
type Index = (bool, &'static str, &'static [&'static str]);

const fn key(name: &'static str, kind: Type) -> Column {
    (name, kind, Rule::Key)
}

const fn col(name: &'static str, kind: Type) -> Column {
    (name, kind, Rule::NotNull)
}

const fn zero(name: &'static str, kind: Type) -> Column {
    (name, kind, Rule::Zero)
}

const fn null(name: &'static str, kind: Type) -> Column {
    (name, kind, Rule::Nullable)
}

const fn table(name: &'static str, columns: &'static [Column]) -> Table {
    Table {
        name,
        columns,
        key: &[],
        indexes: &[],
    }
}

const fn indexed(
    name: &'static str,
    columns: &'static [Column],
    indexes: &'static [Index],
) -> Table {
    Table {
        name,
        columns,
        key: &[],
        indexes,
    }
}

/// Every table, in the order in which they are made.
const TABLES: &[Table] = &[
    table("setting", &[key("name", Str), col("value", Text)]),
    table("counter", &[key("name", Str), col("value", I64)]),
    indexed(
        "edge",
        &[
            key("id", Serial),
            col("parent", I64),
            col("name", Bin255),
            col("inode", I64),
            col("type", I32),
        ],
        &[
            (true, "edge", &["parent", "name"]),
            (false, "inode", &["inode"]),
        ],
    ),
    table(
        "node",
        &[
            key("inode", I64),
            col("type", I32),
            col("flags", I32),
            col("mode", I32),
            col("uid", I32),
            col("gid", I32),
            col("atime", I64),
            col("mtime", I64),
            col("ctime", I64),
            zero("atimensec", I32),
            zero("mtimensec", I32),
            zero("ctimensec", I32),
            col("nlink", I32),
            col("length", I64),
            null("rdev", I32),
            null("parent", I64),
            null("access_acl_id", I32),
            null("default_acl_id", I32),
            null("tier_id", I32),
        ],
    ),
    table("symlink", &[key("inode", I64), col("target", Bin4096)]),
    indexed(
        "xattr",
        &[
            key("id", Serial),
            col("inode", I64),
            col("name", Str),
            col("value", Blob),
        ],
        &[(true, "name", &["inode", "name"])],
    ),
    indexed(
        "chunk",
        &[
            key("id", Serial),
            col("inode", I64),
            col("indx", I32),
            col("slices", Blob),
        ],
        &[(true, "chunk", &["inode", "indx"])],
    ),
    indexed(
        "chunk_ref",
        &[key("chunkid", I64), col("size", I32), col("refs", I32)],
        &[(false, "refs", &["refs"])],
    ),
    table(
        "delslices",
        &[
            key("chunkid", I64),
            col("deleted", I64),
            col("slices", Blob),
        ],
    ),
    table(
        "session2",
        &[key("sid", I64), col("expire", I64), null("info", Blob)],
    ),
    indexed(
        "sustained",
        &[key("id", Serial), col("sid", I64), col("inode", I64)],
        &[(true, "sustained", &["sid", "inode"])],
    ),
    table(
        "delfile",
        &[key("inode", I64), col("length", I64), col("expire", I64)],
    ),
    indexed(
        "flock",
        &[
            key("id", Serial),
            col("inode", I64),
            col("sid", I64),
            col("owner", I64),
            col("ltype", I32),
        ],
        &[(true, "flock", &["inode", "sid", "owner"])],
    ),
    indexed(
        "plock",
        &[
            key("id", Serial),
            col("inode", I64),
            col("sid", I64),
            col("owner", I64),
            col("records", Blob),
        ],
        &[(true, "plock", &["inode", "sid", "owner"])],
    ),
    table(
        "dir_stats",
        &[
            key("inode", I64),
            col("data_length", I64),
            col("used_space", I64),
            col("used_inodes", I64),
        ],
    ),
    table(
        "dir_quota",
        &[
            key("inode", I64),
            col("max_space", I64),
            col("max_inodes", I64),
            col("used_space", I64),
            col("used_inodes", I64),
        ],
    ),
    Table {
        name: "user_group_quota",
        columns: &[
            col("qtype", I32),
            col("qkey", I64),
            col("max_space", I64),
            col("max_inodes", I64),
            col("used_space", I64),
            col("used_inodes", I64),
        ],
        key: &["qtype", "qkey"],
        indexes: &[],
    },
    table("detached_node", &[key("inode", I64), col("added", I64)]),
    table(
        "acl",
        &[
            key("id", Serial32),
            null("owner", I32),
            null("group", I32),
            null("mask", I32),
            null("other", I32),
            null("named_users", Blob),
            null("named_groups", Blob),
        ],
    ),
    table(
        "delegation_token",
        &[key("id", Serial32), null("token", Blob)],
    ),
    table("change_log", &[key("id", Serial), col("entry", Text)]),
];

/// A table that only volumes of older clients have.
const OLD_SESSIONS: &str = "session";

/// Columns that volumes of older clients may lack: table, column.
const LATER_COLUMNS: &[(&str, &str)] = &[
    ("node", "atimensec"),
    ("node", "mtimensec"),
    ("node", "ctimensec"),
    ("node", "access_acl_id"),
    ("node", "default_acl_id"),
    ("node", "tier_id"),
];

/// Tables that every volume of every client has had. Without one of them a database is damaged; the others
/// are made by the first client that wants them.
const CORE: [&str; 6] = ["counter", "node", "edge", "symlink", "chunk", "chunk_ref"];

/// The tables and indexes of a volume in the words of one database.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    dialect: Dialect,
    prefix: String,
}

/// A table or an index, and the statement that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// Its name, with the prefix.
    pub(crate) name: String,
    /// The statement.
    pub(crate) sql: String,
}

/// A table of an older volume, as a client that may not change it has to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Older {
    /// The table is missing: its name and its columns.
    Table(String, String),
    /// Columns of the table are missing: their names.
    Columns(String, Vec<&'static str>),
}

impl Schema {
    /// A schema whose tables begin with `prefix`, usually `jfs_`.
    pub(crate) fn new(dialect: Dialect, prefix: &str) -> Schema {
        Schema {
            dialect,
            prefix: prefix.to_string(),
        }
    }

    /// The name of a table, for comparisons; statements quote it.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Every table, then every index.
    pub(crate) fn objects(&self) -> Vec<Object> {
        let tables = TABLES.iter().map(|table| self.create_table(table));
        let indexes = TABLES.iter().flat_map(|table| {
            table
                .indexes
                .iter()
                .map(|index| self.create_index(table, index))
        });
        tables.chain(indexes).collect()
    }

    /// Statements that add what a volume of an older client lacks, or a new one, in their order.
    pub(crate) fn missing(&self, existing: &Existing) -> Vec<String> {
        let objects = self.objects();
        let objects = objects
            .into_iter()
            .filter(|object| !existing.has(&object.name));
        let mut statements: Vec<String> = objects.map(|object| object.sql).collect();
        for (table, column) in LATER_COLUMNS {
            let name = self.table(table);
            if existing.has(&name) && !existing.has_column(&name, column) {
                statements.push(self.add_column(table, column));
            }
        }
        statements
    }

    /// The tables of an older volume that are not as the statements of this client need them.
    pub(crate) fn older(&self, existing: &Existing) -> Vec<Older> {
        let older = |table: &Table| {
            let name = self.table(table.name);
            if !existing.has(&name) {
                return Some(Older::Table(name, self.columns(table)));
            }
            let later = LATER_COLUMNS.iter().filter(|(of, _)| *of == table.name);
            let missing: Vec<&str> = later
                .map(|(_, column)| *column)
                .filter(|column| !existing.has_column(&name, column))
                .collect();
            (!missing.is_empty()).then_some(Older::Columns(name, missing))
        };
        TABLES.iter().filter_map(older).collect()
    }

    /// Statements that empty the tables that exist.
    pub(crate) fn emptied(&self, existing: &Existing) -> Vec<String> {
        let names = TABLES.iter().map(|table| table.name).chain([OLD_SESSIONS]);
        names
            .map(|name| self.table(name))
            .filter(|name| existing.has(name))
            .map(|name| format!("DELETE FROM {}", self.quoted(&name)))
            .collect()
    }

    /// A table without which a volume is damaged, and which does not exist.
    pub(crate) fn damage(&self, existing: &Existing) -> Option<String> {
        let mut core = CORE.iter().map(|table| self.table(table));
        core.find(|table| !existing.has(table))
    }

    fn create_table(&self, table: &Table) -> Object {
        let name = self.table(table.name);
        let if_missing = match self.dialect {
            Dialect::Sqlite => "",
            Dialect::Postgres | Dialect::Mysql => "IF NOT EXISTS ",
        };
        let end = match self.dialect {
            Dialect::Sqlite | Dialect::Postgres => "",
            Dialect::Mysql => " ENGINE=InnoDB",
        };
        let columns = self.columns(table);
        let quoted = self.quoted(&name);
        Object {
            sql: format!("CREATE TABLE {if_missing}{quoted} ({columns}){end}"),
            name,
        }
    }

    /// What stands between the parentheses of `CREATE TABLE`.
    fn columns(&self, table: &Table) -> String {
        let columns = table.columns.iter().map(|column| self.column(column));
        let mut parts: Vec<String> = columns.collect();
        if !table.key.is_empty() {
            parts.push(format!("PRIMARY KEY ( {} )", self.list(table.key)));
        }
        parts.join(", ")
    }

    fn column(&self, column: &Column) -> String {
        format!("{} {}", self.quoted(column.0), self.definition(column))
    }

    fn definition(&self, (_, kind, rule): &Column) -> String {
        let counted = match self.dialect {
            Dialect::Sqlite => " AUTOINCREMENT",
            Dialect::Postgres => "", // its type says so
            Dialect::Mysql => " AUTO_INCREMENT",
        };
        let counted = match kind {
            Serial | Serial32 => counted,
            _ => "",
        };
        let rule = match rule {
            Rule::Key => format!(" PRIMARY KEY{counted} NOT NULL"),
            Rule::NotNull => " NOT NULL".to_string(),
            Rule::Zero => " DEFAULT 0 NOT NULL".to_string(),
            Rule::Nullable => " NULL".to_string(),
        };
        format!("{}{rule}", self.type_name(*kind))
    }

    fn type_name(&self, kind: Type) -> &'static str {
        match (self.dialect, kind) {
            (Dialect::Sqlite, I64 | I32 | Serial | Serial32) => "INTEGER",
            (Dialect::Sqlite, Str | Text) => "TEXT",
            (Dialect::Sqlite, Bin255 | Bin4096 | Blob) => "BLOB",
            (Dialect::Postgres, Serial) => "BIGSERIAL",
            (Dialect::Postgres, Serial32) => "SERIAL",
            (_, I64 | Serial) => "BIGINT",
            (_, I32 | Serial32) => "INTEGER",
            (_, Str) => "VARCHAR(255)",
            (_, Text) => "TEXT",
            (Dialect::Postgres, Bin255 | Bin4096 | Blob) => "BYTEA",
            (Dialect::Mysql, Bin255) => "VARBINARY(255)",
            (Dialect::Mysql, Bin4096) => "VARBINARY(4096)",
            (Dialect::Mysql, Blob) => "BLOB",
        }
    }

    fn create_index(&self, table: &Table, (unique, name, columns): &Index) -> Object {
        let full = self.table(table.name);
        let (kind, start) = match unique {
            true => ("UNIQUE ", "UQE"),
            false => ("", "IDX"),
        };
        let name = format!("{start}_{full}_{name}");
        let if_missing = match self.dialect {
            Dialect::Postgres => "IF NOT EXISTS ",
            Dialect::Sqlite | Dialect::Mysql => "",
        };
        let sql = format!(
            "CREATE {kind}INDEX {if_missing}{} ON {} ({})",
            self.quoted(&name),
            self.quoted(&full),
            self.list(columns)
        );
        Object { name, sql }
    }

    fn add_column(&self, table: &str, column: &str) -> String {
        let columns = TABLES
            .iter()
            .filter(|t| t.name == table)
            .flat_map(|t| t.columns);
        let definition: String = columns
            .filter(|(name, ..)| *name == column)
            .map(|column| self.definition(column))
            .collect();
        let if_missing = match self.dialect {
            Dialect::Postgres => "COLUMN IF NOT EXISTS ",
            Dialect::Sqlite | Dialect::Mysql => "",
        };
        let (table, column) = (self.quoted(&self.table(table)), self.quoted(column));
        format!("ALTER TABLE {table} ADD {if_missing}{column} {definition}")
    }

    fn list(&self, columns: &[&str]) -> String {
        let quoted: Vec<String> = columns.iter().map(|name| self.quoted(name)).collect();
        quoted.join(",")
    }

    fn quoted(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Sqlite | Dialect::Mysql => format!("`{name}`"),
            Dialect::Postgres => format!("\"{name}\""),
        }
    }
}
