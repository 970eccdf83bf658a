//! Entries of the change log as engines store them.

use jfs_types::Ino;

/// One entry of the change log of a volume (docs/FORMAT.md, "Change log"). An engine stores the text of the
/// entry in the same commit as the change that it describes.
///
/// Some numbers of a text are known at the commit only: the engine fills them in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    parts: Vec<LogPart>,
}

/// The oldest entries of a change log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogHead {
    /// Entries in the whole log.
    pub total: u64,
    /// Version and text of each entry, oldest first. Versions grow; there may be gaps (SQL).
    pub entries: Vec<(u64, String)>,
}

/// A part of the text of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// Text, ASCII without line breaks.
    Text(String),
    /// The number of records in a chunk list, in decimal, after one append of the commit. Redis stores 0, as
    /// the reference client does there.
    Records {
        /// The file.
        ino: Ino,
        /// Chunk index.
        index: u32,
        /// Appends to the same list that come later in the commit. All of them come before the entry.
        later: u64,
    },
    /// The id, in decimal, of the session that the same call registers.
    Session,
}

impl LogLine {
    /// Adds text at the end.
    pub fn push_text(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(LogPart::Text(before)) => before.push_str(text),
            _ => self.parts.push(LogPart::Text(text.to_string())),
        }
    }

    /// Adds a number at the end that is known at the commit only.
    pub fn push_number(&mut self, number: LogPart) {
        self.parts.push(number);
    }

    /// The parts of the text, in order.
    pub fn parts(&self) -> &[LogPart] {
        &self.parts
    }

    /// The whole text. `number` answers the parts that are no text.
    pub fn text(&self, number: impl Fn(&LogPart) -> u64) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                LogPart::Text(t) => text.push_str(t),
                other => text.push_str(&number(other).to_string()),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_filled_in() {
        let mut line = LogLine::default();
        line.push_text("a(");
        line.push_text("b):");
        line.push_number(LogPart::Session);
        line.push_text("|");
        assert_eq!(line.parts().len(), 3);
        assert_eq!(line.text(|_| 7), "a(b):7|");
    }
}
