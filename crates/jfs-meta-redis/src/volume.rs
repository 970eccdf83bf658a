//! The volume as a whole: its setting, its creation, what it uses.

use crate::layout;
use crate::listing::scan_head;
use crate::resp::Request;
use crate::shared::{Shared, Twice};
use jfs_meta::EngineError;
use jfs_meta::engine::UnsupportedUse;
use jfs_meta::wire::encode_attr;
use jfs_types::{Attr, Ino};

/// Keys looked at per round trip while an earlier volume is removed.
const PAGE: &[u8] = b"1000";

/// See [`jfs_meta::Engine::load_setting`].
pub(crate) async fn setting(shared: &Shared) -> Result<Option<Vec<u8>>, EngineError> {
    shared
        .ask(|r| r.call(&[b"GET", layout::SETTING]), |replies| Ok(replies.bulk()?.map(<[u8]>::to_vec)))
        .await
}

/// See [`jfs_meta::Engine::store_setting`]. Two round trips.
pub(crate) async fn replace_setting(
    shared: &Shared,
    expect: &[u8],
    json: &[u8],
) -> Result<(), EngineError> {
    shared
        .update(
            &[layout::SETTING],
            |r| r.call(&[b"GET", layout::SETTING]),
            |replies, writes| {
                if replies.bulk()? != Some(expect) {
                    return Err(EngineError::Conflict);
                }
                writes.call(&[b"SET", layout::SETTING, json]);
                Ok(((), true))
            },
        )
        .await
}

/// See [`jfs_meta::Engine::create_volume`].
pub(crate) async fn create(
    shared: &Shared,
    json: &[u8],
    root: &Attr,
    trash: Option<&Attr>,
    overwrite: bool,
) -> Result<(), EngineError> {
    if overwrite {
        remove_volume(shared).await?;
    }
    shared
        .update(
            &[layout::SETTING],
            |r| r.call(&[b"EXISTS", layout::SETTING]),
            |replies, writes| {
                if replies.integer()? != 0 {
                    return Err(EngineError::Conflict);
                }
                writes.call(&[b"SET", layout::SETTING, json]);
                writes.call(&[b"SET", &layout::attr(Ino::ROOT), &encode_attr(root)]);
                if let Some(trash) = trash {
                    writes.call(&[b"SET", &layout::attr(Ino::TRASH), &encode_attr(trash)]);
                }
                Ok(((), true))
            },
        )
        .await
}

/// Removes every key that a volume has, and no other: the database may hold other things. The setting
/// goes first, so that what is left of a removal that was cut short is no volume.
async fn remove_volume(shared: &Shared) -> Result<(), EngineError> {
    unlink(shared, &[layout::SETTING.to_vec()]).await?;
    let mut cursor = 0;
    loop {
        let from = layout::number(cursor);
        let (next, ours) = shared
            .ask(
                |r| r.call(&[b"SCAN", &from, b"COUNT", PAGE]),
                |replies| {
                    let (next, keys) = scan_head(replies)?;
                    let mut ours = Vec::new();
                    for _ in 0..keys {
                        let key = replies.bytes()?;
                        if layout::is_ours(key) {
                            ours.push(key.to_vec());
                        }
                    }
                    Ok((next, ours))
                },
            )
            .await?;
        if !ours.is_empty() {
            unlink(shared, &ours).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

async fn unlink(shared: &Shared, keys: &[Vec<u8>]) -> Result<(), EngineError> {
    let build = |r: &mut Request| {
        r.begin(1 + keys.len());
        r.word(b"UNLINK");
        keys.iter().for_each(|key| r.word(key));
    };
    shared.send(Twice::Harmless, build, |replies| replies.done()).await
}

/// See [`jfs_meta::Engine::unsupported_use`].
pub(crate) async fn unsupported_use(shared: &Shared) -> Result<UnsupportedUse, EngineError> {
    shared
        .ask(
            |r| r.call(&[b"HLEN", layout::DIR_QUOTAS[0]]),
            |replies| Ok(UnsupportedUse { dir_quota: replies.integer()? > 0 }),
        )
        .await
}
