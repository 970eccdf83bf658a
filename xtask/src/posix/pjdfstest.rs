//! pjdfstest: what POSIX says about names, modes, owners, times and errors, some 400 cases.

use super::suite;
use super::suite_volume::{Meta, SuiteVolume};
use anyhow::{Result, bail, ensure};
use std::process::Command;
use std::time::Duration;

/// Cases that pass; the others are skipped for want of a read-only remount, of a limit of links we do
/// not have, or of a second file system. The reference passes as many.
const PASSED_MIN: u32 = 382;
/// Times of a directory follow at least this often (`--skip-dir-mtime`, 100 ms), so that a case which
/// compares them has to wait longer.
const NAP_SECONDS: f64 = 0.15;
/// A run takes a minute.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs all cases on each of `metas`, side by side: they mostly sleep.
pub(crate) fn run(metas: &[Meta]) -> Result<()> {
    // Most cases change owners and switch users.
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self")?);
    ensure!(owner == 0, "pjdfstest has to run as root");
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let runs: Vec<_> = metas.iter().map(|meta| scope.spawn(|| on(*meta))).collect();
        let panicked = |_| Err(anyhow::anyhow!("the run panicked"));
        runs.into_iter()
            .map(|run| run.join().unwrap_or_else(panicked))
            .collect()
    });
    results.into_iter().collect()
}

fn on(meta: Meta) -> Result<()> {
    let volume = SuiteVolume::new(meta, 0)?;
    let configuration = volume.beside().join("pjdfstest.toml");
    std::fs::write(&configuration, configured())?;
    let mount = volume.mount(&["--enable-xattr"])?;
    let mut command = Command::new(suite::program("pjdfstest")?);
    command
        .arg("-c")
        .arg(&configuration)
        .arg("-p")
        .arg(mount.path());
    command.current_dir(mount.path()).env("NO_COLOR", "1");
    let ended = suite::run(&mut command, &volume.beside().join("pjdfstest.log"), LIMIT)?;
    mount.unmount()?;
    volume.fsck()?;
    let summary = ended
        .output
        .lines()
        .rev()
        .find(|line| line.starts_with("Summary"));
    println!("pjdfstest on {meta:?}: {}", summary.unwrap_or("no summary"));
    let counts = summary.map(|line| (count(line, "failed"), count(line, "passed")));
    match counts {
        Some((Some(0), Some(PASSED_MIN..))) if ended.status.success() => Ok(()),
        _ => bail!(
            "pjdfstest on {meta:?}: {}\n{}",
            ended.status,
            failures(&ended.output)
        ),
    }
}

/// The two users are those that every system has.
fn configured() -> String {
    format!(
        "\
[features]
posix_fallocate = {{}}
rename_ctime = {{}}
utime_now = {{}}
utimensat = {{}}
[settings]
naptime = {NAP_SECONDS}
allow_remount = false
[dummy_auth]
entries = [[\"nobody\", \"nogroup\"], [\"daemon\", \"daemon\"]]
"
    )
}

/// The number before `what`.
fn count(summary: &str, what: &str) -> Option<u32> {
    let words: Vec<&str> = summary.split([' ', ',']).collect();
    let at = words.iter().position(|word| *word == what)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

/// Everything but the cases that passed or were skipped.
fn failures(output: &str) -> String {
    let fine = |line: &str| {
        line.ends_with(" ok") || line.ends_with("skipped") || line.contains("requires ")
    };
    output
        .lines()
        .filter(|line| !fine(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::{count, failures};

    #[test]
    fn the_summary_is_read() {
        let line = "Summary: 1 failed, 16 skipped, 382 passed, 0 expected failures, 399 total";
        assert_eq!(count(line, "failed"), Some(1));
        assert_eq!(count(line, "passed"), Some(382));
        assert_eq!(count("", "passed"), None);
    }

    #[test]
    fn failures_are_shown() {
        let output = "a::b    ok\na::c   FAILED\n\twrong\na::d   skipped\n\trequires features: x";
        assert_eq!(failures(output), "a::c   FAILED\n\twrong");
    }
}
