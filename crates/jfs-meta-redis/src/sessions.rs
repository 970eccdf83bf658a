//! Sessions and what they hold.

use crate::errors::name_record;
use crate::layout;
use crate::resp::{Replies, number};
use crate::shared::{Shared, Twice};
use jfs_meta::EngineError;
use jfs_meta::engine::{Counter, SessionRecord};
use jfs_types::Ino;
use std::collections::HashMap;

/// Sessions of clients before 1.0 store their last sign of life instead of an expiry, this much before.
const LEGACY_LIFE_SEC: i64 = 300;

/// See [`jfs_meta::Engine::new_session`]. Two round trips. A number whose answer is lost stays unused.
pub(crate) async fn create(shared: &Shared, expire: i64, info: &str) -> Result<u64, EngineError> {
    let key = layout::counter(Counter::NextSession);
    let sid = shared.ask(|r| r.call(&[b"INCR", key]), |replies| replies.integer()).await?;
    let sid = u64::try_from(sid).map_err(|_| {
        EngineError::corrupt(String::from_utf8_lossy(key), format!("the next session would be {sid}"))
    })?;
    let (member, score) = (layout::number(sid), layout::signed(expire));
    let build = |r: &mut crate::resp::Request| {
        r.call(&[b"ZADD", layout::SESSIONS, &score, &member]);
        r.call(&[b"HSET", layout::SESSION_INFOS, &member, info.as_bytes()]);
    };
    shared.atomically(Twice::Harmless, build, both).await?;
    Ok(sid)
}

/// See [`jfs_meta::Engine::refresh_session`].
pub(crate) async fn refresh(shared: &Shared, sid: u64, expire: i64, info: &str) -> Result<(), EngineError> {
    let (member, score) = (layout::number(sid), layout::signed(expire));
    let build = |r: &mut crate::resp::Request| {
        r.call(&[b"ZADD", layout::SESSIONS, &score, &member]);
        r.call(&[b"HSETNX", layout::SESSION_INFOS, &member, info.as_bytes()]);
    };
    shared.ask(build, both).await
}

/// See [`jfs_meta::Engine::drop_session`]. Two round trips, and two more when it held locks.
pub(crate) async fn remove(shared: &Shared, sid: u64) -> Result<(), EngineError> {
    let (member, locked) = (layout::number(sid), layout::locked(sid));
    let locks = shared.ask(|r| r.call(&[b"SMEMBERS", &locked]), byte_strings).await?;
    let owned = if locks.is_empty() { Vec::new() } else { owned_locks(shared, sid, &locks).await? };
    let build = |r: &mut crate::resp::Request| {
        for (key, fields) in &owned {
            r.begin(2 + fields.len());
            r.word(b"HDEL");
            r.word(key);
            fields.iter().for_each(|field| r.word(field));
        }
        r.call(&[b"DEL", &locked]);
        r.call(&[b"ZREM", layout::SESSIONS, &member]);
        r.call(&[b"ZREM", layout::LEGACY_SESSIONS, &member]);
        r.call(&[b"HDEL", layout::SESSION_INFOS, &member]);
    };
    let count = owned.len() + 4;
    shared.ask(build, |replies| (0..count).try_for_each(|_| replies.done())).await
}

/// The fields of a session in lock keys. Only the session itself adds any, so that they can be removed
/// later without a transaction.
async fn owned_locks(
    shared: &Shared,
    sid: u64,
    keys: &[Vec<u8>],
) -> Result<Vec<(Vec<u8>, Vec<Vec<u8>>)>, EngineError> {
    let owner = layout::lock_owner(sid);
    shared
        .ask(
            |r| keys.iter().for_each(|key| r.call(&[b"HKEYS", key])),
            |replies| {
                let mut owned = Vec::new();
                for key in keys {
                    let mut fields = byte_strings(replies)?;
                    fields.retain(|field| field.starts_with(&owner));
                    if !fields.is_empty() {
                        owned.push((key.clone(), fields));
                    }
                }
                Ok(owned)
            },
        )
        .await
}

/// See [`jfs_meta::Engine::list_sessions`].
pub(crate) async fn list(shared: &Shared) -> Result<Vec<SessionRecord>, EngineError> {
    let build = |r: &mut crate::resp::Request| {
        for key in [layout::SESSIONS, layout::LEGACY_SESSIONS] {
            r.call(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]);
        }
        r.call(&[b"HGETALL", layout::SESSION_INFOS]);
    };
    shared
        .ask(build, |replies| {
            let current = scores(replies).map_err(|e| name_record(e, || "allSessions".to_string()))?;
            let legacy = scores(replies).map_err(|e| name_record(e, || "sessions".to_string()))?;
            let mut infos = HashMap::new();
            for _ in 0..replies.elements()? / 2 {
                let (sid, info) = (replies.bytes()?, replies.bytes()?);
                infos.insert(layout::parse_number(sid), info.to_vec());
            }
            let mut sessions: Vec<SessionRecord> = Vec::with_capacity(current.len());
            let legacy = legacy.into_iter().map(|(sid, time)| (sid, time.saturating_add(LEGACY_LIFE_SEC)));
            for (sid, expire) in current.into_iter().chain(legacy) {
                if sessions.iter().all(|s| s.sid != sid) {
                    let info = infos.remove(&Some(sid)).unwrap_or_default();
                    sessions.push(SessionRecord { sid, expire, info });
                }
            }
            Ok(sessions)
        })
        .await
}

/// See [`jfs_meta::Engine::list_sustained`].
pub(crate) async fn sustained(shared: &Shared, sid: u64) -> Result<Vec<Ino>, EngineError> {
    let key = layout::sustained(sid);
    let members = shared.ask(|r| r.call(&[b"SMEMBERS", &key]), byte_strings).await?;
    let ino = |member: Vec<u8>| match layout::parse_number(&member) {
        Some(ino) => Ok(Ino(ino)),
        None => Err(EngineError::corrupt(key.to_string(), "a member is no inode")),
    };
    members.into_iter().map(ino).collect()
}

fn both(replies: &mut Replies<'_>) -> Result<(), EngineError> {
    replies.done().and_then(|()| replies.done())
}

fn byte_strings(replies: &mut Replies<'_>) -> Result<Vec<Vec<u8>>, EngineError> {
    let count = replies.elements()?;
    (0..count).map(|_| Ok(replies.bytes()?.to_vec())).collect()
}

/// Members that are numbers, with their scores.
fn scores(replies: &mut Replies<'_>) -> Result<Vec<(u64, i64)>, EngineError> {
    let count = replies.elements()? / 2;
    let pair = |_| {
        let (member, time) = (number(replies.bytes()?)?, score(replies.bytes()?)?);
        Ok((member as u64, time))
    };
    (0..count).map(pair).collect()
}

/// A score: a time in seconds, which the server may write as a floating-point number.
pub(crate) fn score(text: &[u8]) -> Result<i64, EngineError> {
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse::<f64>().ok());
    match parsed.filter(|n| n.is_finite()) {
        Some(n) => Ok(n as i64),
        None => Err(EngineError::corrupt("a score", String::from_utf8_lossy(text))),
    }
}
