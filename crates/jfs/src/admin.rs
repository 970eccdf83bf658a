//! Formatting volumes and telling about them.

use crate::Error;
use crate::engines::connect;
use crate::reconfigure::MARK;
use crate::secrets::seal;
use crate::store::open_store;
use crate::support::{check_readable, check_version};
use bytes::Bytes;
use jfs_meta::engine::{Counter, Key, Write, own};
use jfs_meta::{Engine, InodeLocks, Meta, MetaConfig, More, SessionInfo, StatFs};
use jfs_object::StoreOptions;
use jfs_telemetry::mask_url;
use jfs_types::{Attr, Clock, FileType, Format, Ino, SystemClock, SystemRand};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use crate::reconfigure::{change_setting, quota_paths};
pub use crate::secrets::{NewSecrets, with_secrets};

/// Repetitions of a request to a bucket that somebody waits for.
const IO_RETRIES: u32 = 3;
/// How long such a request may take: the objects are small. A bucket that never answers is given up within
/// a minute.
const IO_TIMEOUT: Duration = Duration::from_secs(10);

/// How [`format()`] treats what is there. Programs use [`crate::FormatOptions`].
#[derive(Clone, Copy, Debug, Default)]
pub struct FormatOptions {
    /// Change what cannot be changed and use a bucket that is not empty. Default false.
    pub force: bool,
    /// Test the object storage and write the volume's mark there. Default false.
    pub check_storage: bool,
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct Session {
    /// Session id.
    pub sid: u64,
    /// Unix seconds after which it counts as dead.
    pub expire: i64,
    /// What it says about itself.
    pub info: SessionInfo,
}

/// State of a volume.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its setting.
    pub format: Format,
    /// Registered clients, by id.
    pub sessions: Vec<Session>,
    /// Space and inodes.
    pub stat: StatFs,
    /// Bytes in use.
    pub used_space: u64,
    /// What waits for deletion, when it was asked for.
    pub more: Option<More>,
}

/// A registered client with what it holds.
#[derive(Clone, Debug)]
pub struct SessionDetails {
    /// The client.
    pub session: Session,
    /// Inodes without a name that it keeps open.
    pub sustained: Vec<Ino>,
    /// Its locks, by inode.
    pub locks: BTreeMap<Ino, InodeLocks>,
}

/// The setting of the volume at `url`; `None` when there is none.
pub async fn load_format(url: &str) -> Result<Option<Format>, Error> {
    let engine = connect(url).await?;
    let format = read_format(&*engine).await;
    engine.shutdown().await?;
    format
}

/// Reads the setting through an engine.
pub async fn read_format(engine: &dyn Engine) -> Result<Option<Format>, Error> {
    Ok(read_setting(engine).await?.map(|(_, format)| format))
}

/// As [`read_format`], with the document as it is stored.
pub(crate) async fn read_setting(engine: &dyn Engine) -> Result<Option<(Vec<u8>, Format)>, Error> {
    match engine.load_setting().await? {
        None => Ok(None),
        Some(json) => {
            let format = Format::from_json(&json).map_err(damaged)?;
            Ok(Some((json, format)))
        }
    }
}

/// A setting that does not decode.
fn damaged(why: String) -> Error {
    Error::setting(format!(
        "the volume's setting in the database is damaged ({why}): restore the database from a backup"
    ))
}

/// Why clients of this version open the volume read-only: features that they cannot maintain yet. `None` when they
/// can change it.
pub fn read_only_reason(format: &Format) -> Option<String> {
    crate::support::read_only_reason(format)
}

/// Fields of the setting that have no effect in this version, one line each.
pub fn without_effect(format: &Format) -> Vec<String> {
    crate::support::without_effect(format)
}

/// Creates a volume, or with an existing one replaces its changeable settings. Returns what is
/// stored afterwards.
///
/// The secrets of a new volume are sealed. Those of an existing one are stored as they are given; see
/// [`with_secrets`].
///
/// What cannot change on an existing volume (name, block size, compression, ...) is refused unless
/// `force` is given, which overwrites the setting all the same. Metadata and UUID stay.
pub async fn format(url: &str, format: Format, options: FormatOptions) -> Result<Format, Error> {
    check_readable(&format)?;
    let engine = connect(url).await?;
    let result = write_format(&*engine, format, options).await;
    let closed = engine.shutdown().await;
    let format = result?;
    closed?;
    Ok(format)
}

/// Creates a volume where none is.
pub(crate) async fn create(url: &str, options: &crate::FormatOptions) -> Result<(), Error> {
    let setting = options.setting()?;
    let engine = connect(url).await?;
    let created = match engine.load_setting().await {
        Ok(None) => {
            let how = FormatOptions {
                force: false,
                check_storage: options.check_storage,
            };
            write_format(&*engine, setting, how).await.map(|_| ())
        }
        Ok(Some(_)) => Err(Error::already_formatted(&mask_url(url))),
        Err(e) => Err(e.into()),
    };
    let closed = engine.shutdown().await;
    created?;
    Ok(closed?)
}

async fn write_format(
    engine: &dyn Engine,
    mut format: Format,
    options: FormatOptions,
) -> Result<Format, Error> {
    let stored = engine.load_setting().await?;
    if let Some(json) = &stored {
        match Format::from_json(json) {
            Ok(old) => {
                if !options.force {
                    check_immutable(&old, &format)?;
                }
                format.uuid = old.uuid;
            }
            Err(e) if !options.force => return Err(damaged(e)),
            Err(_) => {}
        }
    }
    let store = open_store(&format, &store_options())?;
    if options.check_storage {
        store.test().await.map_err(|e| unreachable(&format, &e))?;
        if stored.is_none() {
            claim_storage(&store, &format, options.force).await?;
        }
    }
    if stored.is_none() {
        format = seal(format)?;
    }
    let json = format.to_json();
    match &stored {
        Some(before) => {
            engine.store_setting(before, json.as_bytes()).await?;
            if format.trash_days > 0 {
                make_trash(engine).await?;
            }
        }
        None => {
            let (root, trash) = (new_root(), new_trash());
            let trash = (format.trash_days > 0).then_some(&trash);
            engine
                .create_volume(json.as_bytes(), &root, trash, options.force)
                .await?;
        }
    }
    Ok(format)
}

/// Makes the trash directory of a volume that was formatted without one.
pub(crate) async fn make_trash(engine: &dyn Engine) -> Result<(), Error> {
    let mut attempt = engine.begin().await?;
    let answers = attempt.read(&[own(Key::Attr(Ino::TRASH))]).await?;
    let missing = answers
        .into_iter()
        .next()
        .map(|a| a.into_attr())
        .transpose()?
        .flatten()
        .is_none();
    if missing {
        let write = Write::NewNode {
            ino: Ino::TRASH,
            attr: new_trash(),
        };
        attempt.commit(&[write], SystemClock.now()).await?;
    }
    Ok(())
}

/// Makes sure the place in the bucket is free and marks it.
async fn claim_storage(
    store: &jfs_object::ObjectStore,
    format: &Format,
    force: bool,
) -> Result<(), Error> {
    let storage = |e: jfs_object::ObjectError| unreachable(format, &e);
    let objects = store.list("", "", 100).await.map_err(storage)?;
    let foreign = objects
        .iter()
        .find(|o| o.size > 0 && !o.key.starts_with("testing/"));
    if let Some(object) = foreign
        && !force
    {
        return Err(Error::storage(format!(
            "storage {} bucket {} is not empty: below {}/ it holds {}; remove that, or take another name for the volume",
            format.storage,
            mask_url(&format.bucket),
            format.name,
            object.key
        )));
    }
    store
        .put(MARK, Bytes::from(format.uuid.clone()))
        .await
        .map_err(storage)
}

/// Whether volumes can be encrypted with the algorithm of that name.
pub fn check_encrypt_algo(name: &str) -> Result<(), Error> {
    match jfs_crypt::Algorithm::parse(name) {
        Ok(_) => Ok(()),
        Err(e) => Err(Error::setting(e.to_string())),
    }
}

/// For requests that somebody waits for.
pub(crate) fn store_options() -> StoreOptions {
    StoreOptions {
        io_retries: IO_RETRIES,
        get_timeout: IO_TIMEOUT,
        put_timeout: IO_TIMEOUT,
        ..StoreOptions::default()
    }
}

/// A bucket that cannot be worked with, by its address.
pub(crate) fn unreachable(format: &Format, e: &jfs_object::ObjectError) -> Error {
    let (storage, bucket) = (&format.storage, mask_url(&format.bucket));
    Error::storage(format!(
        "{storage} bucket {bucket}: {e}; check --bucket and the keys"
    ))
}

pub(crate) fn check_immutable(old: &Format, new: &Format) -> Result<(), Error> {
    let fixed = [
        ("name", old.name.clone(), new.name.clone()),
        (
            "block size",
            old.block_size.to_string(),
            new.block_size.to_string(),
        ),
        (
            "compression",
            old.compression_name(),
            new.compression_name(),
        ),
        ("shards", old.shards.to_string(), new.shards.to_string()),
        (
            "hash prefix",
            old.hash_prefix.to_string(),
            new.hash_prefix.to_string(),
        ),
        (
            "meta version",
            old.meta_version.to_string(),
            new.meta_version.to_string(),
        ),
    ];
    for (what, old, new) in fixed {
        if old != new {
            return Err(Error::setting(format!(
                "the {what} of a volume stays: {old} cannot become {new}"
            )));
        }
    }
    Ok(())
}

fn new_root() -> Attr {
    let mut attr = dir_attr(0o777);
    attr.parent = Ino::ROOT;
    attr
}

fn new_trash() -> Attr {
    let mut attr = dir_attr(0o555);
    attr.parent = Ino::ROOT;
    attr
}

fn dir_attr(mode: u16) -> Attr {
    let now = SystemClock.now();
    let mut attr = Attr::new(FileType::Directory);
    attr.mode = mode;
    (attr.atime, attr.mtime, attr.ctime) = (now, now, now);
    attr
}

/// Registered clients, by id.
async fn sessions(engine: &dyn Engine) -> Result<Vec<Session>, Error> {
    let records = engine.list_sessions().await?.into_iter();
    let mut sessions: Vec<Session> = records
        .map(|s| Session {
            sid: s.sid,
            expire: s.expire,
            info: serde_json::from_slice(&s.info).unwrap_or_default(),
        })
        .collect();
    sessions.sort_by_key(|s| s.sid);
    Ok(sessions)
}

/// One registered client of the volume at `url`.
pub async fn session(url: &str, sid: u64) -> Result<SessionDetails, Error> {
    let engine = connect(url).await?;
    let found = session_of(&*engine, sid).await;
    engine.shutdown().await?;
    found
}

async fn session_of(engine: &dyn Engine, sid: u64) -> Result<SessionDetails, Error> {
    check_version(
        &read_format(engine)
            .await?
            .ok_or_else(Error::not_formatted)?,
    )?;
    let mut all = sessions(engine).await?.into_iter();
    let session = all.find(|s| s.sid == sid);
    let session = session.ok_or_else(|| Error::setting(format!("no client has session {sid}")))?;
    let mut locks: BTreeMap<Ino, InodeLocks> = BTreeMap::new();
    for (ino, kind, row) in engine.list_locks(sid).await? {
        locks.entry(ino).or_default().add(kind, &row)?;
    }
    Ok(SessionDetails {
        session,
        sustained: engine.list_sustained(sid).await?,
        locks,
    })
}

/// State of the volume at `url`.
pub async fn status(url: &str) -> Result<Status, Error> {
    read_status(url, false).await
}

/// As [`status`], with what waits for deletion. May take long.
pub async fn status_and_more(url: &str) -> Result<Status, Error> {
    read_status(url, true).await
}

async fn read_status(url: &str, more: bool) -> Result<Status, Error> {
    let engine = connect(url).await?;
    let format = read_format(&*engine)
        .await?
        .ok_or_else(Error::not_formatted)?;
    check_version(&format)?;
    let sessions = sessions(&*engine).await?;
    let used = engine.fetch(&[Key::Counter(Counter::UsedSpace)]).await?;
    let used_space = used
        .into_iter()
        .next()
        .map(|a| a.into_number())
        .transpose()?
        .unwrap_or(0)
        .max(0) as u64;
    let config = MetaConfig {
        read_only: true,
        ..MetaConfig::default()
    };
    let clock = Arc::new(SystemClock);
    let (meta, _work) = Meta::new(
        engine.clone(),
        format.clone(),
        config,
        clock,
        Arc::new(SystemRand),
    );
    let stat = meta.statfs().await?;
    let more = match more {
        true => Some(meta.count_more().await?),
        false => None,
    };
    engine.shutdown().await?;
    Ok(Status {
        format,
        sessions,
        stat,
        used_space,
        more,
    })
}
