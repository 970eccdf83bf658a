//! The documentation of the libraries, with every warning an error: dead links, wrong HTML, missing parts.
//!
//! The programs are left out. Their pages would overwrite those of the library `jfs`.

use crate::step;
use anyhow::Result;
use std::process::Command;

pub(crate) fn run() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["doc", "--workspace", "--no-deps", "--lib", "--locked"]);
    step::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}
