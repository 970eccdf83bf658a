//! From the words of a command line to a command's struct.

use crate::arguments::{Arguments, GivenFlag};
use crate::error::CommandLineError;
use crate::not_yet::{NotYet, is_not_yet};
use crate::values::Expected;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use std::error::Error;

/// What a command line asks for.
#[derive(Debug)]
pub enum Invocation<C> {
    /// The command's help text.
    Help,
    /// The version.
    Version,
    /// To run with these values.
    Run(Box<Parsed<C>>),
}

/// A command line that was read.
#[derive(Clone, Debug)]
pub struct Parsed<C> {
    /// The typed values.
    pub flags: C,
    /// The words behind them.
    pub arguments: Arguments,
}

impl<C> Parsed<C> {
    /// Whether the command line has the flag with the long name `name`. `--name=false` counts as well.
    pub fn given(&self, name: &str) -> bool {
        self.arguments.last(name).is_some()
    }

    /// Whether a flag was given that not every command takes.
    pub fn own_flag_given(&self) -> bool {
        self.arguments.flags.iter().any(|flag| !flag.is_global)
    }

    /// Where in the command line the positional argument at `index` stood.
    pub fn position(&self, index: usize) -> Option<usize> {
        self.arguments.positionals.get(index).map(|(at, _)| *at)
    }
}

/// A command as [`parse`] reads it and as help shows it, built.
pub fn prepared(command: Command) -> Command {
    let shown = match command.get_name() {
        "jfs" => "jfs".to_string(),
        name => format!("jfs {name}"),
    };
    let mut command = command
        .bin_name(shown)
        .args_override_self(true)
        .no_binary_name(true);
    command.build();
    command
}

/// Reads the flags and arguments behind a command's name. Help and version win over missing arguments, but not
/// over an unknown option or a wrong value.
pub fn parse<C: CommandFactory + FromArgMatches>(
    argv: &[String],
) -> Result<Invocation<C>, CommandLineError> {
    let mut command = prepared(C::command());
    let arguments = Arguments::read(&command, argv)?;
    let refused = |error: clap::Error| refusal(&prepared(C::command()), &arguments.flags, &error);
    let mut words = arguments.plain_flags(&command);
    // The values alone first: a wrong one is refused before a wrong number of arguments, and for help too.
    let mut lenient = command.clone().mut_args(|arg| arg.required(false));
    let values = lenient.try_get_matches_from_mut(&words).map_err(refused)?;
    if arguments.is_on("help") {
        return Ok(Invocation::Help);
    }
    if arguments.is_on("version") {
        return Ok(Invocation::Version);
    }
    check_number(&command, &arguments)?;
    check_support(&command, &values)?;
    // Behind `--` clap takes each word for what it is.
    words.push("--".to_string());
    words.extend(arguments.positionals.iter().map(|(_, word)| word.clone()));
    let matches = command.try_get_matches_from_mut(words);
    let flags = matches.and_then(|mut matches| C::from_arg_matches_mut(&mut matches));
    let flags = flags.map_err(refused)?;
    Ok(Invocation::Run(Box::new(Parsed { flags, arguments })))
}

/// Checks the number of positional arguments.
fn check_number(command: &Command, arguments: &Arguments) -> Result<(), CommandLineError> {
    let usage = || crate::help::usage(command);
    let places: Vec<&clap::Arg> = command.get_positionals().collect();
    let given = &arguments.positionals;
    let extra = given
        .get(places.len())
        .filter(|_| !places.iter().any(|place| takes_many(place)));
    if let Some((_, extra)) = extra {
        return Err(CommandLineError::ArgumentExtra {
            extra: extra.clone(),
            usage: usage(),
        });
    }
    let missing = places
        .get(given.len())
        .filter(|place| place.is_required_set());
    if let Some(place) = missing {
        let names = place.get_value_names().unwrap_or_default();
        return Err(CommandLineError::ArgumentMissing {
            missing: names.first().map(ToString::to_string).unwrap_or_default(),
            usage: usage(),
        });
    }
    Ok(())
}

fn takes_many(place: &clap::Arg) -> bool {
    place
        .get_num_args()
        .is_some_and(|range| range.max_values() > 1)
}

/// Refuses what is asked for and not there yet.
fn check_support(command: &Command, matches: &ArgMatches) -> Result<(), CommandLineError> {
    for arg in command.get_arguments().filter(|arg| is_not_yet(arg)) {
        let value = matches.try_get_one::<NotYet>(arg.get_id().as_str());
        if let Ok(Some(NotYet {
            accepted: false,
            shown,
        })) = value
        {
            return Err(CommandLineError::NotSupported {
                flag: arg.get_long().unwrap_or_default().to_string(),
                given: shown.clone(),
            });
        }
    }
    Ok(())
}

/// An error of clap in this crate's words. The name of the flag is the one that was typed.
fn refusal(command: &Command, given: &[GivenFlag], error: &clap::Error) -> CommandLineError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let expected = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(words))) => {
            Some(format!("one of {}", words.join(", ")))
        }
        _ => error
            .source()
            .and_then(|source| source.downcast_ref::<Expected>())
            .map(|expected| expected.0.to_string()),
    };
    let Some(expected) = expected else {
        // One line, and no address with its password: this text is not made for logs.
        let text = jfs_telemetry::mask_text(&error.to_string());
        let line = text.lines().next().unwrap_or_default();
        return CommandLineError::Other(line.trim_start_matches("error: ").to_string());
    };
    let (shown, value) = (
        context(ContextKind::InvalidArg),
        context(ContextKind::InvalidValue),
    );
    let arg = command.get_arguments().find(|arg| arg.to_string() == shown);
    let name = arg.and_then(|arg| {
        let long = arg.get_long().map(String::from);
        long.or_else(|| arg.get_short().map(String::from))
    });
    let Some(name) = name else {
        return CommandLineError::Other(format!(
            "invalid value \"{value}\" for {shown} ({expected} is expected)"
        ));
    };
    let typed = given
        .iter()
        .find(|flag| flag.name == name && flag.value == value);
    CommandLineError::BadValue {
        flag: typed.map_or(name.clone(), |flag| flag.typed_name.clone()),
        value,
        expected,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::arguments::split_command;
    use crate::commands::{FormatCommand, MountCommand};
    use crate::globals::globals_only;
    use std::time::Duration;

    /// A word for each blank; `''` is an empty one.
    fn argv(line: &str) -> Vec<String> {
        let words = line.split_whitespace();
        words.map(|w| w.trim_matches('\'').to_string()).collect()
    }

    fn format(line: &str) -> Parsed<FormatCommand> {
        match parse(&argv(line)) {
            Ok(Invocation::Run(parsed)) => *parsed,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn mount(line: &str) -> MountCommand {
        match parse(&argv(line)) {
            Ok(Invocation::Run(parsed)) => parsed.flags,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refusal<C: CommandFactory + FromArgMatches + std::fmt::Debug>(line: &str) -> String {
        match parse::<C>(&argv(line)) {
            Err(error) => error.to_string(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn flags_mix_with_arguments_in_any_order() {
        for line in [
            "sqlite3://a vol --bucket /b -trash-days 3 --force",
            "--bucket=/b sqlite3://a --force vol --trash-days=3",
            "-force -bucket /b -trash-days 3 sqlite3://a vol",
            "sqlite3://a --debug --bucket /b -force=T vol --trash-days 0x3",
        ] {
            let parsed = format(line);
            let flags = &parsed.flags;
            assert_eq!(
                [&flags.meta_url, &flags.name],
                ["sqlite3://a", "vol"],
                "{line}"
            );
            let at = parsed.position(1).map(|at| argv(line)[at].clone());
            assert_eq!(at.as_deref(), Some("vol"));
            assert_eq!(flags.storage.bucket, "/b", "{line}");
            assert_eq!(flags.management.trash_days, 3, "{line}");
            assert!(flags.force, "{line}");
            assert_eq!(flags.globals.verbose, line.contains("debug"));
        }
    }

    #[test]
    fn defaults_hold_and_the_last_one_wins() {
        let parsed = format("a b");
        assert_eq!(parsed.flags.layout.block_size, 4 << 20);
        assert!(!parsed.given("trash-days") && !parsed.own_flag_given());
        assert!(!parsed.flags.globals.quiet);
        let line = "a b --trash-days 5 --force --trash-days -1 --force=false -q --block-size 64";
        let parsed = format(line);
        let flags = &parsed.flags;
        assert_eq!(flags.management.trash_days, -1);
        assert!(!flags.force && parsed.given("force") && flags.globals.quiet);
        assert_eq!(flags.layout.block_size, 64 << 10);
        // A value is taken as it comes, dashes, commas and all.
        for value in ["--force", "-", "--", "=x", "a=b,c", "''", "-o"] {
            let want = value.trim_matches('\'');
            let typed = format(&format!("a b --bucket {value}"));
            assert_eq!(typed.flags.storage.bucket, want);
            let joined = format(&format!("a b --bucket={want}"));
            assert_eq!(joined.flags.storage.bucket, want);
        }
        let mounted =
            mount("a -o x m -o y,z=1 -d --attr-cache 2 --cache-size 1G --hide-internal=0");
        assert_eq!(mounted.fuse.options, "y,z=1");
        assert_eq!(mounted.metadata_cache.attr_cache, Duration::from_secs(2));
        assert_eq!(mounted.data_cache.cache_size, 1 << 30);
        assert!(mounted.background && !mounted.hide_internal);
        assert!(mount("a b").hide_internal && mount("a b --hide-internal").hide_internal);
        assert_eq!(mount("a b -o= -umask=").fuse.options, "");
    }

    #[test]
    fn a_wrong_argument_is_named_without_a_dash() {
        assert_eq!(
            refusal::<crate::commands::CompletionCommand>("sh"),
            "invalid value \"sh\" for <SHELL> (one of bash, zsh, fish is expected)"
        );
    }

    #[test]
    fn refusals_word_by_word() {
        for (line, want) in [
            ("a b --bogus", r#"unknown option: "--bogus""#),
            ("a b -bogus=1", r#"unknown option: "-bogus=1""#),
            ("a b --buck /x", r#"unknown option: "--buck""#),
            ("-- a b", r#"unknown option: "--""#),
            ("- a b", r#"unknown option: "-""#),
            ("a b -vq", r#"unknown option: "-vq""#),
            (
                "---force a b",
                r#""---force" is no option: one or two dashes and a name make one"#,
            ),
            (
                "a b --=1",
                r#""--=1" is no option: one or two dashes and a name make one"#,
            ),
            ("a b --bucket", r#"option "--bucket" needs a value"#),
            ("a b --log-id", r#"option "--log-id" needs a value"#),
            (
                "a b -trash-days 1.5",
                r#"invalid value "1.5" for flag -trash-days: parse error (a whole number is expected)"#,
            ),
            (
                "a b --trash-days=",
                r#"invalid value "" for flag -trash-days: parse error (a whole number is expected)"#,
            ),
            (
                "a b --inodes -1",
                r#"invalid value "-1" for flag -inodes: parse error (a whole number that is not negative is expected)"#,
            ),
            (
                "a b --debug=maybe",
                r#"invalid value "maybe" for flag -debug: parse error (true or false is expected)"#,
            ),
            (
                "a b -q=2",
                r#"invalid value "2" for flag -q: parse error (true or false is expected)"#,
            ),
            (
                "a b --block-size 4X",
                r#"invalid value "4X" for flag -block-size: parse error (a size like 300M or 4G is expected)"#,
            ),
            // A wrong value counts although a right one follows.
            (
                "a b --trash-days x --trash-days 1",
                r#"invalid value "x" for flag -trash-days: parse error (a whole number is expected)"#,
            ),
            // The unknown option is named first, even behind a wrong value; the value before the number.
            ("a b --trash-days x --bogus", r#"unknown option: "--bogus""#),
            (
                "a --shards x",
                r#"invalid value "x" for flag -shards: parse error (a whole number is expected)"#,
            ),
            (
                "a",
                "NAME is missing; usage: jfs format [OPTIONS] <META-URL> <NAME>",
            ),
            (
                "a b c d",
                r#""c" is one argument too many; usage: jfs format [OPTIONS] <META-URL> <NAME>"#,
            ),
        ] {
            assert_eq!(refusal::<FormatCommand>(line), want, "{line}");
        }
        assert_eq!(
            refusal::<MountCommand>("a b --cache-eviction fifo"),
            r#"invalid value "fifo" for flag -cache-eviction: parse error (one of none, 2-random, lru is expected)"#
        );
        assert_eq!(
            refusal::<MountCommand>("a b -get-timeout 0ms"),
            r#"invalid value "0ms" for flag -get-timeout: parse error (a time longer than zero, like 60s is expected)"#
        );
    }

    #[test]
    fn functions_that_are_not_there_are_refused_by_name_and_off_is_accepted() {
        mount(
            "a b --writeback=false --backup-meta 0s --atime-mode noatime --tag= --no-usage-report",
        );
        mount("a b --writeback --writeback=false --upload-limit 0x0 --writeback-threshold-size 0K");
        for (line, want) in [
            ("a b --writeback", "--writeback is not supported yet"),
            ("a b --backup-meta 1h", "--backup-meta is not supported yet"),
            (
                "a b --atime-mode relatime",
                r#"--atime-mode is not supported yet (given "relatime")"#,
            ),
            (
                "a b --no-usage-report=false",
                "--no-usage-report is not supported yet",
            ),
            (
                "a b --pyroscope http://x",
                r#"--pyroscope is not supported yet (given "http://x")"#,
            ),
            (
                "a --writeback",
                "MOUNTPOINT is missing; usage: jfs mount [OPTIONS] <META-URL> <MOUNTPOINT>",
            ),
        ] {
            assert_eq!(refusal::<MountCommand>(line), want, "{line}");
        }
        // Every flag that does nothing yet takes its own default.
        let command = prepared(MountCommand::command());
        for arg in command.get_arguments().filter(|arg| is_not_yet(arg)) {
            let name = arg.get_long().unwrap();
            let off = arg.get_default_values().first();
            let off = off.map_or("false", |text| text.to_str().unwrap());
            mount(&format!("a b --{name}={off}"));
        }
    }

    #[test]
    fn the_command_is_found_behind_global_flags() {
        let split = |line: &str| split_command(&prepared(globals_only()), &argv(line));
        let found = split("--log-id x -q --debug=false format -q --help").unwrap();
        assert_eq!(found.command.as_deref(), Some("format"));
        assert_eq!(found.leading, argv("--log-id x -q --debug=false"));
        assert_eq!(found.rest, argv("-q --help"));
        assert!(!found.help && !found.version);
        assert!(split("-h format").unwrap().help);
        assert!(split("-V").unwrap().version);
        assert_eq!(split("").unwrap().command, None);
        for (line, want) in [
            (
                "--force format",
                "--force belongs to a command: write it behind the command's name",
            ),
            (
                "--verbose=x version",
                r#"invalid value "x" for flag -verbose: parse error (true or false is expected)"#,
            ),
            ("--log-id", r#"option "--log-id" needs a value"#),
            ("-- version", r#"unknown option: "--""#),
        ] {
            assert_eq!(split(line).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn help_and_version_need_no_arguments() {
        let asked = |line| parse::<FormatCommand>(&argv(line));
        assert!(matches!(asked("-h"), Ok(Invocation::Help)));
        assert!(matches!(asked("a --help b c"), Ok(Invocation::Help)));
        assert!(matches!(asked("--version"), Ok(Invocation::Version)));
        assert!(matches!(asked("a b --help=false"), Ok(Invocation::Run(_))));
        assert!(asked("--help --trash-days x").is_err());
        assert!(asked("--help --bogus").is_err());
    }
}
