//! Tables that describe flags and commands.

use std::borrow::Cow;

/// What a flag's value is, and in which unit a bare number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Alone, or `=true`, `=false`.
    Bool,
    /// A signed number; `0x`, `0o`, `0b` and `_` as in Go.
    Int,
    /// A number that is not negative.
    Uint,
    /// A finite decimal number.
    Float,
    /// Bytes; a bare number counts in this unit (`K`, `M`, `G`), suffixes are binary.
    Size(char),
    /// A time span: Go's notation (`1h30m`, `100ms`), days (`1d`), or bare seconds.
    Duration,
    /// Any text.
    Text,
    /// Text that must not be shown again.
    Secret,
}

/// Whether a flag does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Working,
    /// Its function is not there yet. Only these values are accepted (compared after parsing):
    /// the ones that mean off, and the ones that ask for what we do anyway.
    OffOnly(&'static [&'static str]),
}

/// The value of a flag that is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// The same for everybody.
    Text(&'static str),
    /// A path: one for root, one under the home directory for everybody else.
    Path {
        /// For root.
        root: &'static str,
        /// Below `$HOME`.
        home: &'static str,
    },
}

/// One flag. Built with [`FlagSpec::new`] and the methods that follow it.
#[derive(Clone, Copy, Debug)]
pub struct FlagSpec {
    /// Without dashes; the first is the one used in messages and for look-up.
    pub names: &'static [&'static str],
    /// The value's kind.
    pub kind: Kind,
    /// The value when the flag is not given.
    pub default: DefaultValue,
    /// One line for the help text.
    pub help: &'static str,
    /// Heading in the help text; empty for the unnamed first block.
    pub group: &'static str,
    /// Whether it works.
    pub support: Support,
    /// Not shown in help.
    pub hidden: bool,
    /// What stands for the value in help.
    pub placeholder: &'static str,
}

impl FlagSpec {
    /// A working, visible flag. `default` is written as a user would write it; empty for none.
    pub const fn new(
        names: &'static [&'static str],
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> FlagSpec {
        FlagSpec {
            names,
            kind,
            default: DefaultValue::Text(default),
            help,
            group: "",
            support: Support::Working,
            hidden: false,
            placeholder: "value",
        }
    }

    /// A switch that is off unless given.
    pub const fn switch(names: &'static [&'static str], help: &'static str) -> FlagSpec {
        FlagSpec::new(names, Kind::Bool, "false", help)
    }

    /// Under this heading.
    pub const fn group(mut self, group: &'static str) -> FlagSpec {
        self.group = group;
        self
    }

    /// Not there yet; `accepted` are the values that may be given.
    pub const fn off_only(mut self, accepted: &'static [&'static str]) -> FlagSpec {
        self.support = Support::OffOnly(accepted);
        self
    }

    /// Not shown in help.
    pub const fn hidden(mut self) -> FlagSpec {
        self.hidden = true;
        self
    }

    /// A default path that depends on who runs the program.
    pub const fn default_path(mut self, root: &'static str, home: &'static str) -> FlagSpec {
        self.default = DefaultValue::Path { root, home };
        self
    }

    /// The name used in messages and for look-up.
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or("")
    }

    /// The default, for the user who runs this process.
    pub fn default_text(&self) -> Cow<'static, str> {
        match self.default {
            DefaultValue::Text(text) => Cow::Borrowed(text),
            DefaultValue::Path { root, home } => {
                if nix::unistd::getuid().is_root() {
                    return Cow::Borrowed(root);
                }
                match std::env::var("HOME") {
                    Ok(dir) if !dir.is_empty() => {
                        Cow::Owned(format!("{}/{home}", dir.trim_end_matches('/')))
                    }
                    _ => Cow::Borrowed(root),
                }
            }
        }
    }
}

/// One sub-command.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// As typed.
    pub name: &'static str,
    /// Heading in the list of commands.
    pub category: &'static str,
    /// One line for the list of commands.
    pub summary: &'static str,
    /// The positional arguments, as shown in the usage line.
    pub arguments: &'static str,
    /// Fewest positional arguments.
    pub min_args: usize,
    /// Most positional arguments; `None` = any number.
    pub max_args: Option<usize>,
    /// Text below the usage line; may be empty.
    pub description: &'static str,
    /// Its own flags, in help order.
    pub flags: &'static [FlagSpec],
}

impl CommandSpec {
    /// The usage line.
    pub fn usage(&self) -> String {
        format!("juicefs {} [command options] {}", self.name, self.arguments)
    }
}

/// The flag of that name in a table.
pub fn find<'a>(flags: &'a [FlagSpec], name: &str) -> Option<&'a FlagSpec> {
    flags.iter().find(|flag| flag.names.contains(&name))
}
