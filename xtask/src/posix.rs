//! Outside suites on a mount of ours: `posix pjdfstest`, `posix fsx`.
//!
//! Every run makes a volume of its own on each engine, mounts it with the built programs (`JFS_BIN` names
//! others) and unmounts it afterwards; what is left must satisfy the reference's `fsck`. The suites run as
//! published; `scripts/install-deps --tests` installs them.

mod fsx;
mod pjdfstest;
mod suite;
mod suite_volume;

pub(crate) use fsx::Runs;
pub(crate) use fsx::run as fsx;
pub(crate) use pjdfstest::run as pjdfstest;

use crate::options::Options;
use anyhow::{Result, bail};
use suite_volume::Meta;

/// The arguments of `cargo xtask posix`.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    if std::env::var_os("JFS_BIN").is_none() {
        crate::test::build()?;
    }
    match arguments {
        ["pjdfstest", rest @ ..] => {
            let mut options = Options::parse(rest)?;
            let metas = options.list("--meta", Meta::parse)?;
            options.end()?;
            pjdfstest(&metas.unwrap_or(Meta::ALL.to_vec()))
        }
        ["fsx", rest @ ..] => fsx(&Runs::parse(Options::parse(rest)?)?),
        _ => bail!("which suite: pjdfstest or fsx?"),
    }
}

/// Both engines.
pub(crate) const EVERY_META: [Meta; 2] = Meta::ALL;
