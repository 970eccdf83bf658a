//! The queues behind open `.accesslog` files.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Lines that wait for one reader; later ones are dropped.
const LINES_MAX: usize = 10240;
/// Readers at the same time.
const READERS_MAX: usize = 64;
/// How long a read waits for lines.
const WAIT: Duration = Duration::from_secs(1);

/// Where lines go to.
#[derive(Default)]
pub(crate) struct AccessLog {
    /// Looked at for every request; nothing else is while it is 0.
    pub(crate) readers: AtomicUsize,
    queues: Mutex<Vec<Arc<Queue>>>,
}

#[derive(Default)]
struct Queue {
    lines: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    /// What the last read had no room for.
    rest: Vec<u8>,
}

impl AccessLog {
    /// Starts a queue; `None` when there are too many.
    pub(crate) fn subscribe(self: &Arc<AccessLog>) -> Option<LogReader> {
        let mut queues = self.queues.lock();
        if queues.len() >= READERS_MAX {
            return None;
        }
        let queue: Arc<Queue> = Arc::default();
        queues.push(queue.clone());
        self.readers.store(queues.len(), Ordering::Relaxed);
        Some(LogReader {
            log: self.clone(),
            queue,
        })
    }

    pub(crate) fn push(&self, line: String) {
        for queue in self.queues.lock().iter() {
            let mut waiting = queue.lines.lock();
            if waiting.lines.len() < LINES_MAX {
                waiting.lines.push_back(line.clone());
                queue.arrived.notify_one();
            }
        }
    }
}

/// One open `.accesslog`.
pub(crate) struct LogReader {
    log: Arc<AccessLog>,
    queue: Arc<Queue>,
}

impl LogReader {
    /// Up to `size` bytes of lines: waits up to a second for so many, and says `#` when there was
    /// nothing at all.
    pub(crate) async fn read(&self, size: usize) -> Bytes {
        let deadline = Instant::now() + WAIT;
        let mut out = Vec::new();
        loop {
            self.take(size, &mut out);
            if out.len() >= size {
                break;
            }
            let arrived = self.queue.arrived.notified();
            if tokio::time::timeout_at(deadline, arrived).await.is_err() {
                self.take(size, &mut out);
                break;
            }
        }
        if out.is_empty() && size >= 2 {
            out.extend_from_slice(b"#\n");
        }
        out.into()
    }

    fn take(&self, size: usize, out: &mut Vec<u8>) {
        let mut waiting = self.queue.lines.lock();
        loop {
            let room = size - out.len();
            let n = room.min(waiting.rest.len());
            out.extend(waiting.rest.drain(..n));
            if !waiting.rest.is_empty() || out.len() >= size {
                return;
            }
            match waiting.lines.pop_front() {
                Some(line) => waiting.rest = line.into_bytes(),
                None => return,
            }
        }
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        let mut queues = self.log.queues.lock();
        queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
        self.log.readers.store(queues.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_reader_has_a_queue_of_its_own_with_an_end() {
        let log: Arc<AccessLog> = Arc::default();
        let (one, two) = (log.subscribe().unwrap(), log.subscribe().unwrap());
        for n in 0..LINES_MAX + 5 {
            log.push(format!("{n:05}\n"));
        }
        assert_eq!(&one.read(8).await[..], b"00000\n00");
        assert_eq!(&one.read(4).await[..], b"001\n");
        let all = two.read(LINES_MAX * 6).await;
        assert!(all.ends_with(b"10239\n"), "the last ones were dropped");
        assert_eq!(&two.read(100).await[..], b"#\n");
        drop((one, two));
        assert_eq!(log.readers.load(Ordering::Relaxed), 0);
        let all: Vec<_> = (0..READERS_MAX).map(|_| log.subscribe().unwrap()).collect();
        assert!(log.subscribe().is_none());
        drop(all);
    }
}
