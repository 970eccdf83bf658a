//! Sessions: expiry in a sorted set, descriptions in a hash, sustained inodes and locks beside them.

use crate::change_log;
use crate::connections::Connections;
use crate::keys;
use crate::read::{self, ask, bytes, list, number, understand, unexpected};
use jfs_meta::EngineError;
use jfs_meta::engine::{Key, LockKind, LockRow, LogLine, SessionRecord};
use jfs_types::Ino;
use redis::{Pipeline, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs a pipeline whose answers only have to be no errors.
pub(crate) async fn run(pool: &Connections, p: &Pipeline) -> Result<Vec<Value>, EngineError> {
    let mut values = pool.query(p).await?;
    match values
        .iter()
        .position(|v| matches!(v, Value::ServerError(_)))
    {
        Some(at) => Err(unexpected(values.swap_remove(at))),
        None => Ok(values),
    }
}

pub(crate) async fn create(
    pool: &Arc<Connections>,
    expire: i64,
    info: &str,
    log: &[LogLine],
) -> Result<u64, EngineError> {
    let mut p = Pipeline::new();
    p.cmd("INCR").arg("nextsession");
    let sid = number(pool.change_all(&p).await?.swap_remove(0))? as u64;
    let mut p = refreshed(sid, expire, info);
    change_log::add_all(&mut p, log, sid);
    pool.change_all(&p).await?;
    Ok(sid)
}

fn refreshed(sid: u64, expire: i64, info: &str) -> Pipeline {
    let mut p = Pipeline::new();
    p.cmd("ZADD").arg(keys::ALL_SESSIONS).arg(expire).arg(sid);
    p.cmd("HSETNX").arg(keys::SESSION_INFOS).arg(sid).arg(info);
    p
}

/// Moves the expiry; puts the description back when it is gone.
pub(crate) async fn refresh(
    pool: &Arc<Connections>,
    sid: u64,
    expire: i64,
    info: &str,
) -> Result<(), EngineError> {
    let p = refreshed(sid, expire, info);
    pool.change_all(&p).await.map(|_| ())
}

pub(crate) async fn all(pool: &Connections) -> Result<Vec<SessionRecord>, EngineError> {
    let mut p = Pipeline::new();
    p.cmd("ZRANGE")
        .arg(keys::ALL_SESSIONS)
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES");
    p.cmd("HGETALL").arg(keys::SESSION_INFOS);
    let mut values = run(pool, &p).await?.into_iter();
    let mut scores = list(values.next().unwrap_or(Value::Nil))?.into_iter();
    let mut infos: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut fields = list(values.next().unwrap_or(Value::Nil))?.into_iter();
    while let (Some(sid), Some(info)) = (fields.next(), fields.next()) {
        infos.insert(
            number(sid)? as u64,
            bytes(info)?.unwrap_or_default().to_vec(),
        );
    }
    let mut sessions = Vec::new();
    while let (Some(sid), Some(score)) = (scores.next(), scores.next()) {
        let sid = number(sid)? as u64;
        sessions.push(SessionRecord {
            sid,
            expire: read::score(score)?,
            info: infos.remove(&sid).unwrap_or_default(),
        });
    }
    Ok(sessions)
}

/// The locks of a session: its set of locked keys, then each of them.
pub(crate) async fn locks(
    pool: &Connections,
    sid: u64,
) -> Result<Vec<(Ino, LockKind, LockRow)>, EngineError> {
    let mut p = Pipeline::new();
    p.cmd("SMEMBERS").arg(keys::locked(sid));
    let mut found = Vec::new();
    for key in list(run(pool, &p).await?.swap_remove(0))? {
        let key = bytes(key)?.unwrap_or_default();
        let Some((ino, kind)) = keys::parse_locks(&key) else {
            continue;
        };
        let wanted = Key::Locks(ino, kind);
        let mut p = Pipeline::new();
        ask(&mut p, &wanted);
        let mut values = run(pool, &p).await?.into_iter();
        let rows = understand(&wanted, &mut values)?.into_locks()?;
        let ours = rows.into_iter().filter(|row| row.sid == sid);
        found.extend(ours.map(|row| (ino, kind, row)));
    }
    Ok(found)
}

pub(crate) async fn sustained(pool: &Connections, sid: u64) -> Result<Vec<Ino>, EngineError> {
    let mut p = Pipeline::new();
    p.cmd("SMEMBERS").arg(keys::sustained(sid));
    let members = list(run(pool, &p).await?.swap_remove(0))?;
    members
        .into_iter()
        .map(|m| Ok(Ino(number(m)? as u64)))
        .collect()
}
