//! How much may be written before something has to leave.

use crate::sys::{self, Space};
use std::path::Path;
use std::time::{Duration, Instant};

/// The file system is asked for its free space at most this often; in between we count ourselves.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Limits of a cache directory, and what is left of the share of the disk that must stay free.
#[derive(Debug)]
pub(crate) struct Room {
    size_bytes: u64,
    items_max: u64,
    free_ratio: f64,
    asked: Option<Instant>,
    /// Free bytes beyond the share; negative when others took too much.
    spare_bytes: i64,
    /// Free inodes beyond the share.
    spare_inodes: i64,
}

impl Room {
    /// Room for `size_bytes` and `items_max`, leaving `free_ratio` of the disk free.
    pub(crate) fn new(size_bytes: u64, items_max: u64, free_ratio: f64) -> Room {
        Room { size_bytes, items_max, free_ratio, asked: None, spare_bytes: 0, spare_inodes: 0 }
    }

    /// Looks at the disk again if the last look is old. A disk that cannot be asked counts as full.
    pub(crate) fn refresh(&mut self, dir: &Path) {
        if self.asked.is_some_and(|at| at.elapsed() < ASK_EVERY) {
            return;
        }
        self.asked = Some(Instant::now());
        match sys::space(dir) {
            Ok(space) => self.set(space),
            Err(e) => {
                tracing::warn!("free space of {}: {e}", dir.display());
                (self.spare_bytes, self.spare_inodes) = (0, 0);
            }
        }
    }

    fn set(&mut self, space: Space) {
        let spare = |free: u64, total: u64| {
            free as i64 - (total as f64 * self.free_ratio.clamp(0.0, 1.0)) as i64
        };
        self.spare_bytes = spare(space.free_bytes, space.total_bytes);
        self.spare_inodes = match space.total_inodes {
            0 => i64::MAX / 2,
            total => spare(space.free_inodes, total),
        };
    }

    /// Whether one more block of `bytes` fits beside `used_bytes` in `used_items` blocks. With 0 bytes:
    /// whether what is there is within the limits.
    pub(crate) fn fits(&self, bytes: u64, used_bytes: u64, used_items: u64) -> bool {
        let one = u64::from(bytes > 0);
        used_bytes + bytes <= self.size_bytes
            && used_items + one <= self.items_max
            && self.spare_bytes >= bytes as i64
            && self.spare_inodes >= one as i64
    }

    /// Counts a block that was written.
    pub(crate) fn took(&mut self, bytes: u64) {
        self.spare_bytes -= bytes as i64;
        self.spare_inodes -= 1;
    }

    /// Counts a block that was removed.
    pub(crate) fn gave(&mut self, bytes: u64) {
        self.spare_bytes += bytes as i64;
        self.spare_inodes += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_counts() {
        let mut room = Room::new(1000, 3, 0.1);
        room.set(Space { total_bytes: 2000, free_bytes: 700, total_inodes: 100, free_inodes: 12 });
        assert!(room.fits(500, 0, 0) && !room.fits(501, 0, 0), "a tenth of 2000 stays free");
        assert!(room.fits(100, 900, 0) && !room.fits(101, 900, 0), "1000 in total");
        assert!(room.fits(1, 0, 2) && !room.fits(1, 0, 3), "3 blocks");
        room.took(300);
        assert!(room.fits(200, 0, 0) && !room.fits(201, 0, 0));
        room.took(300);
        assert!(!room.fits(0, 0, 0), "over the share, or out of inodes");
        room.gave(100);
        assert!(room.fits(0, 0, 0) && !room.fits(1, 0, 0));
    }
}
