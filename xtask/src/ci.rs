//! The checks of CI, in the order that fails soonest.
//!
//! One profile and one feature set throughout: each dependency is compiled once and checked once.

use crate::step::{cargo, timed};
use crate::{deny, doc, posix, test, tidy};
use anyhow::Result;

/// Programs that embed the library; each checks what it did.
const EXAMPLES: [&str; 3] = ["embed", "copy_tree", "shared_counter"];

pub(crate) fn run() -> Result<()> {
    timed("total", || {
        timed("fmt", || cargo(&["fmt", "--all", "--check"]))?;
        timed("tidy", tidy::run)?;
        timed("clippy", || {
            cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ])
        })?;
        timed("doc", doc::run)?;
        timed("build", test::build)?;
        timed("test", || cargo(&["test", "--workspace", "--locked"]))?;
        timed("examples", || {
            EXAMPLES.iter().try_for_each(|example| {
                cargo(&["run", "--locked", "-p", "jfs", "--example", example])
            })
        })?;
        timed("deny", deny::run)?;
        timed("pjdfstest", || posix::pjdfstest(&posix::EVERY_META))?;
        timed("fsx", || posix::fsx(&fsx()))
    })
}

/// A short round of every profile; `cargo xtask posix fsx` is the long one.
fn fsx() -> posix::Runs {
    posix::Runs::new(&posix::EVERY_META, &[0, 1], &[1], 2000)
}
