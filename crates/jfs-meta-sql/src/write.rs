//! Applying intentions inside the writer's transaction. One statement each, relative where the
//! record allows it.

use crate::errors::classify;
use crate::node;
use crate::read::{int, one};
use jfs_meta::EngineError;
use jfs_meta::engine::{Receipt, Write};
use jfs_meta::trips::TripLog;
use jfs_meta::wire::encode_record;
use jfs_types::{Attr, Ino, Time};
use rusqlite::{Connection, Params, params, params_from_iter};

/// Where writes go: a connection inside a transaction.
pub(crate) struct Target<'a> {
    pub(crate) c: &'a Connection,
    pub(crate) trips: &'a TripLog,
    pub(crate) op: &'static str,
    pub(crate) at: Time,
}

impl Target<'_> {
    fn run(&self, sql: &str, params: impl Params) -> Result<usize, EngineError> {
        self.trips.record_for(self.op, || sql.split(' ').take(3).collect::<Vec<_>>().join(" "));
        self.c.prepare_cached(sql).map_err(classify)?.execute(params).map_err(classify)
    }

    /// As `run`; a row that is not there is a conflict.
    fn run_one(&self, sql: &str, params: impl Params) -> Result<(), EngineError> {
        if self.run(sql, params)? == 0 { Err(EngineError::Conflict) } else { Ok(()) }
    }

    /// Applies one write.
    pub(crate) fn apply(&self, write: &Write, receipt: &mut Receipt) -> Result<(), EngineError> {
        match write {
            Write::NewEntry { dir, name, entry } => {
                let sql = "INSERT INTO jfs_edge (parent, name, inode, type) VALUES (?, ?, ?, ?)";
                self.run(sql, params![int(*dir), name.as_bytes(), int(entry.ino), entry.kind as i64])?;
            }
            Write::ReplaceEntry { dir, name, entry } => {
                let sql = "UPDATE jfs_edge SET inode = ?, type = ? WHERE parent = ? AND name = ?";
                self.run_one(sql, params![int(entry.ino), entry.kind as i64, int(*dir), name.as_bytes()])?;
            }
            Write::DelEntry { dir, name } => {
                let sql = "DELETE FROM jfs_edge WHERE parent = ? AND name = ?";
                self.run_one(sql, params![int(*dir), name.as_bytes()])?;
            }
            Write::NewNode { ino, attr } => self.new_node(*ino, attr)?,
            Write::PutAttr { ino, attr } => self.put_attr(*ino, attr)?,
            Write::TouchDir { ino, attr, nlink_delta, times } => {
                self.touch_dir(*ino, attr, *nlink_delta, *times)?;
            }
            Write::DelNode { ino } => {
                self.run("DELETE FROM jfs_node WHERE inode = ?", [int(*ino)])?;
            }
            Write::NewSymlink { ino, target } => {
                self.run("INSERT INTO jfs_symlink (inode, target) VALUES (?, ?)", params![int(*ino), target])?;
            }
            Write::DelSymlink { ino } => {
                self.run("DELETE FROM jfs_symlink WHERE inode = ?", [int(*ino)])?;
            }
            Write::DelXattrs { ino } => {
                self.run("DELETE FROM jfs_xattr WHERE inode = ?", [int(*ino)])?;
            }
            // Parents are derived from the entries.
            Write::AddParent { .. } | Write::DelParents { .. } | Write::AddUsage { .. } => {}
            Write::AppendSlice { ino, index, record } => {
                let sql = "INSERT INTO jfs_chunk (inode, indx, slices) VALUES (?1, ?2, ?3) \
                    ON CONFLICT (inode, indx) DO UPDATE SET slices = slices || ?3 \
                    RETURNING length(CAST(slices AS BLOB))";
                self.trips.record_for(self.op, || "INSERT INTO jfs_chunk".to_string());
                let record = &encode_record(record)[..];
                let bytes: Option<i64> = one(self.c, sql, params![int(*ino), index, record], |r| r.get(0))?;
                receipt.records_in_chunk = bytes.unwrap_or(0) as u64 / 24;
            }
            Write::AppendToExisting { ino, from, to, record } => {
                let sql = "UPDATE jfs_chunk SET slices = slices || ? WHERE inode = ? AND indx >= ? AND indx < ?";
                self.run(sql, params![&encode_record(record)[..], int(*ino), from, to])?;
            }
            Write::NewSlice { id, size } => {
                let sql = "INSERT INTO jfs_chunk_ref (chunkid, size, refs) VALUES (?, ?, 1)";
                self.run(sql, params![*id as i64, size])?;
            }
            Write::AddSliceUsers { id, size, delta } => self.add_slice_users(*id, *size, *delta, receipt)?,
            Write::ForgetSlice { id, .. } => {
                self.run("DELETE FROM jfs_chunk_ref WHERE chunkid = ? AND refs <= 0", [*id as i64])?;
            }
            Write::DelChunk { ino, index } => {
                self.run("DELETE FROM jfs_chunk WHERE inode = ? AND indx = ?", params![int(*ino), index])?;
            }
            Write::DelDelayed { id, time } => {
                let sql = "DELETE FROM jfs_delslices WHERE chunkid = ? AND deleted = ?";
                self.run(sql, params![*id as i64, time])?;
            }
            Write::MarkDeleted { ino, length } => {
                let sql = "INSERT INTO jfs_delfile (inode, length, expire) VALUES (?, ?, ?)";
                self.run(sql, params![int(*ino), *length as i64, self.at.sec])?;
            }
            Write::ClearDeleted { ino, .. } => {
                self.run("DELETE FROM jfs_delfile WHERE inode = ?", [int(*ino)])?;
            }
            Write::Sustain { sid, ino } => {
                let sql = "INSERT OR IGNORE INTO jfs_sustained (sid, inode) VALUES (?, ?)";
                self.run(sql, params![*sid as i64, int(*ino)])?;
            }
            Write::Unsustain { sid, ino } => {
                let sql = "DELETE FROM jfs_sustained WHERE sid = ? AND inode = ?";
                self.run(sql, params![*sid as i64, int(*ino)])?;
            }
            Write::NewDirStat { dir } => {
                let sql = "INSERT OR REPLACE INTO jfs_dir_stats (inode, data_length, used_space, used_inodes) VALUES (?, 0, 0, 0)";
                self.run(sql, [int(*dir)])?;
            }
            Write::DelDirStat { dir } => {
                self.run("DELETE FROM jfs_dir_stats WHERE inode = ?", [int(*dir)])?;
                self.run("DELETE FROM jfs_dir_quota WHERE inode = ?", [int(*dir)])?;
            }
        }
        Ok(())
    }

    pub(crate) fn new_node(&self, ino: Ino, attr: &Attr) -> Result<(), EngineError> {
        let sql = "INSERT INTO jfs_node (type, flags, mode, uid, gid, atime, mtime, ctime, atimensec, mtimensec, \
            ctimensec, nlink, length, rdev, parent, access_acl_id, default_acl_id, tier_id, inode) \
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.run(sql, params_from_iter(node::params(&with_key(node::values(attr), ino)))).map(|_| ())
    }

    fn put_attr(&self, ino: Ino, attr: &Attr) -> Result<(), EngineError> {
        let sql = "UPDATE jfs_node SET type = ?, flags = ?, mode = ?, uid = ?, gid = ?, atime = ?, mtime = ?, \
            ctime = ?, atimensec = ?, mtimensec = ?, ctimensec = ?, nlink = ?, length = ?, rdev = ?, parent = ?, \
            access_acl_id = ?, default_acl_id = ?, tier_id = ? WHERE inode = ?";
        self.run_one(sql, params_from_iter(node::params(&with_key(node::values(attr), ino))))
    }

    fn touch_dir(&self, ino: Ino, attr: &Attr, nlink_delta: i32, times: bool) -> Result<(), EngineError> {
        if !times {
            let sql = "UPDATE jfs_node SET nlink = nlink + ? WHERE inode = ?";
            return self.run_one(sql, params![nlink_delta, int(ino)]);
        }
        let [mt, mn, ct, cn] = node::touch_values(attr);
        let sql = "UPDATE jfs_node SET nlink = nlink + ?, mtime = ?, mtimensec = ?, ctime = ?, ctimensec = ? WHERE inode = ?";
        self.run_one(sql, params![nlink_delta, mt, mn, ct, cn, int(ino)])
    }

    fn add_slice_users(&self, id: u64, size: u32, delta: i64, receipt: &mut Receipt) -> Result<(), EngineError> {
        let sql = "UPDATE jfs_chunk_ref SET refs = refs + ? WHERE chunkid = ? AND size = ? RETURNING refs";
        self.trips.record_for(self.op, || "UPDATE jfs_chunk_ref SET".to_string());
        let users: Option<i64> = one(self.c, sql, params![delta, id as i64, size], |r| r.get(0))?;
        if users.is_some_and(|n| n <= 0) && !receipt.unused_slices.contains(&(id, size)) {
            receipt.unused_slices.push((id, size));
        }
        Ok(())
    }
}

fn with_key(values: [i64; 18], ino: Ino) -> Vec<i64> {
    let mut all = values.to_vec();
    all.push(int(ino));
    all
}
