//! Listing directories and scanning keys.

use crate::attempt::chunk_index;
use crate::connections::Connections;
use crate::keys;
use crate::read::{self, bytes, list, number, unexpected};
use jfs_meta::EngineError;
use jfs_meta::engine::{Delayed, Deleted, DirCursor, DirEntry, DirPage, NAMED_MAX};
use jfs_meta::wire::{decode_attr, decode_entry};
use jfs_types::{Ino, Name};
use redis::{Pipeline, Value};

/// Names asked for per HSCAN.
const PAGE: usize = 10_000;
/// Attributes per MGET.
const ATTRS: usize = 2_000;

async fn one(pool: &Connections, p: &Pipeline) -> Result<Value, EngineError> {
    match pool.query(p).await?.into_iter().next() {
        Some(e @ Value::ServerError(_)) => Err(unexpected(e)),
        Some(value) => Ok(value),
        None => Err(EngineError::Fatal("Redis gave no answer".into())),
    }
}

/// The cursor and the items of a SCAN-like answer.
pub(crate) fn scanned(value: Value) -> Result<(u64, Vec<Value>), EngineError> {
    let mut parts = list(value)?.into_iter();
    let cursor = number(parts.next().unwrap_or(Value::Nil))? as u64;
    let items = list(parts.next().unwrap_or(Value::Nil))?;
    Ok((cursor, items))
}

/// One page of a directory.
pub(crate) async fn page(
    pool: &Connections,
    dir: Ino,
    cursor: &DirCursor,
    with_attrs: bool,
) -> Result<DirPage, EngineError> {
    let at = match cursor {
        DirCursor::Token(at) => *at,
        _ => 0,
    };
    let mut p = Pipeline::new();
    p.cmd("HSCAN")
        .arg(keys::entries(dir))
        .arg(at)
        .arg("COUNT")
        .arg(PAGE);
    let (next, fields) = scanned(one(pool, &p).await?)?;
    let mut page = DirPage::default();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let (name, value) = (
            bytes(name)?.unwrap_or_default(),
            bytes(value)?.unwrap_or_default(),
        );
        let name = Name::stored(&name);
        page.entries.push(match decode_entry(&value) {
            Ok(entry) => DirEntry {
                name,
                entry,
                attr: None,
            },
            Err(e) => {
                tracing::warn!("entry {name:?} of {}: {e}", keys::entries(dir));
                DirEntry::unreadable(name)
            }
        });
    }
    if with_attrs {
        for part in page.entries.chunks_mut(ATTRS) {
            fill_attrs(pool, part).await?;
        }
    }
    page.next = (next != 0).then_some(DirCursor::Token(next));
    Ok(page)
}

async fn fill_attrs(pool: &Connections, entries: &mut [DirEntry]) -> Result<(), EngineError> {
    let mut p = Pipeline::new();
    let wanted: Vec<String> = entries.iter().map(|e| keys::attr(e.entry.ino)).collect();
    p.cmd("MGET").arg(&wanted);
    for (entry, value) in entries.iter_mut().zip(list(one(pool, &p).await?)?) {
        if let Some(b) = bytes(value)? {
            match decode_attr(&b) {
                Ok(attr) => entry.attr = Some(attr),
                // A lookup of this name gets the error. The other names are listed.
                Err(e) => tracing::warn!("{}: {e}", keys::attr(entry.entry.ino)),
            }
        }
    }
    Ok(())
}

/// One page of the keys that match a pattern, and the cursor of the next one.
async fn scan_page(
    pool: &Connections,
    pattern: &str,
    cursor: u64,
) -> Result<(u64, Vec<Value>), EngineError> {
    let mut p = Pipeline::new();
    p.cmd("SCAN")
        .arg(cursor)
        .arg("MATCH")
        .arg(pattern)
        .arg("COUNT")
        .arg(PAGE);
    scanned(one(pool, &p).await?)
}

/// Keys that match a pattern.
pub(crate) async fn scan_keys(
    pool: &Connections,
    pattern: &str,
) -> Result<Vec<Vec<u8>>, EngineError> {
    let mut found = Vec::new();
    let mut cursor = 0;
    loop {
        let (next, keys) = scan_page(pool, pattern, cursor).await?;
        for key in keys {
            found.extend(bytes(key)?.map(|b| b.to_vec()));
        }
        if next == 0 {
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
        cursor = next;
    }
}

/// Indexes of the chunk lists among the first `count` chunks of a file: those of a short file without
/// looking, else by asking for each chunk, or by scanning the database when it has fewer keys than the
/// file has chunks.
pub(crate) async fn chunks(
    pool: &Connections,
    ino: Ino,
    count: u64,
) -> Result<Vec<u32>, EngineError> {
    if count <= NAMED_MAX {
        return Ok((0..count as u32).collect());
    }
    if count > PAGE as u64 {
        let mut p = Pipeline::new();
        p.cmd("DBSIZE");
        if (number(one(pool, &p).await?)? as u64) < count {
            return scan_chunks(pool, ino).await;
        }
    }
    let mut found = Vec::new();
    let mut from = 0;
    while from < count {
        let to = count.min(from + PAGE as u64);
        let mut p = Pipeline::new();
        for index in from..to {
            p.cmd("EXISTS").arg(keys::chunk(ino, index as u32));
        }
        for (index, answer) in (from..to).zip(pool.query(&p).await?) {
            if number(answer)? != 0 {
                found.push(index as u32);
            }
        }
        from = to;
    }
    Ok(found)
}

/// Indexes of the chunk lists of a file, by a scan of the database's keys.
async fn scan_chunks(pool: &Connections, ino: Ino) -> Result<Vec<u32>, EngineError> {
    let mut found = Vec::new();
    let pattern = format!("c{ino}_*");
    let mut cursor = 0;
    loop {
        let (next, keys) = scan_page(pool, &pattern, cursor).await?;
        for key in keys {
            found.extend(bytes(key)?.and_then(|key| chunk_index(ino, &key)));
        }
        if next == 0 {
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
        cursor = next;
    }
}

/// Removed files, oldest first.
pub(crate) async fn deleted(
    pool: &Connections,
    before: i64,
    limit: usize,
) -> Result<Vec<Deleted>, EngineError> {
    let mut p = Pipeline::new();
    p.cmd("ZRANGEBYSCORE")
        .arg(keys::DELETED)
        .arg("-inf")
        .arg(format!("({before}"));
    p.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
    let mut items = list(one(pool, &p).await?)?.into_iter();
    let mut found = Vec::new();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let member = bytes(member)?.unwrap_or_default();
        match parse_deleted(&member, read::score(score)?) {
            Some(deleted) => found.push(deleted),
            None => tracing::warn!(
                "{} has the member {:?}, which is no removed file",
                keys::DELETED,
                String::from_utf8_lossy(&member)
            ),
        }
    }
    Ok(found)
}

/// The removed file of a member of the sorted set. Members of old clients have one field or three.
pub(crate) fn parse_deleted(member: &[u8], time: i64) -> Option<Deleted> {
    let mut parts = std::str::from_utf8(member).ok()?.split(':');
    let ino = Ino(parts.next()?.parse().ok()?);
    let length = parts.next_back().map_or(Some(0), |n| n.parse().ok())?;
    Some(Deleted { ino, length, time })
}

/// The new slice and the time of a field of delayed slices.
pub(crate) fn parse_delayed(field: &[u8]) -> Option<(u64, i64)> {
    let (id, time) = std::str::from_utf8(field).ok()?.split_once('_')?;
    Some((id.parse().ok()?, time.parse().ok()?))
}

/// Id and size of a field of slice users.
pub(crate) fn parse_slice(field: &[u8]) -> Option<(u64, u32)> {
    let slice = std::str::from_utf8(field).ok()?.strip_prefix('k')?;
    let (id, size) = slice.split_once('_')?;
    Some((id.parse().ok()?, size.parse().ok()?))
}

/// Delayed slices recorded before `before`.
pub(crate) async fn delayed(
    pool: &Connections,
    before: i64,
    limit: usize,
) -> Result<Vec<Delayed>, EngineError> {
    let expired = |field: &[u8], value: &[u8]| {
        let (id, time) = parse_delayed(field)?;
        (time < before).then(|| Delayed {
            id,
            time,
            entries: value.to_vec().into(),
        })
    };
    let mut found = pick(pool, keys::DELAYED, limit, expired).await?;
    found.sort_unstable_by_key(|d| (d.id, d.time));
    found.dedup();
    Ok(found)
}

/// Slices without users.
pub(crate) async fn unused(
    pool: &Connections,
    limit: usize,
) -> Result<Vec<(u64, u32)>, EngineError> {
    let without_users = |field: &[u8], value: &[u8]| {
        let users: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        let slice = parse_slice(field)?;
        (users < 0).then_some(slice)
    };
    let mut found = pick(pool, keys::SLICE_REFS, limit, without_users).await?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The results of `wanted` for the fields of a hash and their values, `limit` of them at most and in no
/// order, some twice. The hash may be large: a page of it at a time is in memory.
async fn pick<T>(
    pool: &Connections,
    key: &str,
    limit: usize,
    wanted: impl Fn(&[u8], &[u8]) -> Option<T>,
) -> Result<Vec<T>, EngineError> {
    let mut found = Vec::new();
    let mut cursor = 0;
    loop {
        let mut p = Pipeline::new();
        p.cmd("HSCAN").arg(key).arg(cursor).arg("COUNT").arg(PAGE);
        let (next, items) = scanned(one(pool, &p).await?)?;
        let mut items = items.into_iter();
        while let (Some(field), Some(value)) = (items.next(), items.next()) {
            let (field, value) = (
                bytes(field)?.unwrap_or_default(),
                bytes(value)?.unwrap_or_default(),
            );
            found.extend(wanted(&field, &value));
            if found.len() >= limit {
                return Ok(found);
            }
        }
        if next == 0 {
            return Ok(found);
        }
        cursor = next;
    }
}
