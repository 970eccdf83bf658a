//! `completion`.

use crate::globals::GlobalFlags;
use clap::{Parser, ValueEnum};

/// Print a script that completes command lines in a shell.
///
/// The script completes the name it was made for: jfs, or juicefs where the program is called through a link
/// of that name.
#[derive(Parser, Clone, Debug)]
#[command(name = "completion", after_help = EXAMPLES)]
pub struct CompletionCommand {
    /// Shell that reads the script.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
    /// Log switches, help and version.
    #[command(flatten)]
    pub globals: GlobalFlags,
}

/// A shell that can be served.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// Fish.
    Fish,
}

const EXAMPLES: &str = "\
Examples:
  In this shell only
    source <(jfs completion bash)
  For all users, where bash-completion is installed
    jfs completion bash > /etc/bash_completion.d/jfs
  For zsh, in a directory that $fpath names
    jfs completion zsh > _jfs
  For fish
    jfs completion fish > ~/.config/fish/completions/jfs.fish";
