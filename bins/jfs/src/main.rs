//! The administrator's tool and front door: sub-commands, flags and exit codes of the reference,
//! so that one link named `juicefs` to this program serves every script.
//!
//! `jfs mount` hands over to the program `jfs-mount` beside it. No file system logic lives here.

#![forbid(unsafe_code)]

mod commands;
mod control;
mod mounts;
mod table;
mod time_limit;
mod volume;
mod waiting_line;

use jfs_commands::arguments::split_command;
use jfs_commands::commands::JfsCommand;
use jfs_commands::globals::globals_only;
use jfs_commands::logging::{self, Destination};
use jfs_commands::parse::{Invocation, Parsed, parse, prepared};
use jfs_commands::{catalogue, help, mount_helper};
use jfs_telemetry::{fatal, scripted};
use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let argv: Result<Vec<String>, _> = jfs_telemetry::arguments::take()
        .into_iter()
        .skip(1)
        .map(std::ffi::OsString::into_string)
        .collect();
    let argv = match argv {
        Ok(argv) => argv,
        Err(bad) => {
            logging::init_plain();
            fatal!("argument {bad:?} is not UTF-8");
            return ExitCode::from(1);
        }
    };
    let outcome = match mount_helper::is_called() {
        true => commands::handover::exec_mount_helper(&argv),
        false => dispatch(&argv),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Whatever was set up already stays in use.
            logging::init_plain();
            fatal!("{error:#}");
            ExitCode::from(1)
        }
    }
}

/// The exit code for a command whose name is unknown.
const UNKNOWN_COMMAND: u8 = 3;

fn dispatch(argv: &[String]) -> anyhow::Result<ExitCode> {
    let split = split_command(&prepared(globals_only()), argv)?;
    if split.version {
        print_version();
        return Ok(ExitCode::SUCCESS);
    }
    let name = match split.command {
        Some(name) if !split.help => name,
        _ => {
            let version = jfs_types::version::session_version();
            jfs_telemetry::show!("{}", help::program_help(&version));
            return Ok(ExitCode::SUCCESS);
        }
    };
    let args: Vec<String> = split.leading.into_iter().chain(split.rest).collect();
    match name.as_str() {
        "bench" => run(&args, commands::bench::run),
        "completion" => run(&args, commands::completion::run),
        "config" => run(&args, commands::config::run),
        "format" => run(&args, commands::format::run),
        "info" => run(&args, commands::info::run),
        // The mount program reads the flags.
        "mount" => commands::handover::exec("jfs-mount", &args),
        "status" => run(&args, commands::status::run),
        "umount" => run(&args, commands::umount::run),
        "version" => run(&args, commands::version::run),
        name if catalogue::missing().any(|missing| missing == name) => {
            anyhow::bail!("{name} is not supported yet")
        }
        name => {
            let name = jfs_telemetry::mask_text(name);
            eprintln!("{}", scripted::unknown_command(&name));
            Ok(ExitCode::from(UNKNOWN_COMMAND))
        }
    }
}

/// Reads the flags of a command and runs it. An error ends the program with one FATAL line and code 1.
fn run<C: JfsCommand>(
    args: &[String],
    command: fn(&Parsed<C>) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    match parse::<C>(args)? {
        Invocation::Help => jfs_telemetry::show!("{}", help::command_help(C::command())),
        Invocation::Version => print_version(),
        Invocation::Run(parsed) => {
            logging::init(parsed.flags.globals(), Destination::Terminal)?;
            command(&parsed)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_version() {
    jfs_telemetry::say!("juicefs version {}", jfs_types::version::session_version());
}
