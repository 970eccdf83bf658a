//! Fuzzing by libFuzzer: builds one target with its counters and runs it.
//!
//! Plain cargo does what cargo-fuzz would do without a sanitizer, so nothing has to be installed but a C++
//! compiler.

use crate::paths;
use crate::step::run as run_program;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How long a target runs unless it is told otherwise.
const SECONDS: u64 = 60;
/// Memory above which a target counts as failed.
const RSS_MAX_MB: u32 = 2048;
/// One input may take this long, seconds.
const INPUT_MAX_S: u32 = 20;
/// Longest input, bytes.
const LENGTH_MAX: u32 = 64 << 10;

/// What makes libFuzzer see where an input leads. Build scripts go without: they have a target of their own.
const COUNTERS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Copt-level=2",
];

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let top = paths::root().join("fuzz");
    let targets = targets(&top)?;
    let (mut name, mut seconds, mut inputs) = (None, SECONDS, Vec::new());
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => {
                let value = words.next().context("--seconds needs a number")?;
                seconds = value
                    .parse()
                    .with_context(|| format!("--seconds {value}"))?;
            }
            word if name.is_none() => name = Some(word.to_owned()),
            word => inputs.push(word.to_owned()),
        }
    }
    let Some(name) = name else {
        println!("targets: {}", targets.join(" "));
        return Ok(());
    };
    let chosen = match name.as_str() {
        "all" => targets,
        _ if targets.contains(&name) => vec![name],
        _ => bail!("no target {name:?}; there are: {}", targets.join(" ")),
    };
    for target in chosen {
        let program = build(&top, &target)?;
        fuzz(&top, &target, &program, seconds, &inputs)?;
    }
    Ok(())
}

fn targets(top: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in top.join("fuzz_targets").read_dir()? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|n| n.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// Builds a target with the versions of the workspace.
fn build(top: &Path, target: &str) -> Result<PathBuf> {
    std::fs::copy(paths::root().join("Cargo.lock"), top.join("Cargo.lock"))
        .context("fuzz/Cargo.lock")?;
    let host = host()?;
    let directory = paths::target_dir().join("fuzz");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release", "--manifest-path"])
        .arg(top.join("Cargo.toml"))
        .args(["--target", &host, "--bin", target])
        .env("CARGO_TARGET_DIR", &directory)
        .env("CARGO_INCREMENTAL", "0")
        .env("RUSTFLAGS", COUNTERS.join(" "));
    run_program(&mut cargo)?;
    Ok(directory.join(host).join("release").join(target))
}

/// The triple of this machine.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let text = String::from_utf8(output.context("cannot start rustc")?.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

fn fuzz(top: &Path, target: &str, program: &Path, seconds: u64, inputs: &[String]) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(format!("-rss_limit_mb={RSS_MAX_MB}"));
    command.arg(format!("-timeout={INPUT_MAX_S}"));
    if inputs.is_empty() {
        let (corpus, artifacts) = (top.join("corpus").join(target), top.join("artifacts"));
        std::fs::create_dir_all(&corpus).context("fuzz/corpus")?;
        std::fs::create_dir_all(&artifacts).context("fuzz/artifacts")?;
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={LENGTH_MAX}"))
            .arg(format!(
                "-artifact_prefix={}/{target}-",
                artifacts.display()
            ))
            .arg("-print_final_stats=1")
            .arg(corpus)
            .arg(top.join("seeds").join(target));
    } else {
        command.args(inputs);
    }
    run_program(&mut command).with_context(|| format!("target {target}"))
}
