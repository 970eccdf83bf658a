//! The operations of the metadata benchmark.

use super::Choices;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of a file that is written.
const FILE_BYTES: usize = 4096;
/// Pause after an operation, for what a client does later; its processor time counts.
const SETTLE: Duration = Duration::from_millis(200);
/// Sub-command that starts a worker; see [`worker`].
const WORKER: [&str; 2] = ["bench", "meta-worker"];

/// An operation, done many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Create,
    CreateWrite,
    Rename,
    Unlink,
    Mkdir,
    CreateTogether,
}

/// One operation of one client in one round.
pub(super) struct Measured {
    pub(super) count: usize,
    pub(super) wall: Duration,
    /// User and system time of the client's processes.
    pub(super) cpu: Duration,
}

impl Operation {
    /// In the order in which they run: renames and unlinks take the files that were written.
    pub(super) const ALL: [Operation; 6] = [
        Self::Create,
        Self::CreateWrite,
        Self::Rename,
        Self::Unlink,
        Self::Mkdir,
        Self::CreateTogether,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::CreateWrite => "create, write 4 KiB",
            Self::Rename => "rename",
            Self::Unlink => "unlink",
            Self::Mkdir => "mkdir",
            Self::CreateTogether => "create by several processes",
        }
    }

    /// Runs the operation in directories below `top`, which no other round uses.
    pub(super) fn measure(self, top: &Path, choices: &Choices, pids: &[i32]) -> Result<Measured> {
        let dir = top.join(match self {
            Self::Create => "empty",
            Self::CreateWrite | Self::Rename | Self::Unlink => "written",
            Self::Mkdir => "directories",
            Self::CreateTogether => "together",
        });
        fs::create_dir_all(&dir)?;
        let mut workers = match self {
            Self::CreateTogether => start_workers(&dir, choices)?,
            _ => Vec::new(),
        };
        let count = match workers.len() {
            0 => choices.count,
            several => choices.count.div_ceil(several) * several,
        };
        std::thread::sleep(SETTLE);
        let (cpu, start) = (cpu_time(pids)?, Instant::now());
        match workers.is_empty() {
            true => (0..count).try_for_each(|n| self.once(&dir, n))?,
            false => let_go(&mut workers)?,
        }
        let wall = start.elapsed();
        std::thread::sleep(SETTLE);
        Ok(Measured {
            count,
            wall,
            cpu: cpu_time(pids)?.saturating_sub(cpu),
        })
    }

    fn once(self, dir: &Path, n: usize) -> Result<()> {
        let (name, renamed) = (dir.join(format!("file-{n}")), dir.join(format!("new-{n}")));
        match self {
            Self::Create | Self::CreateTogether => drop(File::create_new(name)?),
            Self::CreateWrite => File::create_new(name)?.write_all(&[b'x'; FILE_BYTES])?,
            Self::Rename => fs::rename(name, renamed)?,
            Self::Unlink => fs::remove_file(renamed)?,
            Self::Mkdir => fs::create_dir(name)?,
        }
        Ok(())
    }
}

fn start_workers(dir: &Path, choices: &Choices) -> Result<Vec<Child>> {
    let each = choices.count.div_ceil(choices.processes);
    let mut workers = Vec::new();
    for number in 0..choices.processes {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(WORKER).arg(dir);
        command.args([(number * each).to_string(), each.to_string()]);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        workers.push(child);
    }
    for worker in &mut workers {
        let stdout = worker.stdout.take().context("a pipe was asked for")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line == "ready\n", "a worker did not start");
    }
    Ok(workers)
}

/// Lets all workers begin and waits for the last one.
fn let_go(workers: &mut [Child]) -> Result<()> {
    for worker in &mut *workers {
        let mut stdin = worker.stdin.take().context("a pipe was asked for")?;
        stdin.write_all(b"go\n")?;
    }
    for worker in workers {
        ensure!(worker.wait()?.success(), "a worker failed");
    }
    Ok(())
}

/// A process that creates files: says that it is ready, waits for a line, creates.
pub(crate) fn worker(words: &[&str]) -> Result<()> {
    let [dir, from, count] = words else {
        bail!("meta-worker DIR FROM COUNT; the benchmark starts it");
    };
    let (from, count): (usize, usize) = (from.parse()?, count.parse()?);
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new())?;
    (from..from + count).try_for_each(|n| Operation::CreateTogether.once(Path::new(dir), n))
}

/// User and system time of these processes, children not counted.
fn cpu_time(pids: &[i32]) -> Result<Duration> {
    // Clock ticks are 10 ms in every interface of the kernel to programs.
    const TICK: Duration = Duration::from_millis(10);
    let mut ticks = 0;
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} of a mount"))?;
        let (_, fields) = stat.rsplit_once(") ").context("no name in a stat file")?;
        // The fields after the name begin with the third one; user and system time are 14 and 15.
        let times = fields.split(' ').skip(11).take(2);
        ticks += times.filter_map(|t| t.parse::<u32>().ok()).sum::<u32>();
    }
    Ok(TICK * ticks)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn processor_time_of_a_process_grows_as_it_works() {
        let me = [std::process::id().cast_signed()];
        let before = cpu_time(&me).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            std::hint::black_box(start.elapsed());
        }
        let spent = cpu_time(&me).unwrap() - before;
        assert!(spent > Duration::ZERO, "{spent:?}");
        assert!(cpu_time(&[i32::MAX]).is_err());
    }

    #[test]
    fn operations_take_what_the_ones_before_have_left() {
        let top = jfs_testkit::scratch_dir().unwrap();
        let names = || fs::read_dir(top.path()).unwrap().count();
        let chain = [
            Operation::CreateWrite,
            Operation::Rename,
            Operation::Unlink,
            Operation::Create,
        ];
        for operation in chain {
            (0..3).for_each(|n| operation.once(top.path(), n).unwrap());
            assert_eq!(names(), if operation == Operation::Unlink { 0 } else { 3 });
        }
    }
}
