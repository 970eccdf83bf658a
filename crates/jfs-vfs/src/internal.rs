//! The files that a mount shows and no volume holds: `.accesslog`, `.control`, `.stats`, `.config`; and
//! the name of the trash.
//!
//! They belong to the root: below it a name like `.control` is anybody's. `.control` is listed nowhere.
//! Under the name `.jfs.control` it is found in every directory, because the tools of the reference look
//! for it beside the path that they are asked about. What is read from these files is made when they are
//! opened.

mod control;
mod info;
mod text;

use crate::handles::Handle;
use crate::reply::{AttrReply, DirItem, EntryReply};
use crate::vfs::Vfs;
use crate::watch::{AccessLog, LogReader};
use bytes::Bytes;
use control::Control;
pub(crate) use control::control_request;
use jfs_telemetry::metrics::stats_text;
use jfs_types::{Attr, Caller, Errno, FileType, Ino, Name, Time};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The number that a listing shows for a name whose record does not decode: libraries take 0 for a hole.
/// Nothing is found behind it.
pub(crate) const UNREADABLE: Ino = Ino(Ino::VIRTUAL_BASE.0 + 255);
/// Put before every name with `--prefix-internal`.
const PREFIX: &[u8] = b".jfs";
/// `.control` as it is found in every directory.
const CONTROL_EVERYWHERE: &[u8] = b".jfs.control";

/// One of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    AccessLog,
    Control,
    Stats,
    Config,
    Trash,
}

impl Special {
    const ALL: [Special; 5] = [
        Special::AccessLog,
        Special::Control,
        Special::Stats,
        Special::Config,
        Special::Trash,
    ];

    fn name(self) -> &'static [u8] {
        match self {
            Special::AccessLog => b".accesslog",
            Special::Control => b".control",
            Special::Stats => b".stats",
            Special::Config => b".config",
            Special::Trash => b".trash",
        }
    }

    fn ino(self) -> Ino {
        let number = match self {
            Special::AccessLog => 1,
            Special::Control => 2,
            Special::Stats => 3,
            Special::Config => 4,
            Special::Trash => return Ino::TRASH,
        };
        Ino(Ino::VIRTUAL_BASE.0 + number)
    }

    fn mode(self) -> u16 {
        match self {
            Special::AccessLog | Special::Config => 0o400,
            Special::Control => 0o666,
            Special::Stats => 0o444,
            Special::Trash => 0o555,
        }
    }

    /// The file behind a virtual inode.
    fn of(ino: Ino) -> Option<Special> {
        Special::ALL
            .into_iter()
            .find(|s| *s != Special::Trash && s.ino() == ino)
    }
}

/// Describes the mount to whoever reads `.config`.
pub type Describe = Box<dyn Fn() -> String + Send + Sync>;

/// What all these files share.
pub(crate) struct Internal {
    /// User and group of this process.
    owner: (u32, u32),
    began: Time,
    pub(crate) since: Instant,
    prefixed: bool,
    hidden: bool,
    describe: OnceLock<Describe>,
    pub(crate) log: Arc<AccessLog>,
}

/// What an open handle of one of these files reads.
pub(crate) enum Open {
    Log(LogReader),
    Control(Control),
    Text(Bytes),
}

impl Internal {
    pub(crate) fn new(began: Time, prefixed: bool, hidden: bool) -> Internal {
        let me = std::fs::metadata("/proc/self").map(|m| (m.uid(), m.gid()));
        Internal {
            owner: me.unwrap_or((0, 0)),
            began: Time { nsec: 0, ..began },
            since: Instant::now(),
            prefixed,
            hidden,
            describe: OnceLock::new(),
            log: Arc::default(),
        }
    }

    /// What a name means in the root.
    fn named(&self, name: &[u8]) -> Option<Special> {
        let plain = match self.prefixed {
            true => name.strip_prefix(PREFIX)?,
            false => name,
        };
        if plain.first() != Some(&b'.') {
            return None;
        }
        Special::ALL.into_iter().find(|s| s.name() == plain)
    }

    fn attr(&self, special: Special) -> Attr {
        let mut attr = Attr::new(FileType::Regular);
        (attr.mode, attr.parent) = (special.mode(), Ino::ROOT);
        (attr.uid, attr.gid) = self.owner;
        (attr.atime, attr.mtime, attr.ctime) = (self.began, self.began, self.began);
        if special == Special::Config {
            attr.length = self.config().len() as u64;
        }
        attr
    }

    fn config(&self) -> String {
        self.describe.get().map(|d| d()).unwrap_or_default()
    }
}

impl Vfs {
    /// Names what describes this mount in `.config`. Once; further calls change nothing.
    pub fn described_by(&self, describe: Describe) {
        let _ = self.inner.internal.describe.set(describe);
    }

    /// Whether `ino` is `.accesslog`: reading it is waiting, and is neither counted nor logged.
    pub fn is_access_log(ino: Ino) -> bool {
        ino == Special::AccessLog.ino()
    }

    fn trash_is_shown(&self) -> bool {
        self.inner.config.root == Ino::ROOT
    }

    /// One of the files by its name; `parent` as seen from outside.
    fn special_in(&self, parent: Ino, name: &[u8]) -> Option<Special> {
        if name.first() != Some(&b'.') {
            return None;
        }
        if name == CONTROL_EVERYWHERE {
            return Some(Special::Control);
        }
        match self.inner.internal.named(name)? {
            Special::Trash if !self.trash_is_shown() => None,
            special => (parent == Ino::ROOT).then_some(special),
        }
    }

    /// The answer to a lookup of one of the files.
    pub(crate) async fn lookup_special(
        &self,
        parent: Ino,
        name: &[u8],
    ) -> Option<Result<EntryReply, Errno>> {
        let special = self.special_in(parent, name)?;
        let attr = match special {
            Special::Trash => match self.inner.meta.getattr(Ino::TRASH).await {
                Ok(attr) => attr,
                Err(e) => return Some(Err(e)),
            },
            _ => self.inner.internal.attr(special),
        };
        Some(Ok(self.entry_reply(special.ino(), attr)))
    }

    /// Attributes of one of the files; `None` for other inodes.
    pub(crate) fn special_attr(&self, ino: Ino) -> Option<AttrReply> {
        if !ino.is_virtual() {
            return None;
        }
        let attr = self.inner.internal.attr(Special::of(ino)?);
        Some(self.attr_reply(ino, attr, Duration::ZERO))
    }

    /// Refuses a change of a name that is one of the files: in the root, where they belong, and of what
    /// is found everywhere.
    pub(crate) fn refuse_special(
        &self,
        parent: Ino,
        name: &[u8],
        errno: Errno,
    ) -> Result<(), Errno> {
        match self.inner.internal.named(name) {
            _ if name == CONTROL_EVERYWHERE => Err(errno),
            Some(Special::Trash) if !self.trash_is_shown() => Ok(()),
            Some(_) if parent == Ino::ROOT => Err(errno),
            _ => Ok(()),
        }
    }

    /// Refuses what the inode of one of the files does not take.
    pub(crate) fn refuse_virtual(&self, ino: Ino, errno: Errno) -> Result<(), Errno> {
        if ino.is_virtual() { Err(errno) } else { Ok(()) }
    }

    /// What a listing of the root shows of them.
    pub(crate) async fn special_items(&self, dir: Ino) -> Vec<DirItem> {
        let internal = &self.inner.internal;
        if dir != self.inner.config.root || internal.hidden {
            return Vec::new();
        }
        let mut items = Vec::new();
        for special in Special::ALL {
            let attr = match special {
                Special::Control => continue,
                Special::Trash if !self.trash_is_shown() => continue,
                Special::Trash => self.inner.meta.getattr(Ino::TRASH).await.ok(),
                _ => Some(internal.attr(special)),
            };
            let Some(attr) = attr else { continue };
            let prefix = if internal.prefixed { PREFIX } else { b"" };
            items.push(DirItem {
                ino: special.ino(),
                kind: attr.kind,
                name: Name::stored(&[prefix, special.name()].concat()),
                attr: Some(attr),
                next: 0,
            });
        }
        items
    }

    /// Opens one of the files.
    pub(crate) fn open_special(&self, caller: &Caller, ino: Ino, flags: i32) -> Result<u64, Errno> {
        let special = Special::of(ino).ok_or(Errno::ENOENT)?;
        if special != Special::Control && flags & libc::O_ACCMODE != libc::O_RDONLY {
            return Err(Errno::EACCES);
        }
        let internal = &self.inner.internal;
        let open = match special {
            Special::AccessLog => Open::Log(internal.log.subscribe().ok_or(Errno::EBUSY)?),
            Special::Control => Open::Control(Control::new(caller.clone())),
            Special::Stats => Open::Text(stats_text(&self.metrics()).into()),
            _ => Open::Text(internal.config().into()),
        };
        Ok(self.inner.handles.open_special(ino, flags, open))
    }

    /// Reads from an open one.
    pub(crate) async fn read_special(&self, open: &Open, off: u64, size: u32) -> Bytes {
        let size = size as usize;
        match open {
            Open::Log(reader) => reader.read(size).await,
            Open::Control(control) => control.read(off, size),
            Open::Text(text) => {
                let from = usize::try_from(off).unwrap_or(usize::MAX).min(text.len());
                text.slice(from..text.len().min(from + size))
            }
        }
    }

    /// Writes to an open one: requests to `.control`.
    pub(crate) fn write_special(
        &self,
        handle: &Handle,
        off: u64,
        data: &[u8],
    ) -> Option<Result<u32, Errno>> {
        Some(match handle.special.as_ref()? {
            _ if !handle.can_write() => Err(Errno::EBADF),
            Open::Control(control) => control.write(self, off, data),
            Open::Log(_) | Open::Text(_) => Err(Errno::EBADF),
        })
    }
}
