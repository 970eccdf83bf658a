//! Counters, ids, directory statistics and job slots.

use crate::layout;
use crate::resp::number;
use crate::shared::{Shared, Twice};
use jfs_meta::EngineError;
use jfs_meta::engine::{Counter, DirStat, IdKind, JobSlot};
use jfs_types::Ino;
use std::ops::Range;

/// Statistics handled in one round trip.
const STATS: usize = 1000;

/// See [`jfs_meta::Engine::reserve_ids`]. Ids whose answer is lost are never used, which does no harm.
pub(crate) async fn reserve(shared: &Shared, kind: IdKind, n: u64) -> Result<Range<u64>, EngineError> {
    let key = match kind {
        IdKind::Inode => layout::NEXT_INODE,
        IdKind::Slice => layout::NEXT_SLICE,
    };
    let step = layout::number(n);
    let last = shared.ask(|r| r.call(&[b"INCRBY", key, &step]), |replies| replies.integer()).await?;
    // The stored number is the last one used, not the next free one.
    let end = u64::try_from(last).ok().and_then(|last| last.checked_add(1));
    match end.filter(|end| *end > n) {
        Some(end) => Ok(end - n..end),
        None => {
            let record = String::from_utf8_lossy(key).into_owned();
            Err(EngineError::corrupt(record, format!("{last} after adding {n}")))
        }
    }
}

/// See [`jfs_meta::Engine::add_counter`].
pub(crate) async fn add(shared: &Shared, counter: Counter, n: i64) -> Result<i64, EngineError> {
    let (key, step) = (layout::counter(counter), layout::signed(n));
    shared.send(Twice::Wrong, |r| r.call(&[b"INCRBY", key, &step]), |replies| replies.integer()).await
}

/// See [`jfs_meta::Engine::add_usage`].
pub(crate) async fn add_usage(shared: &Shared, space: i64, inodes: i64) -> Result<(), EngineError> {
    let build = |r: &mut crate::resp::Request| {
        r.call(&[b"INCRBY", layout::USED_SPACE, &layout::signed(space)]);
        r.call(&[b"INCRBY", layout::TOTAL_INODES, &layout::signed(inodes)]);
    };
    shared.atomically(Twice::Wrong, build, |replies| replies.done().and_then(|()| replies.done())).await
}

/// See [`jfs_meta::Engine::claim_job`]. Two round trips.
pub(crate) async fn claim(
    shared: &Shared,
    job: JobSlot,
    now_sec: i64,
    interval_sec: i64,
) -> Result<bool, EngineError> {
    let key = job.counter_name().as_bytes();
    let claimed = shared
        .update(
            &[key],
            |r| r.call(&[b"GET", key]),
            |replies, writes| {
                let last = replies.bulk()?.map(number).transpose().map_err(|e| {
                    crate::errors::name_record(e, || job.counter_name().to_string())
                })?;
                let won = last.unwrap_or(0) <= now_sec - interval_sec;
                if won {
                    writes.call(&[b"SET", key, &layout::signed(now_sec)]);
                }
                Ok((won, won))
            },
        )
        .await;
    match claimed {
        Err(EngineError::Conflict) => Ok(false), // somebody else took it just now
        claimed => claimed,
    }
}

/// See [`jfs_meta::Engine::add_dir_stats`]. Two round trips per thousand directories.
///
/// A directory removed between the two gets its record back; nobody looks at it, and the reference does
/// the same.
pub(crate) async fn add_stats(
    shared: &Shared,
    deltas: &[(Ino, DirStat)],
) -> Result<Vec<Ino>, EngineError> {
    let mut missing = Vec::new();
    for some in deltas.chunks(STATS) {
        let known = known(shared, some).await?;
        let present = || some.iter().zip(&known).filter(|(_, known)| **known).map(|(delta, _)| delta);
        missing.extend(some.iter().zip(&known).filter(|(_, known)| !**known).map(|((dir, _), _)| *dir));
        let count = present().count() * layout::DIR_STATS.len();
        if count == 0 {
            continue;
        }
        let build = |r: &mut crate::resp::Request| {
            for (dir, delta) in present() {
                let field = layout::number(dir.0);
                let parts = [delta.length, delta.space, delta.inodes];
                for (hash, n) in layout::DIR_STATS.iter().zip(parts) {
                    r.call(&[b"HINCRBY", hash, &field, &layout::signed(n)]);
                }
            }
        };
        shared
            .atomically(Twice::Wrong, build, |replies| (0..count).try_for_each(|_| replies.done()))
            .await?;
    }
    Ok(missing)
}

/// Which directories have a complete record.
async fn known(shared: &Shared, deltas: &[(Ino, DirStat)]) -> Result<Vec<bool>, EngineError> {
    let build = |r: &mut crate::resp::Request| {
        for hash in layout::DIR_STATS {
            r.begin(2 + deltas.len());
            r.word(b"HMGET");
            r.word(hash);
            deltas.iter().for_each(|(dir, _)| r.word(&layout::number(dir.0)));
        }
    };
    shared
        .ask(build, |replies| {
            let mut known = vec![true; deltas.len()];
            for _ in layout::DIR_STATS {
                replies.elements()?;
                for k in &mut known {
                    *k &= replies.bulk()?.is_some();
                }
            }
            Ok(known)
        })
        .await
}

/// See [`jfs_meta::Engine::put_dir_stat`].
pub(crate) async fn put_stat(shared: &Shared, dir: Ino, stat: DirStat) -> Result<(), EngineError> {
    let field = layout::number(dir.0);
    let build = |r: &mut crate::resp::Request| {
        for (hash, n) in layout::DIR_STATS.iter().zip([stat.length, stat.space, stat.inodes]) {
            r.call(&[b"HSET", hash, &field, &layout::signed(n)]);
        }
    };
    shared
        .atomically(Twice::Harmless, build, |replies| {
            layout::DIR_STATS.iter().try_for_each(|_| replies.done())
        })
        .await
}
