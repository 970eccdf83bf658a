//! Operations that an owner of locks, a process, does with the file.

use jfs_vfs::{LOCK_END_MAX, LockType};

/// One operation. Descriptors have the numbers 1, 2, ... of their process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Opens the file with the next descriptor: `r`, `w` or `rw`.
    Open(&'static str),
    Close(usize),
    /// flock(2), waiting or not.
    Flock(usize, LockType, bool),
    /// `F_SETLK`, or `F_SETLKW`.
    Set(usize, Span, bool),
    /// `F_GETLK`.
    Get(usize, Span),
    /// Removes the name of the file.
    Unlink,
    /// Gives the file another name.
    Rename,
    /// Ends the process.
    Exit,
}

/// A kind of lock, the first and the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) LockType, pub(super) u64, pub(super) u64);

impl Operation {
    /// From a line like `set 1 W 10 19 wait`.
    pub(super) fn parse(line: &str) -> Operation {
        let words: Vec<&str> = line.split_whitespace().collect();
        let fd = || words[1].parse().unwrap();
        let span = || Span(kind(words[2]), byte(words[3]), byte(words[4]));
        match (words[0], &words[1..]) {
            ("open", ["r"]) => Operation::Open("r"),
            ("open", ["w"]) => Operation::Open("w"),
            ("open", ["rw"]) => Operation::Open("rw"),
            ("close", [_]) => Operation::Close(fd()),
            ("flock", [_, k]) => Operation::Flock(fd(), kind(k), false),
            ("flock", [_, k, "wait"]) => Operation::Flock(fd(), kind(k), true),
            ("set", [_, _, _, _]) => Operation::Set(fd(), span(), false),
            ("set", [_, _, _, _, "wait"]) => Operation::Set(fd(), span(), true),
            ("get", [_, _, _, _]) => Operation::Get(fd(), span()),
            ("unlink", []) => Operation::Unlink,
            ("rename", []) => Operation::Rename,
            ("exit", []) => Operation::Exit,
            _ => panic!("{line:?} is no operation"),
        }
    }

    /// The line for the program of [`super::process`]: lengths instead of last bytes.
    pub(super) fn line(&self) -> String {
        let span = |Span(kind, start, end): Span| {
            let len = if end >= LOCK_END_MAX {
                0
            } else {
                end - start + 1
            };
            format!("{} {start} {len}", kind.letter())
        };
        match *self {
            Operation::Open(mode) => format!("open {mode}"),
            Operation::Close(fd) => format!("close {fd}"),
            Operation::Flock(fd, kind, wait) => {
                format!("flock {fd} {} {}", kind.letter(), u8::from(wait))
            }
            Operation::Set(fd, locked, wait) => {
                format!("set {fd} {} {}", span(locked), u8::from(wait))
            }
            Operation::Get(fd, wanted) => format!("get {fd} {}", span(wanted)),
            Operation::Unlink => "unlink".into(),
            Operation::Rename => "rename".into(),
            Operation::Exit => "exit".into(),
        }
    }
}

fn kind(letter: &str) -> LockType {
    match letter {
        "R" => LockType::Read,
        "W" => LockType::Write,
        "U" => LockType::Unlock,
        other => panic!("{other:?} is no kind of lock"),
    }
}

fn byte(word: &str) -> u64 {
    match word {
        "max" => LOCK_END_MAX,
        number => number.parse().unwrap(),
    }
}

/// The answer to `get`: `PID R 10 19`.
pub(super) fn found(pid: u32, kind: LockType, start: u64, end: u64) -> String {
    match end >= LOCK_END_MAX {
        true => format!("{pid} {} {start} max", kind.letter()),
        false => format!("{pid} {} {start} {end}", kind.letter()),
    }
}
