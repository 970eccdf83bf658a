//! ACL rules: rows of `acl`.

use super::Query;
use crate::statement::Statement as S;
use crate::value::{Row, Rows, Value};
use jfs_meta::EngineError;
use jfs_meta::wire::{decode_acl_entries, encode_acl_entries};
use jfs_types::{AclEntry, AclRule};

/// The rule in the first six columns. NULLs count as absent, as 0xFFFF does.
pub(crate) fn rule(row: &dyn Row) -> Result<AclRule, EngineError> {
    let number = |i: usize| -> Result<u16, EngineError> {
        let stored = row.number(i)?.unwrap_or(i64::from(u16::MAX));
        u16::try_from(stored)
            .map_err(|_| EngineError::corrupt("acl", format!("permissions {stored}")))
    };
    let entries = |i: usize| -> Result<Vec<AclEntry>, EngineError> {
        decode_acl_entries(row.bytes(i)?).map_err(|e| EngineError::corrupt("acl", e.0))
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

/// Stored rules that may be equal to `rule`.
pub(crate) fn candidates(rule: &AclRule) -> Query {
    Query::new(
        S::AclCandidates,
        [rule.owner, rule.group, rule.mask, rule.other].map(Value::from),
    )
}

/// The rules in the rows of [`candidates`], with their numbers.
pub(crate) fn rules(rows: &mut dyn Rows) -> Result<Vec<(u32, AclRule)>, EngineError> {
    let mut rules = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.fitting(6)?;
        match rule(row) {
            Ok(rule) => rules.push((id, rule)),
            // The damaged rule stays as it is. Files that use it get the error.
            Err(e) => tracing::warn!("ACL rule {id} cannot be read: {e}"),
        }
    }
    Ok(rules)
}

/// Stores a rule.
pub(crate) fn insert(rule: &AclRule) -> Query {
    let [owner, group, mask, other] =
        [rule.owner, rule.group, rule.mask, rule.other].map(Value::from);
    let users = Value::Bytes(encode_acl_entries(&rule.named_users).into());
    let groups = Value::Bytes(encode_acl_entries(&rule.named_groups).into());
    Query::new(S::AclInsert, [owner, group, mask, other, users, groups])
}

/// The number that [`insert`] has given.
pub(crate) fn number(rows: &mut dyn Rows) -> Result<u32, EngineError> {
    rows.first(|row| row.fitting(0))?
        .ok_or_else(|| EngineError::corrupt("acl", "an insert gave no id"))
}
