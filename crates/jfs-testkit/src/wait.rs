//! Waiting for a condition of another process, with a deadline instead of a guessed pause.

use crate::{KitError, Result};
use std::time::{Duration, Instant};

/// Between two looks at a condition; short enough not to be felt, long enough not to burn a core.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Returns as soon as `condition` gives a value; after `limit` an error that says `what` was awaited.
///
/// An error of the condition ends the wait at once.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if start.elapsed() >= limit {
            return Err(KitError::Timeout {
                what: what.to_owned(),
                after: limit,
            });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
