//! The fence: the stored setting that a client has accepted, which every later change requires.
//!
//! A database may get another volume under a running client (restored, flushed and formatted again,
//! swapped), and a volume may get a feature that this client cannot maintain. The client notices
//! both at its next heartbeat. Until then the engine compares, as part of each change.

use bytes::Bytes;
use jfs_types::Format;
use parking_lot::RwLock;
use std::sync::Arc;

/// The setting document that a client has read and accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    document: Bytes,
    uuid: String,
}

impl Fence {
    /// A fence around the volume `uuid`, whose setting is stored as `document`.
    pub fn new(document: &[u8], uuid: &str) -> Fence {
        Fence {
            document: Bytes::copy_from_slice(document),
            uuid: uuid.to_string(),
        }
    }

    /// The document.
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// Whether the stored document `stored` may belong to this volume. One that does not decode says
    /// nothing about the volume, so it may.
    pub fn is_same_volume(&self, stored: Option<&[u8]>) -> bool {
        stored.is_some_and(|stored| {
            stored == self.document
                || Format::from_json(stored).map_or(true, |format| format.uuid == self.uuid)
        })
    }
}

/// The place for the fence in an engine: empty until a client has accepted a setting. A clone has a
/// place of its own.
#[derive(Debug, Default)]
pub struct FenceSlot(RwLock<Option<Arc<Fence>>>);

impl FenceSlot {
    /// The fence, if there is one.
    pub fn get(&self) -> Option<Arc<Fence>> {
        self.0.read().clone()
    }

    /// Replaces the fence.
    pub fn set(&self, fence: Fence) {
        *self.0.write() = Some(Arc::new(fence));
    }
}

impl Clone for FenceSlot {
    fn clone(&self) -> FenceSlot {
        FenceSlot(RwLock::new(self.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_knows_its_volume() {
        let format = |uuid: &str, trash_days| Format {
            name: "v".into(),
            uuid: uuid.into(),
            block_size: 4096,
            trash_days,
            ..Format::default()
        };
        let document = format("u-1", 1).to_json();
        let fence = Fence::new(document.as_bytes(), "u-1");
        let same = |json: &str| fence.is_same_volume(Some(json.as_bytes()));
        assert!(same(&document) && same(&format("u-1", 7).to_json()));
        assert!(same("{half") && !same(&format("u-2", 1).to_json()));
        assert!(!fence.is_same_volume(None));
        let damaged = Fence::new(b"{half", "u-1");
        assert!(damaged.is_same_volume(Some(document.as_bytes())));
        assert!(!damaged.is_same_volume(Some(format("u-2", 1).to_json().as_bytes())));
    }
}
