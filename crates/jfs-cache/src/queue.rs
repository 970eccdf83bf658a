//! What waits to be written to the cache disk, and the thread that writes it.
//!
//! Pushing never waits. The thread is woken for the first job after a quiet time and then looks by
//! itself every [`LINGER`] while there is work: a stream of small blocks costs a few wake-ups per
//! second, not one each.

use crate::key::BlockKey;
use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::Duration;

/// Bytes of blocks that may wait.
pub(crate) const QUEUE_BYTES_MAX: u64 = 32 << 20;
/// Jobs that may wait.
pub(crate) const QUEUE_JOBS_MAX: usize = 8192;
/// Waiting bytes that wake a lingering thread at once.
const URGENT_BYTES: u64 = 4 << 20;
/// How long the thread looks for more work before it sleeps.
const LINGER: Duration = Duration::from_millis(50);

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write a block.
    Put(BlockKey, Bytes),
    /// Remove a block.
    Remove(BlockKey),
    /// Evict what is too much.
    Tidy,
}

impl Job {
    fn bytes(&self) -> u64 {
        match self {
            Job::Put(_, data) => data.len() as u64,
            _ => 0,
        }
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Bytes of jobs that wait or are being done.
    bytes: u64,
    /// The thread waits to be woken.
    asleep: bool,
    /// The thread has taken a job and not finished it.
    busy: bool,
    closed: bool,
}

impl Queue {
    /// Adds a job; false when there is no room for it or the queue is closed.
    pub(crate) fn push(&self, job: Job) -> bool {
        let bytes = job.bytes();
        let mut state = self.state.lock();
        if state.closed
            || state.jobs.len() >= QUEUE_JOBS_MAX
            || state.bytes + bytes > QUEUE_BYTES_MAX
        {
            return false;
        }
        state.bytes += bytes;
        state.jobs.push_back(job);
        let wake = state.asleep || state.bytes >= URGENT_BYTES;
        drop(state);
        if wake {
            self.work.notify_one();
        }
        true
    }

    /// Does jobs, in order, until the queue is closed. For the one thread that owns this.
    pub(crate) fn run(&self, mut work: impl FnMut(Job)) {
        let mut lingered = false;
        let mut state = self.state.lock();
        loop {
            if state.closed {
                state.jobs.clear();
                self.idle.notify_all();
                return;
            }
            if let Some(job) = state.jobs.pop_front() {
                state.busy = true;
                drop(state);
                let bytes = job.bytes();
                work(job);
                state = self.state.lock();
                state.busy = false;
                state.bytes -= bytes;
                lingered = false;
            } else if lingered {
                self.idle.notify_all();
                state.asleep = true;
                self.work.wait(&mut state);
                state.asleep = false;
            } else {
                self.idle.notify_all();
                self.work.wait_for(&mut state, LINGER);
                lingered = true;
            }
        }
    }

    /// Waits until nothing is left to do, or the queue is closed.
    pub(crate) fn wait_idle(&self) {
        let mut state = self.state.lock();
        self.work.notify_one();
        while !state.closed && (state.busy || !state.jobs.is_empty()) {
            self.idle.wait(&mut state);
        }
    }

    /// Lets the thread end after the job it is doing; waiting jobs are dropped.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.work.notify_all();
        self.idle.notify_all();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn put(n: u64, len: usize) -> Job {
        Job::Put(BlockKey { slice_id: n, index: 0, size: len as u32 }, Bytes::from(vec![0; len]))
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let queue = Queue::default();
        let half = QUEUE_BYTES_MAX as usize / 2;
        assert!(queue.push(put(1, half)) && queue.push(put(2, half)));
        assert!(!queue.push(put(3, 1)), "the bytes are used up");
        assert!(queue.push(Job::Remove(BlockKey { slice_id: 1, index: 0, size: 1 })));
        for _ in 3..QUEUE_JOBS_MAX {
            assert!(queue.push(Job::Tidy));
        }
        assert!(!queue.push(Job::Tidy), "the places are used up");
    }

    #[test]
    fn does_everything_in_order_and_ends() {
        let queue = Arc::new(Queue::default());
        let done = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (queue, done) = (queue.clone(), done.clone());
            move || queue.run(|job| if let Job::Put(key, _) = job { done.lock().push(key.slice_id) })
        });
        for n in 0..100 {
            assert!(queue.push(put(n, 100)));
        }
        queue.wait_idle();
        assert_eq!(*done.lock(), (0..100).collect::<Vec<_>>());
        assert_eq!(queue.state.lock().bytes, 0);
        queue.close();
        thread.join().unwrap();
        assert!(!queue.push(Job::Tidy));
    }
}
