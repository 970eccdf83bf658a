//! The hourly clean-ups, each run by one client of the volume at a time.

use crate::delete::{delete_file, delete_slices};
use crate::jitter::jitter;
use crate::sleep_or_stop;
use jfs_chunk::ChunkStore;
use jfs_meta::Meta;
use jfs_meta::engine::JobSlot;
use jfs_types::{Errno, Rand, Time};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Time between two tries of each job.
const EVERY: Duration = Duration::from_secs(3600);
/// A job that another client ran within this time is not run again: nine tenths of [`EVERY`].
const INTERVAL_SEC: i64 = 54 * 60;
/// Removed files are left alone for this long: their own client is probably at it.
const DELETED_AGE_SEC: i64 = 3600;
/// Largest jump of the clock within an hour. Corrections of a clock that drifts are smaller.
const STEP_MAX: Duration = Duration::from_secs(300);
/// Records taken up per run of a job.
const BATCH: usize = 10_000;
/// Failures in a row after which a job gives up: then it is not a record that is damaged, the engine or
/// the store is away.
const FAILURES_MAX: usize = 20;

/// Tries every job once an hour.
pub(crate) async fn run(
    meta: Arc<Meta>,
    chunks: ChunkStore,
    max_deletes: usize,
    mut stopped: watch::Receiver<bool>,
) {
    let mut before = (meta.now(), Instant::now());
    while !sleep_or_stop(jitter(EVERY, meta.rand()), &mut stopped).await {
        let now = (meta.now(), Instant::now());
        let jumped = jumped(before, now);
        before = now;
        if jumped {
            tracing::warn!(
                "the clock was set, or the machine slept: nothing expires here for another hour"
            );
            continue;
        }
        for job in [JobSlot::DeletedFiles, JobSlot::Slices, JobSlot::Trash] {
            if !meta.is_writable() || max_deletes == 0 && job != JobSlot::Trash {
                continue;
            }
            // Every step may be repeated, so a job ends where it is when the client does.
            let done = tokio::select! {
                done = run_job(&meta, &chunks, job) => done,
                _ = stopped.wait_for(|stop| *stop) => return,
            };
            if let Err(e) = done {
                tracing::warn!("clean-up {job:?} failed: {e}");
            }
        }
    }
}

/// Whether the clock went ahead of the time that has passed. What is old by a clock that is wrong may be
/// young: the trash and what compactions have replaced cannot be brought back. A clock that stays is
/// believed an hour later.
fn jumped(before: (Time, Instant), now: (Time, Instant)) -> bool {
    let by_clock = now.0.since(before.0);
    let passed = now.1.saturating_duration_since(before.1);
    by_clock.saturating_sub(passed) > STEP_MAX
}

async fn run_job(meta: &Meta, chunks: &ChunkStore, job: JobSlot) -> Result<(), Errno> {
    match meta.claim_job(job, INTERVAL_SEC).await {
        Ok(true) => {}
        Ok(false) => return Ok(()),
        Err(e) => {
            tracing::debug!("job {job:?} could not be claimed: {e}");
            return Ok(());
        }
    }
    let n = match job {
        JobSlot::DeletedFiles => clean_deleted_files(meta, chunks, DELETED_AGE_SEC).await?,
        JobSlot::Slices => clean_unused_slices(meta, chunks).await?,
        JobSlot::Trash => {
            let (trash, delayed) = (
                clean_trash(meta).await,
                clean_delayed_slices(meta, chunks).await,
            );
            trash? + delayed?
        }
        JobSlot::StaleSessions | JobSlot::ChangeLog => 0,
    };
    if n > 0 {
        tracing::info!("clean-up {job:?}: {n} done");
    }
    Ok(())
}

/// Removes the data of files deleted more than `age_sec` seconds ago. Returns how many. One that fails
/// does not keep the others; the first failure is returned.
pub async fn clean_deleted_files(
    meta: &Meta,
    chunks: &ChunkStore,
    age_sec: i64,
) -> Result<usize, Errno> {
    let files = from_anywhere(meta.deleted_files(age_sec, BATCH).await?, meta.rand());
    let mut all = Tally::default();
    for file in files {
        let deleted = delete_file(meta, chunks, file.ino, file.length).await;
        if !all.add(deleted.map(|()| 1)) {
            break;
        }
    }
    all.result()
}

/// The records in their order, from any of them on when there are so many that a job may give up before the
/// end: records that fail for ever must not keep those behind them for ever.
fn from_anywhere<T>(mut records: Vec<T>, rand: &dyn Rand) -> Vec<T> {
    if records.len() > FAILURES_MAX {
        let first = rand.below(records.len() as u64) as usize;
        records.rotate_left(first);
    }
    records
}

/// The progress of a job, and its first error.
#[derive(Default)]
struct Tally {
    done: usize,
    failed: Option<Errno>,
    in_a_row: usize,
}

impl Tally {
    /// Counts one; false when it is time to give up.
    fn add(&mut self, one: Result<usize, Errno>) -> bool {
        match one {
            Ok(n) => {
                self.done += n;
                self.in_a_row = 0;
            }
            Err(e) => {
                self.failed = self.failed.or(Some(e));
                self.in_a_row += 1;
            }
        }
        self.in_a_row < FAILURES_MAX
    }

    fn result(self) -> Result<usize, Errno> {
        self.failed.map_or(Ok(self.done), Err)
    }
}

/// Deletes the objects of slices that have no user left. Returns how many.
pub async fn clean_unused_slices(meta: &Meta, chunks: &ChunkStore) -> Result<usize, Errno> {
    let slices = meta.unused_slices(BATCH).await?;
    // The list of another volume, which took the place of this one meanwhile, would name objects that are
    // in use here. Other clean-ups begin with a commit, which the engine refuses then.
    if meta.reload_format().await.is_err() || !meta.is_writable() {
        return Err(Errno::EIO);
    }
    delete_slices(meta, chunks, &slices).await?;
    Ok(slices.len())
}

/// Releases slices that compactions replaced before the trash period began. Returns how many
/// records. One that fails does not keep the others; the first failure is returned.
pub async fn clean_delayed_slices(meta: &Meta, chunks: &ChunkStore) -> Result<usize, Errno> {
    let delayed = from_anywhere(meta.expired_delayed(BATCH).await?, meta.rand());
    let mut all = Tally::default();
    for record in &delayed {
        let released = async {
            let unused = meta.release_delayed(record).await?;
            delete_slices(meta, chunks, &unused).await
        };
        if !all.add(released.await.map(|()| 1)) {
            break;
        }
    }
    all.result()
}

/// Empties the hour directories of the trash whose time is over. Returns the number of entries. One
/// that fails does not keep the others; the first failure is returned.
pub async fn clean_trash(meta: &Meta) -> Result<usize, Errno> {
    let mut all = Tally::default();
    for hour in from_anywhere(meta.expired_trash_hours().await?, meta.rand()) {
        if !all.add(meta.empty_trash_hour(&hour).await) {
            break;
        }
    }
    all.result()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jfs_types::SystemRand;

    #[test]
    fn a_clock_that_is_set_forward_expires_nothing() {
        let start = (
            Time {
                sec: 1_000_000,
                ..Time::default()
            },
            Instant::now(),
        );
        let later = |by_clock: i64, passed: u64| {
            let clock = Time {
                sec: start.0.sec + by_clock,
                ..Time::default()
            };
            jumped(start, (clock, start.1 + Duration::from_secs(passed)))
        };
        assert!(!later(3600, 3600) && !later(3800, 3600));
        assert!(
            !later(-86_400, 3600),
            "what is set back expires nothing too early"
        );
        assert!(later(2 * 86_400, 3600));
    }

    #[test]
    fn a_job_that_gives_up_begins_elsewhere_the_next_time() {
        let few: Vec<usize> = (0..FAILURES_MAX).collect();
        assert_eq!(from_anywhere(few.clone(), &SystemRand), few);
        let many = || from_anywhere((0..1000usize).collect(), &SystemRand);
        let firsts: std::collections::HashSet<usize> = (0..50).map(|_| many()[0]).collect();
        assert!(firsts.len() > 1);
        let mut all = many();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }
}
