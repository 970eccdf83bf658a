//! `bench`: how fast big and small files are written and read below a path, and what the mount did meanwhile.
//!
//! Works below any directory. On a mount of ours or of the reference client the table also has what the mount counted.

mod bars;
mod directory;
mod interrupt;
mod kernel_cache;
mod mount_counters;
mod phase;
mod report;
mod settings;
mod workers;

use bars::Bars;
use directory::TestDirectory;
use interrupt::Interrupt;
use jfs_commands::Parsed;
use jfs_commands::address::{absolute, check_path, here};
use jfs_commands::commands::BenchCommand;
use kernel_cache::KernelCache;
use mount_counters::MountCounters;
use phase::Phase;
use report::Report;
use settings::Settings;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

pub(crate) fn run(args: &Parsed<BenchCommand>) -> anyhow::Result<()> {
    let args = &args.flags;
    let settings = Settings::of(args)?;
    let terminal = std::io::stdout().is_terminal();
    let cwd = here();
    check_path(&args.path, &cwd)?;
    let path = absolute(&args.path, &cwd);
    // Before any thread begins, since threads inherit which signals are blocked.
    let interrupt = Interrupt::watch()?;
    let measured = {
        let directory = TestDirectory::create(&path)?;
        measure(&settings, directory, terminal, &interrupt)
    };
    // The test directory is gone, so a signal may end the program as it would have at once.
    interrupt.pass_on();
    let report = measured?;
    let colours = terminal && !args.globals.no_color;
    jfs_telemetry::show!("{}", report.text(&settings, colours));
    Ok(())
}

/// Runs all phases and removes the test directory.
fn measure(
    settings: &Settings,
    directory: TestDirectory,
    terminal: bool,
    interrupt: &Interrupt,
) -> anyhow::Result<Report> {
    let kernel_cache = KernelCache::new(terminal);
    let bars = Bars::new(terminal);
    kernel_cache.drop_pages();
    let mount = MountCounters::find(directory.path());
    let before = mount.as_ref().and_then(MountCounters::read);
    let begun = Instant::now();
    let mut times: Vec<(Phase, Duration)> = Vec::new();
    for phase in settings.phases() {
        if interrupt.came() {
            anyhow::bail!("interrupted");
        }
        if phase.reads() {
            kernel_cache.drop_pages();
        }
        let bar = bars.add(phase.title(), settings.steps(phase));
        let took = workers::run(phase, settings, directory.path(), &bar, interrupt.flag())?;
        bar.finish(took);
        times.push((phase, took));
    }
    directory.remove()?;
    let took = begun.elapsed();
    let after = mount.as_ref().and_then(MountCounters::read);
    let mount = before.zip(after);
    Ok(Report { times, took, mount })
}
