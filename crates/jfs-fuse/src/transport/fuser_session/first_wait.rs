//! How a request is begun: up to its first wait on the thread that read it.
//!
//! That first wait is nearly always the one for the metadata engine, so its question is on its way before
//! another thread wakes up, and when the answer is there the runtime thread that sees it goes on with the
//! request. What needs no wait is answered at once.

use parking_lot::Mutex;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use tokio::runtime::Handle;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a request is.
enum Stage {
    /// On the thread that read it; `woken` when it has already been told to go on.
    Begun { woken: bool },
    /// Waiting for the first time.
    Waiting(Work),
    /// With the runtime, or answered.
    Gone,
}

/// Moves a request to the runtime when its first wait is over.
struct FirstWait {
    stage: Mutex<Stage>,
    runtime: Handle,
}

impl Wake for FirstWait {
    fn wake(self: Arc<Self>) {
        let work = {
            let mut stage = self.stage.lock();
            match std::mem::replace(&mut *stage, Stage::Gone) {
                Stage::Begun { .. } => {
                    *stage = Stage::Begun { woken: true };
                    return;
                }
                Stage::Waiting(work) => work,
                Stage::Gone => return,
            }
        };
        self.runtime.spawn(work);
    }
}

/// Runs `work` up to its first wait here and the rest on `runtime`. A panic ends that request alone.
pub(super) fn begin(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
    let first = Arc::new(FirstWait {
        stage: Mutex::new(Stage::Begun { woken: false }),
        runtime: runtime.clone(),
    });
    let waker = Waker::from(first.clone());
    let mut work: Work = Box::pin(work);
    // Sockets and timers belong to the runtime wherever they are first waited for.
    let _inside = runtime.enter();
    let polled = catch_unwind(AssertUnwindSafe(|| {
        work.as_mut().poll(&mut Context::from_waker(&waker))
    }));
    let ended = !matches!(polled, Ok(Poll::Pending));
    let mut stage = first.stage.lock();
    let woken = matches!(*stage, Stage::Begun { woken: true });
    *stage = match ended || woken {
        true => Stage::Gone,
        false => {
            *stage = Stage::Waiting(work);
            return;
        }
    };
    drop(stage);
    if !ended {
        runtime.spawn(work);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;
    use tokio::sync::oneshot;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn what_needs_no_wait_ends_here() {
        let runtime = runtime();
        let (sender, receiver) = mpsc::channel();
        begin(runtime.handle(), async move {
            sender.send(thread::current().id()).unwrap();
        });
        assert_eq!(receiver.try_recv().unwrap(), thread::current().id());
    }

    #[test]
    fn goes_on_with_the_runtime_after_the_first_wait() {
        let runtime = runtime();
        let (open, gate) = oneshot::channel();
        let (sender, receiver) = mpsc::channel();
        begin(runtime.handle(), async move {
            sender.send(thread::current().id()).unwrap();
            gate.await.unwrap();
            sender.send(thread::current().id()).unwrap();
            // A later wait is the runtime's alone.
            tokio::time::sleep(Duration::from_millis(1)).await;
            sender.send(thread::current().id()).unwrap();
        });
        let here = thread::current().id();
        assert_eq!(receiver.try_recv().unwrap(), here);
        assert!(receiver.try_recv().is_err());
        open.send(()).unwrap();
        assert_ne!(receiver.recv_timeout(PATIENCE).unwrap(), here);
        assert_ne!(receiver.recv_timeout(PATIENCE).unwrap(), here);
        assert!(receiver.recv_timeout(PATIENCE).is_err(), "it has ended");
    }

    #[test]
    fn a_wake_up_during_the_first_run_is_not_lost() {
        let runtime = runtime();
        let (sender, receiver) = mpsc::channel();
        begin(runtime.handle(), async move {
            let mut waited = false;
            std::future::poll_fn(|cx| {
                if std::mem::replace(&mut waited, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn wake_ups_from_many_threads_end_it_once() {
        let runtime = runtime();
        let (sender, receiver) = mpsc::channel();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        let seen = wakers.clone();
        let mut polls = 0;
        begin(
            runtime.handle(),
            std::future::poll_fn(move |cx| {
                polls += 1;
                seen.lock().push(cx.waker().clone());
                if polls < 4 {
                    return Poll::Pending;
                }
                sender.send(()).unwrap();
                Poll::Ready(())
            }),
        );
        // Wakers of every earlier wait may fire late and more than once.
        let deadline = std::time::Instant::now() + PATIENCE;
        while receiver.try_recv().is_err() {
            assert!(std::time::Instant::now() < deadline);
            let known = wakers.lock().clone();
            thread::scope(|s| {
                for waker in &known {
                    s.spawn(|| waker.wake_by_ref());
                }
            });
        }
        assert!(matches!(
            receiver.recv_timeout(PATIENCE),
            Err(mpsc::RecvTimeoutError::Disconnected)
        ));
    }

    #[test]
    fn a_panic_ends_one_request_only() {
        let runtime = runtime();
        let (sender, receiver) = mpsc::channel::<()>();
        begin(runtime.handle(), async move {
            let _sender = sender;
            panic!("on purpose");
        });
        assert!(receiver.recv_timeout(PATIENCE).is_err());
        what_needs_no_wait_ends_here();
    }
}
