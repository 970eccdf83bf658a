//! Rules of waiting for either kind of lock.

use super::script::Case;

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
pub(super) const DEADLOCKS: &[Case] = &[
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
