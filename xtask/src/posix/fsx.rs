//! fsx: random operations on one file, compared with a copy in memory after every read.

use super::suite;
use super::suite_volume::{Meta, SuiteVolume};
use crate::options::Options;
use anyhow::{Result, bail};
use jfs_testkit::Mount;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Which kinds of operations, with which weights, on a file of which size.
struct Profile {
    name: &'static str,
    length_bytes: u64,
    operation_bytes: u64,
    align_bytes: u64,
    /// Operations are this much rarer than those of other profiles: they are larger.
    rarer: u64,
    /// Besides reads, writes, truncations and syncs.
    weights: &'static [(&'static str, f64)],
}

impl Profile {
    const fn small(name: &'static str, weights: &'static [(&'static str, f64)]) -> Profile {
        Profile {
            name,
            length_bytes: 256 << 10,
            operation_bytes: 64 << 10,
            align_bytes: 1,
            rarer: 1,
            weights,
        }
    }
}

/// Everything at once.
const MIXED: &[(&str, f64)] = &[
    ("close_open", 1.0),
    ("mapread", 10.0),
    ("mapwrite", 10.0),
    ("invalidate", 1.0),
    ("posix_fallocate", 2.0),
    ("punch_hole", 2.0),
    ("sendfile", 5.0),
    ("posix_fadvise", 1.0),
    ("copy_file_range", 2.0),
];
const PROFILES: [Profile; 9] = [
    Profile::small("plain", &[]),
    Profile::small(
        "mmap",
        &[("mapread", 10.0), ("mapwrite", 10.0), ("invalidate", 1.0)],
    ),
    Profile::small("fallocate", &[("posix_fallocate", 5.0)]),
    Profile::small("punch", &[("punch_hole", 5.0)]),
    Profile::small("reopen", &[("close_open", 2.0), ("mapread", 5.0)]),
    Profile::small("copy", &[("copy_file_range", 5.0)]),
    Profile::small("mixed", MIXED),
    // Around the edges of blocks and chunks.
    Profile {
        length_bytes: 200 << 20,
        operation_bytes: 8 << 20,
        rarer: 100,
        ..Profile::small("big", MIXED)
    },
    Profile {
        length_bytes: 16 << 20,
        operation_bytes: 1 << 20,
        align_bytes: 4096,
        rarer: 20,
        ..Profile::small("aligned", MIXED)
    },
];
/// The operations of every profile.
const COMMON: [(&str, f64); 5] = [
    ("read", 10.0),
    ("write", 10.0),
    ("truncate", 5.0),
    ("fsync", 0.2),
    ("fdatasync", 0.2),
];
/// Whatever has no weight here or in the profile does not happen.
const EVERY_OPERATION: [&str; 14] = [
    "close_open",
    "read",
    "write",
    "mapread",
    "mapwrite",
    "invalidate",
    "truncate",
    "fsync",
    "fdatasync",
    "posix_fallocate",
    "punch_hole",
    "sendfile",
    "posix_fadvise",
    "copy_file_range",
];
/// For one profile with one seed.
const LIMIT: Duration = Duration::from_secs(900);

/// The runs. Each combination of the lists has its turn.
pub(crate) struct Runs {
    pub(crate) metas: Vec<Meta>,
    pub(crate) trash_days: Vec<u32>,
    pub(crate) seeds: Vec<u64>,
    /// Operations of a profile.
    pub(crate) operations: u64,
    profiles: Vec<&'static Profile>,
}

impl Runs {
    /// Every profile.
    pub(crate) fn new(metas: &[Meta], trash_days: &[u32], seeds: &[u64], operations: u64) -> Runs {
        Runs {
            metas: metas.to_vec(),
            trash_days: trash_days.to_vec(),
            seeds: seeds.to_vec(),
            operations,
            profiles: PROFILES.iter().collect(),
        }
    }

    /// Without options: everything, thoroughly, which takes hours.
    pub(super) fn parse(mut options: Options<'_>) -> Result<Runs> {
        let number = |word: &str| word.parse().ok();
        let mut runs = Runs::new(&Meta::ALL, &[0, 1], &[1, 2, 3], 20_000);
        let profile = |word: &str| PROFILES.iter().find(|profile| profile.name == word);
        if let Some(metas) = options.list("--meta", Meta::parse)? {
            runs.metas = metas;
        }
        if let Some(days) = options.list("--trash-days", |word| word.parse().ok())? {
            runs.trash_days = days;
        }
        if let Some(seeds) = options.list("--seeds", number)? {
            runs.seeds = seeds;
        }
        if let Some(operations) = options.list("--operations", number)? {
            runs.operations = operations.into_iter().sum();
        }
        if let Some(profiles) = options.list("--profiles", profile)? {
            runs.profiles = profiles;
        }
        options.end()?;
        Ok(runs)
    }
}

/// Does all runs, volumes side by side; fails at the end when one failed.
pub(crate) fn run(runs: &Runs) -> Result<()> {
    let places: Vec<(Meta, u32)> = runs
        .metas
        .iter()
        .flat_map(|meta| runs.trash_days.iter().map(|days| (*meta, *days)))
        .collect();
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let started: Vec<_> = places
            .iter()
            .map(|(meta, days)| scope.spawn(|| on(*meta, *days, runs)))
            .collect();
        let panicked = |_| Err(anyhow::anyhow!("the run panicked"));
        started
            .into_iter()
            .map(|run| run.join().unwrap_or_else(panicked))
            .collect()
    });
    results.into_iter().collect()
}

/// One volume: each profile with each seed on a file of its own, which stays for the `fsck`.
fn on(meta: Meta, trash_days: u32, runs: &Runs) -> Result<()> {
    let volume = SuiteVolume::new(meta, trash_days)?;
    let mount = volume.mount(&[])?;
    let mut failed = Vec::new();
    for profile in &runs.profiles {
        for seed in &runs.seeds {
            let start = Instant::now();
            let result = one(&volume, &mount, profile, *seed, runs.operations);
            let verdict = if result.is_ok() { "ok" } else { "FAILED" };
            println!(
                "fsx on {meta:?}, trash-days {trash_days}, {}, seed {seed}: {verdict} after {:.1} s",
                profile.name,
                start.elapsed().as_secs_f64()
            );
            if let Err(error) = result {
                println!("{error:#}\n{}", mount.log());
                failed.push(format!("{} seed {seed}", profile.name));
            }
        }
    }
    mount.unmount()?;
    volume.fsck()?;
    match failed.as_slice() {
        [] => Ok(()),
        failed => bail!(
            "fsx on {meta:?}, trash-days {trash_days}: {}",
            failed.join(", ")
        ),
    }
}

fn one(
    volume: &SuiteVolume,
    mount: &Mount,
    profile: &Profile,
    seed: u64,
    operations: u64,
) -> Result<()> {
    let name = format!("{}-{seed}", profile.name);
    let configuration = volume.beside().join(format!("{name}.toml"));
    std::fs::write(&configuration, configured(profile))?;
    let artefacts: &Path = volume.beside();
    let mut command = Command::new(suite::program("fsx")?);
    command.args(["-q", "-S", &seed.to_string()]);
    command.args(["-N", &(operations / profile.rarer).max(1).to_string()]);
    command
        .arg("-f")
        .arg(&configuration)
        .arg("-P")
        .arg(artefacts);
    command.arg(mount.at(&name));
    let ended = suite::run(&mut command, &artefacts.join(format!("{name}.log")), LIMIT)?;
    if !ended.status.success() {
        bail!("{}\n{}", ended.status, ended.output);
    }
    Ok(())
}

/// Every weight is written, so that nothing depends on the defaults of the program. No operation is shorter
/// than one unit: fallocate of nothing is EINVAL everywhere, which fsx takes for a lack of support.
fn configured(profile: &Profile) -> String {
    let mut text = format!(
        "flen = {}\n[opsize]\nmin = {align}\nmax = {}\nalign = {align}\n[weights]\n",
        profile.length_bytes,
        profile.operation_bytes,
        align = profile.align_bytes
    );
    for operation in EVERY_OPERATION {
        let weights = profile.weights.iter().chain(&COMMON);
        let weight = weights
            .clone()
            .find(|(name, _)| *name == operation)
            .map_or(0.0, |(_, w)| *w);
        let _ = writeln!(text, "{operation} = {weight:?}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{COMMON, EVERY_OPERATION, PROFILES, configured};

    #[test]
    fn weights_are_of_known_operations() {
        for profile in &PROFILES {
            for (name, _) in profile.weights.iter().chain(&COMMON) {
                assert!(EVERY_OPERATION.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn every_weight_is_written_once() {
        let text = configured(&PROFILES[5]);
        assert!(text.contains("\ncopy_file_range = 5.0\n"), "{text}");
        assert!(text.contains("\nmapread = 0.0\n"), "{text}");
        assert_eq!(text.matches(" = ").count(), 4 + EVERY_OPERATION.len());
    }
}
