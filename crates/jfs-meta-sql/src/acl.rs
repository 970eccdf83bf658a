//! ACL rules: rows of `acl`.

use crate::db::{Db, bytes, get};
use crate::sql;
use jfs_meta::EngineError;
use jfs_meta::wire::{decode_acl_entries, encode_acl_entries};
use jfs_types::{AclEntry, AclRule};
use rusqlite::{Row, params};

/// The rule in the first six columns. NULLs count as absent, as 0xFFFF does.
pub(crate) fn from_row(row: &Row<'_>) -> Result<AclRule, EngineError> {
    let number = |i: usize| -> Result<u16, EngineError> {
        let stored = get::<Option<i64>>(row, i)?.unwrap_or(i64::from(u16::MAX));
        u16::try_from(stored)
            .map_err(|_| EngineError::corrupt("acl", format!("permissions {stored}")))
    };
    let entries = |i: usize| -> Result<Vec<AclEntry>, EngineError> {
        decode_acl_entries(bytes(row, i)?).map_err(|e| EngineError::corrupt("acl", e.0))
    };
    Ok(AclRule {
        owner: number(0)?,
        group: number(1)?,
        mask: number(2)?,
        other: number(3)?,
        named_users: entries(4)?,
        named_groups: entries(5)?,
    })
}

/// Rules with the numbers of `rule`.
pub(crate) fn find(db: Db<'_>, rule: &AclRule) -> Result<Vec<(u32, AclRule)>, EngineError> {
    let numbers = [rule.owner, rule.group, rule.mask, rule.other];
    let rows = db.all(sql::ACL_CANDIDATES, numbers, |row| {
        Ok((get::<u32>(row, 6)?, from_row(row)))
    })?;
    let mut rules = Vec::with_capacity(rows.len());
    for (id, rule) in rows {
        match rule {
            Ok(rule) => rules.push((id, rule)),
            // The damaged rule stays as it is. Files that use it get the error.
            Err(e) => tracing::warn!("ACL rule {id} cannot be read: {e}"),
        }
    }
    Ok(rules)
}

/// Stores a rule and returns its number.
pub(crate) fn add(db: Db<'_>, rule: &AclRule) -> Result<u32, EngineError> {
    let numbers = [rule.owner, rule.group, rule.mask, rule.other];
    let [owner, group, mask, other] = numbers;
    let (users, groups) = (
        encode_acl_entries(&rule.named_users),
        encode_acl_entries(&rule.named_groups),
    );
    let id = db.one(
        sql::ACL_INSERT,
        params![owner, group, mask, other, users, groups],
        |row| get(row, 0),
    )?;
    id.ok_or_else(|| EngineError::corrupt("acl", "an insert gave no id"))
}
