//! The mount service: serves one volume at one mount point, in the foreground or as a daemon.
//!
//! This program reads flags, wires the library to the FUSE edge, and maps the outcome to exit
//! codes. `jfs mount` runs it; it may be called directly as well.

mod cache_flags;
mod config_file;
mod daemon;
mod disk;
mod flags;
mod fstab;
mod logging;
mod metrics;
mod mountpoint;
mod plan;
mod process;
mod serve;
mod shutdown;
mod via_mount;
mod volume;

use anyhow::Context;
use jfs_args::{Invocation, help, parse_command};
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
            logging::plain();
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
    let argv = if via_mount::is_called() {
        match via_mount::translate(&argv)? {
            Some(argv) => argv,
            // A dry run of mount(8): everything but the mount.
            None => return Ok(ExitCode::SUCCESS),
        }
    } else {
        argv
    };
    let parsed = match parse_command(&flags::SPEC, &argv) {
        Ok(Invocation::Help) => {
            jfs_telemetry::show!("{}", help::command_help(&flags::SPEC));
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Invocation::Version) => {
            jfs_telemetry::say!("juicefs version {}", jfs_types::version::session_version());
            return Ok(ExitCode::SUCCESS);
        }
        Ok(Invocation::Run(parsed)) => parsed,
        Err(error) if error.is_usage() => {
            let error = jfs_telemetry::mask_text(&error.to_string());
            jfs_telemetry::say!("ERROR: {error}\nUSAGE:\n   {}", flags::SPEC.usage());
            return Ok(ExitCode::from(1));
        }
        Err(error) => return Err(error.into()),
    };
    let cwd = jfs_args::address::here();
    process::settle();
    match (Plan::wants_background(&parsed), ready) {
        (true, None) => {
            let logs = logging::init(&parsed, None)?;
            let plan = Plan::read(&parsed, &cwd)?;
            daemon::start(&plan, &plan.daemon_args(&argv, &parsed), &cwd, &logs)?;
        }
        (true, Some(ready)) => {
            let logs = logging::init(&parsed, Some(plan::log_file(&parsed, &cwd)))?;
            let plan = Plan::read(&parsed, &cwd)?;
            std::env::set_current_dir("/").context("cannot leave the current directory")?;
            serve::serve(plan, &logs, Some(ready))?;
        }
        (false, _) => {
            let logs = logging::init(&parsed, None)?;
            let plan = Plan::read(&parsed, &cwd)?;
            serve::serve(plan, &logs, None)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
