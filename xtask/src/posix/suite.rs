//! Running a program of a suite to its end, within a limit, its output in a file.

use crate::paths;
use anyhow::{Context, Result, bail};
use jfs_testkit::wait_until;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// The program, which `scripts/install-deps --tests` puts beside the other tools.
pub(super) fn program(name: &str) -> Result<PathBuf> {
    let program = paths::tools_dir().join("bin").join(name);
    if !program.is_file() {
        bail!(
            "{} does not exist: scripts/install-deps --tests",
            program.display()
        );
    }
    Ok(program)
}

/// What a program said and how it ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) output: String,
}

/// Runs `command`; one that takes longer than `limit` is killed, and an error.
pub(super) fn run(command: &mut Command, log: &Path, limit: Duration) -> Result<Ended> {
    let file = File::create(log).with_context(|| format!("making {}", log.display()))?;
    command.stdout(file.try_clone()?).stderr(file);
    let mut child = command
        .spawn()
        .with_context(|| format!("starting {:?}", command.get_program()))?;
    let name = Path::new(command.get_program()).display().to_string();
    let mut ended = None;
    let waited = wait_until(&format!("{name} to end"), limit, || {
        // An error of the call itself shows at the second look, after the wait.
        ended = child.try_wait().ok().flatten();
        Ok(ended.map(|_| ()))
    });
    let output = || {
        let bytes = std::fs::read(log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    if let Err(late) = waited {
        let _ = child.kill();
        let _ = child.wait();
        bail!("{late}\n{}", output());
    }
    let status = ended.context("a program that ended has a status")?;
    Ok(Ended {
        status,
        output: output(),
    })
}
