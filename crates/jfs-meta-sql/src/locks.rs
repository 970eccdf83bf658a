//! Locks: rows of `flock` and `plock`.

use crate::db::{Db, get, get_u64};
use crate::read::{int, owned};
use crate::sql;
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{LockKind, LockRow};
use jfs_types::Ino;
use rusqlite::params;

/// All locks of a kind on an inode, sorted.
pub(crate) fn of(db: Db<'_>, ino: Ino, kind: LockKind) -> Result<Vec<LockRow>, EngineError> {
    let sql = match kind {
        LockKind::Flock => sql::FLOCKS,
        LockKind::Posix => sql::PLOCKS,
    };
    let mut rows = db.all(sql, [int(ino)], |row| {
        let value = match kind {
            // Stored is the number of the letter.
            LockKind::Flock => Bytes::copy_from_slice(&[get::<i64>(row, 2)? as u8]),
            LockKind::Posix => owned(row, 2)?,
        };
        Ok(LockRow {
            sid: get_u64(row, 0)?,
            owner: get_u64(row, 1)?,
            value,
        })
    })?;
    rows.sort_unstable();
    Ok(rows)
}

/// All locks of a session.
pub(crate) fn of_session(
    db: Db<'_>,
    sid: u64,
) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
    let mut found = Vec::new();
    for (kind, sql) in [
        (LockKind::Flock, sql::FLOCKS_OF_SESSION),
        (LockKind::Posix, sql::PLOCKS_OF_SESSION),
    ] {
        let inodes = db.all(sql, [sid as i64], |row| Ok(Ino(get_u64(row, 0)?)))?;
        for ino in inodes {
            let rows = of(db, ino, kind)?.into_iter().filter(|row| row.sid == sid);
            found.extend(rows.map(|row| (ino, kind, row)));
        }
    }
    Ok(found)
}

/// Stores the locks of one owner, or removes them.
pub(crate) fn put(
    db: Db<'_>,
    ino: Ino,
    kind: LockKind,
    (sid, owner): (u64, u64),
    value: Option<&[u8]>,
) -> Result<(), EngineError> {
    let (sid, owner) = (sid as i64, owner as i64);
    let changed = match (kind, value) {
        (LockKind::Flock, Some(value)) => {
            let letter = value.first().copied().map(i64::from);
            db.run(sql::FLOCK_PUT, params![int(ino), sid, owner, letter])
        }
        (LockKind::Posix, Some(value)) => {
            db.run(sql::PLOCK_PUT, params![int(ino), sid, owner, value])
        }
        (LockKind::Flock, None) => db.run(sql::FLOCK_DELETE, [int(ino), sid, owner]),
        (LockKind::Posix, None) => db.run(sql::PLOCK_DELETE, [int(ino), sid, owner]),
    };
    changed.map(|_| ())
}
