//! Commands that the read-me files name exist: sub-commands and their flags, chores, scripts, examples.
//!
//! Looked at is code: blocks between fences, and words between backticks.

use super::Tree;
use super::flags::Program;
use std::path::Path;

const DOCUMENTS: [&str; 2] = ["README.md", "deploy/README.md"];

/// `chores` is the text that `cargo xtask help` prints.
pub(super) fn check(tree: &Tree, program: &Program, chores: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for document in DOCUMENTS {
        for (number, code) in code(tree.text(document).unwrap_or_default()) {
            let wrong = judge(tree, program, chores, code);
            violations.extend(wrong.map(|what| format!("{document}:{number}: {what}")));
        }
    }
    violations
}

/// Pieces of code and the numbers of their lines.
fn code(text: &str) -> Vec<(usize, &str)> {
    let (mut pieces, mut fenced) = (Vec::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            pieces.push((number, line));
        } else {
            pieces.extend(
                line.split('`')
                    .skip(1)
                    .step_by(2)
                    .map(|piece| (number, piece)),
            );
        }
    }
    pieces
}

/// What is wrong with a command; `None` for code that is no command of ours.
fn judge(tree: &Tree, program: &Program, chores: &str, code: &str) -> Option<String> {
    let code = code.split(" #").next().unwrap_or(code);
    let words: Vec<&str> = code.split_whitespace().collect();
    match words.as_slice() {
        ["jfs" | "juicefs", name, rest @ ..] if !name.starts_with('-') => {
            match program.command(name) {
                None => Some(format!("jfs has no command {name}")),
                Some(command) => {
                    let flags = rest.iter().filter_map(|word| word.strip_prefix("--"));
                    let mut names = flags.map(|flag| flag.split('=').next().unwrap_or(flag));
                    let unknown =
                        names.find(|name| !name.is_empty() && !program.has_flag(command, name));
                    unknown.map(|flag| format!("jfs {name} has no flag --{flag}"))
                }
            }
        }
        ["cargo", "xtask", name, ..] => {
            let known = chores
                .lines()
                .any(|line| line.split_whitespace().next() == Some(name));
            (!known).then(|| format!("cargo xtask has no command {name}"))
        }
        ["cargo", "run", "-p", package, "--example", name, ..] => {
            let path = format!("crates/{package}/examples/{name}.rs");
            (!tree.paths.iter().any(|p| p == Path::new(&path)))
                .then(|| format!("there is no {path}"))
        }
        [script, ..] if script.starts_with("scripts/") && script.len() > "scripts/".len() => {
            (!tree.paths.iter().any(|p| p == Path::new(script)))
                .then(|| format!("there is no {script}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::{Command, Flag};
    use super::*;

    fn wrong(line: &str) -> Vec<String> {
        let flag = |name: &str| Flag {
            names: vec![name.to_owned()],
        };
        let program = Program {
            global: vec![flag("quiet")],
            commands: vec![Command {
                name: "format".to_owned(),
                flags: vec![flag("bucket")],
            }],
        };
        let tree = Tree {
            files: vec![("README.md".into(), format!("# T\n\n{line}\n"))],
            paths: vec!["scripts/test".into(), "crates/jfs/examples/embed.rs".into()],
        };
        check(&tree, &program, "usage: x\n\n  ci    everything\n")
    }

    #[test]
    fn what_exists_is_fine_and_what_does_not_is_found() {
        for fine in [
            "`jfs format --bucket=x --quiet redis://h/1 v` and `jfs`",
            "`cargo xtask ci`, `scripts/test --all`, `scripts/`, `cargo run -p jfs --example embed`",
            "jfs dump is prose",
        ] {
            assert_eq!(wrong(fine), Vec::<String>::new(), "{fine}");
        }
        for (line, said) in [
            ("`jfs dump x`", "README.md:3: jfs has no command dump"),
            (
                "`juicefs format --bukket x`",
                "README.md:3: jfs format has no flag --bukket",
            ),
            (
                "```\ncargo xtask dance\n```",
                "README.md:4: cargo xtask has no command dance",
            ),
            ("`scripts/none`", "README.md:3: there is no scripts/none"),
            (
                "`cargo run -p jfs --example none`",
                "README.md:3: there is no crates/jfs/examples/none.rs",
            ),
        ] {
            assert_eq!(wrong(line), [said]);
        }
    }
}
