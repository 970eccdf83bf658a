//! Flags of the programs that no test gives.
//!
//! A flag counts as tested when a test source outside of `src` has `--flag`, or `flag` in a line with `-o`.
//! Which command a test calls is not looked at.

use super::Tree;
use std::path::Path;

/// Flags without a test, and why none can be written.
const UNTESTED: [(&str, &str); 0] = [];

/// The commands of a program, as far as the rules need them.
pub(super) struct Program {
    /// Flags that every command takes.
    pub(super) global: Vec<Flag>,
    pub(super) commands: Vec<Command>,
}

pub(super) struct Command {
    pub(super) name: String,
    pub(super) flags: Vec<Flag>,
}

/// One flag as its definition has it.
pub(super) struct Flag {
    /// All names, without dashes.
    pub(super) names: Vec<String>,
}

impl Program {
    /// The definition that the programs parse their arguments by.
    pub(super) fn read() -> Self {
        let whole = jfs_commands::catalogue::program("jfs");
        let commands = whole.get_subcommands().map(|command| Command {
            name: command.get_name().to_owned(),
            flags: flags_of(command),
        });
        Self {
            global: flags_of(&whole),
            commands: commands.collect(),
        }
    }

    pub(super) fn command(&self, name: &str) -> Option<&Command> {
        self.commands.iter().find(|command| command.name == name)
    }

    pub(super) fn has_flag(&self, command: &Command, name: &str) -> bool {
        let mut flags = self.global.iter().chain(&command.flags);
        flags.any(|flag| flag.names.iter().any(|n| n == name))
    }
}

fn flags_of(command: &clap::Command) -> Vec<Flag> {
    let named = command
        .get_arguments()
        .filter(|argument| !argument.is_positional());
    named
        .map(|argument| {
            let long = argument.get_long_and_visible_aliases().unwrap_or_default();
            let hidden = argument.get_all_aliases().unwrap_or_default();
            let short = argument.get_short_and_visible_aliases().unwrap_or_default();
            let mut names: Vec<String> =
                long.into_iter().chain(hidden).map(str::to_owned).collect();
            names.extend(short.into_iter().map(String::from));
            names.dedup();
            Flag { names }
        })
        .collect()
}

pub(super) fn check(tree: &Tree, program: &Program) -> Vec<String> {
    let tests: Vec<&str> = tree
        .with_extension("rs")
        .filter(|(path, _)| is_test(path))
        .map(|(_, text)| text)
        .collect();
    let mut violations = Vec::new();
    let global = program.global.iter().map(|flag| ("every command", flag));
    let own = program.commands.iter().flat_map(|command| {
        command
            .flags
            .iter()
            .map(|flag| (command.name.as_str(), flag))
    });
    let mut judged: Vec<&[String]> = Vec::new();
    for (command, flag) in global.chain(own) {
        if judged.contains(&flag.names.as_slice()) {
            continue;
        }
        judged.push(&flag.names);
        let excused = UNTESTED
            .iter()
            .any(|(name, _)| flag.names.iter().any(|n| n == name));
        let tested = flag
            .names
            .iter()
            .any(|name| tests.iter().any(|text| gives(text, name)));
        let shown = flag
            .names
            .iter()
            .map(|n| dashed(n))
            .collect::<Vec<_>>()
            .join(", ");
        if !tested && !excused {
            violations.push(format!("{command}: no test gives {shown}"));
        }
        if tested && excused {
            violations.push(format!(
                "xtask/src/tidy/flags.rs: {shown} has a test and needs no excuse"
            ));
        }
    }
    violations
}

/// Sources in `tests` directories: of the workspace, of a crate, of a program.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests")
}

fn dashed(name: &str) -> String {
    let dashes = if name.len() == 1 { "-" } else { "--" };
    format!("{dashes}{name}")
}

fn gives(text: &str, name: &str) -> bool {
    let code = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"));
    code.into_iter().any(|line| {
        let as_option = line.contains("-o");
        line.match_indices(name).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + name.len()..]);
            let ends = !after.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c));
            let dashed = before.ends_with("--") || (name.len() == 1 && before.ends_with("\"-"));
            let among = as_option && before.ends_with(['"', ',', ' ', '=']);
            ends && (dashed || among)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_without_a_test_is_found() {
        let flag = |names: &[&str]| Flag {
            names: names.iter().map(|n| (*n).to_owned()).collect(),
        };
        let program = Program {
            global: vec![flag(&["verbose", "v"])],
            commands: vec![Command {
                name: "mount".to_owned(),
                flags: vec![
                    flag(&["cache-size"]),
                    flag(&["cache"]),
                    flag(&["sub-dir"]),
                    flag(&["read-only"]),
                ],
            }],
        };
        let text =
            "run(&[\"-v\", \"--cache-size=1\"]);\n// --cache\nmount(\"-o\", \"sub-dir=/x,ro\");\n";
        let files = vec![
            ("tests/tests/a.rs".into(), text.to_owned()),
            ("bins/jfs/src/a.rs".into(), "--read-only".to_owned()),
        ];
        let tree = Tree {
            files,
            paths: Vec::new(),
        };
        let said = [
            "mount: no test gives --cache",
            "mount: no test gives --read-only",
        ];
        assert_eq!(check(&tree, &program), said);
    }
}
