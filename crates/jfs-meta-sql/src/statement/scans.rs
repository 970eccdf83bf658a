//! Statements of scans: the rows of a table behind the key `$1`, in its order.

use super::{Statement as S, node_columns};
use crate::dialect::{Dialect, Text};

/// The text of a scan.
pub(super) fn text(statement: S, d: Dialect) -> Text {
    let id = match d {
        // Tables of old clients have no other key.
        Dialect::Sqlite => "rowid",
        Dialect::Postgres | Dialect::Mysql => "id",
    };
    match statement {
        S::ScanNodes => rows(&format!("{}, n.inode", node_columns()), "{node} n", "n.inode"),
        S::ScanEdges => rows(&format!("inode, type, parent, name, {id}"), "{edge}", id),
        S::ScanChunks => rows(&format!("{id}, inode, indx, slices"), "{chunk}", id),
        S::ScanChunkSizes => sizes(d, "{chunk}", id, "slices"),
        S::ScanRefs => rows("chunkid, size, refs", "{chunk_ref}", "chunkid"),
        S::ScanSymlinks => rows("inode, target", "{symlink}", "inode"),
        S::ScanXattrs => rows(&format!("{id}, inode, name, value"), "{xattr}", id),
        S::ScanXattrSizes => sizes(d, "{xattr}", id, "value"),
        S::ScanSustained => rows(&format!("{id}, sid, inode"), "{sustained}", id),
        S::ScanDeleted => rows("inode, length, expire", "{delfile}", "inode"),
        S::ScanDelayed => rows("chunkid, deleted, slices", "{delslices}", "chunkid"),
        S::ScanDelayedSizes => sizes(d, "{delslices}", "chunkid", "slices"),
        S::ScanSessions => rows("sid, expire, info", "{session2}", "sid"),
        S::ScanStats => rows(
            "data_length, used_space, used_inodes, inode",
            "{dir_stats}",
            "inode",
        ),
        S::ScanQuotas => rows(
            "inode, max_space, max_inodes, used_space, used_inodes",
            "{dir_quota}",
            "inode",
        ),
        S::ScanAcls => rows(
            "owner, [group], mask, other, named_users, named_groups, id",
            "{acl}",
            "id",
        ),
        S::ScanNodesEnd => {
            "SELECT inode FROM {node} WHERE inode > $1 ORDER BY inode LIMIT 1 OFFSET $2".into()
        }
        // Directories of the files that say that there are several.
        _ => "SELECT e.inode, e.parent, COUNT(*) FROM {node} n JOIN {edge} e ON e.inode = n.inode \
             WHERE (n.parent = 0 OR n.parent IS NULL) AND n.inode >= $1 AND n.inode <= $3 AND (n.inode > $1 OR e.parent > $2) \
             GROUP BY e.inode, e.parent ORDER BY e.inode, e.parent LIMIT $4"
            .into(),
    }
}

/// Rows behind the key `$1`, up to the key `$2`, `$3` of them at most.
fn rows(columns: &str, table: &str, key: &str) -> Text {
    format!(
        "SELECT {columns} FROM {table} WHERE {key} > $1 AND {key} <= $2 ORDER BY {key} LIMIT $3"
    )
    .into()
}

/// The keys and sizes of `$2` rows behind the key `$1`.
fn sizes(d: Dialect, table: &str, key: &str, column: &str) -> Text {
    let length = d.byte_length(column);
    format!("SELECT {key}, {length} FROM {table} WHERE {key} > $1 ORDER BY {key} LIMIT $2").into()
}
