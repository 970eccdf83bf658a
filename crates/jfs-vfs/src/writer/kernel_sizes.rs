//! The file sizes that the kernel may hold, derived from replies to it and from its writes.
//!
//! The kernel's request says that the descriptor has `O_APPEND`. The request does not say that pwritev2(2) was
//! called with `RWF_NOAPPEND`; only the offset shows it. The kernel sends an append to the size that it holds, and
//! any other write to the offset that the program named. So a write to an offset that is no such size is no
//! append.
//!
//! The kernel's size differs from the file's when another mount has appended, so several sizes may be right. A
//! write that may be an append counts as one: two mounts that append must never overwrite each other.

use std::collections::VecDeque;

/// Sizes kept. Each is one reply that the kernel may have dropped because a write overtook it.
const SIZES_MAX: usize = 8;

/// Sizes that the kernel may hold of one file, the oldest first. Empty while no size is known.
#[derive(Debug, Default)]
pub(crate) struct KernelSizes {
    sizes: VecDeque<u64>,
}

impl KernelSizes {
    /// Notes a reply that tells the kernel the size. The kernel may drop the reply.
    pub(crate) fn told(&mut self, size: u64) {
        if self.sizes.back() == Some(&size) {
            return;
        }
        self.sizes.retain(|s| *s != size);
        if self.sizes.len() == SIZES_MAX {
            self.sizes.pop_front();
        }
        self.sizes.push_back(size);
    }

    /// Whether a write to `off` with `O_APPEND` is an append. `length` is the file's length as this mount
    /// knows it.
    pub(crate) fn is_append(&mut self, off: u64, length: u64) -> bool {
        if self.sizes.is_empty() {
            return true;
        }
        match self.sizes.iter().position(|s| *s == off) {
            Some(at) => {
                // The offset shows which size the kernel holds. Only a later reply can have changed it.
                self.sizes.drain(..at);
                true
            }
            None => off == length,
        }
    }

    /// Whether no size is known.
    pub(crate) fn is_unknown(&self) -> bool {
        self.sizes.is_empty()
    }

    /// The size that the kernel holds, if only one is possible.
    pub(crate) fn only(&self) -> Option<u64> {
        self.sizes
            .front()
            .copied()
            .filter(|_| self.sizes.len() == 1)
    }

    /// Notes that the kernel has changed the file up to `end`: the size it holds is not smaller from now on.
    pub(crate) fn reaches(&mut self, end: u64) {
        let mut last = None;
        for size in &mut self.sizes {
            *size = (*size).max(end);
        }
        self.sizes.retain(|s| last.replace(*s) != Some(*s));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_elsewhere_than_to_the_end_is_no_append() {
        let mut kernel = KernelSizes::default();
        assert!(kernel.is_append(3, 10), "nothing is known: an append");
        kernel.told(10);
        assert!(kernel.is_append(10, 10));
        assert!(!kernel.is_append(0, 10));
        assert!(!kernel.is_append(12, 10));
        kernel.reaches(15);
        assert!(kernel.is_append(15, 15));
        assert!(!kernel.is_append(10, 15), "an end that it once had");
    }

    #[test]
    fn an_append_of_a_kernel_that_knows_an_older_size_stays_one() {
        let mut kernel = KernelSizes::default();
        kernel.told(10);
        // Another mount has appended 5 bytes: the file has 15, then 18 with this write.
        assert!(kernel.is_append(10, 15));
        kernel.reaches(13);
        assert!(kernel.is_append(13, 18));
        // A reply that a write overtakes may be dropped or not.
        kernel.told(18);
        assert!(kernel.is_append(13, 18));
        kernel.reaches(16);
        assert!(kernel.is_append(16, 21));
        kernel.told(21);
        assert!(kernel.is_append(21, 21));
        assert!(!kernel.is_append(16, 21), "it holds 21 since");
    }

    #[test]
    fn a_file_that_was_cut_has_its_new_size() {
        let mut kernel = KernelSizes::default();
        kernel.told(10);
        kernel.told(4);
        assert!(kernel.is_append(4, 4));
        assert!(!kernel.is_append(10, 4));
    }

    #[test]
    fn few_sizes_are_followed() {
        let mut kernel = KernelSizes::default();
        for size in 0..100 {
            kernel.told(size);
        }
        assert_eq!(kernel.sizes.len(), SIZES_MAX);
        kernel.reaches(1000);
        assert_eq!(kernel.sizes, [1000]);
    }
}
