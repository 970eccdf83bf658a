//! Fresh data directories of database servers, kept as templates: a copy takes a tenth of a second, the
//! server's own set-up many.

use crate::error::IoContext;
use crate::tools::tools_dir;
use crate::{KitError, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fills `data` with the fresh data directory `name`.
///
/// The first call on a machine builds the directory with `build`, which gets an empty place for it. Later
/// calls, of other processes too, copy. The name holds everything that the content depends on, above all
/// the version of the server.
pub(crate) fn fill(name: &str, data: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let Some(top) = tools_dir().map(|dir| dir.join("databases")) else {
        return build(data);
    };
    let kept = top.join(name);
    if !kept.is_dir() {
        build(data)?;
        return keep(&top, &kept, data);
    }
    copy(&kept, data)
}

/// Keeps a copy of `data` as `kept`. The template appears whole or not at all; if another process was
/// faster, its template stays.
fn keep(top: &Path, kept: &Path, data: &Path) -> Result<()> {
    let staging = staging(kept);
    std::fs::create_dir_all(top).doing(|| format!("making {}", top.display()))?;
    copy(data, &staging)?;
    if std::fs::rename(&staging, kept).is_err() {
        std::fs::remove_dir_all(&staging).doing(|| format!("removing {}", staging.display()))?;
    }
    Ok(())
}

/// A name beside `kept` that no other process uses.
fn staging(kept: &Path) -> PathBuf {
    kept.with_extension(format!("new-{}", std::process::id()))
}

/// Copies a directory with owners and modes. The target does not exist yet.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let what = || format!("copying {} to {}", from.display(), to.display());
    let mut cp = Command::new("cp");
    cp.args(["-a", "--reflink=auto", "-T"]).arg(from).arg(to);
    let output = cp.output().doing(what)?;
    if output.status.success() {
        return Ok(());
    }
    Err(KitError::Failed {
        what: what(),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
