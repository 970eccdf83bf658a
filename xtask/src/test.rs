//! The tests of the whole workspace, with the binaries that some of them start.

use crate::step::cargo;
use anyhow::Result;

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    build()?;
    cargo(&[&["test", "--workspace", "--locked"], arguments].concat())
}

/// Cargo builds no binary of another package for a test, so they come first.
pub(crate) fn build() -> Result<()> {
    cargo(&["build", "--locked", "-p", "jfs-cli", "-p", "jfs-mount"])
}
