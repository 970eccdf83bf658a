//! A place where requests can be held, so that tests decide what happens first and never sleep.

use tokio::sync::watch;

/// Open until it is shut.
#[derive(Debug)]
pub(crate) struct Gate {
    shut: watch::Sender<bool>,
    held: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate {
            shut: watch::Sender::new(false),
            held: watch::Sender::new(0),
        }
    }
}

impl Gate {
    /// Who comes from now on waits.
    pub(crate) fn shut(&self) {
        self.shut.send_replace(true);
    }

    /// Lets everybody through.
    pub(crate) fn open(&self) {
        self.shut.send_replace(false);
    }

    /// Goes through, waiting while the gate is shut.
    pub(crate) async fn pass(&self) {
        if !*self.shut.borrow() {
            return;
        }
        self.held.send_modify(|n| *n += 1);
        let mut shut = self.shut.subscribe();
        shut.wait_for(|shut| !shut).await.unwrap();
        self.held.send_modify(|n| *n -= 1);
    }

    /// Waits until `n` requests are held.
    pub(crate) async fn holds(&self, n: usize) {
        let mut held = self.held.subscribe();
        held.wait_for(|held| *held >= n).await.unwrap();
    }
}
