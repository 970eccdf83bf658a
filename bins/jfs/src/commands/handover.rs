//! Sub-commands that another program beside this one does: `mount`.

use anyhow::Context;
use jfs_commands::mount_helper;
use jfs_telemetry::arguments::Handover;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Becomes the mount program, which reads the arguments of mount(8).
pub(crate) fn exec_mount_helper(args: &[String]) -> anyhow::Result<ExitCode> {
    run("jfs-mount", args, |command| {
        command.env(mount_helper::MARK, "1");
    })
}

/// Becomes `program`, found beside this executable (links resolved), with the arguments as typed,
/// though `ps` shows no secrets of them. Returns only when that fails.
pub(crate) fn exec(program: &str, args: &[String]) -> anyhow::Result<ExitCode> {
    run(program, args, |_| {})
}

fn run(
    program: &str,
    args: &[String],
    prepare: impl FnOnce(&mut Command),
) -> anyhow::Result<ExitCode> {
    // The kernel answers the file itself, whatever links led to it.
    let here = std::env::current_exe().context("cannot find this program's own file")?;
    let path = here.with_file_name(program);
    let mut command = Command::new(&path);
    let handover = Handover::of(args);
    handover.pass_on().context("cannot hand arguments over")?;
    command.args(handover.shown());
    match handover.variable() {
        (name, Some(value)) => command.env(name, value),
        (name, None) => command.env_remove(name),
    };
    prepare(&mut command);
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run {}, which belongs beside jfs", path.display()))
}
