//! Rows of `node` as attributes and back.

use jfs_meta::EngineError;
use jfs_types::{Attr, FileType, Ino, Time};
use rusqlite::{Row, ToSql};

/// The columns in the order [`from_row`] reads them.
pub(crate) const COLUMNS: &str = "n.type, n.flags, n.mode, n.uid, n.gid, n.atime, n.mtime, n.ctime, \
    n.atimensec, n.mtimensec, n.ctimensec, n.nlink, n.length, n.rdev, n.parent, n.access_acl_id, \
    n.default_acl_id, n.tier_id";

/// The attribute in columns `at..` of a row.
pub(crate) fn from_row(row: &Row<'_>, at: usize, ino: Ino) -> Result<Attr, EngineError> {
    let int = |i: usize| -> Result<i64, EngineError> {
        let value: Option<i64> =
            row.get(at + i).map_err(|e| EngineError::corrupt(format!("node {ino}"), e.to_string()))?;
        Ok(value.unwrap_or(0))
    };
    let kind = int(0)?;
    let kind = u8::try_from(kind).ok().and_then(FileType::from_number).ok_or_else(|| {
        EngineError::corrupt(format!("node {ino}"), format!("file type {kind}"))
    })?;
    let mut a = Attr::new(kind);
    a.flags = int(1)? as u8;
    a.mode = (int(2)? & 0o7777) as u16;
    a.uid = int(3)? as u32;
    a.gid = int(4)? as u32;
    a.atime = time(int(5)?, int(8)?);
    a.mtime = time(int(6)?, int(9)?);
    a.ctime = time(int(7)?, int(10)?);
    a.nlink = int(11)? as u32;
    a.length = int(12)? as u64;
    a.rdev = int(13)? as u32;
    a.parent = Ino(int(14)? as u64);
    a.access_acl = int(15)? as u32;
    a.default_acl = int(16)? as u32;
    a.tier = int(17)? as u8;
    Ok(a)
}

/// Microseconds and remaining nanoseconds of a stored time.
fn time(us: i64, nsec: i64) -> Time {
    let sec = us.div_euclid(1_000_000);
    let nanos = us.rem_euclid(1_000_000) * 1000 + nsec.clamp(0, 999);
    Time { sec, nsec: nanos as u32 }
}

fn split(t: Time) -> (i64, i64) {
    let us = t.sec.saturating_mul(1_000_000).saturating_add(i64::from(t.nsec / 1000));
    (us, i64::from(t.nsec % 1000))
}

/// The 18 values of [`COLUMNS`], in order.
pub(crate) fn values(a: &Attr) -> [i64; 18] {
    let ((at, an), (mt, mn), (ct, cn)) = (split(a.atime), split(a.mtime), split(a.ctime));
    [
        a.kind as i64,
        i64::from(a.flags),
        i64::from(a.mode),
        i64::from(a.uid),
        i64::from(a.gid),
        at,
        mt,
        ct,
        an,
        mn,
        cn,
        i64::from(a.nlink),
        a.length as i64,
        i64::from(a.rdev),
        a.parent.0 as i64,
        i64::from(a.access_acl),
        i64::from(a.default_acl),
        i64::from(a.tier),
    ]
}

/// Microseconds and rest of mtime and ctime, for partial updates.
pub(crate) fn touch_values(a: &Attr) -> [i64; 4] {
    let ((mt, mn), (ct, cn)) = (split(a.mtime), split(a.ctime));
    [mt, mn, ct, cn]
}

/// References to numbers as statement parameters.
pub(crate) fn params(values: &[i64]) -> impl Iterator<Item = &dyn ToSql> {
    values.iter().map(|v| v as &dyn ToSql)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_split_and_join() {
        for t in [Time { sec: 0, nsec: 0 }, Time { sec: 5, nsec: 999_999_999 }, Time { sec: -3, nsec: 1 }] {
            let (us, ns) = split(t);
            assert_eq!(time(us, ns), t);
        }
    }
}
