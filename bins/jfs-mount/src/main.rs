//! The mount service: serves one volume at one mount point, in the foreground or as a daemon.
//!
//! This program reads flags, wires the library to the FUSE edge, and maps the outcome to exit
//! codes. `jfs mount` runs it; it may be called directly as well.

mod cache_flags;
mod config_file;
mod daemon;
mod disk;
mod fstab;
mod metrics;
mod mountpoint;
mod plan;
mod process;
mod serve;
mod shutdown;
mod via_mount;
mod volume;

use anyhow::Context;
use clap::CommandFactory;
use jfs_commands::commands::MountCommand;
use jfs_commands::logging::{self, Destination};
use jfs_commands::{Invocation, help, mount_helper, parse};
use jfs_telemetry::fatal;
use plan::Plan;
use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let argv = jfs_telemetry::arguments::take();
    // The descriptor is taken next so that every failure below is told to who waits.
    let ready = daemon::Ready::inherit();
    match run(argv, ready.as_ref()) {
        Ok(code) => code,
        Err(error) => {
            logging::init_plain();
            fatal!("{error:#}");
            if let Some(ready) = &ready {
                ready.failed(&format!("{error:#}"));
            }
            ExitCode::from(1)
        }
    }
}

fn run(argv: Vec<OsString>, ready: Option<&daemon::Ready>) -> anyhow::Result<ExitCode> {
    let argv: Vec<String> = argv
        .into_iter()
        .skip(1)
        .map(|arg| {
            arg.into_string()
                .map_err(|bad| anyhow::anyhow!("argument {bad:?} is not UTF-8"))
        })
        .collect::<anyhow::Result<_>>()?;
    let argv = if mount_helper::is_called() {
        match via_mount::translate(&argv)? {
            Some(argv) => argv,
            // A dry run of mount(8): everything but the mount.
            None => return Ok(ExitCode::SUCCESS),
        }
    } else {
        argv
    };
    let parsed = match parse::<MountCommand>(&argv)? {
        Invocation::Help => {
            jfs_telemetry::show!("{}", help::command_help(MountCommand::command()));
            return Ok(ExitCode::SUCCESS);
        }
        Invocation::Version => {
            jfs_telemetry::say!("juicefs version {}", jfs_types::version::session_version());
            return Ok(ExitCode::SUCCESS);
        }
        Invocation::Run(parsed) => parsed,
    };
    let flags = &parsed.flags;
    let cwd = jfs_commands::address::here();
    process::settle();
    match (Plan::wants_background(flags), ready) {
        (true, None) => {
            let logs = logging::init(&flags.globals, Destination::Terminal)?;
            let plan = Plan::read(&parsed, &cwd)?;
            daemon::start(&plan, &plan.daemon_args(&argv, &parsed), &cwd, &logs)?;
        }
        (true, Some(ready)) => {
            let to = Destination::Daemon {
                file: plan::log_file(flags, &cwd),
                syslog: !flags.no_syslog,
            };
            let logs = logging::init(&flags.globals, to)?;
            let plan = Plan::read(&parsed, &cwd)?;
            std::env::set_current_dir("/").context("cannot leave the current directory")?;
            serve::serve(plan, &logs, Some(ready))?;
        }
        (false, _) => {
            let logs = logging::init(&flags.globals, Destination::Terminal)?;
            let plan = Plan::read(&parsed, &cwd)?;
            serve::serve(plan, &logs, None)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
