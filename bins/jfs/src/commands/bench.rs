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
use jfs_args::address::{absolute, check_path, here};
use jfs_args::{CommandSpec, FlagSpec, Kind, Parsed};
use kernel_cache::KernelCache;
use mount_counters::MountCounters;
use phase::Phase;
use report::Report;
use settings::Settings;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

pub(crate) const SPEC: CommandSpec = CommandSpec {
    name: "bench",
    category: "TOOL",
    summary: "Measure the speed of a path",
    arguments: "PATH",
    min_args: 1,
    max_args: Some(1),
    description: "Writes and reads big and small files in a new directory below PATH, looks at their\n\
        attributes, and removes them again. PATH may be in a mounted volume or anywhere else. On a\n\
        terminal a value is green when it is usual, yellow when it is low and red when something is\n\
        likely to be set up wrongly.\n\n\
        Examples:\n# Four threads\n$ juicefs bench /mnt/jfs -p 4\n\n\
        # Small files only\n$ juicefs bench /mnt/jfs --big-file-size 0",
    flags: &[
        FlagSpec::new(
            &["block-size"],
            Kind::Size('M'),
            "1M",
            "bytes of one read or write; a bare number counts MiB",
        ),
        FlagSpec::new(
            &["big-file-size"],
            Kind::Size('M'),
            "1G",
            "size of the big file of each thread; a bare number counts MiB; 0 leaves big files out",
        ),
        FlagSpec::new(
            &["small-file-size"],
            Kind::Size('K'),
            "128K",
            "size of a small file; a bare number counts KiB; 0 leaves small files out",
        ),
        FlagSpec::new(
            &["small-file-count"],
            Kind::Uint,
            "100",
            "small files of each thread; 0 leaves small files out",
        ),
        FlagSpec::new(
            &["threads", "p"],
            Kind::Uint,
            "1",
            "threads that work at the same time",
        ),
    ],
};

pub(crate) fn run(args: &Parsed) -> anyhow::Result<()> {
    let settings = Settings::of(args)?;
    let terminal = std::io::stdout().is_terminal();
    let cwd = here();
    check_path(args.arg(0), &cwd)?;
    let path = absolute(args.arg(0), &cwd);
    // Before any thread begins, since threads inherit which signals are blocked.
    let interrupt = Interrupt::watch()?;
    let measured = {
        let directory = TestDirectory::create(&path)?;
        measure(&settings, directory, terminal, &interrupt)
    };
    // The test directory is gone, so a signal may end the program as it would have at once.
    interrupt.pass_on();
    let report = measured?;
    let colours = terminal && !args.bool("no-color");
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
