//! ACL rules: found by comparing all of them, as the reference client does; there are few.

use crate::change_log;
use crate::connections::{Connections, Sent};
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

/// The number of a rule, stored when there is no equal one.
pub(crate) async fn id(
    pool: &Arc<Connections>,
    rule: &AclRule,
    log: &[LogLine],
) -> Result<u32, EngineError> {
    for _ in 0..TRIES_MAX {
        if let Some(id) = find_or_add(pool, rule, log).await? {
            return Ok(id);
        }
    }
    Err(EngineError::Transient("other clients add ACL rules".into()))
}

/// `None`: another client was faster.
async fn find_or_add(
    pool: &Arc<Connections>,
    rule: &AclRule,
    log: &[LogLine],
) -> Result<Option<u32>, EngineError> {
    // An attempt may wait for this, with a connection of its own.
    let mut loan = pool.take_beside().await?;
    if let Some(fence) = pool.fence.get() {
        loan.watch_volume(&fence).await?;
    }
    let (mut p, _) = loan.start();
    p.cmd("WATCH").arg(keys::ACL).arg(keys::ACL_MAX_ID);
    p.cmd("HGETALL").arg(keys::ACL);
    p.cmd("GET").arg(keys::ACL_MAX_ID);
    let mut values = match loan.send(&p).await {
        Sent::Answers(values) => values,
        Sent::Broken(e, _) => return Err(crate::errors::classify(&e)),
    };
    // Whatever happens before EXEC, the next user of the connection has to unwatch.
    if let Some(c) = loan.inner.as_mut() {
        c.watching = true;
    }
    let last = number(values.pop().unwrap_or(Value::Nil))?;
    let mut fields = list(values.pop().unwrap_or(Value::Nil))?.into_iter();
    let (wanted, mut taken) = (rule.sorted(), last);
    while let (Some(id), Some(stored)) = (fields.next(), fields.next()) {
        let (id, stored) = (number(id)?, bytes(stored)?.unwrap_or_default());
        taken = taken.max(id);
        match decode_acl(&stored) {
            Ok(known) if known.sorted() == wanted => return Ok(Some(id as u32)),
            Ok(_) => {}
            // The damaged rule stays as it is. Files that use it get the error.
            Err(e) => tracing::warn!("ACL rule {id} cannot be read: {e}"),
        }
    }
    let id = taken + 1;
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
