//! Flags whose function is missing. Scripts may pass the value that means off, or the value that asks for what
//! the program does anyway; every other value is refused by the flag's name, so nothing is lost in silence.

use crate::values::{self, Expected};
use clap::Arg;

/// The value of a flag whose function is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// Whether the value asks for nothing that is missing.
    pub(crate) accepted: bool,
    /// What a refusal shows of the value. Empty for switches and numbers.
    pub(crate) shown: String,
}

impl NotYet {
    fn of(accepted: bool) -> NotYet {
        NotYet {
            accepted,
            shown: String::new(),
        }
    }
}

/// Whether `arg` is a flag whose function is missing.
pub fn is_not_yet(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == std::any::TypeId::of::<NotYet>()
}

/// A switch that may be off only.
pub(crate) fn off(text: &str) -> Result<NotYet, Expected> {
    Ok(NotYet::of(!values::switch(text)?))
}

/// A switch that may be on only.
pub(crate) fn on(text: &str) -> Result<NotYet, Expected> {
    Ok(NotYet::of(values::switch(text)?))
}

/// A number that may be zero only.
pub(crate) fn zero(text: &str) -> Result<NotYet, Expected> {
    Ok(NotYet::of(values::integer(text)? == 0))
}

/// A size that may be zero only.
pub(crate) fn no_bytes(text: &str) -> Result<NotYet, Expected> {
    Ok(NotYet::of(values::bytes(text)? == 0))
}

/// A time that may be zero only.
pub(crate) fn no_time(text: &str) -> Result<NotYet, Expected> {
    Ok(NotYet::of(values::duration(text)?.is_zero()))
}

/// A text that may be empty only.
pub(crate) fn no_text(text: &str) -> Result<NotYet, Expected> {
    Ok(NotYet {
        accepted: text.is_empty(),
        shown: text.to_string(),
    })
}

/// The one way of `--atime-mode` that works.
pub(crate) fn noatime(text: &str) -> Result<NotYet, Expected> {
    Ok(NotYet {
        accepted: text == "noatime",
        shown: text.to_string(),
    })
}
