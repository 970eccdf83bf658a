//! `version`: prints the version.

use jfs_args::{CommandSpec, Parsed};

pub(crate) const SPEC: CommandSpec = CommandSpec {
    name: "version",
    category: "ADMIN",
    summary: "Show version",
    arguments: "[arguments...]",
    min_args: 0,
    max_args: None,
    description: "",
    flags: &[],
};

pub(crate) fn run(_: &Parsed) -> anyhow::Result<()> {
    crate::print_version();
    Ok(())
}
