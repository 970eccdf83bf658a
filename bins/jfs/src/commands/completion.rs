//! `completion`: prints a script for a shell.

use clap_complete::shells::{Bash, Fish, Zsh};
use jfs_commands::commands::{CompletionCommand, Shell};
use jfs_commands::{Parsed, catalogue};
use std::path::Path;

/// The names under which users call this program. The script is for one of them.
const NAMES: [&str; 2] = ["jfs", "juicefs"];

pub(crate) fn run(args: &Parsed<CompletionCommand>) -> anyhow::Result<()> {
    let called = std::env::args_os().next().unwrap_or_default();
    let is_called = |name: &&&str| Path::new(&called).file_name() == Some(name.as_ref());
    let name = NAMES.iter().find(is_called).copied().unwrap_or(NAMES[0]);
    let mut program = catalogue::program(name);
    let mut script = Vec::new();
    let out = &mut script;
    match args.flags.shell {
        Shell::Bash => clap_complete::generate(Bash, &mut program, name, out),
        Shell::Zsh => clap_complete::generate(Zsh, &mut program, name, out),
        Shell::Fish => clap_complete::generate(Fish, &mut program, name, out),
    }
    jfs_telemetry::show!("{}", String::from_utf8_lossy(&script));
    Ok(())
}
