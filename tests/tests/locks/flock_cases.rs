//! Rules of flock(2), without waiting.

use super::script::Case;

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
