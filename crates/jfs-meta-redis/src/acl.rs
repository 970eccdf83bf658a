//! ACL rules: one hash, which is read as a whole, as by the reference client; there are few.

use crate::change_log;
use crate::connections::{Connections, Sent};
use crate::fence;
use crate::keys;
use crate::read::{bytes, list, number};
use jfs_meta::EngineError;
use jfs_meta::engine::LogLine;
use jfs_meta::wire::{decode_acl, encode_acl};
use jfs_types::AclRule;
use redis::{Pipeline, Value};
use std::sync::Arc;

/// Tries against other clients that add rules at the same time.
const TRIES_MAX: usize = 20;

/// The rules that the answer to HGETALL holds.
pub(crate) fn rules(mut answers: Vec<Value>) -> Result<Vec<(u32, AclRule)>, EngineError> {
    let mut fields = list(answers.pop().unwrap_or(Value::Nil))?.into_iter();
    let mut rules = Vec::new();
    while let (Some(id), Some(stored)) = (fields.next(), fields.next()) {
        let (id, stored) = (number(id)?, bytes(stored)?.unwrap_or_default());
        match decode_acl(&stored) {
            Ok(rule) => rules.push((id as u32, rule)),
            // The damaged rule stays as it is. Files that use it get the error.
            Err(e) => tracing::warn!("ACL rule {id} cannot be read: {e}"),
        }
    }
    Ok(rules)
}

/// Stores a rule under a new number. Two round trips.
pub(crate) async fn add(
    pool: &Arc<Connections>,
    rule: &AclRule,
    log: &[LogLine],
) -> Result<u32, EngineError> {
    for _ in 0..TRIES_MAX {
        if let Some(id) = try_to_add(pool, rule, log).await? {
            return Ok(id);
        }
    }
    Err(EngineError::Transient("other clients add ACL rules".into()))
}

/// `None`: another client was faster.
async fn try_to_add(
    pool: &Arc<Connections>,
    rule: &AclRule,
    log: &[LogLine],
) -> Result<Option<u32>, EngineError> {
    // An attempt may wait for this, with a connection of its own.
    let mut loan = pool.take_beside().await?;
    let (mut p, _) = loan.start();
    p.cmd("WATCH").arg(keys::SETTING);
    p.arg(keys::ACL).arg(keys::ACL_MAX_ID);
    p.cmd("HKEYS").arg(keys::ACL);
    p.cmd("GET").arg(keys::ACL_MAX_ID);
    p.cmd("GET").arg(keys::SETTING);
    let mut values = match loan.send(&p).await {
        Sent::Answers(values) => values,
        Sent::Broken(e, _) => return Err(crate::errors::classify(&e)),
    };
    // Whatever happens before EXEC, the next user of the connection has to unwatch.
    if let Some(c) = loan.inner.as_mut() {
        c.watching = true;
    }
    let stored = bytes(values.pop().unwrap_or(Value::Nil))?;
    if let Some(fence) = pool.fence.get()
        && !fence.is_same_volume(stored.as_deref())
    {
        return Err(fence::replaced(stored.as_deref()));
    }
    // The counter may lie behind the rules.
    let mut last = number(values.pop().unwrap_or(Value::Nil))?;
    for id in list(values.pop().unwrap_or(Value::Nil))? {
        last = last.max(number(id)?);
    }
    let id = last + 1;
    let mut p = Pipeline::new();
    p.cmd("MULTI");
    p.cmd("SET").arg(keys::ACL_MAX_ID).arg(id);
    p.cmd("HSET").arg(keys::ACL).arg(id).arg(encode_acl(rule));
    change_log::add_all(&mut p, log, 0);
    p.cmd("EXEC");
    match loan.send(&p).await {
        Sent::Answers(values) => {
            if let Some(c) = loan.inner.as_mut() {
                c.watching = false;
            }
            Ok(loan.executed(values)?.map(|_| id as u32))
        }
        // Adding is repeatable: a rule that was stored is found the next time.
        Sent::Broken(e, _) => Err(crate::errors::classify(&e)),
    }
}
