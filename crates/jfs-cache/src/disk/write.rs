//! The writer thread of a cache directory.

use super::{DiskCache, make_dir, now};
use crate::cache::Origin;
use crate::checksum::sums;
use crate::fds::BlockFile;
use crate::temporary::Temporary;
use crate::{BlockKey, Checksum};
use bytes::Bytes;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Time between two warnings about a full disk.
const FULL_WARNING: Duration = Duration::from_secs(60);
/// Bytes written to try a directory that is left out.
const TRIAL_BYTES: usize = 4096;

/// A block that waits for the writer.
pub(super) struct Waiting {
    pub(super) key: BlockKey,
    pub(super) data: Bytes,
    pub(super) origin: Origin,
}

/// How a write ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    New,
    /// Another process had stored the block.
    Found,
    /// Another process removed what was being written.
    Lost,
}

impl DiskCache {
    /// Writes a block. A block that another process has stored in the meantime is a success.
    fn write(&self, waiting: &Waiting) -> io::Result<Written> {
        let Waiting { key, data, origin } = waiting;
        let path = self.path(key);
        if *origin == Origin::Store
            && BlockFile::open(&path, key, self.config.level)
                .is_ok_and(|file| file.is_complete(self.config.level))
        {
            return Ok(Written::Found);
        }
        match self.write_new(&path, data) {
            // Another process has removed the temporary file, as the reference client does with what is a minute old,
            // or the directory, empty until now.
            Err(e) if e.kind() == io::ErrorKind::NotFound => match self.write_new(&path, data) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Written::Lost),
                done => done,
            },
            done => done,
        }
    }

    fn write_new(&self, path: &Path, data: &[u8]) -> io::Result<Written> {
        let mut temporary = match Temporary::create(path, self.config.mode) {
            // A new directory is rare, so it is not looked for each time.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if let Some(dir) = path.parent() {
                    make_dir(dir, self.config.dir_mode())?;
                }
                Temporary::create(path, self.config.mode)?
            }
            created => created?,
        };
        temporary.file().write_all(data)?;
        if self.config.level != Checksum::None {
            temporary.file().write_all(&sums(data))?;
        }
        temporary.rename(path)?;
        Ok(Written::New)
    }

    /// Writes a small file into a directory that is left out, and removes it.
    pub(super) fn try_again(&self) {
        let raw = self.config.dir.join("raw");
        let written = make_dir(&raw, self.config.dir_mode()).and_then(|()| {
            let mut trial = Temporary::create(&raw.join("trial"), self.config.mode)?;
            trial.file().write_all(&[0; TRIAL_BYTES])
        });
        match written {
            Ok(()) => {
                if self.health.succeeded() {
                    let dir = self.config.dir.display();
                    tracing::info!("cache directory {dir} is used again");
                }
            }
            Err(_) => {
                self.health.failed(Instant::now());
            }
        }
    }

    fn stored(&self, key: BlockKey, result: io::Result<Written>) {
        match result {
            Ok(Written::Lost) => {
                self.pending.lock().remove(&key);
                self.counters.dropped.inc();
            }
            Ok(written) => {
                if written == Written::New {
                    self.counters.writes.inc();
                    let bytes = u64::from(key.size);
                    self.counters.write_bytes.inc_by(bytes);
                }
                self.health.succeeded();
                // Removed while it was being written?
                if self.pending.lock().remove(&key).is_some() {
                    self.index.lock().add(key, now());
                } else {
                    let _ = fs::remove_file(self.path(&key));
                }
            }
            Err(e) => {
                self.pending.lock().remove(&key);
                self.failed_write(&e);
            }
        }
    }

    /// A full disk is said now and then; what else fails again and again has the directory left out.
    fn failed_write(&self, error: &io::Error) {
        let dir = self.config.dir.display();
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if full.contains(&error.kind()) {
            let mut warned = self.warned.lock();
            if warned.is_none_or(|at| at.elapsed() > FULL_WARNING) {
                *warned = Some(Instant::now());
                tracing::warn!("cache directory {dir}: {error}; blocks are not cached there");
            }
            return;
        }
        tracing::warn!("a block could not be cached in {dir}: {error}");
        if let Some(failures) = self.health.failed(Instant::now()) {
            tracing::error!(
                "cache directory {dir} is left out after {failures} failures, until a trial write succeeds"
            );
        }
    }
}

/// Writes the blocks that wait, evicts, drops what expired, and tries a directory that is left out, until the cache is gone.
pub(super) fn write_loop(cache: &Weak<DiskCache>, queue: &Receiver<Waiting>) {
    let expire = cache.upgrade().map_or(Duration::ZERO, |c| c.config.expire);
    // A tenth of the time is precise enough, a minute often enough.
    let pause = (expire / 10).clamp(Duration::from_millis(50), Duration::from_secs(60));
    let (mut looked, mut dropped) = (Instant::now(), Instant::now());
    loop {
        let until_trial = cache
            .upgrade()
            .and_then(|cache| cache.health.until_trial(Instant::now()));
        let pause = (!expire.is_zero()).then_some(pause);
        let next = match pause.into_iter().chain(until_trial).min() {
            Some(pause) => queue.recv_timeout(pause),
            None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let Some(cache) = cache.upgrade() else { return };
        match next {
            Ok(waiting) => {
                let begun = Instant::now();
                let result = cache.write(&waiting);
                if matches!(result, Ok(Written::New)) {
                    let took = begun.elapsed().as_secs_f64();
                    cache.counters.write_times.observe(took);
                }
                cache.stored(waiting.key, result);
                if cache.is_full(0) || looked.elapsed().as_secs() >= 1 {
                    cache.evict();
                    looked = Instant::now();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if cache.health.until_trial(Instant::now()) == Some(Duration::ZERO) {
            cache.try_again();
        }
        if pause.is_some_and(|pause| dropped.elapsed() >= pause) {
            cache.drop_unused();
            dropped = Instant::now();
        }
    }
}
