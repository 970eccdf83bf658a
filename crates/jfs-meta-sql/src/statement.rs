//! Every statement on the records of a volume, by name (the tables themselves: `schema`).

mod catalog;
mod scans;

pub(crate) use catalog::{Catalog, brief};

use crate::dialect::{Dialect, Text, Upsert};
use crate::records::existing;

/// Columns of `node n` in the order that `records::node` reads and writes them.
pub(crate) const NODE_COLUMNS: [&str; 18] = [
    "type",
    "flags",
    "mode",
    "uid",
    "gid",
    "atime",
    "mtime",
    "ctime",
    "atimensec",
    "mtimensec",
    "ctimensec",
    "nlink",
    "length",
    "rdev",
    "parent",
    "access_acl_id",
    "default_acl_id",
    "tier_id",
];

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A statement. Parameters are named in its text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Statement { $($(#[$doc])* $name),* }

        impl Statement {
            /// All of them, in the order of their numbers.
            pub(crate) const ALL: &'static [Statement] = &[$(Statement::$name),*];
        }
    };
}

statements! {
    // ---- nodes and edges
    Node, NodeInsert, NodeUpdate, NodeNlink, NodeTouch, NodeDelete,
    Edge, EdgeAny, EdgeParents,
    /// An entry and the node it leads to.
    EdgeNode,
    /// A directory and one of its names, a row in any case.
    NodeAndEdge,
    EdgeList, EdgeListNodes, EdgeInsert, EdgeUpdate, EdgeDelete,
    Symlink, SymlinkInsert, SymlinkDelete,
    Xattr, XattrNames, XattrPut, XattrDeleteOne, XattrDelete,
    // ---- data
    Chunk, ChunkIndexes,
    /// Returns the length of the list in bytes; fails on servers when that is no multiple of a record.
    ChunkAppend,
    ChunkAppendRange, ChunkDelete,
    /// Bytes up to the first position stay, the record follows, then what lies from the second one on.
    ChunkMerge,
    Refs, RefsUnused, RefsInsert,
    /// Returns the users that are left.
    RefsAdd,
    RefsDelete,
    Delayed, DelayedList, DelayedInsert, DelayedDelete,
    Deleted, DeletedList, DeletedInsert, DeletedDelete,
    // ---- statistics and counters
    Stats, StatsPut, StatsAdd, StatsDelete,
    QuotaList, QuotaPut, QuotaAdd, QuotaDelete,
    OwnerList, OwnerPut, OwnerClear,
    /// Makes the row, without limits, when it is missing.
    OwnerAdd,
    Counter,
    /// Returns the new value.
    CounterAdd,
    CounterPut,
    /// Fails when the counter is there.
    CounterInsert,
    // ---- ACL rules
    Acl, AclCandidates,
    /// Returns the number of the rule.
    AclInsert,
    // ---- locks
    Flocks, FlockPut, FlockDelete, Plocks, PlockPut, PlockDelete,
    // ---- sessions
    SessionInsert, SessionPut, SessionList, SessionDelete,
    FlocksOfSession, PlocksOfSession,
    SustainedList, SustainedInsert, SustainedDelete,
    // ---- the change log
    LogInsert,
    /// `$1`, the number of records in the list of chunk (`$2`, `$3`) less `$4`, then `$5`.
    LogInsertCounted,
    LogHead, LogCount, LogTrim,
    // ---- scans
    ScanNodes, ScanEdges, ScanChunks, ScanRefs, ScanSymlinks, ScanXattrs, ScanParents, ScanSustained,
    ScanDeleted, ScanDelayed, ScanSessions, ScanStats, ScanQuotas, ScanAcls,
    /// Keys and sizes of the next rows.
    ScanChunkSizes, ScanXattrSizes, ScanDelayedSizes,
    /// The inode of the node `$2` places behind the next one.
    ScanNodesEnd,
    // ---- the volume
    Setting, SettingInsert, SettingUpdate,
    /// Fails on servers unless the setting is `$1`.
    SettingIs,
    /// Tables, indexes and columns that exist.
    Existing,
}

impl Statement {
    /// The statement in the notation of [`crate::dialect`].
    pub(crate) fn text(self, d: Dialect) -> Text {
        use Statement as S;
        match self {
            S::Node => format!("SELECT {} FROM {{node}} n WHERE n.inode = $1", node_columns()).into(),
            S::NodeInsert => insert(
                "node",
                &[&NODE_COLUMNS[..], &["inode"]].concat(),
            ),
            S::NodeUpdate => {
                let set: Vec<String> = (1..).zip(NODE_COLUMNS).map(|(i, c)| format!("{c} = ${i}")).collect();
                d.must_hit(&format!("UPDATE {{node}} SET {} WHERE inode = $19", set.join(", ")))
            }
            S::NodeNlink => d.must_hit("UPDATE {node} SET nlink = nlink + $1 WHERE inode = $2"),
            S::NodeTouch => d.must_hit(
                "UPDATE {node} SET nlink = nlink + $1, mtime = $2, mtimensec = $3, ctime = $4, ctimensec = $5 \
                 WHERE inode = $6",
            ),
            S::NodeDelete => "DELETE FROM {node} WHERE inode = $1".into(),

            S::Edge => "SELECT inode, type FROM {edge} WHERE parent = $1 AND name = $2".into(),
            S::EdgeAny => "SELECT 1 FROM {edge} WHERE parent = $1 LIMIT 1".into(),
            S::EdgeParents => {
                "SELECT parent, COUNT(*) FROM {edge} WHERE inode = $1 GROUP BY parent ORDER BY parent".into()
            }
            S::EdgeNode => format!(
                "SELECT e.inode, e.type, n.inode, {} FROM {{edge}} e LEFT JOIN {{node}} n ON n.inode = e.inode \
                 WHERE e.parent = $1 AND e.name = $2",
                node_columns()
            )
            .into(),
            S::NodeAndEdge => format!(
                "SELECT e.inode, e.type, n.inode, {} FROM (SELECT 1 AS one) o LEFT JOIN {{node}} n ON n.inode = $1 \
                 LEFT JOIN {{edge}} e ON e.parent = $1 AND e.name = $2",
                node_columns()
            )
            .into(),
            S::EdgeList => "SELECT inode, type, NULL, name FROM {edge} WHERE parent = $1 AND name > $2 \
                ORDER BY name LIMIT $3"
                .into(),
            S::EdgeListNodes => format!(
                "SELECT e.inode, e.type, n.inode, e.name, {} FROM {{edge}} e LEFT JOIN {{node}} n ON n.inode = e.inode \
                 WHERE e.parent = $1 AND e.name > $2 ORDER BY e.name LIMIT $3",
                node_columns()
            )
            .into(),
            S::EdgeInsert => insert("edge", &["parent", "name", "inode", "type"]),
            S::EdgeUpdate => {
                d.must_hit("UPDATE {edge} SET inode = $1, type = $2 WHERE parent = $3 AND name = $4")
            }
            S::EdgeDelete => d.must_hit("DELETE FROM {edge} WHERE parent = $1 AND name = $2"),

            S::Symlink => "SELECT target FROM {symlink} WHERE inode = $1".into(),
            S::SymlinkInsert => insert("symlink", &["inode", "target"]),
            S::SymlinkDelete => "DELETE FROM {symlink} WHERE inode = $1".into(),
            S::Xattr => "SELECT value FROM {xattr} WHERE inode = $1 AND name = $2".into(),
            S::XattrNames => "SELECT name FROM {xattr} WHERE inode = $1".into(),
            S::XattrPut => put(d, "xattr", &["inode", "name"], &["value"]),
            S::XattrDeleteOne => d.must_hit("DELETE FROM {xattr} WHERE inode = $1 AND name = $2"),
            S::XattrDelete => "DELETE FROM {xattr} WHERE inode = $1".into(),

            S::Chunk => "SELECT slices FROM {chunk} WHERE inode = $1 AND indx = $2".into(),
            S::ChunkIndexes => "SELECT indx FROM {chunk} WHERE inode = $1 ORDER BY indx".into(),
            S::ChunkAppend => {
                let append = d.upsert(&Upsert {
                    table: "chunk",
                    columns: &["inode", "indx", "slices"],
                    key: &["inode", "indx"],
                    set: &[("slices", d.joined(&["{chunk}.slices", "$3"]))],
                });
                let length = d.byte_length("{chunk}.slices");
                let whole = d.checked(&length, &format!("mod({length}, 24) = 0"));
                d.returning(&append, "chunk", &whole, "inode = $1 AND indx = $2")
            }
            S::ChunkAppendRange => format!(
                "UPDATE {{chunk}} SET slices = {} WHERE inode = $2 AND indx >= $3 AND indx < $4",
                d.joined(&["slices", "$1"])
            )
            .into(),
            S::ChunkDelete => "DELETE FROM {chunk} WHERE inode = $1 AND indx = $2".into(),
            S::ChunkMerge => {
                let list = d.binary("slices");
                let merged = d.joined(&[&format!("substr({list}, 1, $3)"), "$4", &format!("substr({list}, $5)")]);
                d.must_hit(&format!(
                    "UPDATE {{chunk}} SET slices = {} WHERE inode = $1 AND indx = $2",
                    d.binary(&format!("({merged})"))
                ))
            }
            S::Refs => "SELECT refs FROM {chunk_ref} WHERE chunkid = $1".into(),
            S::RefsUnused => "SELECT chunkid, size FROM {chunk_ref} WHERE refs <= 0 LIMIT $1".into(),
            S::RefsInsert => "INSERT INTO {chunk_ref} (chunkid, size, refs) VALUES ($1, $2, 1)".into(),
            S::RefsAdd => d.returning(
                "UPDATE {chunk_ref} SET refs = refs + $1 WHERE chunkid = $2 AND size = $3",
                "chunk_ref",
                "refs",
                "chunkid = $2 AND size = $3",
            ),
            S::RefsDelete => "DELETE FROM {chunk_ref} WHERE chunkid = $1 AND refs <= 0".into(),
            S::Delayed => "SELECT slices FROM {delslices} WHERE chunkid = $1 AND deleted = $2".into(),
            S::DelayedList => {
                "SELECT chunkid, deleted, slices FROM {delslices} WHERE deleted < $1 ORDER BY deleted LIMIT $2".into()
            }
            S::DelayedInsert => insert("delslices", &["chunkid", "deleted", "slices"]),
            S::DelayedDelete => "DELETE FROM {delslices} WHERE chunkid = $1 AND deleted = $2".into(),
            S::Deleted => "SELECT 1 FROM {delfile} WHERE inode = $1 AND length = $2".into(),
            S::DeletedList => {
                "SELECT inode, length, expire FROM {delfile} WHERE expire < $1 ORDER BY expire LIMIT $2".into()
            }
            S::DeletedInsert => put(d, "delfile", &["inode"], &["length", "expire"]),
            S::DeletedDelete => "DELETE FROM {delfile} WHERE inode = $1 AND length = $2".into(),

            S::Stats => "SELECT data_length, used_space, used_inodes FROM {dir_stats} WHERE inode = $1".into(),
            S::StatsPut => put(d, "dir_stats", &["inode"], &["data_length", "used_space", "used_inodes"]),
            S::StatsAdd => "UPDATE {dir_stats} SET data_length = data_length + $1, used_space = used_space + $2, \
                used_inodes = used_inodes + $3 WHERE inode = $4"
                .into(),
            S::StatsDelete => "DELETE FROM {dir_stats} WHERE inode = $1".into(),
            S::QuotaList => {
                "SELECT inode, max_space, max_inodes, used_space, used_inodes FROM {dir_quota}".into()
            }
            S::QuotaPut => put(
                d,
                "dir_quota",
                &["inode"],
                &["max_space", "max_inodes", "used_space", "used_inodes"],
            ),
            S::QuotaAdd => {
                "UPDATE {dir_quota} SET used_space = used_space + $1, used_inodes = used_inodes + $2 WHERE inode = $3"
                    .into()
            }
            S::QuotaDelete => "DELETE FROM {dir_quota} WHERE inode = $1".into(),
            S::OwnerList => {
                "SELECT qtype, qkey, max_space, max_inodes, used_space, used_inodes FROM {user_group_quota}".into()
            }
            S::OwnerPut => put(
                d,
                "user_group_quota",
                &["qtype", "qkey"],
                &["max_space", "max_inodes", "used_space", "used_inodes"],
            ),
            S::OwnerClear => "DELETE FROM {user_group_quota}".into(),
            S::OwnerAdd => d
                .upsert(&Upsert {
                    table: "user_group_quota",
                    columns: &["qtype", "qkey", "max_space", "max_inodes", "used_space", "used_inodes"],
                    key: &["qtype", "qkey"],
                    set: &[
                        ("used_space", "{user_group_quota}.used_space + $5".to_string()),
                        ("used_inodes", "{user_group_quota}.used_inodes + $6".to_string()),
                    ],
                })
                .into(),
            S::Counter => "SELECT value FROM {counter} WHERE name = $1".into(),
            S::CounterAdd => {
                let add = d.upsert(&Upsert {
                    table: "counter",
                    columns: &["name", "value"],
                    key: &["name"],
                    set: &[("value", "{counter}.value + $2".to_string())],
                });
                d.returning(&add, "counter", "value", "name = $1")
            }
            S::CounterPut => put(d, "counter", &["name"], &["value"]),
            S::CounterInsert => insert("counter", &["name", "value"]),

            S::Acl => "SELECT owner, [group], mask, other, named_users, named_groups FROM {acl} WHERE id = $1".into(),
            S::AclCandidates => "SELECT owner, [group], mask, other, named_users, named_groups, id FROM {acl} \
                WHERE owner = $1 AND [group] = $2 AND mask = $3 AND other = $4 ORDER BY id"
                .into(),
            S::AclInsert => {
                let insert = insert("acl", &["owner", "[group]", "mask", "other", "named_users", "named_groups"]);
                match d {
                    Dialect::Sqlite | Dialect::Postgres => format!("{} RETURNING id", insert.run).into(),
                    Dialect::Mysql => Text {
                        run: insert.run,
                        read_back: Some("SELECT LAST_INSERT_ID()".to_string()),
                    },
                }
            }

            S::Flocks => "SELECT sid, owner, ltype FROM {flock} WHERE inode = $1".into(),
            S::FlockPut => put(d, "flock", &["inode", "sid", "owner"], &["ltype"]),
            S::FlockDelete => "DELETE FROM {flock} WHERE inode = $1 AND sid = $2 AND owner = $3".into(),
            S::Plocks => "SELECT sid, owner, records FROM {plock} WHERE inode = $1".into(),
            S::PlockPut => put(d, "plock", &["inode", "sid", "owner"], &["records"]),
            S::PlockDelete => "DELETE FROM {plock} WHERE inode = $1 AND sid = $2 AND owner = $3".into(),

            S::SessionInsert => d.insert_or_ignore("session2", &["sid", "expire", "info"]).into(),
            S::SessionPut => d
                .upsert(&Upsert {
                    table: "session2",
                    columns: &["sid", "expire", "info"],
                    key: &["sid"],
                    set: &[("expire", "$2".to_string())],
                })
                .into(),
            S::SessionList => "SELECT sid, expire, info FROM {session2}".into(),
            S::SessionDelete => "DELETE FROM {session2} WHERE sid = $1".into(),
            S::FlocksOfSession => "SELECT sid, owner, ltype, inode FROM {flock} WHERE sid = $1".into(),
            S::PlocksOfSession => "SELECT sid, owner, records, inode FROM {plock} WHERE sid = $1".into(),
            S::SustainedList => "SELECT inode FROM {sustained} WHERE sid = $1".into(),
            S::SustainedInsert => d.insert_or_ignore("sustained", &["sid", "inode"]).into(),
            S::SustainedDelete => "DELETE FROM {sustained} WHERE sid = $1 AND inode = $2".into(),

            S::LogInsert => insert("change_log", &["entry"]),
            S::LogInsertCounted => {
                let (divided, text) = match d {
                    Dialect::Mysql => ("DIV", "char"),
                    Dialect::Sqlite | Dialect::Postgres => ("/", "text"),
                };
                let records = format!(
                    "COALESCE((SELECT {} {divided} 24 FROM {{chunk}} WHERE inode = $2 AND indx = $3), 0) \
                     - CAST($4 AS {})",
                    d.byte_length("slices"),
                    if d == Dialect::Mysql { "signed" } else { "bigint" }
                );
                let parts = ["$1", &records, "$5"].map(|part| format!("CAST({part} AS {text})"));
                let parts = parts.each_ref().map(String::as_str);
                format!("INSERT INTO {{change_log}} (entry) VALUES ({})", d.joined(&parts)).into()
            }
            S::LogHead => "SELECT id, entry FROM {change_log} ORDER BY id LIMIT $1".into(),
            S::LogCount => "SELECT COUNT(*) FROM {change_log}".into(),
            S::LogTrim => "DELETE FROM {change_log} WHERE id <= $1".into(),

            S::ScanNodes
            | S::ScanEdges
            | S::ScanChunks
            | S::ScanRefs
            | S::ScanSymlinks
            | S::ScanXattrs
            | S::ScanParents
            | S::ScanSustained
            | S::ScanDeleted
            | S::ScanDelayed
            | S::ScanSessions
            | S::ScanStats
            | S::ScanQuotas
            | S::ScanAcls
            | S::ScanChunkSizes
            | S::ScanXattrSizes
            | S::ScanDelayedSizes
            | S::ScanNodesEnd => scans::text(self, d),

            S::Setting => "SELECT value FROM {setting} WHERE name = 'format'".into(),
            S::SettingInsert => "INSERT INTO {setting} (name, value) VALUES ('format', $1)".into(),
            S::SettingUpdate => {
                let same = d.same_text("value", "$2");
                d.must_hit(&format!("UPDATE {{setting}} SET value = $1 WHERE name = 'format' AND {same}"))
            }
            S::SettingIs if d == Dialect::Sqlite => {
                "SELECT 1 FROM {setting} WHERE name = 'format' AND value = $1".into()
            }
            S::SettingIs => {
                let same = d.same_text("value", "$1");
                let same = format!("EXISTS (SELECT 1 FROM {{setting}} WHERE name = 'format' AND {same})");
                format!("SELECT {}", d.checked("1", &same)).into()
            }
            S::Existing => existing::text(d).into(),
        }
    }

    /// Whether the rows that it reads can be locked.
    pub(crate) fn is_lockable(self) -> bool {
        use Statement as S;
        matches!(
            self,
            S::Node
                | S::Edge
                | S::Symlink
                | S::Xattr
                | S::Chunk
                | S::Refs
                | S::Delayed
                | S::Deleted
                | S::Stats
                | S::Counter
                | S::Flocks
                | S::Plocks
                | S::Setting
        )
    }
}

/// `INSERT` of a row whose values are the parameters.
fn insert(table: &str, columns: &[&str]) -> Text {
    let places: Vec<String> = (1..=columns.len()).map(|i| format!("${i}")).collect();
    format!(
        "INSERT INTO {{{table}}} ({}) VALUES ({})",
        columns.join(", "),
        places.join(", ")
    )
    .into()
}

/// Insertion of a row, or new values for the row with that key.
fn put(d: Dialect, table: &str, key: &[&str], values: &[&str]) -> Text {
    let columns = [key, values].concat();
    let set: Vec<(&str, String)> = (key.len() + 1..)
        .zip(values)
        .map(|(i, column)| (*column, format!("${i}")))
        .collect();
    d.upsert(&Upsert {
        table,
        columns: &columns,
        key,
        set: &set,
    })
    .into()
}

fn node_columns() -> String {
    NODE_COLUMNS.map(|c| format!("n.{c}")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Lock;

    #[test]
    fn every_statement_has_a_text_and_its_own_number() {
        for (number, statement) in Statement::ALL.iter().enumerate() {
            assert_eq!(*statement as usize, number);
            for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
                let text = statement.text(dialect);
                let names_tables = text.run.contains('{') || *statement == Statement::Existing;
                assert!(names_tables, "{statement:?} names no table");
            }
        }
    }

    #[test]
    fn reading_for_a_change_locks() {
        for (dialect, share) in [
            (Dialect::Postgres, " FOR SHARE"),
            (Dialect::Mysql, " LOCK IN SHARE MODE"),
        ] {
            let all = Catalog::new(dialect, "jfs_");
            assert!(
                all.locking(Statement::Node, Lock::Update)
                    .run
                    .ends_with(" FOR UPDATE")
            );
            assert!(
                all.locking(Statement::Node, Lock::Share)
                    .run
                    .ends_with(share)
            );
            assert!(
                !all.locking(Statement::EdgeParents, Lock::Update)
                    .run
                    .contains("FOR UPDATE")
            );
        }
        let sqlite = Catalog::new(Dialect::Sqlite, "jfs_");
        assert!(
            !sqlite
                .locking(Statement::Node, Lock::Update)
                .run
                .contains("FOR")
        );
    }
}
