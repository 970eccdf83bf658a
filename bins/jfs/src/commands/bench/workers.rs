//! The threads of a benchmark.

use super::bars::Bar;
use super::phase::Phase;
use super::settings::Settings;
use anyhow::{Context, anyhow};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Permissions of the files.
const MODE: u32 = 0o644;
/// Where contents come from that no compression makes smaller.
const RANDOM: &str = "/dev/urandom";

/// Runs one phase on all threads; how long it took. Ends early, with an error, when `stop` becomes true.
pub(crate) fn run(
    phase: Phase,
    settings: &Settings,
    dir: &Path,
    bar: &Bar,
    stop: &AtomicBool,
) -> anyhow::Result<Duration> {
    let failed = AtomicBool::new(false);
    // Made before the clock starts.
    let contents = contents(phase, settings)?;
    let workers: Vec<Worker> = (0..settings.threads)
        .map(|thread| Worker::new(phase, settings, dir, thread, &contents))
        .collect();
    let begun = Instant::now();
    let results: Vec<anyhow::Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .into_iter()
            .map(|worker| {
                let ended = || stop.load(Ordering::Relaxed) || failed.load(Ordering::Relaxed);
                let failed = &failed;
                std::thread::Builder::new().spawn_scoped(scope, move || {
                    let result = worker.run(phase, bar, &ended);
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    result
                })
            })
            .collect();
        let join = |thread: std::io::Result<std::thread::ScopedJoinHandle<'_, _>>| match thread {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("a thread panicked"))),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                Err(error).context("start a thread; use fewer --threads")
            }
        };
        threads.into_iter().map(join).collect()
    });
    let took = begun.elapsed();
    results.into_iter().collect::<anyhow::Result<()>>()?;
    if stop.load(Ordering::Relaxed) {
        anyhow::bail!("interrupted");
    }
    Ok(took)
}

/// The block that all threads write: random, so that no compression makes it smaller. Other phases get zeros to read into.
fn contents(phase: Phase, settings: &Settings) -> anyhow::Result<Vec<u8>> {
    let bytes = match phase {
        Phase::StatSmall => 0,
        _ => settings.block.min(settings.file_size(phase)),
    };
    let mut block = vec![0; usize::try_from(bytes)?];
    if !phase.reads() {
        File::open(RANDOM)
            .and_then(|mut random| random.read_exact(&mut block))
            .context(RANDOM)?;
    }
    Ok(block)
}

/// One thread's part of a phase.
struct Worker<'a> {
    dir: &'a Path,
    /// Names of its files: this, and a number.
    prefix: String,
    files: u64,
    /// Bytes.
    file_size: u64,
    /// What is written; as long as what is read at once.
    block: &'a [u8],
}

impl<'a> Worker<'a> {
    fn new(
        phase: Phase,
        settings: &Settings,
        dir: &'a Path,
        thread: u64,
        block: &'a [u8],
    ) -> Worker<'a> {
        let kind = if phase.is_big() {
            "bigfile"
        } else {
            "smallfile"
        };
        Worker {
            dir,
            prefix: format!("{kind}.{thread}."),
            files: settings.files(phase),
            file_size: settings.file_size(phase),
            block,
        }
    }

    /// Does all of it, or until `ended`.
    fn run(&self, phase: Phase, bar: &Bar, ended: &dyn Fn() -> bool) -> anyhow::Result<()> {
        let mut buffer = if phase.reads() {
            self.block.to_vec()
        } else {
            Vec::new()
        };
        for number in 0..self.files {
            if ended() {
                return Ok(());
            }
            let path = self.dir.join(format!("{}{number}", self.prefix));
            let (what, result) = match phase {
                Phase::WriteBig | Phase::WriteSmall => ("write", self.write(&path, bar, ended)),
                Phase::ReadBig | Phase::ReadSmall => {
                    ("read", self.read(&path, &mut buffer, bar, ended))
                }
                Phase::StatSmall => ("stat", path.metadata().map(|_| bar.step())),
            };
            result.with_context(|| format!("Failed to {what} file \"{}\"", path.display()))?;
        }
        Ok(())
    }

    fn write(&self, path: &Path, bar: &Bar, ended: &dyn Fn() -> bool) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(MODE);
        let mut file = options.open(path)?;
        let mut left = self.file_size;
        while left > 0 && !ended() {
            let part = left.min(self.block.len() as u64);
            file.write_all(self.block.get(..part as usize).unwrap_or_default())?;
            left -= part;
            bar.step();
        }
        // The close is part of what is measured, and its failure is one.
        close(file)
    }

    fn read(
        &self,
        path: &Path,
        buffer: &mut [u8],
        bar: &Bar,
        ended: &dyn Fn() -> bool,
    ) -> std::io::Result<()> {
        let mut file = File::open(path)?;
        let mut left = self.file_size;
        while left > 0 && !ended() {
            let part = left.min(buffer.len() as u64);
            file.read_exact(buffer.get_mut(..part as usize).unwrap_or_default())?;
            left -= part;
            bar.step();
        }
        Ok(())
    }
}

/// Closes a file and tells what the file system says to that.
fn close(file: File) -> std::io::Result<()> {
    Ok(nix::unistd::close(file)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::bars::Bars;
    use super::*;

    #[test]
    fn files_have_their_sizes_and_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            block: 1000,
            big_file: 2500,
            small_file: 10,
            small_files: 3,
            threads: 2,
        };
        let bars = Bars::new(false);
        let go = |phase: Phase, stop: bool| {
            let bar = bars.add(phase.title(), settings.steps(phase));
            run(phase, &settings, dir.path(), &bar, &AtomicBool::new(stop))
        };
        for phase in settings.phases() {
            go(phase, false).unwrap();
        }
        let size = |name: &str| dir.path().join(name).metadata().unwrap().len();
        assert_eq!((size("bigfile.1.0"), size("smallfile.0.2")), (2500, 10));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 8);
        assert!(go(Phase::ReadBig, true).is_err(), "interrupted");
        File::create(dir.path().join("bigfile.1.0")).unwrap();
        let error = go(Phase::ReadBig, false).unwrap_err();
        assert!(format!("{error:#}").contains("bigfile.1.0"), "{error:#}");
    }
}
