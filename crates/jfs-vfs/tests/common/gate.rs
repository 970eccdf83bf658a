//! A place where requests can be held, so that tests decide what happens first and never sleep.

use tokio::sync::watch;

/// Open until it is shut.
#[derive(Debug)]
pub(crate) struct Gate {
    door: watch::Sender<Door>,
    held: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Door {
    shut: bool,
    /// Requests that found the door shut so far: the number of the next one.
    came: usize,
    /// Numbers below this go through.
    called: usize,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate {
            door: watch::Sender::default(),
            held: watch::Sender::new(0),
        }
    }
}

impl Gate {
    /// Who comes from now on waits.
    pub(crate) fn shut(&self) {
        self.door.send_modify(|door| door.shut = true);
    }

    /// Lets everybody through.
    pub(crate) fn open(&self) {
        self.door.send_modify(|door| {
            door.shut = false;
            door.called = door.came;
        });
    }

    /// Lets the one through that has waited longest.
    pub(crate) fn call(&self) {
        self.door.send_modify(|door| door.called += 1);
    }

    /// Goes through, waiting while the gate is shut.
    pub(crate) async fn pass(&self) {
        let mut number = None;
        self.door.send_if_modified(|door| {
            if door.shut {
                number = Some(door.came);
                door.came += 1;
            }
            false
        });
        let Some(number) = number else { return };
        self.held.send_modify(|n| *n += 1);
        let mut door = self.door.subscribe();
        let called = door.wait_for(|door| !door.shut || number < door.called);
        called.await.unwrap();
        self.held.send_modify(|n| *n -= 1);
    }

    /// Waits until `n` requests are held.
    pub(crate) async fn holds(&self, n: usize) {
        let mut held = self.held.subscribe();
        held.wait_for(|held| *held >= n).await.unwrap();
    }
}
