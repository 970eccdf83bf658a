//! A limit on the time that something may take which cannot be cancelled.

use std::sync::mpsc;
use std::time::Duration;

/// What `work` answers, or `None` when it takes longer than `limit`. Its thread then goes on by itself.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(work());
    });
    answer.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_given_up() {
        assert_eq!(within(Duration::from_secs(30), || 7), Some(7));
        let (_kept, never) = mpsc::channel::<()>();
        let blocked = within(Duration::from_millis(10), move || never.recv().is_ok());
        assert_eq!(blocked, None);
    }
}
