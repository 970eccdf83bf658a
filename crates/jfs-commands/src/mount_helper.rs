//! Being called as the helper of mount(8).

use std::path::Path;

/// Tells a program of ours that its arguments are those of mount(8). Scripts of JuiceFS users set it as well.
pub const MARK: &str = "CALL_VIA_MOUNT";
/// The program that mount(8) runs for the type `juicefs`: a link to one of ours.
pub const PROGRAM: &str = "/sbin/mount.juicefs";

/// Whether this process was started as the helper of mount(8): by the helper's name, or with [`MARK`] in its
/// environment.
pub fn is_called() -> bool {
    let called = std::env::args_os().next().unwrap_or_default();
    let by_name = Path::new(&called).file_name() == Path::new(PROGRAM).file_name();
    by_name || std::env::var_os(MARK).is_some_and(|mark| !mark.is_empty())
}
