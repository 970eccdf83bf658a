//! Names of open files that are in the trash.
//!
//! `stat` leaves them out of the link count of a file that was open before it went to the trash.

use super::OpenFiles;
use jfs_types::Ino;

impl OpenFiles {
    /// Whether the file is open and one of its opens found it outside of the trash.
    pub(crate) fn is_held(&self, ino: Ino) -> bool {
        let shard = self.shard(ino).lock();
        shard.open.get(&ino).is_some_and(|file| file.named)
    }

    /// Notes that a name of an open file went to the trash (1) or left it (-1).
    pub(crate) fn count_trash_name(&self, ino: Ino, delta: i32) {
        let moment = self.next_moment();
        if let Some(file) = self.shard(ino).lock().open.get_mut(&ino) {
            file.in_trash = file.in_trash.saturating_add(delta).max(0);
            file.names_changed = moment;
        }
    }

    /// Sets the number of names in the trash to the one that was read after `moment`. Keeps the known
    /// number when this client has changed it since.
    pub(crate) fn learn_trash_names(&self, ino: Ino, names: i64, moment: u64) {
        if let Some(file) = self.shard(ino).lock().open.get_mut(&ino)
            && file.names_changed <= moment
        {
            file.in_trash = i32::try_from(names).unwrap_or(i32::MAX).max(0);
        }
    }

    /// Number of names of an open file in the trash: those counted at its opens, and those that this client
    /// has seen go there since.
    pub(crate) fn trash_names(&self, ino: Ino) -> u32 {
        let shard = self.shard(ino).lock();
        let file = shard.open.get(&ino);
        file.map_or(0, |file| file.in_trash.unsigned_abs())
    }
}
