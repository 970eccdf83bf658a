//! The standing of a client: whether it may still change its volume, and whether it still has one.
//!
//! Both are decided when the volume is opened and again whenever the setting is read. There is no way
//! back: a client that may not write stays so until the volume is opened anew.

use crate::engine::Fence;
use crate::meta::Meta;
use jfs_types::{Errno, Format};
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::watch;

/// Tells why the client has to stop, once it has to.
pub type Lost = watch::Receiver<Option<String>>;

const WRITABLE: u8 = 0;
const READ_ONLY: u8 = 1;
const LOST: u8 = 2;

/// See the module's text.
pub(crate) struct VolumeAccess {
    state: AtomicU8,
    lost: watch::Sender<Option<String>>,
}

impl VolumeAccess {
    pub(crate) fn new(read_only: bool) -> VolumeAccess {
        VolumeAccess {
            state: AtomicU8::new(if read_only { READ_ONLY } else { WRITABLE }),
            lost: watch::Sender::new(None),
        }
    }
}

impl Meta {
    /// Refuses changes: EROFS when this client may only read, EIO when it has lost its volume.
    pub fn check_writable(&self) -> Result<(), Errno> {
        match self.access.state.load(Ordering::Acquire) {
            WRITABLE => Ok(()),
            READ_ONLY => Err(Errno::EROFS),
            _ => Err(Errno::EIO),
        }
    }

    /// Whether this client may change the volume.
    pub fn is_writable(&self) -> bool {
        self.check_writable().is_ok()
    }

    /// Refuses everything once the volume is lost.
    pub(crate) fn check_present(&self) -> Result<(), Errno> {
        match self.is_lost() {
            true => Err(Errno::EIO),
            false => Ok(()),
        }
    }

    /// Whether the volume was lost: nothing is stored any more.
    pub fn is_lost(&self) -> bool {
        self.access.state.load(Ordering::Acquire) == LOST
    }

    /// Tells when the volume is lost, and why.
    pub fn lost(&self) -> Lost {
        self.access.lost.subscribe()
    }

    /// The volume is lost: removed, replaced, or closed to this client. The first reason counts.
    pub(crate) fn lose(&self, why: &str) {
        if self.access.state.swap(LOST, Ordering::AcqRel) == LOST {
            return;
        }
        tracing::error!("{why}: this client stops");
        self.access.lost.send_replace(Some(why.to_string()));
    }

    /// Accepts a setting that was just read, stored as `document`: from now on changes require it.
    ///
    /// A volume that got what this client cannot maintain is closed to its changes *before* the engine
    /// lets changes pass under the new setting. An attempt takes its fence first and looks at the
    /// standing after that, so none gets the new fence with the old standing.
    pub fn accept(&self, document: &[u8], format: &Format) {
        if let Some(reason) = (self.config().cannot_maintain)(format) {
            let stopped = self.access.state.compare_exchange(
                WRITABLE,
                READ_ONLY,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            if stopped.is_ok() {
                tracing::warn!("{reason}: read-only from now on");
            }
        }
        self.engine().set_fence(Fence::new(document, &format.uuid));
    }
}

/// The member of a setting that cannot change while a volume is open, and did.
pub(crate) fn changed_for_good(old: &Format, new: &Format) -> Option<&'static str> {
    let same = [
        ("name", old.name == new.name),
        ("block size", old.block_size == new.block_size),
        ("compression", old.compression == new.compression),
        ("number of shards", old.shards == new.shards),
        ("hash prefix", old.hash_prefix == new.hash_prefix),
        ("metadata version", old.meta_version == new.meta_version),
        (
            "encryption",
            old.encrypt_key.is_empty() == new.encrypt_key.is_empty(),
        ),
    ];
    same.iter().find(|(_, same)| !same).map(|(what, _)| *what)
}
