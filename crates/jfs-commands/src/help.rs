//! Help texts: clap's layout, 80 columns wide unless a terminal says otherwise.

use crate::catalogue::{CATALOGUE, Entry};
use crate::globals::{self, HEADING};
use crate::not_yet::is_not_yet;
use crate::parse::prepared;
use clap::Command;
use std::fmt::Write;
use std::io::IsTerminal;

/// Columns of a help text that no terminal shows.
const WIDTH: usize = 80;

/// The text of `jfs COMMAND --help`.
pub fn command_help(command: Command) -> String {
    let about = command.get_long_about().or(command.get_about()).cloned();
    let shown = with_notes(prepared(command))
        .before_help(about.unwrap_or_default())
        .mut_args(|arg| {
            let hidden = arg.is_hide_set() || arg.get_help_heading() == Some(HEADING);
            arg.hide(hidden)
        })
        .help_template(
            "{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}\n\n\
             Options of every command (log, colours, version): see jfs --help.\n",
        );
    rendered(shown)
}

/// The text of `jfs --help`.
pub fn program_help(version: &str) -> String {
    let mut commands = String::new();
    for (category, entries) in CATALOGUE {
        let _ = writeln!(commands, "\n{category}:");
        for entry in *entries {
            if let Entry::Ready(command) = entry {
                let command = command();
                let about = command.get_about().map(ToString::to_string);
                let _ = writeln!(
                    commands,
                    "  {:<10}  {}",
                    command.get_name(),
                    about.unwrap_or_default()
                );
            }
        }
    }
    let missing = filled(crate::catalogue::missing(), WIDTH);
    let template = format!(
        "jfs {version}\nA POSIX file system over a metadata engine and an object storage; stores what\n\
         JuiceFS stores.\n\nUsage: jfs [OPTIONS] COMMAND ...\n{commands}\nKnown, but not supported yet:\n\
         {missing}\n{{all-args}}\n\nOptions of a command: jfs COMMAND --help\n"
    );
    rendered(with_notes(prepared(globals::globals_only())).help_template(template))
}

/// The usage line without its heading.
pub fn usage(command: &Command) -> String {
    let text = command.clone().render_usage().to_string();
    text.trim_start_matches("Usage: ").trim().to_string()
}

/// Says of flags whose function is missing that it is.
pub fn with_notes(command: Command) -> Command {
    command.mut_args(|arg| match is_not_yet(&arg) {
        true => {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let default = arg.get_default_values().first();
            let default = default.map(|value| value.to_string_lossy().into_owned());
            let note = match default.as_deref() {
                None | Some("" | "0" | "0s" | "false") => "Not supported yet".to_string(),
                Some(only) => format!("Only {only} is supported yet"),
            };
            arg.help(format!("{help}. {note}"))
        }
        false => arg,
    })
}

/// Words with commas between, in indented lines of at most `width` columns.
fn filled(words: impl Iterator<Item = &'static str>, width: usize) -> String {
    let (mut text, mut line) = (String::new(), String::new());
    for word in words {
        if line.len() + ", ".len() + word.len() + ",".len() > width {
            let _ = writeln!(text, "{line},");
            line.clear();
        }
        line.push_str(if line.is_empty() { "  " } else { ", " });
        line.push_str(word);
    }
    text + &line + "\n"
}

fn rendered(command: Command) -> String {
    let command = command.next_line_help(true);
    let mut command = match std::io::stdout().is_terminal() {
        true => command,
        false => command.term_width(WIDTH),
    };
    // Lines that clap fills up have blanks at their ends.
    let text = command.render_help().to_string();
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_end) {
        // A section that is empty leaves the blank lines around itself.
        if !line.is_empty() || !out.ends_with("\n\n") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}
