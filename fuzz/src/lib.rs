//! libFuzzer's side of the targets in `jfs_tests::fuzz`.

pub use libfuzzer_sys;

use jfs_tests::fuzz::{LARGEST_MAX, Watched, find, largest};

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Feeds the target of that name; panics when it asks for too much memory at once.
pub fn run(name: &str, data: &[u8]) {
    let target = find(name).expect("jfs_tests::fuzz::TARGETS has every target of this directory");
    largest();
    (target.run)(data);
    let bytes = largest();
    assert!(bytes <= LARGEST_MAX, "{bytes} bytes were asked for at once");
}

/// A program that fuzzes one target.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::run($name, data));
    };
}
