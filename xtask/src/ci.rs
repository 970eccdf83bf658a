//! The checks of CI, in the order that fails soonest.
//!
//! One profile and one feature set throughout: each dependency is compiled once and checked once. Only the library is checked once
//! more, with one engine. Its examples are run by a test of its own.

use crate::step::{cargo, timed};
use crate::{deny, doc, paths, posix, test, tidy};
use anyhow::{Context, Result};

/// A package outside the workspace.
const OUTSIDE: &str = "examples/vfs-alone";

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
        timed("one engine", one_engine)?;
        timed("outside", outside)?;
        timed("deny", deny::run)?;
        timed("pjdfstest", || posix::pjdfstest(&posix::EVERY_META))?;
        timed("fsx", || posix::fsx(&fsx()))
    })
}

/// The library without Redis: it compiles, and refuses addresses of Redis by the name of the feature. All other tests
/// run with every feature.
fn one_engine() -> Result<()> {
    let features = ["--no-default-features", "--features", "sqlite"];
    let test = ["test", "--locked", "-p", "jfs", "--lib"];
    cargo(&[&test[..], &features[..], &["engines"]].concat())
}

/// A program that uses crates of the workspace from outside; it checks what it did.
fn outside() -> Result<()> {
    let lock = paths::root().join("Cargo.lock");
    std::fs::copy(lock, paths::root().join(OUTSIDE).join("Cargo.lock")).context(OUTSIDE)?;
    let manifest = format!("{OUTSIDE}/Cargo.toml");
    cargo(&[
        "run",
        "--manifest-path",
        &manifest,
        "--target-dir",
        "target",
    ])
}

/// A short round of every profile; `cargo xtask posix fsx` is the long one.
fn fsx() -> posix::Runs {
    posix::Runs::new(&posix::EVERY_META, &[0, 1], &[1], 2000)
}
