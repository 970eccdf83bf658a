//! The side-by-side benchmark: builds what is compared, then hands over to `bench/bench.py` or `bench/matrix.py`.
//! The metadata benchmark ([`meta`]) is written here.

mod meta;

use crate::paths;
use crate::step::{cargo, run as run_program};
use anyhow::{Context, Result, bail};
use jfs_testkit::Reference;
use std::path::PathBuf;
use std::process::Command;

const PASSTHROUGH_SOURCE: &str = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c";

/// Clients of the options matrix unless `-c` names others.
const MATRIX_CLIENTS: &str = "jfs,juicefs";

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let mut python = Command::new("python3");
    match arguments {
        ["meta", rest @ ..] => return meta::run(rest),
        ["meta-worker", rest @ ..] => return meta::worker(rest),
        ["matrix", rest @ ..] => {
            python.arg("bench/matrix.py").args(rest);
            if !rest.iter().any(|a| matches!(*a, "-h" | "--help")) {
                let clients = list(rest, ["-c", "--clients"]);
                let clients = clients.unwrap_or_else(|| MATRIX_CLIENTS.split(',').collect());
                prepare(&mut python, &clients)?;
            }
        }
        _ => {
            python.arg("bench/bench.py").args(arguments);
            if arguments.first() == Some(&"run") {
                let targets = list(arguments, ["-t", "--targets"]);
                prepare(&mut python, &targets.unwrap_or_default())?;
            }
        }
    }
    run_program(&mut python)
}

/// Builds or finds the programs of `targets` and names them to the harness by variables. A variable that
/// the caller has set stays.
fn prepare(python: &mut Command, targets: &[&str]) -> Result<()> {
    let wanted = |client: &str| targets.iter().any(|t| t.split('-').next() == Some(client));
    let unset = |name: &str| std::env::var_os(name).is_none();
    if wanted("base") && unset("BASE_BIN") {
        bail!(
            "BASE_BIN is not set: the path of an older jfs, with its jfs-mount beside it; see bench/README.md"
        );
    }
    if wanted("jfs") {
        python.env("JFS_BIN", release_jfs()?);
    }
    if wanted("juicefs") && unset("JUICEFS_BIN") {
        python.env("JUICEFS_BIN", Reference::find()?.program());
    }
    if targets.contains(&"passthrough-ll") && unset("PASSTHROUGH_LL_BIN") {
        python.env("PASSTHROUGH_LL_BIN", passthrough_ll()?);
    }
    Ok(())
}

/// The `jfs` that `JFS_BIN` names, else the one of the release build, which is built first.
fn release_jfs() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("JFS_BIN") {
        return Ok(named.into());
    }
    let packages = ["-p", "jfs-cli", "-p", "jfs-mount"];
    cargo(&[&["build", "--locked", "--release"][..], &packages].concat())?;
    Ok(paths::target_dir().join("release/jfs"))
}

/// The parts of a comma list after one of two spellings of a flag, or after `=`. `None` when it is not given.
fn list<'a>(arguments: &[&'a str], names: [&str; 2]) -> Option<Vec<&'a str>> {
    let mut after_flag = arguments.windows(2).filter(|w| names.contains(&w[0]));
    let long = format!("{}=", names[1]);
    let joined = || arguments.iter().find_map(|a| a.strip_prefix(&long));
    let list = after_flag.next().map(|w| w[1]).or_else(joined)?;
    Some(list.split(',').collect())
}

/// Compiles the example that Debian ships as source, once.
fn passthrough_ll() -> Result<PathBuf> {
    let program = paths::target_dir().join("passthrough_ll");
    if program.is_file() {
        return Ok(program);
    }
    if !std::path::Path::new(PASSTHROUGH_SOURCE).is_file() {
        bail!("{PASSTHROUGH_SOURCE} is missing: apt-get install libfuse3-dev");
    }
    let mut pkg_config = Command::new("pkg-config");
    let flags = pkg_config.args(["--cflags", "--libs", "fuse3"]).output();
    let flags = flags.context("pkg-config is not installed: apt-get install pkg-config")?;
    let flags = String::from_utf8(flags.stdout)?;
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-D_FILE_OFFSET_BITS=64", "-o"])
        .arg(&program)
        .arg(PASSTHROUGH_SOURCE);
    run_program(gcc.args(flags.split_whitespace()))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn targets_are_found_in_any_spelling() {
        for line in [
            &["run", "-t", "a,b", "-r", "3"][..],
            &["run", "--targets=a,b"],
            &["--targets", "a,b"],
        ] {
            let found = list(line, ["-t", "--targets"]);
            assert_eq!(found, Some(vec!["a", "b"]));
        }
        assert_eq!(list(&["run"], ["-t", "--targets"]), None);
    }
}
