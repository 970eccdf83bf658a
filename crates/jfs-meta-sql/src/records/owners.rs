//! Usage and limits of users and groups: rows of `user_group_quota`.

use super::Query;
use crate::statement::Statement as S;
use crate::value::{Row, Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::engine::{DirQuota, OwnerUsage, QuotaOwner};

/// The two columns of the key.
fn key(owner: QuotaOwner) -> [Value; 2] {
    let kind = match owner {
        QuotaOwner::User(_) => 1,
        QuotaOwner::Group(_) => 2,
    };
    [Value::Int(kind), owner.id().into()]
}

/// Reads all rows.
pub(crate) fn list() -> Query {
    Query::new(S::OwnerList, [])
}

/// The records in the rows of [`list`].
pub(crate) fn rows(rows: &mut dyn Rows) -> Result<Vec<(QuotaOwner, DirQuota)>, EngineError> {
    rows.all(|row| {
        let quota = DirQuota {
            max_space: row.int(2)?,
            max_inodes: row.int(3)?,
            used_space: row.int(4)?,
            used_inodes: row.int(5)?,
        };
        Ok((owner(row)?, quota))
    })
}

fn owner(row: &dyn Row) -> Result<QuotaOwner, EngineError> {
    let id = row.fitting(1)?;
    match row.int(0)? {
        1 => Ok(QuotaOwner::User(id)),
        2 => Ok(QuotaOwner::Group(id)),
        other => Err(EngineError::corrupt(
            format!("user_group_quota {id}"),
            format!("type {other}"),
        )),
    }
}

/// Adds to usage. A row that is missing is made, without limits.
pub(crate) fn add(delta: &OwnerUsage) -> Query {
    let [kind, id] = key(delta.owner);
    let DirQuota {
        max_space,
        max_inodes,
        ..
    } = DirQuota::NO_LIMITS;
    let limits = [max_space, max_inodes].map(Value::from);
    let [max_space, max_inodes] = limits;
    let (space, inodes) = (delta.space.into(), delta.inodes.into());
    Query::new(
        S::OwnerAdd,
        [kind, id, max_space, max_inodes, space, inodes],
    )
}

/// Removes all records.
pub(crate) fn clear() -> Query {
    Query::new(S::OwnerClear, [])
}

/// Stores a record as it is.
pub(crate) fn put(owner: QuotaOwner, q: &DirQuota) -> Query {
    let [kind, id] = key(owner);
    let numbers = [q.max_space, q.max_inodes, q.used_space, q.used_inodes].map(Value::from);
    let [max_space, max_inodes, space, inodes] = numbers;
    Query::new(
        S::OwnerPut,
        [kind, id, max_space, max_inodes, space, inodes],
    )
}
