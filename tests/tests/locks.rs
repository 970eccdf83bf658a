//! Locks of files: flock(2) and record locks of fcntl(2).
//!
//! Scripts of lock operations run on processes with a local file system (Linux is the judge), on our vfs over every
//! engine, and on our vfs beside processes on a mount of the reference. Random operations run against a model that
//! keeps locks byte by byte, and the model against Linux.
#![allow(clippy::unwrap_used, reason = "tests")]

mod locks {
    mod across_clients;
    mod client;
    mod fairness;
    mod flock_cases;
    mod model;
    mod operation;
    mod owners;
    mod process;
    mod random;
    mod record_lock_cases;
    mod reference;
    mod rules;
    mod script;
    mod waiting_cases;
}
