//! Build chores: `cargo xtask COMMAND`. One file per command; CI runs what a developer runs.
//!
//! Nothing here is shipped, and nothing that a user needs lives here.

mod api;
mod bench;
mod ci;
mod deny;
mod dist;
mod doc;
mod fuzz;
mod man;
mod options;
mod paths;
mod posix;
mod services;
mod step;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci                    everything CI runs: fmt, tidy, clippy, doc, build, test, example, deny, posix
  test [ARGS]           build the binaries, then cargo test --workspace ARGS
  tidy                  the rules of this repository that a machine can check
  api [--write]         compares docs/api, the lists of public items, with the sources, or writes them anew
  deny                  licences, bans and sources of all dependencies
  doc                   the documentation of the libraries, without warnings
  dist [--check] [--profile NAME]
                        static programs as a tarball and a Debian package; --check runs and mounts them in an empty
                        root; another profile than dist (dev) is for trying out
  bench run|compare|check|matrix ARGS
                        the side-by-side benchmark; see bench/README.md
  bench meta [--meta redis,postgres,mariadb] [--link direct,delayed] [--clients jfs,juicefs] [--count N] [--rounds N]
             [--processes N] [--delay-us N] [--durable true] [--out FILE]
                        metadata operations of both clients through mounts, in turn; JFS_BIN names another jfs
                        than that of the release build
  fuzz [TARGET|all] [--seconds N] [INPUT...]
                        decoders of foreign bytes under libFuzzer; see fuzz/README.md
  posix pjdfstest [--meta sqlite,redis]
  posix fsx [--meta LIST] [--trash-days 0,1] [--seeds 1,2,3] [--operations 20000] [--profiles LIST]
                        outside suites on our mounts; without options everything, which takes hours for fsx
  man [DIR]             manual pages, into target/man unless told otherwise
  services up|down      a private Redis and MinIO that outlive the command; state in .services/
";

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ci"] => ci::run(),
        ["test", rest @ ..] => test::run(rest),
        ["tidy"] => tidy::run(),
        ["api", rest @ ..] => api::run(rest),
        ["deny"] => deny::run(),
        ["doc"] => doc::run(),
        ["dist", rest @ ..] => dist::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["posix", rest @ ..] => posix::run(rest),
        ["man"] => man::run("target/man"),
        ["man", directory] => man::run(directory),
        ["services", "up"] => services::up(),
        ["services", "down"] => services::down(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown command {:?}\n{USAGE}", other.join(" ")),
    }
}
