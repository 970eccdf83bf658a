//! The short run: all seeds of a target as they are, then mutations of them, from one number that
//! decides everything.

use super::Target;
use super::alloc::{LARGEST_MAX, largest};
use super::mutate::mutate;
use crate::Rng;
use std::fmt;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One input may take this long: decoders answer in microseconds, the slowest key in milliseconds.
const ONE_MAX: Duration = Duration::from_secs(20);

/// An input that a target does not survive.
pub struct Failure {
    /// The target.
    pub target: &'static str,
    /// The number that leads there.
    pub seed: u64,
    /// The input.
    pub input: Vec<u8>,
    /// The failure.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex: String = self.input.iter().map(|b| format!("{b:02x}")).collect();
        write!(
            f,
            "{}: {} (JFS_FUZZ_SEED={}), input {hex}",
            self.target, self.what, self.seed
        )
    }
}

/// The directory of the golden inputs, with a directory per target.
pub fn seeds_dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds"))
}

/// The golden inputs of a target, in the order of their names.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let dir = seeds_dir().join(target.name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|p| std::fs::read(p).unwrap()).collect()
}

/// Feeds a target `factor` times what it usually gets; the number of inputs, or the first it fails on.
pub fn smoke(target: &Target, seed: u64, factor: u32) -> Result<u64, Box<Failure>> {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    let mut rng = Rng::new(seed);
    let mut runs = 0;
    for input in &seeds {
        feed(target, seed, input)?;
        runs += 1;
    }
    let pick = |rng: &mut Rng| seeds[rng.below(seeds.len() as u64) as usize].clone();
    for _ in 0..u64::from(target.smoke_runs) * u64::from(factor) {
        let (mut input, other) = (pick(&mut rng), pick(&mut rng));
        mutate(&mut input, &other, &mut rng);
        feed(target, seed, &input)?;
        runs += 1;
    }
    Ok(runs)
}

fn feed(target: &Target, seed: u64, input: &[u8]) -> Result<(), Box<Failure>> {
    let failure = |what| {
        Box::new(Failure {
            target: target.name,
            seed,
            input: input.to_vec(),
            what,
        })
    };
    largest();
    let began = Instant::now();
    catch_unwind(|| (target.run)(input)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| t.to_string()));
        failure(text.unwrap_or_else(|| "panicked".into()))
    })?;
    match (largest(), began.elapsed()) {
        (bytes, _) if bytes > LARGEST_MAX => {
            Err(failure(format!("{bytes} bytes were asked for at once")))
        }
        (_, time) if time > ONE_MAX => Err(failure(format!("took {time:?}"))),
        _ => Ok(()),
    }
}
