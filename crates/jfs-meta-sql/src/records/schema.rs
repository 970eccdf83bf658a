//! The tables and indexes of a volume, once for all databases. The text for SQLite is byte for byte that of
//! the reference client; on the servers the types and names are.

mod tables;

use super::existing::Existing;
use crate::dialect::Dialect;
use tables::Type::*;
use tables::{CORE, Column, Index, LATER_COLUMNS, OLD_SESSIONS, Rule, TABLES, Table, Type};

/// Tables that volumes of older clients may have with fewer columns, without their prefix.
pub(crate) fn extended_tables() -> impl Iterator<Item = &'static str> {
    let later = |table: &&Table| LATER_COLUMNS.iter().any(|(of, _)| *of == table.name);
    TABLES.iter().filter(later).map(|table| table.name)
}

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
            (Dialect::Sqlite, Str | ExactStr | Text) => "TEXT",
            (Dialect::Sqlite, Bin255 | Bin4096 | Blob) => "BLOB",
            (Dialect::Postgres, Serial) => "BIGSERIAL",
            (Dialect::Postgres, Serial32) => "SERIAL",
            (_, I64 | Serial) => "BIGINT",
            (_, I32 | Serial32) => "INTEGER",
            (Dialect::Mysql, ExactStr) => "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            (_, Str | ExactStr) => "VARCHAR(255)",
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::value::{Row, RowList, Value};

    /// SQLite keeps the text of a table, and the reference client changes tables whose text differs; the
    /// golden volume has all of them.
    #[test]
    fn tables_for_every_dialect() {
        let text = |dialect, name: &str| {
            let objects = Schema::new(dialect, "jfs_P_").objects();
            let found = objects.into_iter().find(|object| object.name == name);
            found.map(|object| object.sql).unwrap_or_default()
        };
        assert_eq!(
            text(Dialect::Sqlite, "jfs_P_acl"),
            "CREATE TABLE `jfs_P_acl` (`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `owner` INTEGER NULL, \
             `group` INTEGER NULL, `mask` INTEGER NULL, `other` INTEGER NULL, `named_users` BLOB NULL, \
             `named_groups` BLOB NULL)"
        );
        assert_eq!(
            text(Dialect::Postgres, "jfs_P_xattr"),
            "CREATE TABLE IF NOT EXISTS \"jfs_P_xattr\" (\"id\" BIGSERIAL PRIMARY KEY NOT NULL, \
             \"inode\" BIGINT NOT NULL, \"name\" VARCHAR(255) NOT NULL, \"value\" BYTEA NOT NULL)"
        );
        assert_eq!(
            text(Dialect::Mysql, "jfs_P_user_group_quota"),
            "CREATE TABLE IF NOT EXISTS `jfs_P_user_group_quota` (`qtype` INTEGER NOT NULL, `qkey` BIGINT NOT NULL, \
             `max_space` BIGINT NOT NULL, `max_inodes` BIGINT NOT NULL, `used_space` BIGINT NOT NULL, \
             `used_inodes` BIGINT NOT NULL, PRIMARY KEY ( `qtype`,`qkey` )) ENGINE=InnoDB"
        );
        assert_eq!(
            text(Dialect::Postgres, "UQE_jfs_P_edge_edge"),
            "CREATE UNIQUE INDEX IF NOT EXISTS \"UQE_jfs_P_edge_edge\" ON \"jfs_P_edge\" (\"parent\",\"name\")"
        );
        assert_eq!(
            text(Dialect::Mysql, "IDX_jfs_P_chunk_ref_refs"),
            "CREATE INDEX `IDX_jfs_P_chunk_ref_refs` ON `jfs_P_chunk_ref` (`refs`)"
        );
    }

    #[test]
    fn older_volumes_get_what_they_lack() {
        let schema = Schema::new(Dialect::Postgres, "jfs_");
        let text = |text: &str| Value::text(text.as_bytes());
        let mut found = vec![vec![text("other"), text("id")]];
        for object in schema.objects() {
            if object.name != "jfs_acl" {
                found.push(vec![text(&object.name), Value::Null]);
            }
        }
        for column in ["atimensec", "mtimensec", "ctimensec", "access_acl_id"] {
            found.push(vec![text("jfs_node"), text(column)]);
        }
        let found: Vec<Box<dyn Row + Send>> =
            found.into_iter().map(|row| Box::new(row) as _).collect();
        let existing = Existing::new("jfs_", &mut RowList::new(&found)).unwrap();
        assert!(!existing.has("other"));
        let missing = schema.missing(&existing);
        assert_eq!(missing.len(), 3, "{missing:?}");
        assert!(missing[0].starts_with("CREATE TABLE IF NOT EXISTS \"jfs_acl\""));
        assert_eq!(
            missing[1..],
            [
                "ALTER TABLE \"jfs_node\" ADD COLUMN IF NOT EXISTS \"default_acl_id\" INTEGER NULL",
                "ALTER TABLE \"jfs_node\" ADD COLUMN IF NOT EXISTS \"tier_id\" INTEGER NULL"
            ]
        );
        assert_eq!(schema.damage(&existing), None);
        let none = schema.damage(&Default::default());
        assert_eq!(none.as_deref(), Some("jfs_counter"));
        assert!(
            schema
                .emptied(&existing)
                .contains(&"DELETE FROM \"jfs_edge\"".to_string())
        );
    }
}
