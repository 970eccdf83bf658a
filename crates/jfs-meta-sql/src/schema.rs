//! The tables, byte for byte as the reference client creates them.

/// Names of the tables, without their prefix.
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(table, _)| *table)
}

/// Every table and index: its name and the statement that makes it.
pub(crate) fn statements() -> Vec<(String, String)> {
    let table = |(name, columns): &(&str, &str)| {
        (
            format!("jfs_{name}"),
            format!("CREATE TABLE `jfs_{name}` ({columns})"),
        )
    };
    let index = |(kind, name, table, columns): &(&str, &str, &str, &str)| {
        (
            name.to_string(),
            format!("CREATE {kind}INDEX `{name}` ON `jfs_{table}` ({columns})"),
        )
    };
    TABLES
        .iter()
        .map(table)
        .chain(INDEXES.iter().map(index))
        .collect()
}

/// Columns that volumes of older clients may lack: table, column, definition.
pub(crate) const LATER_COLUMNS: &[(&str, &str, &str)] = &[
    ("node", "atimensec", "INTEGER DEFAULT 0 NOT NULL"),
    ("node", "mtimensec", "INTEGER DEFAULT 0 NOT NULL"),
    ("node", "ctimensec", "INTEGER DEFAULT 0 NOT NULL"),
    ("node", "access_acl_id", "INTEGER NULL"),
    ("node", "default_acl_id", "INTEGER NULL"),
    ("node", "tier_id", "INTEGER NULL"),
];

/// Every table without its prefix, and its columns.
pub(crate) const TABLES: &[(&str, &str)] = &[
    (
        "setting",
        "`name` TEXT PRIMARY KEY NOT NULL, `value` TEXT NOT NULL",
    ),
    (
        "counter",
        "`name` TEXT PRIMARY KEY NOT NULL, `value` INTEGER NOT NULL",
    ),
    (
        "edge",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `parent` INTEGER NOT NULL, `name` BLOB NOT NULL, `inode` INTEGER NOT NULL, `type` INTEGER NOT NULL",
    ),
    (
        "node",
        "`inode` INTEGER PRIMARY KEY NOT NULL, `type` INTEGER NOT NULL, `flags` INTEGER NOT NULL, `mode` INTEGER NOT NULL, `uid` INTEGER NOT NULL, `gid` INTEGER NOT NULL, `atime` INTEGER NOT NULL, `mtime` INTEGER NOT NULL, `ctime` INTEGER NOT NULL, `atimensec` INTEGER DEFAULT 0 NOT NULL, `mtimensec` INTEGER DEFAULT 0 NOT NULL, `ctimensec` INTEGER DEFAULT 0 NOT NULL, `nlink` INTEGER NOT NULL, `length` INTEGER NOT NULL, `rdev` INTEGER NULL, `parent` INTEGER NULL, `access_acl_id` INTEGER NULL, `default_acl_id` INTEGER NULL, `tier_id` INTEGER NULL",
    ),
    (
        "symlink",
        "`inode` INTEGER PRIMARY KEY NOT NULL, `target` BLOB NOT NULL",
    ),
    (
        "xattr",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `inode` INTEGER NOT NULL, `name` TEXT NOT NULL, `value` BLOB NOT NULL",
    ),
    (
        "chunk",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `inode` INTEGER NOT NULL, `indx` INTEGER NOT NULL, `slices` BLOB NOT NULL",
    ),
    (
        "chunk_ref",
        "`chunkid` INTEGER PRIMARY KEY NOT NULL, `size` INTEGER NOT NULL, `refs` INTEGER NOT NULL",
    ),
    (
        "delslices",
        "`chunkid` INTEGER PRIMARY KEY NOT NULL, `deleted` INTEGER NOT NULL, `slices` BLOB NOT NULL",
    ),
    (
        "session2",
        "`sid` INTEGER PRIMARY KEY NOT NULL, `expire` INTEGER NOT NULL, `info` BLOB NULL",
    ),
    (
        "sustained",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `sid` INTEGER NOT NULL, `inode` INTEGER NOT NULL",
    ),
    (
        "delfile",
        "`inode` INTEGER PRIMARY KEY NOT NULL, `length` INTEGER NOT NULL, `expire` INTEGER NOT NULL",
    ),
    (
        "flock",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `inode` INTEGER NOT NULL, `sid` INTEGER NOT NULL, `owner` INTEGER NOT NULL, `ltype` INTEGER NOT NULL",
    ),
    (
        "plock",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `inode` INTEGER NOT NULL, `sid` INTEGER NOT NULL, `owner` INTEGER NOT NULL, `records` BLOB NOT NULL",
    ),
    (
        "dir_stats",
        "`inode` INTEGER PRIMARY KEY NOT NULL, `data_length` INTEGER NOT NULL, `used_space` INTEGER NOT NULL, `used_inodes` INTEGER NOT NULL",
    ),
    (
        "dir_quota",
        "`inode` INTEGER PRIMARY KEY NOT NULL, `max_space` INTEGER NOT NULL, `max_inodes` INTEGER NOT NULL, `used_space` INTEGER NOT NULL, `used_inodes` INTEGER NOT NULL",
    ),
    (
        "user_group_quota",
        "`qtype` INTEGER NOT NULL, `qkey` INTEGER NOT NULL, `max_space` INTEGER NOT NULL, `max_inodes` INTEGER NOT NULL, `used_space` INTEGER NOT NULL, `used_inodes` INTEGER NOT NULL, PRIMARY KEY ( `qtype`,`qkey` )",
    ),
    (
        "detached_node",
        "`inode` INTEGER PRIMARY KEY NOT NULL, `added` INTEGER NOT NULL",
    ),
    (
        "acl",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `owner` INTEGER NULL, `group` INTEGER NULL, `mask` INTEGER NULL, `other` INTEGER NULL, `named_users` BLOB NULL, `named_groups` BLOB NULL",
    ),
    (
        "delegation_token",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `token` BLOB NULL",
    ),
    (
        "change_log",
        "`id` INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `entry` TEXT NOT NULL",
    ),
];

const INDEXES: &[(&str, &str, &str, &str)] = &[
    ("UNIQUE ", "UQE_jfs_edge_edge", "edge", "`parent`,`name`"),
    ("", "IDX_jfs_edge_inode", "edge", "`inode`"),
    ("UNIQUE ", "UQE_jfs_xattr_name", "xattr", "`inode`,`name`"),
    ("UNIQUE ", "UQE_jfs_chunk_chunk", "chunk", "`inode`,`indx`"),
    ("", "IDX_jfs_chunk_ref_refs", "chunk_ref", "`refs`"),
    (
        "UNIQUE ",
        "UQE_jfs_sustained_sustained",
        "sustained",
        "`sid`,`inode`",
    ),
    (
        "UNIQUE ",
        "UQE_jfs_flock_flock",
        "flock",
        "`inode`,`sid`,`owner`",
    ),
    (
        "UNIQUE ",
        "UQE_jfs_plock_plock",
        "plock",
        "`inode`,`sid`,`owner`",
    ),
];
