//! The administrator's tool and front door: sub-commands, flags and exit codes of the reference,
//! so that one link named `juicefs` to this program serves every script.
//!
//! `jfs mount` hands over to the program `jfs-mount` beside it. No file system logic lives here.

#![forbid(unsafe_code)]

mod commands;
mod control;
mod logging;
mod mounts;
mod patience;
mod table;
mod volume;

use commands::{COMMANDS, Command, Run};
use jfs_args::{ArgError, CommandSpec, Invocation, help, parse_command, split_command};
use jfs_telemetry::fatal;
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
            logging::plain();
            fatal!("argument {bad:?} is not UTF-8");
            return ExitCode::from(1);
        }
    };
    let outcome = match commands::handover::is_mount_helper() {
        true => commands::handover::exec_mount_helper(&argv),
        false => dispatch(&argv),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Whatever was set up already stays in use.
            logging::plain();
            fatal!("{error:#}");
            ExitCode::from(1)
        }
    }
}

fn dispatch(argv: &[String]) -> anyhow::Result<ExitCode> {
    let split = split_command(argv)?;
    if split.version {
        print_version();
        return Ok(ExitCode::SUCCESS);
    }
    let name = match split.command {
        Some(name) if !split.help => name,
        _ => {
            jfs_telemetry::show!("{}", app_help());
            return Ok(ExitCode::SUCCESS);
        }
    };
    let Some(command) = COMMANDS.iter().find(|c| c.name() == name) else {
        let name = jfs_telemetry::mask_text(&name);
        eprintln!("No help topic for '{name}'");
        return Ok(ExitCode::from(3));
    };
    let args: Vec<String> = split.leading.into_iter().chain(split.rest).collect();
    match command {
        Command::Missing(name) => anyhow::bail!("{name} is not supported yet"),
        Command::Elsewhere { program, .. } => commands::handover::exec(program, &args),
        Command::Here(spec, run) => run_here(spec, run, &args),
    }
}

fn run_here(spec: &'static CommandSpec, run: &Run, args: &[String]) -> anyhow::Result<ExitCode> {
    let parsed = match parse_command(spec, args) {
        Ok(Invocation::Help) => {
            jfs_telemetry::show!("{}", help::command_help(spec));
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Invocation::Version) => {
            print_version();
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Invocation::Run(parsed)) => parsed,
        Err(error) if error.is_usage() => {
            let error = jfs_telemetry::mask_text(&error.to_string());
            jfs_telemetry::say!("ERROR: {error}\nUSAGE:\n   {}", spec.usage());
            return Ok(ExitCode::from(1));
        }
        Err(error) => return Err(error.into()),
    };
    logging::init(&parsed)?;
    run(&parsed).map(|()| ExitCode::SUCCESS)
}

fn app_help() -> String {
    let here: Vec<&CommandSpec> = COMMANDS.iter().filter_map(Command::spec).collect();
    let missing: Vec<&str> = COMMANDS
        .iter()
        .filter(|c| matches!(c, Command::Missing(_)))
        .map(Command::name)
        .collect();
    help::app_help(&jfs_types::version::session_version(), &here, &missing)
}

fn print_version() {
    jfs_telemetry::say!("juicefs version {}", jfs_types::version::session_version());
}

/// A value that only this program can judge.
fn bad_value(flag: &str, value: &str) -> ArgError {
    ArgError::BadValue {
        flag: flag.to_string(),
        value: value.to_string(),
    }
}
