//! Large buffers that are used again.
//!
//! Blocks of megabytes come and go all the time. Given back to the allocator, their pages go back to
//! the kernel, and the next block pays for a thousand page faults: a quarter of the time of a
//! sequential write. So a few free buffers are kept for the whole process, at most [`KEPT_MAX`] bytes,
//! and [`trim_idle`] frees them when none was requested since its last call.

use bytes::Bytes;
use parking_lot::Mutex;
use std::ops::{Deref, DerefMut};

/// Buffers below this size are left to the allocator, bytes.
const LARGE: usize = 256 << 10;
/// Free buffers kept, bytes in total.
pub const KEPT_MAX: usize = 32 << 20;

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: Vec::new(),
    bytes: 0,
    used: false,
});

struct Pool {
    free: Vec<Vec<u8>>,
    bytes: usize,
    used: bool,
}

impl Pool {
    /// A kept buffer with room for `capacity` bytes and an eighth more at most: compressed blocks differ a little.
    fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        self.used = true;
        let fits = capacity..=capacity + capacity / 8;
        let at = self
            .free
            .iter()
            .rposition(|b| fits.contains(&b.capacity()))?;
        let buffer = self.free.swap_remove(at);
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Keeps a buffer; gives back what does not fit.
    fn keep(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        self.used = true;
        if self.bytes + buffer.capacity() > KEPT_MAX {
            return Some(buffer);
        }
        self.bytes += buffer.capacity();
        self.free.push(buffer);
        None
    }
}

/// A growable buffer whose memory is used again when it is large. Shared as [`Bytes`] without a copy.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty buffer with room for at least `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Buffer {
        let kept = (capacity >= LARGE)
            .then(|| POOL.lock().take(capacity))
            .flatten();
        Buffer(kept.unwrap_or_else(|| Vec::with_capacity(capacity)))
    }

    /// The same bytes in a buffer with room for at least `capacity` bytes.
    pub fn grown(self, capacity: usize) -> Buffer {
        if capacity <= self.0.capacity() {
            return self;
        }
        let mut larger = Buffer::with_capacity(capacity);
        larger.extend_from_slice(&self.0);
        larger
    }

    /// The bytes, to be shared. The memory comes back when the last reference is dropped.
    pub fn freeze(mut self) -> Bytes {
        if self.0.capacity() < LARGE {
            Bytes::from(std::mem::take(&mut self.0))
        } else {
            Bytes::from_owner(self)
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() < LARGE {
            return;
        }
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        // Surplus buffers are freed after the lock.
        let _surplus = POOL.lock().keep(buffer);
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Frees the kept buffers when none was taken or returned since the last call. To be called every
/// second or so.
pub fn trim_idle() {
    let _free = {
        let mut pool = POOL.lock();
        if std::mem::take(&mut pool.used) {
            return;
        }
        pool.bytes = 0;
        std::mem::take(&mut pool.free)
    };
}

/// Number of kept buffers of this capacity.
#[cfg(test)]
pub(crate) fn kept_of(capacity: usize) -> usize {
    let pool = POOL.lock();
    let same = pool.free.iter().filter(|b| b.capacity() == capacity);
    same.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A size that no other test of this process uses.
    const SIZE: usize = LARGE + 12_345;

    fn kept() -> usize {
        kept_of(SIZE)
    }

    #[test]
    fn large_buffers_come_back_empty_and_go_when_idle() {
        let mut buffer = Buffer::with_capacity(SIZE);
        buffer.extend_from_slice(b"secret");
        let shared = buffer.freeze();
        let part = shared.slice(2..4);
        drop(shared);
        assert_eq!((kept(), &part[..]), (0, &b"cr"[..]));
        drop(part);
        assert_eq!(kept(), 1);
        let again = Buffer::with_capacity(SIZE);
        assert!(again.is_empty());
        assert_eq!(kept(), 0);
        drop(again);
        trim_idle();
        assert_eq!(kept(), 1, "it was used since the last call");
        trim_idle();
        assert_eq!(kept(), 0);
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let mut pool = Pool {
            free: Vec::new(),
            bytes: 0,
            used: false,
        };
        assert!(pool.keep(Vec::with_capacity(KEPT_MAX)).is_none());
        assert!(pool.keep(Vec::with_capacity(1)).is_some());
        assert!(pool.take(KEPT_MAX + 1).is_none());
        assert!(pool.take(KEPT_MAX / 2).is_none(), "much too large");
        assert!(pool.take(KEPT_MAX - KEPT_MAX / 10).is_some());
        assert_eq!(pool.bytes, 0);
    }

    #[test]
    fn growing_keeps_the_bytes() {
        let mut buffer = Buffer::with_capacity(3);
        buffer.extend_from_slice(b"abc");
        assert_eq!(&buffer.grown(LARGE + 1).freeze()[..], b"abc");
    }
}
