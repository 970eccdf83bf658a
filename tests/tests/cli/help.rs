//! Help texts: the flags, units and defaults of the reference, in words of our own; and what goes with them.

use clap::{Arg, Command};
use jfs_commands::arguments::{flag_by_name, is_switch};
use jfs_commands::catalogue::{CATALOGUE, Entry, program};
use jfs_commands::help::{command_help, program_help};
use jfs_commands::not_yet::is_not_yet;
use jfs_commands::parse::prepared;
use jfs_testkit::{Jfs, Reference};

/// Longest line of a help text that no terminal shows.
const WIDTH: usize = 80;
/// Texts up to this length may be alike by chance: names, values, two words.
const CHANCE: usize = 25;

/// Defaults that differ on purpose, by command and flag. Ours comes last.
const OTHER_DEFAULTS: &[(&str, &str, &str)] = &[
    // Listings of a root must not lead programs into endless files.
    ("mount", "hide-internal", "true"),
];

fn commands() -> Vec<Command> {
    let entries = CATALOGUE.iter().flat_map(|(_, entries)| *entries);
    let ready = entries.filter_map(|entry| match entry {
        Entry::Ready(command) => Some(prepared(command())),
        Entry::NotYet(_) => None,
    });
    ready.collect()
}

fn reference_help(command: &str) -> String {
    let reference = Reference::find().unwrap();
    reference.run(&[command, "--help"]).unwrap().stdout
}

/// A flag as the reference's help shows it.
struct Row {
    names: Vec<String>,
    takes_value: bool,
    default: Option<String>,
}

/// Reads `   --session value, -s value  what it does (default: 0)`.
fn row(line: &str) -> Option<Row> {
    let line = line.trim();
    if !line.starts_with('-') {
        return None;
    }
    let (left, right) = line.split_once("  ").unwrap_or((line, ""));
    let words = left.split(", ").map(|word| word.split(' '));
    let names = words.clone().filter_map(|mut word| word.next());
    let default = right.rsplit_once("(default: ").map(|(_, default)| {
        let default = default.trim_end_matches(')');
        default.trim_matches('"').to_string()
    });
    Some(Row {
        names: names
            .map(|name| name.trim_start_matches('-').to_string())
            .collect(),
        takes_value: words.clone().any(|word| word.count() > 1),
        default,
    })
}

#[test]
fn every_flag_of_the_reference_is_known_with_its_default() {
    let mut seen = 0;
    for command in commands() {
        let name = command.get_name();
        for row in reference_help(name).lines().filter_map(row) {
            for flag in &row.names {
                let Some(arg) = flag_by_name(&command, flag) else {
                    panic!("{name}: --{flag} is missing");
                };
                assert_eq!(is_switch(arg), !row.takes_value, "{name} --{flag}");
                seen += 1;
                check_default(name, arg, row.default.as_deref());
            }
        }
    }
    assert!(seen > 140, "{seen} flags");
}

/// Where a flag is for, ours has the same default: shown by clap, or named in the text where it depends on the user.
fn check_default(command: &str, arg: &Arg, wanted: Option<&str>) {
    let name = arg.get_long().unwrap_or("o");
    // What `config` is not given stays, so nothing has a default there.
    let Some(wanted) = wanted.filter(|_| command != "config" && !is_not_yet(arg)) else {
        return;
    };
    let other = OTHER_DEFAULTS
        .iter()
        .find(|(c, flag, _)| (*c, *flag) == (command, name));
    let wanted = other.map_or(wanted, |(_, _, ours)| ours);
    let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let shown = arg.get_default_values().first();
    let shown = shown.map_or("false".into(), |value| value.to_string_lossy());
    let of_user =
        arg.is_hide_default_value_set() && text.contains(&format!("Default: {wanted} for root"));
    let is_shown = !arg.is_hide_default_value_set() && shown == wanted;
    let is_off = is_switch(arg) && wanted == "false";
    assert!(
        of_user || is_shown || is_off,
        "{command} --{name}: {wanted}, ours is {shown}: {text}"
    );
}

/// Sizes say what a bare number counts, and so do the numbers whose unit is in no name.
#[test]
fn units_are_named() {
    for (command, flag, unit) in [
        ("format", "block-size", "KiB"),
        ("format", "capacity", "GiB"),
        ("config", "capacity", "GiB"),
        ("format", "trash-days", "Days"),
        ("mount", "buffer-size", "MiB"),
        ("mount", "cache-size", "MiB"),
        ("mount", "max-readahead", "MiB"),
        ("mount", "max-fuse-io", "bytes"),
        ("mount", "upload-limit", "megabits"),
        ("bench", "block-size", "MiB"),
        ("bench", "big-file-size", "MiB"),
        ("bench", "small-file-size", "KiB"),
    ] {
        let commands = commands();
        let of_command = commands.iter().find(|c| c.get_name() == command).unwrap();
        let help = flag_by_name(of_command, flag).unwrap().get_help();
        let help = help.unwrap().to_string();
        assert!(help.contains(unit), "{command} --{flag}: {help}");
    }
}

/// A text without what is fact: flags, defaults, addresses, case, blanks.
fn plain(text: &str) -> String {
    let text = text.split("(default: ").next().unwrap_or_default();
    let words = text.split_whitespace();
    let words = words.filter(|word| !word.contains("://") && !word.starts_with('-'));
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    words
        .join(" ")
        .trim_matches(['.', ':', ';', '#', '$', ' '])
        .to_string()
}

/// The sentences of a help text of the reference, long enough not to be alike by chance.
fn sentences_of_reference(command: &str) -> Vec<String> {
    let help = reference_help(command);
    let columns = help.lines().flat_map(|line| line.split("  "));
    let sentences = columns
        .flat_map(|column| column.split([';', '(', ')']))
        .map(plain);
    sentences.filter(|text| text.len() > CHANCE).collect()
}

fn no_sentence_of_reference(what: &str, ours: &str, theirs: &[String]) {
    let ours = plain(&ours.replace('\n', " "));
    for sentence in theirs {
        assert!(
            !ours.contains(sentence),
            "{what} repeats the reference: {sentence:?}"
        );
    }
}

#[test]
fn help_is_in_words_of_our_own() {
    let of_program = sentences_of_reference("--help");
    assert!(of_program.len() > 10);
    for line in program_help("1").lines() {
        no_sentence_of_reference("jfs --help", line, &of_program);
    }
    for command in commands() {
        let name = command.get_name().to_string();
        if name == "completion" {
            continue;
        }
        let theirs = sentences_of_reference(&name);
        let texts = [
            command.get_about(),
            command.get_long_about(),
            command.get_after_help(),
        ];
        for text in texts.into_iter().flatten() {
            no_sentence_of_reference(&name, &text.to_string(), &theirs);
        }
        for arg in command.get_arguments() {
            let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
            no_sentence_of_reference(&format!("{name} {arg}"), &text, &theirs);
            no_sentence_of_reference(&format!("{name} {arg}"), &text, &of_program);
        }
        for line in command_help(command).lines() {
            no_sentence_of_reference(&name, line, &theirs);
        }
    }
}

/// A check that finds nothing must not pass.
#[test]
fn a_repeated_sentence_is_found() {
    let theirs = sentences_of_reference("mount");
    let copy =
        "Interval to send\n heartbeat. Number of retries\n after network failure [default: 10]";
    let found = |sentence: &String| plain(&copy.replace('\n', " ")).contains(sentence);
    assert!(theirs.iter().any(found), "{theirs:?}");
}

#[test]
fn help_fits_without_a_terminal() {
    let jfs = Jfs::find().unwrap();
    let mut lines = vec![vec!["--help".to_string()]];
    lines.extend(
        commands()
            .iter()
            .map(|c| vec![c.get_name().to_string(), "--help".to_string()]),
    );
    for line in lines {
        let help = jfs.run(&line).unwrap().ok().unwrap().stdout;
        assert!(help.contains("Usage: jfs"), "{line:?}: {help}");
        for text in help.lines() {
            assert!(text.chars().count() <= WIDTH, "{line:?}: {text:?}");
            assert_eq!(text, text.trim_end(), "{line:?}");
        }
    }
    let mount = jfs.run(&["mount", "--help"]).unwrap().stdout;
    for part in [
        "Metadata cache:",
        "--writeback",
        "Not supported yet",
        "[default: 100G]",
    ] {
        assert!(mount.contains(part), "{part}: {mount}");
    }
}

#[test]
fn shells_complete_commands_and_flags() {
    let jfs = Jfs::find().unwrap();
    for (shell, flag) in [
        ("bash", "--trash-days"),
        ("zsh", "--trash-days"),
        ("fish", "-l trash-days"),
    ] {
        let script = jfs
            .run(&["completion", shell])
            .unwrap()
            .ok()
            .unwrap()
            .stdout;
        for part in [flag, "mount", "2-random", "umount"] {
            assert!(script.contains(part), "{shell}: {part}");
        }
        // A script must be the same for all users.
        assert!(!script.contains("/.juicefs/"), "{shell}");
    }
    // Bash itself reads the script and answers from it.
    let ask = "source <($0 completion bash); COMP_WORDS=(jfs mount --negative); COMP_CWORD=2; \
               _jfs jfs --negative mount; echo \"${COMPREPLY[@]}\"";
    let mut bash = std::process::Command::new("bash");
    let answer = bash.args(["-c", ask]).arg(jfs.program()).output().unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    assert_eq!(answer.trim(), "--negative-entry-cache");
    let refused = jfs.run(&["completion", "tcsh"]).unwrap();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("bash, zsh, fish"),
        "{}",
        refused.stderr
    );
    assert!(program("jfs").get_subcommands().count() > 5);
}
