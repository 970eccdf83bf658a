//! `.accesslog`: a queue of lines for each open file.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jfs_types::Errno;
use jfs_vfs::{SpecialFile, Vfs};
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

/// The queues of all readers.
#[derive(Default)]
pub(crate) struct AccessLog {
    /// Number of queues. Every request looks at it, and at nothing else while it is 0.
    readers: AtomicUsize,
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

    /// Whether a line would reach a reader.
    pub(crate) fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    /// Adds a line to every queue that has room.
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

/// One open `.accesslog`. Its offsets mean nothing: each read takes the next lines from the queue.
pub(crate) struct LogReader {
    log: Arc<AccessLog>,
    queue: Arc<Queue>,
}

impl LogReader {
    /// Up to `size` bytes of lines. Waits up to a second for so many, and gives a line `#` when there was
    /// none at all.
    async fn next(&self, size: usize) -> Bytes {
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

impl SpecialFile for LogReader {
    fn read(&self, _: u64, size: u32) -> BoxFuture<'_, Bytes> {
        Box::pin(self.next(size as usize))
    }

    fn write(&self, _: &Vfs, _: u64, _: &[u8]) -> Result<u32, Errno> {
        Err(Errno::EBADF)
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
        assert_eq!(&one.next(8).await[..], b"00000\n00");
        assert_eq!(&one.next(4).await[..], b"001\n");
        let all = two.next(LINES_MAX * 6).await;
        assert!(all.ends_with(b"10239\n"), "the last ones were dropped");
        assert_eq!(&two.next(100).await[..], b"#\n");
        drop((one, two));
        assert!(!log.has_readers());
        let all: Vec<_> = (0..READERS_MAX).map(|_| log.subscribe().unwrap()).collect();
        assert!(log.subscribe().is_none());
        drop(all);
    }
}
