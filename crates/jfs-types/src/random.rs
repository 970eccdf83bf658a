//! Random numbers as a value that is passed in, so that tests can replay them.

/// Random numbers that need not be secret (jitter, sampling).
pub trait Rand: Send + Sync {
    /// A uniformly random number.
    fn next_u64(&self) -> u64;

    /// A number in `0..n`; 0 when `n` is 0.
    fn below(&self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.next_u64() % n }
    }
}

/// The random number generator of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRand;

impl Rand for SystemRand {
    #[expect(
        clippy::disallowed_methods,
        reason = "the implementation behind the trait"
    )]
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}
