//! Programs that no package offers: `scripts/install-deps --tests` puts them into a cache folder.

use crate::process::is_program;
use std::path::PathBuf;

/// The folder of those programs: `$JFS_TOOLS_DIR`, default `~/.cache/jfs-tools`.
pub(crate) fn tools_dir() -> Option<PathBuf> {
    let named = std::env::var_os("JFS_TOOLS_DIR").map(PathBuf::from);
    named.or_else(|| {
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/jfs-tools"))
    })
}

/// The program at this place of the folder, if it is there.
pub(crate) fn tool(place: &str) -> Option<PathBuf> {
    tools_dir()
        .map(|dir| dir.join(place))
        .filter(|program| is_program(program))
}
