//! `version`: prints the version.

use jfs_commands::Parsed;
use jfs_commands::commands::VersionCommand;

pub(crate) fn run(_: &Parsed<VersionCommand>) -> anyhow::Result<()> {
    crate::print_version();
    Ok(())
}
