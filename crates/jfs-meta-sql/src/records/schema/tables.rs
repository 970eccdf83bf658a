//! The tables of a volume as data.

use Type::*;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
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
    /// The same, in which capital letters and accents count. On MySQL the reference client leaves that to the database, where they usually
    /// do not, so that `user.A` is `user.a`; it takes columns of either kind.
    ExactStr,
    /// Text.
    Text,
    /// At most 255 bytes.
    Bin255,
    /// At most 4096 bytes.
    Bin4096,
    /// Bytes, at most 65,535 on MySQL.
    Blob,
}

/// Whether a column must have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
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
pub(super) type Column = (&'static str, Type, Rule);

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name, without the prefix.
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
    /// Columns of a primary key that has several.
    pub(super) key: &'static [&'static str],
    pub(super) indexes: &'static [Index],
}

/// An index: whether its values are unique, the last part of its name, its columns.
pub(super) type Index = (bool, &'static str, &'static [&'static str]);

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
pub(super) const TABLES: &[Table] = &[
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
            col("name", ExactStr),
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
pub(super) const OLD_SESSIONS: &str = "session";

/// Columns that volumes of older clients may lack: table, column.
pub(super) const LATER_COLUMNS: &[(&str, &str)] = &[
    ("node", "atimensec"),
    ("node", "mtimensec"),
    ("node", "ctimensec"),
    ("node", "access_acl_id"),
    ("node", "default_acl_id"),
    ("node", "tier_id"),
];

/// Tables that every volume of every client has had. Without one of them a database is damaged; the others
/// are made by the first client that wants them.
pub(super) const CORE: [&str; 6] = ["counter", "node", "edge", "symlink", "chunk", "chunk_ref"];
