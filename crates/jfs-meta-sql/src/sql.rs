//! Every statement on the volume's tables (the tables themselves: `schema`), for SQLite. Another
//! dialect would be another module like this one.

/// Columns of `node n` in the order that `node::from_row` reads them.
macro_rules! node_columns {
    () => {
        "n.type, n.flags, n.mode, n.uid, n.gid, n.atime, n.mtime, n.ctime, n.atimensec, n.mtimensec, \
         n.ctimensec, n.nlink, n.length, n.rdev, n.parent, n.access_acl_id, n.default_acl_id, n.tier_id"
    };
}

// ---- transactions

pub(crate) const BEGIN_READ: &str = "BEGIN";
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";
pub(crate) const SAVEPOINT: &str = "SAVEPOINT one";
pub(crate) const RELEASE: &str = "RELEASE one";
pub(crate) const ROLLBACK_TO: &str = "ROLLBACK TO one";
/// Changes whenever another connection has committed.
pub(crate) const DATA_VERSION: &str = "PRAGMA data_version";

// ---- records

pub(crate) const NODE: &str = concat!(
    "SELECT ",
    node_columns!(),
    " FROM jfs_node n WHERE n.inode = ?"
);
pub(crate) const NODE_INSERT: &str = "INSERT INTO jfs_node (type, flags, mode, uid, gid, atime, mtime, ctime, \
    atimensec, mtimensec, ctimensec, nlink, length, rdev, parent, access_acl_id, default_acl_id, tier_id, inode) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
pub(crate) const NODE_UPDATE: &str = "UPDATE jfs_node SET type = ?, flags = ?, mode = ?, uid = ?, gid = ?, \
    atime = ?, mtime = ?, ctime = ?, atimensec = ?, mtimensec = ?, ctimensec = ?, nlink = ?, length = ?, rdev = ?, \
    parent = ?, access_acl_id = ?, default_acl_id = ?, tier_id = ? WHERE inode = ?";
pub(crate) const NODE_NLINK: &str = "UPDATE jfs_node SET nlink = nlink + ? WHERE inode = ?";
pub(crate) const NODE_TOUCH: &str = "UPDATE jfs_node SET nlink = nlink + ?, mtime = ?, mtimensec = ?, ctime = ?, \
    ctimensec = ? WHERE inode = ?";
pub(crate) const NODE_DELETE: &str = "DELETE FROM jfs_node WHERE inode = ?";

pub(crate) const EDGE: &str = "SELECT inode, type FROM jfs_edge WHERE parent = ? AND name = ?";
pub(crate) const EDGE_ANY: &str = "SELECT 1 FROM jfs_edge WHERE parent = ? LIMIT 1";
pub(crate) const EDGE_PARENTS: &str =
    "SELECT parent, COUNT(*) FROM jfs_edge WHERE inode = ? GROUP BY parent ORDER BY parent";
pub(crate) const EDGE_NODE: &str = concat!(
    "SELECT e.inode, e.type, n.inode, ",
    node_columns!(),
    " FROM jfs_edge e LEFT JOIN jfs_node n ON n.inode = e.inode WHERE e.parent = ? AND e.name = ?"
);
/// A directory and one of its names, a row in any case.
pub(crate) const NODE_AND_EDGE: &str = concat!(
    "SELECT e.inode, e.type, n.inode, ",
    node_columns!(),
    " FROM (SELECT 1) LEFT JOIN jfs_node n ON n.inode = ?1 ",
    "LEFT JOIN jfs_edge e ON e.parent = ?1 AND e.name = ?2"
);
pub(crate) const EDGE_LIST: &str = "SELECT inode, type, NULL, name FROM jfs_edge WHERE parent = ? AND name > ? \
    ORDER BY name LIMIT ?";
pub(crate) const EDGE_LIST_NODES: &str = concat!(
    "SELECT e.inode, e.type, n.inode, e.name, ",
    node_columns!(),
    " FROM jfs_edge e LEFT JOIN jfs_node n ON n.inode = e.inode WHERE e.parent = ? AND e.name > ? ",
    "ORDER BY e.name LIMIT ?"
);
pub(crate) const EDGE_INSERT: &str =
    "INSERT INTO jfs_edge (parent, name, inode, type) VALUES (?, ?, ?, ?)";
pub(crate) const EDGE_UPDATE: &str =
    "UPDATE jfs_edge SET inode = ?, type = ? WHERE parent = ? AND name = ?";
pub(crate) const EDGE_DELETE: &str = "DELETE FROM jfs_edge WHERE parent = ? AND name = ?";

pub(crate) const SYMLINK: &str = "SELECT target FROM jfs_symlink WHERE inode = ?";
pub(crate) const SYMLINK_INSERT: &str = "INSERT INTO jfs_symlink (inode, target) VALUES (?, ?)";
pub(crate) const SYMLINK_DELETE: &str = "DELETE FROM jfs_symlink WHERE inode = ?";
pub(crate) const XATTR: &str = "SELECT value FROM jfs_xattr WHERE inode = ? AND name = ?";
/// In the order of bytes, as the other engines sort.
pub(crate) const XATTR_NAMES: &str =
    "SELECT name FROM jfs_xattr WHERE inode = ? ORDER BY CAST(name AS BLOB)";
pub(crate) const XATTR_PUT: &str = "INSERT INTO jfs_xattr (inode, name, value) VALUES (?1, ?2, ?3) \
    ON CONFLICT (inode, name) DO UPDATE SET value = ?3";
pub(crate) const XATTR_DELETE_ONE: &str = "DELETE FROM jfs_xattr WHERE inode = ? AND name = ?";
pub(crate) const XATTR_DELETE: &str = "DELETE FROM jfs_xattr WHERE inode = ?";

// ---- data

pub(crate) const CHUNK: &str = "SELECT slices FROM jfs_chunk WHERE inode = ? AND indx = ?";
pub(crate) const CHUNK_INDEXES: &str = "SELECT indx FROM jfs_chunk WHERE inode = ? ORDER BY indx";
/// `||` makes text of the value; its length in bytes needs the cast, plain `length` ends at a NUL.
pub(crate) const CHUNK_APPEND: &str = "INSERT INTO jfs_chunk (inode, indx, slices) VALUES (?1, ?2, ?3) \
    ON CONFLICT (inode, indx) DO UPDATE SET slices = slices || ?3 RETURNING length(CAST(slices AS BLOB))";
pub(crate) const CHUNK_APPEND_RANGE: &str =
    "UPDATE jfs_chunk SET slices = slices || ? WHERE inode = ? AND indx >= ? AND indx < ?";
pub(crate) const CHUNK_DELETE: &str = "DELETE FROM jfs_chunk WHERE inode = ? AND indx = ?";

/// Bytes up to the first position stay, the record follows, then what lies from the second one on.
pub(crate) const CHUNK_MERGE: &str = "UPDATE jfs_chunk SET slices = CAST(substr(CAST(slices AS BLOB), 1, ?3) || ?4 \
    || substr(CAST(slices AS BLOB), ?5) AS BLOB) WHERE inode = ?1 AND indx = ?2";

pub(crate) const REFS: &str = "SELECT refs FROM jfs_chunk_ref WHERE chunkid = ?";
pub(crate) const REFS_UNUSED: &str =
    "SELECT chunkid, size FROM jfs_chunk_ref WHERE refs <= 0 LIMIT ?";
pub(crate) const REFS_INSERT: &str =
    "INSERT INTO jfs_chunk_ref (chunkid, size, refs) VALUES (?, ?, 1)";
pub(crate) const REFS_ADD: &str =
    "UPDATE jfs_chunk_ref SET refs = refs + ? WHERE chunkid = ? AND size = ? RETURNING refs";
pub(crate) const REFS_DELETE: &str = "DELETE FROM jfs_chunk_ref WHERE chunkid = ? AND refs <= 0";

pub(crate) const DELAYED: &str =
    "SELECT slices FROM jfs_delslices WHERE chunkid = ? AND deleted = ?";
pub(crate) const DELAYED_LIST: &str =
    "SELECT chunkid, deleted, slices FROM jfs_delslices WHERE deleted < ? ORDER BY deleted LIMIT ?";
pub(crate) const DELAYED_INSERT: &str =
    "INSERT INTO jfs_delslices (chunkid, deleted, slices) VALUES (?, ?, ?)";
pub(crate) const DELAYED_DELETE: &str =
    "DELETE FROM jfs_delslices WHERE chunkid = ? AND deleted = ?";

pub(crate) const DELETED: &str = "SELECT 1 FROM jfs_delfile WHERE inode = ? AND length = ?";
pub(crate) const DELETED_LIST: &str =
    "SELECT inode, length, expire FROM jfs_delfile WHERE expire < ? ORDER BY expire LIMIT ?";
pub(crate) const DELETED_INSERT: &str = "INSERT INTO jfs_delfile (inode, length, expire) VALUES (?1, ?2, ?3) \
    ON CONFLICT (inode) DO UPDATE SET length = ?2, expire = ?3";
pub(crate) const DELETED_DELETE: &str = "DELETE FROM jfs_delfile WHERE inode = ? AND length = ?";

// ---- statistics and counters

pub(crate) const STATS: &str =
    "SELECT data_length, used_space, used_inodes FROM jfs_dir_stats WHERE inode = ?";
pub(crate) const STATS_PUT: &str = "INSERT INTO jfs_dir_stats (inode, data_length, used_space, used_inodes) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT (inode) DO UPDATE SET data_length = ?2, used_space = ?3, used_inodes = ?4";
pub(crate) const STATS_ADD: &str = "UPDATE jfs_dir_stats SET data_length = data_length + ?, \
    used_space = used_space + ?, used_inodes = used_inodes + ? WHERE inode = ?";
pub(crate) const STATS_DELETE: &str = "DELETE FROM jfs_dir_stats WHERE inode = ?";
pub(crate) const QUOTA_LIST: &str =
    "SELECT inode, max_space, max_inodes, used_space, used_inodes FROM jfs_dir_quota";
pub(crate) const QUOTA_PUT: &str = "INSERT INTO jfs_dir_quota (inode, max_space, max_inodes, used_space, used_inodes) \
    VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT (inode) DO UPDATE SET max_space = ?2, max_inodes = ?3, used_space = ?4, used_inodes = ?5";
pub(crate) const QUOTA_ADD: &str = "UPDATE jfs_dir_quota SET used_space = used_space + ?, \
    used_inodes = used_inodes + ? WHERE inode = ?";
pub(crate) const QUOTA_DELETE: &str = "DELETE FROM jfs_dir_quota WHERE inode = ?";

pub(crate) const COUNTER: &str = "SELECT value FROM jfs_counter WHERE name = ?";
pub(crate) const COUNTER_ADD: &str = "INSERT INTO jfs_counter (name, value) VALUES (?1, ?2) \
    ON CONFLICT (name) DO UPDATE SET value = value + ?2 RETURNING value";
pub(crate) const COUNTER_PUT: &str = "INSERT INTO jfs_counter (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";

// ---- ACL rules

pub(crate) const ACL: &str =
    "SELECT owner, `group`, mask, other, named_users, named_groups FROM jfs_acl WHERE id = ?";
pub(crate) const ACL_CANDIDATES: &str = "SELECT owner, `group`, mask, other, named_users, named_groups, id \
    FROM jfs_acl WHERE owner = ? AND `group` = ? AND mask = ? AND other = ? ORDER BY id";
pub(crate) const ACL_INSERT: &str = "INSERT INTO jfs_acl (owner, `group`, mask, other, named_users, named_groups) \
    VALUES (?, ?, ?, ?, ?, ?) RETURNING id";

// ---- locks

pub(crate) const FLOCKS: &str = "SELECT sid, owner, ltype FROM jfs_flock WHERE inode = ?";
pub(crate) const FLOCK_PUT: &str = "INSERT INTO jfs_flock (inode, sid, owner, ltype) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (inode, sid, owner) DO UPDATE SET ltype = ?4";
pub(crate) const FLOCK_DELETE: &str =
    "DELETE FROM jfs_flock WHERE inode = ? AND sid = ? AND owner = ?";
pub(crate) const PLOCKS: &str = "SELECT sid, owner, records FROM jfs_plock WHERE inode = ?";
pub(crate) const PLOCK_PUT: &str = "INSERT INTO jfs_plock (inode, sid, owner, records) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (inode, sid, owner) DO UPDATE SET records = ?4";
pub(crate) const PLOCK_DELETE: &str =
    "DELETE FROM jfs_plock WHERE inode = ? AND sid = ? AND owner = ?";

// ---- sessions

pub(crate) const SESSION_INSERT: &str =
    "INSERT OR IGNORE INTO jfs_session2 (sid, expire, info) VALUES (?, ?, ?)";
pub(crate) const SESSION_PUT: &str = "INSERT INTO jfs_session2 (sid, expire, info) VALUES (?1, ?2, ?3) \
    ON CONFLICT (sid) DO UPDATE SET expire = ?2";
pub(crate) const SESSION_LIST: &str = "SELECT sid, expire, info FROM jfs_session2";
/// The locks of a session, then itself.
pub(crate) const SESSION_DELETE: &str = "DELETE FROM jfs_session2 WHERE sid = ?";
pub(crate) const FLOCKS_OF_SESSION: &str = "SELECT DISTINCT inode FROM jfs_flock WHERE sid = ?";
pub(crate) const PLOCKS_OF_SESSION: &str = "SELECT DISTINCT inode FROM jfs_plock WHERE sid = ?";
pub(crate) const SUSTAINED_LIST: &str = "SELECT inode FROM jfs_sustained WHERE sid = ?";
pub(crate) const SUSTAINED_INSERT: &str =
    "INSERT OR IGNORE INTO jfs_sustained (sid, inode) VALUES (?, ?)";
pub(crate) const SUSTAINED_DELETE: &str = "DELETE FROM jfs_sustained WHERE sid = ? AND inode = ?";

// ---- the volume

pub(crate) const SETTING: &str = "SELECT value FROM jfs_setting WHERE name = 'format'";
pub(crate) const SETTING_INSERT: &str =
    "INSERT INTO jfs_setting (name, value) VALUES ('format', ?)";
pub(crate) const SETTING_UPDATE: &str =
    "UPDATE jfs_setting SET value = ? WHERE name = 'format' AND value = ?";
/// Names of tables and indexes that exist.
pub(crate) const SCHEMA_NAMES: &str = "SELECT name FROM sqlite_master";
pub(crate) const SCHEMA_HAS: &str = "SELECT 1 FROM sqlite_master WHERE name = ?";

/// A statement in a few words, for the round-trip log: what it does and to which tables.
pub(crate) fn brief(sql: &str) -> String {
    let mut words = sql
        .split_ascii_whitespace()
        .map(|word| word.trim_matches('`'));
    let first = words.clone().next().unwrap_or_default();
    if !matches!(first, "SELECT" | "INSERT" | "UPDATE" | "DELETE") {
        return words.by_ref().take(3).collect::<Vec<_>>().join(" ");
    }
    let tables: Vec<&str> = words.filter(|word| word.starts_with("jfs_")).collect();
    format!("{first} {}", tables.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_in_a_few_words() {
        for (sql, words) in [
            (NODE, "SELECT jfs_node"),
            (EDGE_NODE, "SELECT jfs_edge jfs_node"),
            (NODE_AND_EDGE, "SELECT jfs_node jfs_edge"),
            (EDGE_INSERT, "INSERT jfs_edge"),
            (SUSTAINED_INSERT, "INSERT jfs_sustained"),
            (NODE_TOUCH, "UPDATE jfs_node"),
            (QUOTA_DELETE, "DELETE jfs_dir_quota"),
            (BEGIN_WRITE, "BEGIN IMMEDIATE"),
            (ROLLBACK_TO, "ROLLBACK TO one"),
            (DATA_VERSION, "PRAGMA data_version"),
        ] {
            assert_eq!(brief(sql), words);
        }
    }
}
