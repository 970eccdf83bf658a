//! What clean-up jobs look for: removed files, their chunks, delayed and unused slices.

use crate::layout;
use crate::listing::scan_head;
use crate::resp::{Replies, Request, number};
use crate::sessions::score;
use crate::shared::Shared;
use crate::write::MANY_CHUNKS;
use bytes::Bytes;
use jfs_meta::EngineError;
use jfs_meta::engine::{Delayed, Deleted};
use jfs_types::{CHUNK_SIZE, Ino};

/// Fields or keys asked for at a time.
const PAGE: &[u8] = b"10000";
/// Chunks of a file that are not worth asking for: each costs an empty removal at most.
const FEW_CHUNKS: u64 = 1;

/// See [`jfs_meta::Engine::list_deleted`].
pub(crate) async fn deleted(
    shared: &Shared,
    before_sec: i64,
    limit: usize,
) -> Result<Vec<Deleted>, EngineError> {
    let max = format!("({before_sec}");
    let count = layout::number(limit as u64);
    let build = |r: &mut Request| {
        let words: [&[u8]; 8] = [
            b"ZRANGEBYSCORE", layout::DELETED, b"-inf", max.as_bytes(), b"WITHSCORES", b"LIMIT", b"0", &count,
        ];
        r.call(&words);
    };
    shared
        .ask(build, |replies| {
            let mut deleted = Vec::new();
            for _ in 0..replies.elements()? / 2 {
                let (member, time) = (replies.bytes()?, score(replies.bytes()?)?);
                match layout::parse_deleted(member) {
                    Some((ino, length)) => deleted.push(Deleted { ino, length, time }),
                    // Clients before 1.0 wrote other forms, which hold no length to go by.
                    None => {
                        let member = String::from_utf8_lossy(member);
                        tracing::warn!("a removed file in an old form is left alone: {member}");
                    }
                }
            }
            Ok(deleted)
        })
        .await
}

/// See [`jfs_meta::Engine::list_chunks`]. One round trip; none for a file of one chunk; for one of very many
/// chunks a scan of the whole database.
pub(crate) async fn chunks(shared: &Shared, ino: Ino, length: u64) -> Result<Vec<u32>, EngineError> {
    let count = length.div_ceil(CHUNK_SIZE);
    if count <= FEW_CHUNKS {
        return Ok((0..count as u32).collect());
    }
    if count >= u64::from(MANY_CHUNKS) {
        return scan_chunks(shared, ino).await;
    }
    let all = 0..count as u32;
    let build = |r: &mut Request| {
        all.clone().for_each(|index| r.call(&[b"EXISTS", &layout::chunk(ino, index)]));
    };
    shared
        .ask(build, |replies| {
            let mut there = Vec::new();
            for index in all.clone() {
                if replies.integer()? != 0 {
                    there.push(index);
                }
            }
            Ok(there)
        })
        .await
}

/// Indexes of all chunk lists of a file, in order, found by name: a round trip per ten thousand keys
/// of the database.
pub(crate) async fn scan_chunks(shared: &Shared, ino: Ino) -> Result<Vec<u32>, EngineError> {
    let pattern = layout::chunks_pattern(ino);
    let mut indexes = Vec::new();
    let mut cursor = 0;
    loop {
        let from = layout::number(cursor);
        cursor = shared
            .ask(
                |r| r.call(&[b"SCAN", &from, b"MATCH", &pattern, b"COUNT", PAGE]),
                |replies| {
                    let (next, keys) = scan_head(replies)?;
                    for _ in 0..keys {
                        indexes.extend(layout::chunk_index(replies.bytes()?));
                    }
                    Ok(next)
                },
            )
            .await?;
        if cursor == 0 {
            indexes.sort_unstable();
            indexes.dedup();
            return Ok(indexes);
        }
    }
}

/// See [`jfs_meta::Engine::list_delayed`]. A round trip per ten thousand records.
pub(crate) async fn delayed(
    shared: &Shared,
    before_sec: i64,
    limit: usize,
) -> Result<Vec<Delayed>, EngineError> {
    let mut found: Vec<Delayed> = Vec::new();
    scan_hash(shared, layout::DELAYED, limit, |field, value| {
        let (id, time) = layout::parse_delayed(field)?;
        let new = time < before_sec && found.iter().all(|d| (d.id, d.time) != (id, time));
        if new {
            found.push(Delayed { id, time, entries: Bytes::copy_from_slice(value) });
        }
        Some(found.len())
    })
    .await?;
    found.truncate(limit);
    Ok(found)
}

/// See [`jfs_meta::Engine::list_unused_slices`]. A round trip per ten thousand records.
pub(crate) async fn unused_slices(shared: &Shared, limit: usize) -> Result<Vec<(u64, u32)>, EngineError> {
    let mut found: Vec<(u64, u32)> = Vec::new();
    scan_hash(shared, layout::SLICE_USERS, limit, |field, value| {
        let slice = layout::parse_slice(field)?;
        if number(value).ok()? < 0 && !found.contains(&slice) {
            found.push(slice);
        }
        Some(found.len())
    })
    .await?;
    found.truncate(limit);
    Ok(found)
}

/// Shows all fields of a hash to `visit`, which answers how many it has kept, until that reaches
/// `limit`; `None` from it: the field is not understood and skipped.
async fn scan_hash(
    shared: &Shared,
    key: &'static [u8],
    limit: usize,
    mut visit: impl FnMut(&[u8], &[u8]) -> Option<usize> + Send,
) -> Result<(), EngineError> {
    let mut cursor = 0;
    let mut kept = 0;
    loop {
        let from = layout::number(cursor);
        let mut each = |replies: &mut Replies<'_>| {
            let (next, fields) = scan_head(replies)?;
            for _ in 0..fields / 2 {
                let (field, value) = (replies.bytes()?, replies.bytes()?);
                match visit(field, value) {
                    Some(n) => kept = n,
                    None => tracing::warn!(
                        "{} has a record that cannot be read: {}",
                        String::from_utf8_lossy(key),
                        String::from_utf8_lossy(field)
                    ),
                }
            }
            Ok(next)
        };
        cursor = shared
            .ask(|r| r.call(&[b"HSCAN", key, &from, b"COUNT", PAGE]), |replies| each(replies))
            .await?;
        if cursor == 0 || kept >= limit {
            return Ok(());
        }
    }
}
