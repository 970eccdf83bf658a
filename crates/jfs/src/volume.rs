//! An open volume: all parts wired together, and taken apart in the right order.

use crate::admin::read_setting;
use crate::closing::Closing;
use crate::engines::connect;
use crate::store::{follower, open_chunks};
use crate::support::{check_readable, read_only_reason};
use crate::{Error, OpenOptions, session};
use jfs_control::{View, ViewConfig};
use jfs_maint::{Maint, MaintConfig};
use jfs_meta::{Engine, Lost, Meta, MetaConfig};
use jfs_types::{Caller, Clock, Errno, Format, Ino, Rand, SystemClock, SystemRand};
use jfs_vfs::{Vfs, VfsConfig};
use std::sync::Arc;

/// Opens the volume whose metadata is at `url`, on the current tokio runtime.
///
/// A volume that uses what this version cannot maintain yet is opened read-only, with a warning that
/// says why ([`Volume::read_only`] tells). One that gets such a feature while it is open turns read-only
/// at the next change or heartbeat.
pub async fn open(url: &str, options: OpenOptions) -> Result<Volume, Error> {
    open_engine(connect(url).await?, options).await
}

/// As [`open`], over an engine that is connected already (tests wrap engines).
pub async fn open_engine(engine: Arc<dyn Engine>, options: OpenOptions) -> Result<Volume, Error> {
    let (document, format) = read_setting(&*engine).await?.ok_or(Error::NotFormatted)?;
    check_readable(&format)?;
    let reason = read_only_reason(&format);
    if let Some(reason) = &reason
        && !options.read_only
    {
        tracing::warn!("{reason}: opened read-only");
    }
    let read_only = options.read_only || reason.is_some();
    if !read_only {
        engine.prepare_writes().await?;
    }
    let (clock, rand): (Arc<dyn Clock>, Arc<dyn Rand>) =
        (Arc::new(SystemClock), Arc::new(SystemRand));
    let config = MetaConfig {
        read_only,
        skip_dir_mtime: options.skip_dir_mtime,
        open_cache: options.open_cache,
        open_cache_limit: options.open_cache_limit,
        attr_cache: options.attr_cache,
        heartbeat: options.heartbeat,
        cannot_maintain: read_only_reason,
    };
    // The metadata client keeps the setting as it is stored; only the store sees the overrides.
    let chunks = open_chunks(&options.apply(format.clone()), &options).await?;
    let follower = follower(chunks.objects().clone(), options.clone(), &format);
    let (meta, work) = Meta::new(engine, format.clone(), config, clock, rand);
    meta.accept(&document, &format);
    let root = find_root(&meta, options.subdir.as_deref(), read_only).await?;
    let info = session::describe(options.mountpoint.as_deref().unwrap_or("sdk"));
    if !read_only {
        meta.new_session(&info).await?;
    }
    let maint_config = MaintConfig {
        no_cleanup: options.no_bgjob,
        max_deletes: options.max_deletes,
    };
    let maint = Maint::start(
        meta.clone(),
        chunks.clone(),
        work,
        info,
        maint_config,
        Box::new(follower),
    );
    let vfs_config = VfsConfig {
        attr_timeout: options.attr_cache,
        entry_timeout: options.entry_cache,
        dir_entry_timeout: options.dir_entry_cache,
        negative_timeout: options.negative_entry_cache,
        readdir_cache: options.readdir_cache,
        sort_dir: options.sort_dir,
        fast_statfs: options.fast_statfs,
        buffer_size: options.buffer_size,
        max_readahead: options.max_readahead,
        prefetch: options.prefetch,
        read_only,
        root,
    };
    let vfs = Vfs::new(
        meta.clone(),
        chunks,
        vfs_config,
        tokio::runtime::Handle::current(),
    );
    let view_config = ViewConfig {
        prefix_internal: options.prefix_internal,
        hide_internal: options.hide_internal,
    };
    Ok(Volume {
        meta,
        view: View::new(vfs.clone(), view_config),
        vfs,
        maint: Some(maint),
        read_only,
        closing: Closing::default(),
    })
}

/// Walks to `subdir` and makes what is missing of it, as the reference client does.
async fn find_root(meta: &Meta, subdir: Option<&str>, read_only: bool) -> Result<Ino, Error> {
    let me = Caller::root();
    let mut at = Ino::ROOT;
    if let Err(e) = meta.getattr(at).await {
        let state = match e {
            Errno::ENOENT => "is missing".to_string(),
            e => format!("cannot be read ({e})"),
        };
        return Err(Error::Setting(format!(
            "the root directory of the volume {state}: the database is damaged, restore it from a backup"
        )));
    }
    for name in subdir
        .unwrap_or("")
        .split('/')
        .filter(|n| !n.is_empty() && *n != ".")
    {
        let (ino, attr) = match meta.lookup(&me, at, name.as_bytes()).await {
            Err(Errno::ENOENT) if !read_only => {
                meta.mkdir(&me, at, name.as_bytes(), 0o777, 0).await?
            }
            other => other?,
        };
        if !attr.is_dir() {
            return Err(Error::Setting(format!(
                "--subdir: {name} is not a directory"
            )));
        }
        at = ino;
    }
    Ok(at)
}

/// An open volume. Call [`Volume::close`] when done; dropping it loses what is not flushed.
pub struct Volume {
    pub(crate) meta: Arc<Meta>,
    pub(crate) vfs: Vfs,
    view: View,
    /// Until the volume is closed.
    pub(crate) maint: Option<Maint>,
    read_only: bool,
    pub(crate) closing: Closing,
}

impl Volume {
    /// The volume's setting.
    pub fn format(&self) -> Arc<Format> {
        self.meta.format()
    }

    /// The file system.
    pub fn vfs(&self) -> &Vfs {
        &self.vfs
    }

    /// The file system with the internal files (`.control`, `.stats` and the like), for programs that serve it to
    /// others.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The metadata client underneath.
    pub fn meta(&self) -> &Arc<Meta> {
        &self.meta
    }

    /// Whether changes are refused, by option or because of what the volume uses.
    pub fn read_only(&self) -> bool {
        self.read_only || self.meta.check_writable() == Err(Errno::EROFS)
    }

    /// The session this client registered; read-only clients have none.
    pub fn session_id(&self) -> Option<u64> {
        self.meta.session_id()
    }

    /// Tells when the volume was lost and the owner has to stop.
    pub fn lost(&self) -> Lost {
        self.meta.lost()
    }
}
