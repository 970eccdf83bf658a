//! Where things are: the checkout, the build directory, the tools that are installed beside it.

use std::path::{Path, PathBuf};

/// The top of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies one directory below the top")
}

/// Cargo's build directory, as the caller's environment names it.
pub(crate) fn target_dir() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(named.unwrap_or_else(|| "target".into()))
}

/// Tools that tests need and no package offers; `scripts/install-deps --tests` fills it.
pub(crate) fn tools_dir() -> PathBuf {
    let named = std::env::var_os("JFS_TOOLS_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").unwrap_or_else(|| "/".into());
        PathBuf::from(home).join(".cache/jfs-tools")
    })
}
