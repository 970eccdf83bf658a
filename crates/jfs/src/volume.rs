//! An open volume: all parts wired together, and taken apart in the right order.

use crate::admin::read_setting;
use crate::closing::Closing;
use crate::engines::connect;
use crate::shared::Shared;
use crate::store::{follower, open_chunks};
use crate::support::{check_readable, read_only_reason};
use crate::{Error, FormatOptions, Fs, OpenOptions, session};
use jfs_control::{View, ViewConfig};
use jfs_maint::{Maint, MaintConfig};
use jfs_meta::{Engine, Lost, Meta, MetaConfig, StatFs};
use jfs_types::{Caller, Clock, Errno, Format, Ino, Rand, SystemClock, SystemRand};
use jfs_vfs::{Vfs, VfsConfig};
use std::sync::Arc;

/// As [`Volume::open`], over an engine that is connected already (tests wrap engines).
pub async fn open_engine(engine: Arc<dyn Engine>, options: OpenOptions) -> Result<Volume, Error> {
    let (document, format) = read_setting(&*engine)
        .await?
        .ok_or_else(Error::not_formatted)?;
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
        skip_dir_mtime: options.metadata.skip_dir_mtime,
        open_cache: options.metadata.open_cache,
        open_cache_limit: options.metadata.open_cache_limit,
        attr_cache: options.kernel.attr_cache,
        heartbeat: options.metadata.heartbeat,
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
        no_cleanup: !options.jobs.cleanup,
        max_deletes: options.jobs.max_deletes,
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
        attr_timeout: options.kernel.attr_cache,
        entry_timeout: options.kernel.entry_cache,
        dir_entry_timeout: options.kernel.dir_entry_cache,
        negative_timeout: options.kernel.negative_entry_cache,
        readdir_cache: options.kernel.readdir_cache,
        sort_dir: options.listing.sorted,
        fast_statfs: options.metadata.fast_statfs,
        buffer_size: options.buffers.size_bytes,
        max_readahead: options.buffers.max_readahead,
        prefetch: options.buffers.prefetch,
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
        prefix_internal: options.listing.prefix_internal,
        hide_internal: options.listing.hide_internal,
    };
    Ok(Volume {
        meta,
        view: View::new(vfs.clone(), view_config),
        shared: Arc::new(Shared::new(vfs.clone(), tokio::runtime::Handle::current())),
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
        return Err(Error::setting(format!(
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
            return Err(Error::setting(format!(
                "--subdir: {name} is not a directory"
            )));
        }
        at = ino;
    }
    Ok(at)
}

/// An open volume: one client among all that have it open, mounts and other programs included.
///
/// The volume owns the background jobs (heartbeat, uploads, clean-ups) and the session. Views ([`Volume::fs`])
/// and open files may be used by any number of tasks. [`Volume::close`] has to be awaited: a volume that is dropped
/// loses what is not stored yet, and other clients clean its session up only when it has expired.
pub struct Volume {
    pub(crate) meta: Arc<Meta>,
    pub(crate) vfs: Vfs,
    view: View,
    /// What views and files share with the volume.
    pub(crate) shared: Arc<Shared>,
    /// Until the volume is closed.
    pub(crate) maint: Option<Maint>,
    read_only: bool,
    pub(crate) closing: Closing,
}

impl Volume {
    /// Creates a volume: writes its setting and its empty root to the metadata engine at `url`.
    ///
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) when the database holds a volume. [`crate::admin`]
    /// changes one that exists. [`ErrorKind::Storage`](crate::ErrorKind::Storage) when the bucket cannot be used or
    /// holds something.
    pub async fn format(url: &str, options: FormatOptions) -> Result<(), Error> {
        Box::pin(crate::admin::create(url, &options)).await
    }

    /// Opens the volume whose metadata is at `url`, on the current tokio runtime: `sqlite3:///var/lib/app/volume.db`,
    /// `redis://host:6379/1`.
    ///
    /// A volume that uses what this version cannot maintain yet is opened read-only, with a warning that
    /// says why ([`Volume::read_only`] tells). One that gets such a feature while it is open turns read-only
    /// at the next change or heartbeat.
    pub async fn open(url: &str, options: OpenOptions) -> Result<Volume, Error> {
        let opened = Box::pin(async { open_engine(connect(url).await?, options).await });
        opened.await
    }

    /// A view of the volume as the super-user, with the umask 022. [`Fs::as_user`] makes views of other users.
    pub fn fs(&self) -> Fs {
        Fs::new(self.shared.clone())
    }

    /// Space and inodes of the volume.
    pub async fn space(&self) -> Result<StatFs, Error> {
        Ok(Box::pin(self.vfs.statfs(Ino::ROOT)).await?)
    }

    /// Files that were dropped without [`crate::File::close`] and whose data could not be stored, so far. The log
    /// names them.
    pub fn lost_closes(&self) -> u64 {
        self.shared.lost_closes()
    }

    /// The volume's setting.
    pub fn setting(&self) -> Arc<Format> {
        self.meta.format()
    }

    /// The layer below: inodes and handles, as a kernel uses them.
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

    /// Tells when the volume was lost (another one is in its place) and the owner has to stop.
    pub fn lost(&self) -> Lost {
        self.meta.lost()
    }
}
