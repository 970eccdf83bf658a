//! Waits that differ a little, so that clients do not march in step.

use jfs_types::Rand;
use std::time::Duration;

/// `time`, five percent more or less.
pub(crate) fn jitter(time: Duration, rand: &dyn Rand) -> Duration {
    let tenth = (time.as_millis() / 10).min(u128::from(u64::MAX)) as u64;
    time.mul_f64(0.95) + Duration::from_millis(rand.below(tenth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::SystemRand;

    #[test]
    fn stays_within_five_percent() {
        let hour = Duration::from_secs(3600);
        for _ in 0..1000 {
            let t = jitter(hour, &SystemRand).as_secs_f64();
            assert!((3419.0..=3781.0).contains(&t), "{t}");
        }
    }
}
