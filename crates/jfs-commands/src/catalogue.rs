//! All commands, in the order in which help lists them.

use crate::commands::{
    BenchCommand, CompletionCommand, ConfigCommand, FormatCommand, InfoCommand, MountCommand,
    StatusCommand, UmountCommand, VersionCommand,
};
use crate::globals::globals_only;
use crate::help::with_notes;
use clap::{Command, CommandFactory};

/// A command that users may ask for.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// A command that works, and its definition.
    Ready(fn() -> Command),
    /// A command of JuiceFS that is known by name and refused.
    NotYet(&'static str),
}

use Entry::{NotYet, Ready};

/// Every command by category.
pub const CATALOGUE: &[(&str, &[Entry])] = &[
    (
        "Administration",
        &[
            Ready(FormatCommand::command),
            Ready(ConfigCommand::command),
            NotYet("quota"),
            NotYet("destroy"),
            NotYet("gc"),
            NotYet("fsck"),
            NotYet("restore"),
            NotYet("dump"),
            NotYet("load"),
            Ready(VersionCommand::command),
            NotYet("tier"),
        ],
    ),
    (
        "Inspection",
        &[
            NotYet("changelog"),
            Ready(StatusCommand::command),
            NotYet("stats"),
            NotYet("profile"),
            Ready(InfoCommand::command),
            NotYet("debug"),
            NotYet("summary"),
        ],
    ),
    (
        "Service",
        &[
            Ready(MountCommand::command),
            Ready(UmountCommand::command),
            NotYet("gateway"),
            NotYet("webdav"),
        ],
    ),
    (
        "Tools",
        &[
            Ready(BenchCommand::command),
            NotYet("objbench"),
            NotYet("mdtest"),
            NotYet("warmup"),
            NotYet("rmr"),
            NotYet("sync"),
            NotYet("clone"),
            NotYet("compact"),
            Ready(CompletionCommand::command),
        ],
    ),
];

/// Names of the commands that are refused.
pub fn missing() -> impl Iterator<Item = &'static str> {
    entries().filter_map(|entry| match entry {
        NotYet(name) => Some(*name),
        Ready(_) => None,
    })
}

/// Whether a command has a flag of this name, long or short.
pub(crate) fn is_flag(name: &str) -> bool {
    let is_name = |arg: &clap::Arg| {
        let short = arg.get_short().map(String::from);
        arg.get_long() == Some(name) || short.as_deref() == Some(name)
    };
    entries().any(|entry| match entry {
        Ready(command) => command().get_arguments().any(is_name),
        NotYet(_) => false,
    })
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.iter().flat_map(|(_, entries)| *entries)
}

/// One definition for each manual page: the program, then each command under the name of its page.
pub fn pages() -> Vec<Command> {
    let program = program("jfs").disable_help_subcommand(true);
    let commands = program.get_subcommands().map(|command| {
        let name = format!("jfs-{}", command.get_name());
        let typed = format!("jfs {}", command.get_name());
        command.clone().display_name(name).bin_name(typed)
    });
    let mut pages: Vec<Command> = commands.collect();
    pages.insert(0, program);
    pages
}

/// The whole program as one definition, for completion scripts and manual pages. `name` is what users type.
pub fn program(name: &'static str) -> Command {
    let ready = entries().filter_map(|entry| match entry {
        Ready(command) => Some(with_notes(command())),
        NotYet(_) => None,
    });
    with_notes(globals_only())
        .name(name)
        .about("a POSIX file system over a metadata engine and an object storage")
        .long_about(
            "A client of shared file systems. A volume keeps names and attributes in a metadata engine (SQLite, \
             PostgreSQL, MySQL, Redis) and file contents as objects in a bucket or a directory. Many clients may use a \
             volume at the same time, those of JuiceFS among them: what is stored is the same.",
        )
        .subcommands(ready)
}
