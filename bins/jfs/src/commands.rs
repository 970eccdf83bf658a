//! All sub-commands of the contract, one file for each that works.

pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod format;
pub(crate) mod handover;
pub(crate) mod info;
pub(crate) mod status;
pub(crate) mod umount;
pub(crate) mod version;

use jfs_args::{CommandSpec, Parsed};

/// What runs a sub-command. An error ends the program with one FATAL line and code 1.
pub(crate) type Run = fn(&Parsed) -> anyhow::Result<()>;

/// One sub-command.
pub(crate) enum Command {
    /// Done in this program.
    Here(&'static CommandSpec, Run),
    /// Done by a program beside this one, which knows the flags.
    Elsewhere {
        spec: &'static CommandSpec,
        program: &'static str,
    },
    /// Known by name; refused.
    Missing(&'static str),
}

impl Command {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Command::Here(spec, _) | Command::Elsewhere { spec, .. } => spec.name,
            Command::Missing(name) => name,
        }
    }

    pub(crate) fn spec(&self) -> Option<&'static CommandSpec> {
        match self {
            Command::Here(spec, _) | Command::Elsewhere { spec, .. } => Some(spec),
            Command::Missing(_) => None,
        }
    }
}

/// Every sub-command, in help order.
pub(crate) const COMMANDS: &[Command] = &[
    Command::Here(&format::SPEC, format::run),
    Command::Here(&config::SPEC, config::run),
    Command::Missing("quota"),
    Command::Missing("destroy"),
    Command::Missing("gc"),
    Command::Missing("fsck"),
    Command::Missing("restore"),
    Command::Missing("dump"),
    Command::Missing("load"),
    Command::Here(&version::SPEC, version::run),
    Command::Missing("tier"),
    Command::Missing("changelog"),
    Command::Here(&status::SPEC, status::run),
    Command::Missing("stats"),
    Command::Missing("profile"),
    Command::Here(&info::SPEC, info::run),
    Command::Missing("debug"),
    Command::Missing("summary"),
    Command::Elsewhere {
        spec: &handover::MOUNT,
        program: "jfs-mount",
    },
    Command::Here(&umount::SPEC, umount::run),
    Command::Missing("gateway"),
    Command::Missing("webdav"),
    Command::Here(&bench::SPEC, bench::run),
    Command::Missing("objbench"),
    Command::Missing("mdtest"),
    Command::Missing("warmup"),
    Command::Missing("rmr"),
    Command::Missing("sync"),
    Command::Missing("clone"),
    Command::Missing("compact"),
];
