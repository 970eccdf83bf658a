//! Rules of record locks, without waiting.

use super::script::Case;

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
            b get 1 R 200 max = a W 9223372036854775807 max
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
