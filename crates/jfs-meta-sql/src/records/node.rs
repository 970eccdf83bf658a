//! Rows of `node` as attributes and back.

use super::name_record;
use crate::value::{Params, Row, Value};
use jfs_meta::EngineError;
use jfs_types::{Attr, FileType, Ino, Time};

/// The attribute in columns `at..` of a row. NULLs, which old clients left, are zeros.
pub(crate) fn attr(row: &dyn Row, at: usize, ino: Ino) -> Result<Attr, EngineError> {
    read(row, at).map_err(|e| name_record(e, || format!("node {ino}")))
}

fn read(row: &dyn Row, at: usize) -> Result<Attr, EngineError> {
    let int = |i: usize| row.number(at + i).map(|v| v.unwrap_or(0));
    let mut a = Attr::new(file_type(int(0)?)?);
    a.flags = narrow(int(1)?, "flags")?;
    a.mode = (int(2)? & 0o7777) as u16;
    a.uid = narrow(int(3)?, "uid")?;
    a.gid = narrow(int(4)?, "gid")?;
    a.atime = time(int(5)?, int(8)?);
    a.mtime = time(int(6)?, int(9)?);
    a.ctime = time(int(7)?, int(10)?);
    a.nlink = narrow(int(11)?.max(0), "nlink")?;
    a.length = int(12)? as u64;
    a.rdev = narrow(int(13)?, "rdev")?;
    a.parent = Ino(int(14)? as u64);
    a.access_acl = narrow(int(15)?, "access_acl_id")?;
    a.default_acl = narrow(int(16)?, "default_acl_id")?;
    a.tier = narrow(int(17)?, "tier_id")?;
    Ok(a)
}

fn narrow<T: TryFrom<i64>>(value: i64, column: &str) -> Result<T, EngineError> {
    T::try_from(value).map_err(|_| EngineError::corrupt("node", format!("{column} = {value}")))
}

/// The type in a column of `node` or `edge`.
pub(crate) fn file_type(number: i64) -> Result<FileType, EngineError> {
    let known = u8::try_from(number).ok().and_then(FileType::from_number);
    known.ok_or_else(|| EngineError::corrupt("a row", format!("file type {number}")))
}

/// A time from microseconds and the nanoseconds that remain.
fn time(us: i64, nsec: i64) -> Time {
    let nanos = us.rem_euclid(1_000_000) * 1000 + nsec.clamp(0, 999);
    Time {
        sec: us.div_euclid(1_000_000),
        nsec: nanos as u32,
    }
}

fn split(t: Time) -> (i64, i64) {
    let us = t
        .sec
        .saturating_mul(1_000_000)
        .saturating_add(i64::from(t.nsec / 1000));
    (us, i64::from(t.nsec % 1000))
}

/// The values of an attribute in the order of its columns
/// ([`NODE_COLUMNS`](crate::statement::NODE_COLUMNS)), and the inode, which comes last.
pub(crate) fn values(a: &Attr, ino: Ino) -> Params {
    let ((at, an), (mt, mn), (ct, cn)) = (split(a.atime), split(a.mtime), split(a.ctime));
    vec![
        Value::Int(a.kind as i64),
        u32::from(a.flags).into(),
        a.mode.into(),
        a.uid.into(),
        a.gid.into(),
        at.into(),
        mt.into(),
        ct.into(),
        an.into(),
        mn.into(),
        cn.into(),
        a.nlink.into(),
        a.length.into(),
        a.rdev.into(),
        a.parent.into(),
        a.access_acl.into(),
        a.default_acl.into(),
        u32::from(a.tier).into(),
        ino.into(),
    ]
}

/// mtime and ctime, each as its column of microseconds and its column of nanoseconds.
pub(crate) fn touch_values(a: &Attr) -> [Value; 4] {
    let ((mt, mn), (ct, cn)) = (split(a.mtime), split(a.ctime));
    [mt, mn, ct, cn].map(Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_split_and_join() {
        for (sec, nsec) in [
            (0, 0),
            (5, 999_999_999),
            (-3, 1),
            (1_700_000_000, 123_456_789),
        ] {
            let t = Time { sec, nsec };
            let (us, ns) = split(t);
            assert!((0..1000).contains(&ns));
            assert_eq!(time(us, ns), t);
        }
        assert_eq!(
            split(Time {
                sec: 2,
                nsec: 3_004_005
            }),
            (2_003_004, 5)
        );
    }

    #[test]
    fn numbers_that_do_not_fit_are_corrupt() {
        assert!(narrow::<u8>(256, "flags").is_err());
        assert!(narrow::<u32>(-1, "uid").is_err());
        assert_eq!(
            narrow::<u32>(i64::from(u32::MAX), "uid").ok(),
            Some(u32::MAX)
        );
        assert!(file_type(0).is_err() && file_type(99).is_err() && file_type(257).is_err());
    }
}
