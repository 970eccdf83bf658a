//! The short fuzzing run: every decoder of foreign bytes gets golden inputs and mutations of them.
//!
//! `JFS_FUZZ_SEED=N` runs another sequence, `JFS_FUZZ_FACTOR=N` a longer one. A failure names both the
//! number and the input; the input becomes a file below `fuzz/seeds`.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_tests::fuzz::{TARGETS, Target, Watched, find, smoke};

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Runs the same inputs every time unless it is told otherwise.
const SEED: u64 = 20_260_101;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text}: a number is needed")),
        Err(_) => default,
    }
}

#[test]
fn no_decoder_panics_or_believes_a_length() {
    let (seed, factor) = (
        number("JFS_FUZZ_SEED", SEED),
        number("JFS_FUZZ_FACTOR", 1) as u32,
    );
    // Two halves at the same time.
    let half = |n: usize| TARGETS.iter().skip(n).step_by(2);
    let run = |targets: &mut dyn Iterator<Item = &'static Target>| {
        for target in targets {
            match smoke(target, seed, factor) {
                Ok(runs) => println!("{}: {runs} inputs", target.name),
                Err(failure) => panic!("{failure}"),
            }
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| run(&mut half(1)));
        run(&mut half(0));
        if let Err(panic) = other.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// The runner sees what it is there to see.
#[test]
fn the_runner_notices() {
    fn believes(data: &[u8]) {
        let length = data.first().map_or(0, |b| usize::from(*b) << 20);
        drop(std::hint::black_box(Vec::<u8>::with_capacity(length)));
    }
    fn overflows(data: &[u8]) {
        let sum = data.iter().sum::<u8>();
        std::hint::black_box(sum);
    }
    for (run, wanted) in [
        (believes as fn(&[u8]), "asked for at once"),
        (overflows, "overflow"),
    ] {
        let target = Target {
            run,
            ..*find("attr").unwrap()
        };
        let failure = smoke(&target, SEED, 1).unwrap_err();
        assert!(failure.what.contains(wanted), "{failure}");
    }
}
