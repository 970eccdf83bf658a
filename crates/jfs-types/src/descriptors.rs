//! Open descriptors of the process: what is closed when the process or the system has no more of them.
//!
//! The limit counts for the whole process, so the list of owners is one for the process. A cache that keeps files open
//! adds itself with [`add_cache`]. Code that opens a file uses [`retry`]; code whose driver opens sockets shows the
//! error to [`free`] and tries again.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Most caches on the list: one per cache directory of each open volume. A cache beyond that keeps its files.
const CACHES_MAX: usize = 1024;

/// A cache that keeps descriptors open although it can do without them.
pub trait DescriptorCache: Send + Sync {
    /// Closes every descriptor that no caller uses at this moment. Must not wait.
    fn close_all(&self);
}

static CACHES: Mutex<Vec<Weak<dyn DescriptorCache>>> = Mutex::new(Vec::new());

/// Adds a cache to those that [`free`] empties, until it is dropped.
pub fn add_cache(cache: &Arc<dyn DescriptorCache>) {
    let mut caches = CACHES.lock().unwrap_or_else(PoisonError::into_inner);
    caches.retain(|cache| cache.strong_count() > 0);
    if caches.len() < CACHES_MAX {
        caches.push(Arc::downgrade(cache));
    }
}

/// Whether `error` or one of its sources says that descriptors are exhausted (EMFILE, ENFILE). If so, the cached ones
/// have been closed when this returns, and another attempt makes sense at once.
pub fn free(error: &(dyn Error + 'static)) -> bool {
    let exhausted = is_exhausted(error);
    if exhausted {
        // Closed outside the lock: closing the last descriptor of a removed file may take long.
        let caches = CACHES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        caches
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|cache| cache.close_all());
    }
    exhausted
}

fn is_exhausted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        let code = io.and_then(io::Error::raw_os_error);
        if matches!(code, Some(libc::EMFILE | libc::ENFILE)) {
            return true;
        }
        // An error inside an `io::Error` is not among its sources.
        next = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// Runs `open`. When descriptors are exhausted, closes the cached ones and runs it once more.
pub fn retry<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match open() {
        Err(error) if free(&error) => open(),
        done => done,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Closes(AtomicUsize);

    impl DescriptorCache for Closes {
        fn close_all(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn exhaustion_empties_the_caches_and_nothing_else_does() {
        let cache = Arc::new(Closes::default());
        let as_dyn: Arc<dyn DescriptorCache> = cache.clone();
        add_cache(&as_dyn);
        let closed = || cache.0.swap(0, Ordering::SeqCst);
        let failure = |code| io::Error::from_raw_os_error(code);

        let mut attempts = 0;
        let opened = retry(|| {
            attempts += 1;
            match attempts {
                1 => Err(failure(libc::EMFILE)),
                _ => Ok(attempts),
            }
        });
        assert_eq!((opened.unwrap(), closed()), (2, 1));

        attempts = 0;
        let failed = retry(|| {
            attempts += 1;
            Err::<(), _>(failure(libc::EACCES))
        });
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(libc::EACCES));
        assert_eq!((attempts, closed()), (1, 0));

        let wrapped = io::Error::other(io::Error::other(failure(libc::ENFILE)));
        assert!(free(&wrapped));
        assert_eq!(closed(), 1);
        assert!(!free(&io::Error::other("words")));
    }
}
