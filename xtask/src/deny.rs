//! Licences, bans and sources of all dependencies, by cargo-deny and `deny.toml`.
//!
//! Advisories are left out: their database comes from the network at every run.

use crate::paths;
use crate::step;
use anyhow::{Result, bail};
use std::process::Command;

pub(crate) fn run() -> Result<()> {
    let installed = paths::tools_dir().join("bin/cargo-deny");
    let program = if installed.is_file() {
        installed
    } else {
        "cargo-deny".into()
    };
    if Command::new(&program).arg("--version").output().is_err() {
        bail!("cargo-deny is not installed: scripts/install-deps --tests");
    }
    let checks = [
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ];
    step::run(Command::new(program).arg("--locked").args(checks))
}
