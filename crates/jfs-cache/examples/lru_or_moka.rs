//! What a block cache in memory and a set of open files cost with the crates `lru` and `moka`:
//! `cargo run --release -p jfs-cache --example lru_or_moka`.
//!
//! Prints CPU time per operation, since the machine may be shared, and how far each goes beyond its limit. The
//! numbers are in `docs/decisions/0007-caches.md`.

use bytes::Bytes;
use lru::LruCache;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a block.
const BLOCK: usize = 128 << 10;
/// Bytes that a cache may hold.
const LIMIT: u64 = 256 << 20;
/// Measurements of each operation; the median is shown.
const ROUNDS: usize = 7;

/// A cache by slice and block.
trait Blocks: Sync {
    fn get(&self, key: (u64, u32)) -> Option<Bytes>;
    fn put(&self, key: (u64, u32), block: Bytes);
    /// Bytes held now.
    fn held(&self) -> u64;
}

type BlocksByKey = LruCache<(u64, u32), Bytes>;

struct Lru {
    limit: u64,
    inner: Mutex<(BlocksByKey, u64)>,
}

impl Blocks for Lru {
    fn get(&self, key: (u64, u32)) -> Option<Bytes> {
        self.inner.lock().0.get(&key).cloned()
    }

    fn put(&self, key: (u64, u32), block: Bytes) {
        let mut gone = Vec::new();
        let mut inner = self.inner.lock();
        inner.1 += block.len() as u64;
        if let Some(old) = inner.0.put(key, block) {
            inner.1 -= old.len() as u64;
            gone.push(old);
        }
        while inner.1 > self.limit
            && let Some((_, old)) = inner.0.pop_lru()
        {
            inner.1 -= old.len() as u64;
            gone.push(old);
        }
    }

    fn held(&self) -> u64 {
        self.inner.lock().1
    }
}

struct Moka(Cache<(u64, u32), Bytes>);

impl Blocks for Moka {
    fn get(&self, key: (u64, u32)) -> Option<Bytes> {
        self.0.get(&key)
    }

    fn put(&self, key: (u64, u32), block: Bytes) {
        self.0.insert(key, block);
    }

    fn held(&self) -> u64 {
        self.0.iter().map(|(_, block)| block.len() as u64).sum()
    }
}

fn lru(limit: u64) -> Box<dyn Blocks> {
    let inner = Mutex::new((LruCache::unbounded(), 0));
    Box::new(Lru { limit, inner })
}

fn moka_lru(limit: u64) -> Box<dyn Blocks> {
    moka(limit, EvictionPolicy::lru())
}

fn moka_tiny_lfu(limit: u64) -> Box<dyn Blocks> {
    moka(limit, EvictionPolicy::tiny_lfu())
}

fn moka(limit: u64, policy: EvictionPolicy) -> Box<dyn Blocks> {
    let builder = Cache::builder().max_capacity(limit).eviction_policy(policy);
    let weigher = |_: &(u64, u32), block: &Bytes| block.len() as u32;
    Box::new(Moka(builder.weigher(weigher).build()))
}

/// Makes a cache of a limit in bytes.
type Make = fn(u64) -> Box<dyn Blocks>;

const KINDS: [(&str, Make); 3] = [
    ("lru", lru),
    ("moka, lru", moka_lru),
    ("moka, tiny lfu", moka_tiny_lfu),
];

/// CPU nanoseconds of this process for each of `n` calls on each of `threads` threads.
fn cost(threads: u64, n: u64, call: impl Fn(u64) + Sync) -> f64 {
    let begin = cpu();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let call = &call;
            scope.spawn(move || (0..n).for_each(|i| call(i * threads + thread)));
        }
    });
    (cpu() - begin) / (n * threads) as f64
}

/// CPU time of this process in nanoseconds.
#[expect(unsafe_code, reason = "the standard library does not tell CPU time")]
fn cpu() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Numbers in no order.
fn scattered(n: u64) -> u64 {
    (n ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

fn main() {
    let block = Bytes::from(vec![1; BLOCK]);
    let blocks = LIMIT / BLOCK as u64;
    println!("threads  operation                {:?}", KINDS.map(|k| k.0));
    for (threads, n) in [(1, 60_000), (4, 20_000)] {
        let mut costs = [const { [const { Vec::new() }; KINDS.len()] }; 3];
        // Rounds take turns, so that a busy moment of the machine meets all alike.
        for _ in 0..ROUNDS {
            for (at, (_, make)) in KINDS.iter().enumerate() {
                let cache = make(LIMIT);
                (0..blocks).for_each(|id| cache.put((id, 0), block.clone()));
                // Each with numbers of its own that the cache does not hold.
                let (absent, new) = (1 << 50, 1 << 60);
                let hit = |i| drop(cache.get((scattered(i) % (blocks - 64), 0)));
                let miss = |i| drop(cache.get((absent + i, 0)));
                let fill = |i| match cache.get((new + i, 0)) {
                    Some(_) => (),
                    None => cache.put((new + i, 0), block.clone()),
                };
                costs[0][at].push(cost(threads, n, hit));
                costs[1][at].push(cost(threads, n, miss));
                costs[2][at].push(cost(threads, n, fill));
            }
        }
        for (name, costs) in ["hit", "miss", "miss and insert at limit"]
            .iter()
            .zip(costs)
        {
            let median = |mut costs: Vec<f64>| {
                costs.sort_by(f64::total_cmp);
                costs[costs.len() / 2].round()
            };
            println!("{threads:7}  {name:24} {:?} ns", costs.map(median));
        }
    }
    println!("blocks of 4 MiB, limit 64 MiB, 4 threads: most bytes held, MiB");
    for (name, make) in KINDS {
        let (cache, most) = (make(64 << 20), AtomicU64::new(0));
        cost(4, 500, |i| {
            cache.put((i, 0), Bytes::from(vec![1; 4 << 20]));
            most.fetch_max(cache.held(), Ordering::Relaxed);
        });
        println!("{name:20} {}", most.into_inner() >> 20);
    }
}
