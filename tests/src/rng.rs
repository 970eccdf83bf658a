//! Random numbers that a seed replays exactly.

use jfs_types::Rand;
use parking_lot::Mutex;

/// A SplitMix64 generator. Clones go their own ways.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator; equal seeds give equal numbers.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next number.
    #[expect(
        clippy::should_implement_trait,
        reason = "an endless source, not an iterator"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// One of `items`.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

/// The same as the clients' source of randomness.
pub struct SharedRng(Mutex<Rng>);

impl SharedRng {
    /// From a seed.
    pub fn new(seed: u64) -> SharedRng {
        SharedRng(Mutex::new(Rng::new(seed)))
    }
}

impl Rand for SharedRng {
    fn next_u64(&self) -> u64 {
        self.0.lock().next()
    }
}
