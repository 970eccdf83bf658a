//! One step of a longer job: say what runs, run it, say how long it took.

use crate::paths;
use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::Instant;

/// Runs `work` under `name` and prints its wall time.
pub(crate) fn timed(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("=== {name}");
    let start = Instant::now();
    let result = work();
    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
    println!(
        "=== {name}: {verdict} after {:.1} s",
        start.elapsed().as_secs_f64()
    );
    result.with_context(|| format!("step {name} failed"))
}

/// Runs cargo with these arguments at the top of the checkout.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    run(command.args(arguments))
}

/// Runs a program at the top of the checkout; any exit code but 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.current_dir(paths::root()).status();
    let status = status.with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !status.success() {
        bail!(
            "{:?} {:?}: {status}",
            command.get_program(),
            command.get_args().collect::<Vec<_>>()
        );
    }
    Ok(())
}
