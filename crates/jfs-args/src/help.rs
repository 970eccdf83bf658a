//! Help texts in the reference's layout.

use crate::globals::GLOBALS;
use crate::spec::{CommandSpec, FlagSpec, Kind, Support};
use std::fmt::Write;

/// The text of `juicefs COMMAND --help`.
pub fn command_help(command: &CommandSpec) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "NAME:\n   juicefs {} - {}\n\nUSAGE:\n   {}\n\nCATEGORY:\n   {}\n",
        command.name,
        command.summary,
        command.usage(),
        command.category
    );
    if !command.description.is_empty() {
        out.push_str("\nDESCRIPTION:\n");
        for line in command.description.lines() {
            push_line(&mut out, line);
        }
    }
    out.push_str("\nOPTIONS:\n");
    let mut groups: Vec<&str> = Vec::new();
    for flag in command.flags {
        if !groups.contains(&flag.group) {
            groups.push(flag.group);
        }
    }
    let help = GLOBALS.iter().filter(|f| f.names.contains(&"help"));
    if groups.iter().all(|group| group.is_empty()) {
        push_flags(&mut out, command.flags.iter().chain(help));
        return out;
    }
    // As in the reference, a help in groups has no row for itself.
    for group in groups {
        if !group.is_empty() {
            let _ = write!(out, "\n   {group}\n\n");
        }
        push_flags(&mut out, command.flags.iter().filter(|f| f.group == group));
    }
    out
}

/// The text of `juicefs --help`; `commands` in the order of their categories.
pub fn app_help(version: &str, commands: &[&CommandSpec], missing: &[&str]) -> String {
    let mut out = format!(
        "NAME:\n   juicefs - a distributed POSIX file system over a metadata engine and object storage\n\n\
         USAGE:\n   juicefs [global options] command [command options] [arguments...]\n\n\
         VERSION:\n   {version}\n\nCOMMANDS:\n"
    );
    let mut categories: Vec<&str> = Vec::new();
    for command in commands {
        if !categories.contains(&command.category) {
            categories.push(command.category);
        }
    }
    let width = commands.iter().map(|c| c.name.len()).max().unwrap_or(0);
    for category in categories {
        let _ = writeln!(out, "   {category}:");
        for command in commands.iter().filter(|c| c.category == category) {
            let _ = writeln!(out, "     {:width$}  {}", command.name, command.summary);
        }
    }
    if !missing.is_empty() {
        let _ = write!(out, "\nNOT SUPPORTED YET:\n   {}\n", missing.join(", "));
    }
    out.push_str("\nGLOBAL OPTIONS:\n");
    push_flags(&mut out, GLOBALS.iter());
    out
}

fn push_line(out: &mut String, line: &str) {
    if line.is_empty() {
        out.push('\n');
    } else {
        let _ = writeln!(out, "   {line}");
    }
}

fn push_flags<'a>(out: &mut String, flags: impl Iterator<Item = &'a FlagSpec>) {
    let rows: Vec<(String, String)> = flags.filter(|f| !f.hidden).map(row).collect();
    let width = rows
        .iter()
        .map(|(left, _)| left.chars().count())
        .max()
        .unwrap_or(0);
    for (left, right) in rows {
        let _ = writeln!(out, "   {left:width$}  {right}");
    }
}

fn row(flag: &FlagSpec) -> (String, String) {
    let value = match flag.kind {
        Kind::Bool => String::new(),
        _ => format!(" {}", flag.placeholder),
    };
    let names: Vec<String> = flag
        .names
        .iter()
        .map(|name| match name.len() {
            1 => format!("-{name}{value}"),
            _ => format!("--{name}{value}"),
        })
        .collect();
    let left = names.join(", ");
    let default = flag.default_text();
    let note = match (flag.support, flag.kind) {
        (Support::OffOnly(accepted), _) => {
            let accepted: Vec<&str> = accepted
                .iter()
                .copied()
                .filter(|a| !a.is_empty() && flag.kind != Kind::Bool)
                .collect();
            match (
                default.is_empty() || *default == *"0" || flag.kind == Kind::Bool,
                accepted.is_empty(),
            ) {
                (true, _) if *default == *"true" => {
                    "default: true; false is not supported yet".to_string()
                }
                (true, _) => "default: off; not supported yet".to_string(),
                (false, _) => format!("default: {default}; others are not supported yet"),
            }
        }
        (Support::Working, _) if default.is_empty() => return (left, flag.help.to_string()),
        (Support::Working, Kind::Bool | Kind::Int | Kind::Uint | Kind::Float) => {
            format!("default: {default}")
        }
        (Support::Working, _) => format!("default: \"{default}\""),
    };
    (left, format!("{} ({note})", flag.help))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: CommandSpec = CommandSpec {
        name: "mount",
        category: "SERVICE",
        summary: "Mount a volume",
        arguments: "META-URL MOUNTPOINT",
        min_args: 2,
        max_args: Some(2),
        description: "Mount it.\n\n$ juicefs mount x y",
        flags: &[
            FlagSpec::switch(&["d", "background"], "run in background"),
            FlagSpec::switch(&["secret"], "never shown").hidden(),
            FlagSpec::new(&["cache-size"], Kind::Size('M'), "100G", "size in MiB")
                .group("DATA CACHE"),
            FlagSpec::switch(&["writeback"], "upload later")
                .group("DATA CACHE")
                .off_only(&["false"]),
            FlagSpec::new(&["atime-mode"], Kind::Text, "noatime", "when")
                .group("META")
                .off_only(&["noatime"]),
        ],
    };

    #[test]
    fn a_commands_help_shows_units_defaults_groups_and_what_is_off() {
        let want = "NAME:\n   juicefs mount - Mount a volume\n\nUSAGE:\n   juicefs mount [command options] META-URL MOUNTPOINT\n\n\
            CATEGORY:\n   SERVICE\n\nDESCRIPTION:\n   Mount it.\n\n   $ juicefs mount x y\n\nOPTIONS:\n\
            \u{20}  -d, --background  run in background (default: false)\n\n   DATA CACHE\n\n\
            \u{20}  --cache-size value  size in MiB (default: \"100G\")\n\
            \u{20}  --writeback         upload later (default: off; not supported yet)\n\n   META\n\n\
            \u{20}  --atime-mode value  when (default: noatime; others are not supported yet)\n";
        assert_eq!(command_help(&COMMAND), want);
    }

    #[test]
    fn a_help_without_groups_ends_with_its_own_row() {
        const PLAIN: CommandSpec = CommandSpec {
            flags: &[FlagSpec::new(&["session", "s"], Kind::Uint, "0", "of one")],
            ..COMMAND
        };
        let want = "\nOPTIONS:\n   --session value, -s value  of one (default: 0)\n\
            \u{20}  --help, -h                 show help (default: false)\n";
        let text = command_help(&PLAIN);
        assert!(text.ends_with(want), "{text}");
    }

    #[test]
    fn the_programs_help_lists_commands_by_category() {
        let text = app_help("1.4.2", &[&COMMAND], &["gc", "fsck"]);
        assert!(
            text.contains("\n   SERVICE:\n     mount  Mount a volume\n"),
            "{text}"
        );
        assert!(text.contains("NOT SUPPORTED YET:\n   gc, fsck\n"), "{text}");
        assert!(
            text.contains("   --verbose, --debug, -v  enable debug log (default: false)\n"),
            "{text}"
        );
        assert!(!text.contains("log-level"), "{text}");
    }
}
