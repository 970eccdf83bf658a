//! Every rule of POSIX and Linux as a script, on a local file system and on every engine.

use super::owners::{Clients, Owners, Place, local};
use super::script::Case;
use jfs_tests::{Kind, on_every_engine};

on_every_engine! { rules_of_record_locks, rules_of_flock, rules_of_waiting, deadlocks_are_found }

#[test]
fn linux_keeps_these_rules() {
    jfs_tests::run(Kind::Memory, |_| async {
        let (_dir, place) = local();
        let mut owners = Owners::at(&[place]);
        for case in [RECORD_LOCKS, FLOCK, WAITING, DEADLOCKS].concat() {
            case.run(&mut owners).await;
        }
    });
}

async fn rules_of_record_locks(kind: Kind) {
    check(kind, RECORD_LOCKS).await;
}

async fn rules_of_flock(kind: Kind) {
    check(kind, FLOCK).await;
}

async fn rules_of_waiting(kind: Kind) {
    check(kind, WAITING).await;
}

/// Within one client.
async fn deadlocks_are_found(kind: Kind) {
    let clients = Clients::new(kind, 1).await;
    run_all(&clients, &clients.places(), DEADLOCKS).await;
    clients.close().await;
}

/// All owners at one client, then every second one at another client.
async fn check(kind: Kind, cases: &[Case]) {
    let clients = Clients::new(kind, 2).await;
    let places = clients.places();
    run_all(&clients, &places[..1], cases).await;
    run_all(&clients, &places, cases).await;
    clients.close().await;
}

async fn run_all(clients: &Clients, places: &[Place], cases: &[Case]) {
    let mut owners = Owners::at(places);
    for case in cases {
        case.run(&mut owners).await;
    }
    // The descriptors of the last case are closed.
    owners.begin_file().await;
    clients.check_nothing_is_held().await;
}

/// Record locks without waiting.
pub(super) const RECORD_LOCKS: &[Case] = &[
    Case {
        rule: "shared locks go together, exclusive ones exclude",
        script: "
            a open rw
            b open rw
            a set 1 R 0 9
            b set 1 R 5 14
            b set 1 W 5 14 = EAGAIN
            b set 1 W 10 14
            a set 1 R 10 10 = EAGAIN
            a set 1 W 0 4
            b set 1 R 4 4 = EAGAIN
            b set 1 R 5 9
        ",
    },
    Case {
        rule: "the owner's own locks are never in the way",
        script: "
            a open rw
            a open rw
            a set 1 W 0 9
            a set 2 W 0 9
            a set 2 R 5 19
            a get 1 W 0 99 = none
        ",
    },
    Case {
        rule: "closing any descriptor of the file drops all locks of the process",
        script: "
            a open rw
            a open r
            b open rw
            a set 1 W 0 9
            b set 1 R 0 0 = EAGAIN
            a close 2
            b set 1 W 0 9
            a set 1 R 0 0 = EAGAIN
        ",
    },
    Case {
        rule: "a close drops the locks of its process alone",
        script: "
            a open rw
            b open rw
            c open rw
            a set 1 R 0 9
            b set 1 R 0 9
            a close 1
            c set 1 W 0 0 = EAGAIN
            b close 1
            c set 1 W 0 0
        ",
    },
    Case {
        rule: "a process that ends lets go",
        script: "
            a open rw
            b open rw
            a set 1 W 0 max
            a flock 1 W
            b set 1 R 5 5 = EAGAIN
            b flock 1 R = EAGAIN
            a exit
            b set 1 R 5 5
            b flock 1 R
        ",
    },
    Case {
        rule: "an unlock in the middle splits a lock",
        script: "
            a open rw
            b open rw
            a set 1 W 0 99
            a set 1 U 40 59
            b set 1 W 40 59
            b get 1 R 0 99 = a W 0 39
            b get 1 R 60 99 = a W 60 99
            b get 1 W 39 60 = a W 0 39
        ",
    },
    Case {
        rule: "neighbours of one kind join",
        script: "
            a open rw
            b open rw
            a set 1 R 0 9
            a set 1 R 20 29
            b get 1 W 9 9 = a R 0 9
            a set 1 R 10 19
            b get 1 W 9 9 = a R 0 29
            a set 1 R 30 max
            b get 1 W 9 9 = a R 0 max
        ",
    },
    Case {
        rule: "a lock replaces what it overlaps",
        script: "
            a open rw
            b open rw
            a set 1 R 0 99
            a set 1 W 50 59
            b get 1 R 0 99 = a W 50 59
            b get 1 W 0 49 = a R 0 49
            b get 1 W 60 99 = a R 60 99
            b set 1 R 0 49
            a set 1 R 40 69
            b set 1 R 50 59
            b get 1 W 0 9 = a R 0 99
        ",
    },
    Case {
        rule: "length 0 reaches to the end, wherever that will be",
        script: "
            a open rw
            b open rw
            a set 1 W 100 max
            b get 1 R 0 max = a W 100 max
            b set 1 R 9223372036854775806 max = EAGAIN
            b set 1 R 5000000000 5000000000 = EAGAIN
            b set 1 W 0 99
            a set 1 U 200 max
            b set 1 R max max
            b set 1 R 200 max
            b get 1 R 0 max = a W 100 199
            a set 1 W max max = EAGAIN
            b set 1 U max max
            a set 1 W max max
            b get 1 R 200 max = a W max max
        ",
    },
    Case {
        rule: "upgrade and downgrade",
        script: "
            a open rw
            b open rw
            a set 1 R 0 9
            b set 1 R 0 9
            a set 1 W 0 9 = EAGAIN
            b get 1 W 0 9 = a R 0 9
            b set 1 U 0 9
            a set 1 W 0 9
            b set 1 R 0 9 = EAGAIN
            a set 1 R 0 9
            b set 1 R 0 9
        ",
    },
    Case {
        rule: "the first lock in the way is found",
        script: "
            a open rw
            b open rw
            a set 1 W 70 79
            a set 1 R 30 39
            a set 1 W 50 59
            b get 1 R 0 99 = a W 50 59
            b get 1 W 0 99 = a R 30 39
            b get 1 W 60 69 = none
            b get 1 W 75 99 = a W 70 79
            b get 1 U 0 99 = EINVAL
        ",
    },
    Case {
        rule: "a shared lock needs a descriptor for reading, an exclusive one one for writing",
        script: "
            a open r
            a open w
            a set 1 W 0 9 = EBADF
            a set 2 R 0 9 = EBADF
            a set 1 R 0 9
            a set 2 W 20 29
            a set 2 U 0 9
            a get 1 W 0 9 = none
            a get 2 R 0 9 = none
            a close 1
            a set 1 R 0 9 = EBADF
        ",
    },
    Case {
        rule: "locks belong to the file, not to its name",
        script: "
            a open rw
            b open rw
            a set 1 W 0 9
            a rename
            b set 1 R 0 9 = EAGAIN
            a open rw
            a set 2 W 20 29
            b get 1 R 10 99 = a W 20 29
        ",
    },
    Case {
        rule: "record locks and flock do not see each other",
        script: "
            a open rw
            b open rw
            a set 1 W 0 max
            b flock 1 W
            a set 1 W 0 max
            b get 1 R 0 0 = a W 0 max
        ",
    },
];

/// flock(2) without waiting.
pub(super) const FLOCK: &[Case] = &[
    Case {
        rule: "shared locks go together, exclusive ones exclude",
        script: "
            a open rw
            b open r
            a flock 1 R
            b flock 1 R
            a flock 1 U
            a flock 1 W = EAGAIN
            b flock 1 W
            a flock 1 R = EAGAIN
            b flock 1 U
            a flock 1 W
        ",
    },
    Case {
        rule: "the lock belongs to the open file, not to the process",
        script: "
            a open r
            a open r
            a flock 1 W
            a flock 2 R = EAGAIN
            a close 2
            a open r
            a flock 3 W = EAGAIN
            a close 1
            a flock 3 W
            a flock 3 W
        ",
    },
    Case {
        rule: "any mode of opening will do",
        script: "
            a open r
            a open w
            a flock 1 W
            a flock 1 U
            a flock 2 R
            a flock 2 W
        ",
    },
    Case {
        rule: "a change of kind that fails loses the lock",
        script: "
            a open rw
            b open rw
            c open rw
            a flock 1 R
            b flock 1 R
            a flock 1 W = EAGAIN
            b flock 1 W
            b flock 1 R
            c flock 1 W = EAGAIN
            a flock 1 R
        ",
    },
    Case {
        rule: "the lock survives another name",
        script: "
            a open rw
            b open rw
            a flock 1 W
            a rename
            b flock 1 W = EAGAIN
            a open rw
            a flock 2 W = EAGAIN
            b rename = ENOENT
            a close 1
            b flock 1 W
        ",
    },
    Case {
        rule: "unlock without a lock",
        script: "
            a open rw
            a flock 1 U
            a set 1 U 0 9
        ",
    },
];

/// Waiting for either kind.
pub(super) const WAITING: &[Case] = &[
    Case {
        rule: "a request waits until the last lock in its way is dropped",
        script: "
            a open rw
            b open rw
            a set 1 R 0 9
            a set 1 W 20 29
            b set 1 W 5 25 wait
            a set 1 U 0 9
            b waits
            a set 1 U 20 24
            b waits
            a set 1 U 25 25
            b gets ok
            a get 1 R 0 99 = b W 5 25
        ",
    },
    Case {
        rule: "a downgrade lets readers in",
        script: "
            a open rw
            b open rw
            a set 1 W 0 9
            b set 1 R 0 9 wait
            a set 1 R 0 9
            b gets ok
            a flock 1 W
            b flock 1 R wait
            a flock 1 R
            b gets ok
        ",
    },
    Case {
        rule: "a close lets others in",
        script: "
            a open rw
            a open rw
            b open rw
            c open rw
            a set 1 W 0 9
            a flock 1 W
            b set 1 W 0 9 wait
            c flock 1 W wait
            a close 2
            b gets ok
            c waits
            a close 1
            c gets ok
        ",
    },
    Case {
        rule: "an upgrade that waits keeps a record lock",
        script: "
            a open rw
            b open rw
            c open rw
            a set 1 R 0 9
            b set 1 R 0 9
            a set 1 W 0 9 wait
            b get 1 W 0 9 = a R 0 9
            b set 1 U 0 9
            a gets ok
            b get 1 R 0 9 = a W 0 9
        ",
    },
    Case {
        rule: "an upgrade that waits drops the shared flock first",
        script: "
            a open rw
            b open rw
            c open rw
            a flock 1 R
            b flock 1 R
            a flock 1 W wait
            b flock 1 W
            a waits
            b flock 1 U
            a gets ok
            c flock 1 R = EAGAIN
        ",
    },
    Case {
        rule: "two upgrades of flock are no deadlock",
        script: "
            a open rw
            b open rw
            a flock 1 R
            b flock 1 R
            a flock 1 W wait
            b flock 1 W
            b flock 1 U
            a gets ok
        ",
    },
    Case {
        rule: "a request that is broken off leaves nothing behind",
        script: "
            a open rw
            b open rw
            c open rw
            a set 1 W 0 9
            a flock 1 W
            b set 1 W 0 9 wait
            c flock 1 W wait
            b cancel
            c cancel
            a set 1 U 0 9
            a flock 1 U
            c set 1 W 0 9
            b flock 1 W
        ",
    },
    Case {
        rule: "an upgrade that is broken off keeps a record lock and no flock",
        script: "
            a open rw
            b open rw
            c open rw
            a set 1 R 0 9
            b set 1 R 0 9
            a set 1 W 0 9 wait
            a cancel
            b set 1 U 0 9
            c set 1 W 0 9 = EAGAIN
            c set 1 R 0 9
            a flock 1 R
            b flock 1 R
            a flock 1 W wait
            a cancel
            b flock 1 U
            c flock 1 W
        ",
    },
    Case {
        rule: "readers wait together",
        script: "
            a open rw
            b open rw
            c open rw
            d open rw
            a set 1 W 0 9
            b set 1 R 0 9 wait
            c set 1 R 5 9 wait
            d set 1 R 0 4 wait
            a set 1 U 0 9
            b gets ok
            c gets ok
            d gets ok
        ",
    },
    Case {
        rule: "a file without a name is locked as before",
        script: "
            a open rw
            a open rw
            a set 1 W 0 9
            a flock 1 W
            a unlink
            a set 2 R 20 29
            a flock 2 R = EAGAIN
            a flock 2 R wait
            a cancel
            a flock 1 U
            a flock 2 R
        ",
    },
    Case {
        rule: "a bad descriptor does not wait",
        script: "
            a open r
            b open rw
            b set 1 W 0 9
            a set 1 W 0 9 wait = EBADF
        ",
    },
];

/// Circles of owners that wait for each other.
const DEADLOCKS: &[Case] = &[
    Case {
        rule: "two owners",
        script: "
            a open rw
            b open rw
            a set 1 W 0 9
            b set 1 W 10 19
            a set 1 W 10 19 wait
            b set 1 W 0 9 wait = EDEADLK
            b set 1 W 0 9 = EAGAIN
            a waits
            b set 1 U 10 19
            a gets ok
        ",
    },
    Case {
        rule: "three owners",
        script: "
            a open rw
            b open rw
            c open rw
            a set 1 W 0 9
            b set 1 W 10 19
            c set 1 W 20 29
            a set 1 R 10 19 wait
            b set 1 R 20 29 wait
            c set 1 R 0 9 wait = EDEADLK
            c exit
            b gets ok
            b close 1
            a gets ok
        ",
    },
    Case {
        rule: "two upgrades of one record",
        script: "
            a open rw
            b open rw
            a set 1 R 0 9
            b set 1 R 0 9
            a set 1 W 0 9 wait
            b set 1 W 0 9 wait = EDEADLK
            b set 1 U 0 9
            a gets ok
        ",
    },
    Case {
        rule: "a line is no circle",
        script: "
            a open rw
            b open rw
            c open rw
            a set 1 W 0 9
            b set 1 W 10 19
            b set 1 W 0 0 wait
            c set 1 W 10 10 wait
            a set 1 W 20 29
            a set 1 U 0 9
            b gets ok
            c waits
            b set 1 U 0 max
            c gets ok
        ",
    },
    Case {
        rule: "a request that was broken off is in no circle",
        script: "
            a open rw
            b open rw
            a set 1 W 0 9
            b set 1 W 10 19
            a set 1 W 10 19 wait
            a cancel
            b set 1 W 0 9 wait
            a set 1 U 0 9
            b gets ok
        ",
    },
    Case {
        rule: "flock has no deadlock",
        script: "
            a open rw
            b open rw
            a set 1 W 0 9
            b flock 1 W
            a flock 1 W wait
            b set 1 W 0 9 wait
            b cancel
            b flock 1 U
            a gets ok
        ",
    },
];
