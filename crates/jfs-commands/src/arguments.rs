//! The words of a command line in the manner of Go's flag package, read by the flags that clap knows.
//!
//! Rules: one dash or two (`-trash-days 3`); flags before, between and after the arguments; `--flag value` and
//! `--flag=value`; a value may begin with a dash; switches stand alone or as `--force=false`; the last one of
//! several wins. Letters do not cluster, names are never shortened, and `--` has no meaning. An unknown flag is
//! refused before any value is looked at.

use crate::catalogue;
use crate::error::CommandLineError;
use crate::values::switch;
use clap::{Arg, ArgAction, Command};

/// A flag as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenFlag {
    /// The long name; the letter of a flag without one.
    pub name: String,
    /// As typed, without dashes.
    pub typed_name: String,
    /// As typed; `true` for a switch that stands alone.
    pub value: String,
    /// Whether the flag is a switch.
    pub is_switch: bool,
    /// Whether every command takes this flag.
    pub is_global: bool,
}

/// A command line, sorted into flags and arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// In the order of the line, repetitions included.
    pub flags: Vec<GivenFlag>,
    /// The positional arguments, each with its place in the line.
    pub positionals: Vec<(usize, String)>,
}

impl Arguments {
    /// Sorts `argv` by the flags of a built `command`.
    pub fn read(command: &Command, argv: &[String]) -> Result<Arguments, CommandLineError> {
        let mut read = Arguments::default();
        let mut at = 0;
        while let Some(word) = argv.get(at) {
            let Some(typed) = TypedFlag::of(word)? else {
                read.positionals.push((at, word.clone()));
                at += 1;
                continue;
            };
            let arg = flag_by_name(command, typed.name)
                .ok_or_else(|| CommandLineError::UnknownOption(word.clone()))?;
            let (flag, used) = typed.complete(arg, word, argv.get(at + 1))?;
            read.flags.push(flag);
            at += used;
        }
        for flag in read.flags.iter().filter(|flag| flag.is_switch) {
            flag.switch()?;
        }
        Ok(read)
    }

    /// The last one given under this long name.
    pub fn last(&self, name: &str) -> Option<&GivenFlag> {
        self.flags.iter().rev().find(|flag| flag.name == name)
    }

    /// The flags that count: the last of each name, in the order of the line.
    pub fn effective(&self) -> impl Iterator<Item = &GivenFlag> {
        let later = |at: usize| self.flags.get(at + 1..).unwrap_or_default();
        let flags = self.flags.iter().enumerate();
        flags
            .filter(move |(at, flag)| later(*at).iter().all(|other| other.name != flag.name))
            .map(|(_, flag)| flag)
    }

    /// Whether a switch was given and left on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.last(name).is_some_and(GivenFlag::is_on)
    }

    /// The flags in the form that clap reads: `--name=value`, and a plain switch once if it is on.
    pub(crate) fn plain_flags(&self, command: &Command) -> Vec<String> {
        let plain = self.flags.iter().filter_map(|flag| {
            let arg = flag_by_name(command, &flag.name)?;
            let dashes = if flag.name.len() > 1 { "--" } else { "-" };
            let name = format!("{dashes}{}", flag.name);
            if !matches!(arg.get_action(), ArgAction::SetTrue) {
                return Some(format!("{name}={}", flag.value));
            }
            let counts = self.last(&flag.name) == Some(flag);
            (counts && flag.is_on()).then_some(name)
        });
        plain.collect()
    }
}

impl GivenFlag {
    /// Whether this is a switch that is on.
    pub fn is_on(&self) -> bool {
        self.is_switch && switch(&self.value).unwrap_or(false)
    }

    fn switch(&self) -> Result<bool, CommandLineError> {
        switch(&self.value).map_err(|expected| {
            CommandLineError::bad_value(&self.typed_name, &self.value, expected.0)
        })
    }
}

/// A command line cut at the command's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The global flags in front, as typed.
    pub leading: Vec<String>,
    /// The command's name; `None` when there is none.
    pub command: Option<String>,
    /// Everything behind the name, as typed.
    pub rest: Vec<String>,
    /// `--help` stood in front.
    pub help: bool,
    /// `--version` stood in front.
    pub version: bool,
}

/// Finds the command's name. Only flags of `globals`, which is built, may stand in front of it.
pub fn split_command(globals: &Command, argv: &[String]) -> Result<Split, CommandLineError> {
    let mut at = 0;
    while let Some(word) = argv.get(at) {
        let Some(typed) = TypedFlag::of(word)? else {
            break;
        };
        let Some(arg) = flag_by_name(globals, typed.name) else {
            return Err(match typed.name {
                "" => CommandLineError::UnknownOption(word.clone()),
                name if catalogue::is_flag(name) => {
                    CommandLineError::BeforeCommand(name.to_string())
                }
                _ => CommandLineError::UnknownOption(word.clone()),
            });
        };
        at += typed.complete(arg, word, argv.get(at + 1))?.1;
    }
    let (leading, rest) = argv.split_at(at);
    let flags = Arguments::read(globals, leading)?;
    Ok(Split {
        leading: leading.to_vec(),
        command: rest.first().cloned(),
        rest: rest.get(1..).unwrap_or_default().to_vec(),
        help: flags.is_on("help"),
        version: flags.is_on("version"),
    })
}

/// The flag with this long name, letter or alias.
pub fn flag_by_name<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let mut letters = name.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    command.get_arguments().find(|arg| match letter {
        Some(letter) => arg.get_short() == Some(letter),
        None => {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(name) || aliases.contains(&name)
        }
    })
}

/// Whether a flag may stand alone: a switch.
pub fn is_switch(arg: &Arg) -> bool {
    let least = arg.get_num_args().map(|range| range.min_values());
    !arg.is_positional() && least == Some(0)
}

/// One word with a dash in front.
struct TypedFlag<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> TypedFlag<'a> {
    /// `None` for a word without a dash in front.
    fn of(word: &'a str) -> Result<Option<TypedFlag<'a>>, CommandLineError> {
        let Some(rest) = word.strip_prefix('-') else {
            return Ok(None);
        };
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        if rest.starts_with(['-', '=']) {
            return Err(CommandLineError::BadSyntax(word.to_string()));
        }
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        Ok(Some(TypedFlag { name, value }))
    }

    /// The flag with its value, and how many words it takes up.
    fn complete(
        &self,
        arg: &Arg,
        word: &str,
        next: Option<&String>,
    ) -> Result<(GivenFlag, usize), CommandLineError> {
        let is_switch = is_switch(arg);
        let (value, used) = match (self.value, next) {
            (Some(value), _) => (value, 1),
            (None, _) if is_switch => ("true", 1),
            (None, Some(next)) => (next.as_str(), 2),
            (None, None) => return Err(CommandLineError::ValueMissing(word.to_string())),
        };
        let letter = || arg.get_short().map(String::from);
        let name = arg.get_long().map(String::from).or_else(letter);
        let flag = GivenFlag {
            name: name.unwrap_or_default(),
            typed_name: self.name.to_string(),
            value: value.to_string(),
            is_switch,
            is_global: arg.get_help_heading() == Some(crate::globals::HEADING),
        };
        Ok((flag, used))
    }
}
