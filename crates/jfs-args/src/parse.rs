//! Reading arguments by the tables: first the sub-command is found, then its flags and arguments.

use crate::error::ArgError;
use crate::globals::GLOBALS;
use crate::parsed::Parsed;
use crate::spec::{CommandSpec, FlagSpec, find};

/// A command line cut at its sub-command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The global flags before the sub-command, as typed.
    pub leading: Vec<String>,
    /// The sub-command; `None` when there is none.
    pub command: Option<String>,
    /// Everything after the sub-command, as typed.
    pub rest: Vec<String>,
    /// `--help` stood before the sub-command.
    pub help: bool,
    /// `--version` stood before the sub-command.
    pub version: bool,
}

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// The command's help text.
    Help,
    /// The version.
    Version,
    /// To run with these values.
    Run(Parsed),
}

/// Finds the sub-command. Only global flags may stand before it.
pub fn split_command(argv: &[String]) -> Result<Split, ArgError> {
    let mut split = Split {
        leading: Vec::new(),
        command: None,
        rest: Vec::new(),
        help: false,
        version: false,
    };
    // Values are read (and thrown away) here so that a wrong one is refused in its place.
    let mut values = Parsed::new([GLOBALS, &[]]);
    let mut at = 0;
    while let Some(arg) = argv.get(at) {
        let Some(flag) = Flag::read(arg)? else {
            split.command = Some(arg.clone());
            split.rest = argv[at + 1..].to_vec();
            break;
        };
        let Some(spec) = find(GLOBALS, flag.name) else {
            return Err(match flag.name {
                "" => ArgError::Unknown(arg.clone()),
                name => ArgError::NotGlobal(name.to_string()),
            });
        };
        let used = flag.set(spec, arg, argv.get(at + 1), &mut values)?;
        split.leading.extend_from_slice(&argv[at..at + used]);
        at += used;
    }
    split.help = values.bool("help");
    split.version = values.bool("version");
    Ok(split)
}

/// Reads the flags and arguments of `command`; global flags may stand anywhere. Help and version
/// win over missing arguments, but not over an unknown option or a wrong value.
pub fn parse_command(
    command: &'static CommandSpec,
    argv: &[String],
) -> Result<Invocation, ArgError> {
    let tables: [&'static [FlagSpec]; 2] = [command.flags, GLOBALS];
    let mut parsed = Parsed::new(tables);
    // An unknown option is refused before a wrong value, wherever it stands.
    let mut given = Vec::new();
    let mut at = 0;
    while let Some(arg) = argv.get(at) {
        let Some(flag) = Flag::read(arg)? else {
            parsed.push_arg(at, arg.clone());
            at += 1;
            continue;
        };
        let spec = tables
            .iter()
            .find_map(|table| find(table, flag.name))
            .ok_or_else(|| ArgError::Unknown(arg.clone()))?;
        let used = flag.length(spec, arg, argv.get(at + 1))?;
        given.push((at, flag, spec));
        at += used;
    }
    for (at, flag, spec) in given {
        flag.set(spec, &argv[at], argv.get(at + 1), &mut parsed)?;
    }
    if parsed.bool("help") {
        return Ok(Invocation::Help);
    }
    if parsed.bool("version") {
        return Ok(Invocation::Version);
    }
    let count = parsed.args().len();
    if count < command.min_args {
        return Err(ArgError::TooFew(command.min_args));
    }
    if let Some(max) = command.max_args
        && count > max
    {
        return Err(ArgError::TooMany {
            max,
            got: parsed.args().to_vec(),
        });
    }
    parsed.check_support()?;
    Ok(Invocation::Run(parsed))
}

/// One argument that starts with a dash.
struct Flag<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Flag<'a> {
    /// `None` for an argument that is not a flag.
    fn read(arg: &'a str) -> Result<Option<Flag<'a>>, ArgError> {
        let Some(rest) = arg.strip_prefix('-') else {
            return Ok(None);
        };
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        if rest.starts_with('-') || rest.starts_with('=') {
            return Err(ArgError::BadSyntax(arg.to_string()));
        }
        Ok(Some(match rest.split_once('=') {
            Some((name, value)) => Flag {
                name,
                value: Some(value),
            },
            None => Flag {
                name: rest,
                value: None,
            },
        }))
    }

    /// How many arguments the flag takes up.
    fn length(&self, spec: &FlagSpec, arg: &str, next: Option<&String>) -> Result<usize, ArgError> {
        if self.value.is_some() || spec.kind == crate::spec::Kind::Bool {
            return Ok(1);
        }
        match next {
            Some(_) => Ok(2),
            None => Err(ArgError::RequiresValue(arg.to_string())),
        }
    }

    /// Keeps the value; answers how many arguments were used.
    fn set(
        &self,
        spec: &'static FlagSpec,
        arg: &str,
        next: Option<&String>,
        into: &mut Parsed,
    ) -> Result<usize, ArgError> {
        let used = self.length(spec, arg, next)?;
        let text = match (self.value, used) {
            (Some(value), _) => value,
            (None, 1) => "true",
            (None, _) => next.map_or("", String::as_str),
        };
        into.set(spec, self.name, text)?;
        Ok(used)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::spec::Kind;
    use std::time::Duration;

    const FORMAT: CommandSpec = CommandSpec {
        name: "format",
        category: "ADMIN",
        summary: "Format a volume",
        arguments: "META-URL NAME",
        min_args: 2,
        max_args: Some(2),
        description: "",
        flags: &[
            FlagSpec::switch(&["force", "f"], "overwrite"),
            FlagSpec::new(&["bucket"], Kind::Text, "/var/jfs", "where"),
            FlagSpec::new(&["trash-days"], Kind::Int, "1", "days"),
            FlagSpec::new(&["inodes"], Kind::Uint, "0", "limit"),
            FlagSpec::new(&["block-size"], Kind::Size('K'), "4M", "block"),
            FlagSpec::new(&["heartbeat"], Kind::Duration, "12s", "interval"),
            FlagSpec::new(&["free-space-ratio"], Kind::Float, "0.1", "ratio"),
            FlagSpec::switch(&["writeback"], "later").off_only(&["false"]),
            FlagSpec::new(&["backup-meta"], Kind::Duration, "0", "dump").off_only(&["0"]),
            FlagSpec::new(&["atime-mode"], Kind::Text, "noatime", "atime").off_only(&["noatime"]),
            FlagSpec::new(&["secret-key"], Kind::Secret, "", "key").off_only(&[""]),
            FlagSpec::switch(&["no-syslog"], "no syslog").off_only(&["true"]),
        ],
    };

    fn argv(line: &str) -> Vec<String> {
        line.split_whitespace()
            .map(|w| {
                if w == "''" {
                    String::new()
                } else {
                    w.to_string()
                }
            })
            .collect()
    }

    fn run(line: &str) -> Parsed {
        match parse_command(&FORMAT, &argv(line)) {
            Ok(Invocation::Run(parsed)) => parsed,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refusal(line: &str) -> String {
        match parse_command(&FORMAT, &argv(line)) {
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
            "sqlite3://a --verbose --bucket /b -f vol --trash-days 0x3",
        ] {
            let p = run(line);
            assert_eq!(p.args(), ["sqlite3://a", "vol"], "{line}");
            assert_eq!(
                p.position(1).map(|at| argv(line)[at].clone()).as_deref(),
                Some("vol")
            );
            assert_eq!(p.text("bucket"), "/b", "{line}");
            assert_eq!(p.int("trash-days"), 3, "{line}");
            assert!(p.bool("force"), "{line}");
        }
    }

    #[test]
    fn defaults_values_and_the_last_one_wins() {
        let p = run("a b");
        assert_eq!(p.bytes("block-size"), 4 << 20);
        assert_eq!(p.duration("heartbeat"), Duration::from_secs(12));
        assert_eq!(p.float("free-space-ratio"), 0.1);
        assert!(!p.given("trash-days"));
        assert!(!p.bool("quiet"));
        let p = run("a b --trash-days 5 --force --trash-days -1 --force=false -q --block-size 64");
        assert_eq!(p.int("trash-days"), -1);
        assert!(!p.bool("force") && p.given("force") && p.bool("quiet"));
        assert_eq!(p.bytes("block-size"), 64 << 10);
        // A value is taken as it comes, dashes and all.
        assert_eq!(run("a b --bucket --force").text("bucket"), "--force");
        assert_eq!(run("a b --bucket=").text("bucket"), "");
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
            ("---force a b", "bad flag syntax: ---force"),
            ("a b --=1", "bad flag syntax: --=1"),
            ("a b --bucket", r#"option "--bucket" requires value"#),
            ("a b --log-id", r#"option "--log-id" requires value"#),
            (
                "a b --trash-days 1.5",
                r#"invalid value "1.5" for flag -trash-days: parse error"#,
            ),
            (
                "a b --trash-days=",
                r#"invalid value "" for flag -trash-days: parse error"#,
            ),
            (
                "a b --inodes -1",
                r#"invalid value "-1" for flag -inodes: parse error"#,
            ),
            (
                "a b --force=maybe",
                r#"invalid boolean value "maybe" for -force: parse error"#,
            ),
            (
                "a b -f=2",
                r#"invalid boolean value "2" for -f: parse error"#,
            ),
            (
                "a b --heartbeat abc",
                r#"invalid value "abc" for flag -heartbeat: parse error"#,
            ),
            (
                "a b --block-size 4X",
                r#"Invalid value "4X" for "block-size": invalid unit"#,
            ),
            ("a", "This command requires at least 2 arguments"),
            (
                "a b c",
                "This command accept at most 2 arguments but got [a b c]",
            ),
            // The unknown option is named first, even behind a wrong value.
            ("a b --trash-days x --bogus", r#"unknown option: "--bogus""#),
        ] {
            assert_eq!(refusal(line), want, "{line}");
        }
    }

    #[test]
    fn functions_that_are_not_there_are_refused_by_name_and_off_is_accepted() {
        run(
            "a b --writeback=false --backup-meta 0s --atime-mode noatime --secret-key= --no-syslog",
        );
        run("a b --writeback --writeback=false");
        assert_eq!(
            refusal("a b --writeback"),
            "--writeback is not supported yet"
        );
        assert_eq!(
            refusal("a b --backup-meta 1h"),
            "--backup-meta is not supported yet"
        );
        assert_eq!(
            refusal("a b --atime-mode relatime"),
            r#"--atime-mode is not supported yet (given "relatime")"#
        );
        assert_eq!(
            refusal("a b --secret-key hush"),
            "--secret-key is not supported yet"
        );
        assert_eq!(
            refusal("a b --no-syslog=false"),
            "--no-syslog is not supported yet"
        );
        assert_eq!(
            refusal("a b --pyroscope http://x"),
            r#"--pyroscope is not supported yet (given "http://x")"#
        );
    }

    #[test]
    fn the_sub_command_is_found_behind_global_flags() {
        let split = split_command(&argv("--log-id x -q --debug=false format -q --help")).unwrap();
        assert_eq!(split.command.as_deref(), Some("format"));
        assert_eq!(split.leading, argv("--log-id x -q --debug=false"));
        assert_eq!(split.rest, argv("-q --help"));
        assert!(!split.help && !split.version);
        assert!(split_command(&argv("-h format")).unwrap().help);
        assert!(split_command(&argv("-V")).unwrap().version);
        assert_eq!(split_command(&[]).unwrap().command, None);
        let refused = |line| split_command(&argv(line)).unwrap_err().to_string();
        assert_eq!(
            refused("--force format"),
            "flag provided but not defined: -force"
        );
        assert_eq!(
            refused("--verbose=x version"),
            r#"invalid boolean value "x" for -verbose: parse error"#
        );
        assert_eq!(refused("--log-id"), r#"option "--log-id" requires value"#);
        assert_eq!(refused("-- version"), r#"unknown option: "--""#);
    }

    #[test]
    fn help_and_version_need_no_arguments() {
        let asked = |line| parse_command(&FORMAT, &argv(line)).unwrap();
        assert!(matches!(asked("-h"), Invocation::Help));
        assert!(matches!(asked("a --help"), Invocation::Help));
        assert!(matches!(asked("--version"), Invocation::Version));
        assert!(matches!(asked("a b --help=false"), Invocation::Run(_)));
    }
}
