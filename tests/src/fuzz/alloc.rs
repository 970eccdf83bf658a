//! An allocator that notes what is asked for: a length field that is believed shows.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Largest single allocation of a target, bytes: a few times the largest block.
pub const LARGEST_MAX: usize = 64 << 20;

thread_local!(static LARGEST: Cell<usize> = const { Cell::new(0) });

/// The largest allocation of this thread since the last call, bytes; 0 when [`Watched`] is not the
/// global allocator.
pub fn largest() -> usize {
    LARGEST.replace(0)
}

/// The system's allocator with a note. The global one of programs that run targets.
pub struct Watched;

fn note(size: usize) {
    LARGEST.set(LARGEST.get().max(size));
}

#[expect(unsafe_code, reason = "an allocator has no safe form")]
// SAFETY: every call is handed on to the system's allocator as it came; the note allocates nothing.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}
