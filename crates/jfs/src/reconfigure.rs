//! Changing the setting of a volume that exists.

use crate::Error;
use crate::admin::{check_immutable, make_trash, read_format, store_options, unreachable};
use crate::engines::connect;
use crate::store::open_store;
use crate::support::read_only_reason;
use jfs_meta::{Engine, Meta, MetaConfig};
use jfs_object::ObjectStore;
use jfs_types::{Caller, Format, Ino, SystemClock, SystemRand};
use std::sync::Arc;

/// Objects of this name hold the UUID of the volume they lie beside.
pub(crate) const MARK: &str = "juicefs_uuid";

/// Replaces the setting `before` of the volume at `url` by `after`. With `test_storage` the object
/// storage of `after` must take, give back and drop an object first, and must not be another volume's.
///
/// Nothing is stored when somebody changed the setting since `before` was read, or when `after`
/// differs in what cannot change (name, block size, ...). Members of `before` that this client does not
/// know are in `after` as well, as long as it was made from it. Mounts follow at their next heartbeat.
pub async fn change_setting(
    url: &str,
    before: &Format,
    after: &Format,
    test_storage: bool,
) -> Result<(), Error> {
    let engine = connect(url).await?;
    let changed = change(&engine, before, after, test_storage).await;
    let closed = engine.shutdown().await;
    changed?;
    closed?;
    Ok(())
}

async fn change(
    engine: &Arc<dyn Engine>,
    before: &Format,
    after: &Format,
    test_storage: bool,
) -> Result<(), Error> {
    check_immutable(before, after)?;
    if test_storage {
        check_storage(after).await?;
    }
    let stored = engine
        .load_setting()
        .await?
        .ok_or_else(Error::not_formatted)?;
    if Format::from_json(&stored).map_err(Error::setting)? != *before {
        return Err(Error::setting(
            "somebody else changed the setting meanwhile: please try again".to_string(),
        ));
    }
    engine
        .store_setting(&stored, after.to_json().as_bytes())
        .await?;
    if after.trash_days > 0 {
        make_trash(&**engine).await?;
    }
    if after.user_group_quota && !before.user_group_quota {
        count_owners(engine, after).await?;
    }
    Ok(())
}

/// Counts what users and groups use, on a volume that begins to count it.
async fn count_owners(engine: &Arc<dyn Engine>, format: &Format) -> Result<(), Error> {
    let (clock, rand) = (Arc::new(SystemClock), Arc::new(SystemRand));
    let config = MetaConfig {
        cannot_maintain: read_only_reason,
        ..MetaConfig::default()
    };
    let (meta, _work) = Meta::new(engine.clone(), format.clone(), config, clock, rand);
    meta.accept(format.to_json().as_bytes(), format);
    meta.count_owners().await.map_err(|e| {
        Error::setting(format!(
            "the usage of users and groups could not be counted ({e}): switch it off and on again"
        ))
    })
}

/// Makes sure that the objects of the volume can be where `format` says.
async fn check_storage(format: &Format) -> Result<(), Error> {
    let store = open_store(format, &store_options())?;
    store.test().await.map_err(|e| unreachable(format, &e))?;
    check_mark(&store, format).await
}

async fn check_mark(store: &ObjectStore, format: &Format) -> Result<(), Error> {
    let mark = match store.get(MARK, None).await {
        Ok(mark) => mark,
        Err(e) if e.is_not_found() => {
            tracing::warn!(
                "{}://{} holds no object {}/{MARK}: the objects of the volume have to be copied there",
                format.storage,
                jfs_telemetry::mask_url(&format.bucket),
                format.name
            );
            return Ok(());
        }
        Err(e) => return Err(Error::storage(e.to_string())),
    };
    if mark.as_ref() == format.uuid.as_bytes() {
        return Ok(());
    }
    Err(Error::storage(format!(
        "{}://{} holds the objects of another volume named {} (UUID {})",
        format.storage,
        jfs_telemetry::mask_url(&format.bucket),
        format.name,
        String::from_utf8_lossy(&mark)
    )))
}

/// Paths of the directories of the volume at `url` that have a quota, sorted.
pub async fn quota_paths(url: &str) -> Result<Vec<String>, Error> {
    let engine = connect(url).await?;
    let paths = paths_of_quotas(&engine).await;
    engine.shutdown().await?;
    paths
}

async fn paths_of_quotas(engine: &Arc<dyn Engine>) -> Result<Vec<String>, Error> {
    let format = read_format(&**engine)
        .await?
        .ok_or_else(Error::not_formatted)?;
    let config = MetaConfig {
        read_only: true,
        ..MetaConfig::default()
    };
    let (clock, rand) = (Arc::new(SystemClock), Arc::new(SystemRand));
    let (meta, _work) = Meta::new(engine.clone(), format, config, clock, rand);
    let mut paths = Vec::new();
    for (dir, _) in engine.list_quotas().await? {
        let found = meta.paths(&Caller::root(), dir, Ino::ROOT).await;
        let found = found.unwrap_or_default().pop();
        paths.push(match found {
            Some(path) => String::from_utf8_lossy(&path).into_owned(),
            None => format!("inode {}", dir.0),
        });
    }
    paths.sort();
    Ok(paths)
}
