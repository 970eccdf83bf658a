//! `cargo xtask dist`: programs that need nothing of the system they run on, as a tarball and a Debian package.
//!
//! They are built for musl and linked statically (docs/decisions/0009-dist.md). The target is the machine's own
//! architecture.

mod archive;
mod check;
mod deb;
mod layout;
mod notices;

use crate::paths;
use crate::step::{self, timed};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Both programs together may not be larger.
const PROGRAMS_BYTES_MAX: u64 = 40 << 20;
const PROGRAMS: [&str; 2] = ["jfs", "jfs-mount"];

/// What is packed, and for which machine.
struct Release {
    version: String,
    /// Seconds since 1970 of the commit: time of every packed file, so that a build can be repeated.
    epoch: u64,
    /// Directory with both programs.
    programs: PathBuf,
}

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let check_too = match arguments {
        [] => false,
        ["--check"] => true,
        other => bail!("unknown arguments {other:?}; see cargo xtask help"),
    };
    let release = build()?;
    let directory = paths::target_dir().join("dist");
    fs::create_dir_all(&directory)?;
    let scratch = tempfile::tempdir()?;
    let files = layout::files(&release, scratch.path())?;
    let tarball = archive::tarball(&release, &files, &directory, scratch.path())?;
    let package = deb::package(&release, &files, &directory, scratch.path())?;
    for path in [&tarball, &package] {
        println!("{} {}", mebibytes(path)?, path.display());
    }
    match check_too {
        true => timed("dist --check", || check::run(&tarball, &package)),
        false => Ok(()),
    }
}

/// The Rust target of static programs for this machine.
fn target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

fn build() -> Result<Release> {
    let target = target();
    if !standard_library(&target)?.is_dir()
        || Command::new("musl-gcc").arg("--version").output().is_err()
    {
        bail!(
            "the target {target} or its C compiler is missing: rustup target add {target}; apt-get install musl-tools"
        );
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--locked",
        "--profile",
        "dist",
        "--target",
        &target,
    ]);
    for package in ["jfs-cli", "jfs-mount"] {
        command.args(["-p", package, "--features", &format!("{package}/mimalloc")]);
    }
    timed("build", || step::run(&mut command))?;
    let programs = paths::target_dir().join(&target).join("dist");
    let mut total = 0;
    for name in PROGRAMS {
        let path = programs.join(name);
        println!("{} {}", mebibytes(&path)?, path.display());
        total += fs::metadata(&path)?.len();
    }
    if total > PROGRAMS_BYTES_MAX {
        bail!("the programs have {total} bytes, more than {PROGRAMS_BYTES_MAX}");
    }
    Ok(Release {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: commit_time()?,
        programs,
    })
}

/// Where the compiler keeps the standard library of a target.
fn standard_library(target: &str) -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        text_of(Command::new(rustc).args(["--print", "target-libdir", "--target", target]))?;
    Ok(PathBuf::from(output.trim()))
}

fn commit_time() -> Result<u64> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given.parse().context("SOURCE_DATE_EPOCH is no number");
    }
    let output = text_of(Command::new("git").args(["log", "-1", "--format=%ct"]))?;
    output
        .trim()
        .parse()
        .context("git names no time of the commit")
}

/// Standard output of a program that must succeed.
fn text_of(command: &mut Command) -> Result<String> {
    let output = command.current_dir(paths::root()).output();
    let output = output.with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{:?} {:?}: {}: {said}",
            command.get_program(),
            command.get_args().collect::<Vec<_>>(),
            output.status
        );
    }
    String::from_utf8(output.stdout).context("a program printed no UTF-8")
}

fn mebibytes(path: &Path) -> Result<String> {
    let bytes = fs::metadata(path)
        .with_context(|| format!("{}", path.display()))?
        .len();
    Ok(format!("{:6.1} MiB", bytes as f64 / f64::from(1 << 20)))
}
