//! Sub-commands that another program beside this one does: `mount`.

use anyhow::Context;
use jfs_args::CommandSpec;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

/// For the list of commands only; `jfs-mount` has the flags.
pub(crate) const MOUNT: CommandSpec = CommandSpec {
    name: "mount",
    category: "SERVICE",
    summary: "Mount a volume",
    arguments: "META-URL MOUNTPOINT",
    min_args: 0,
    max_args: None,
    description: "",
    flags: &[],
};

/// Becomes `program`, found beside this executable (links resolved), with the arguments as typed.
/// Returns only when that fails.
pub(crate) fn exec(program: &str, args: &[String]) -> anyhow::Result<ExitCode> {
    // The kernel answers the file itself, whatever links led to it.
    let here = std::env::current_exe().context("cannot find this program's own file")?;
    let path = here.with_file_name(program);
    let error = std::process::Command::new(&path).args(args).exec();
    Err(error).with_context(|| format!("cannot run {}, which belongs beside jfs", path.display()))
}
