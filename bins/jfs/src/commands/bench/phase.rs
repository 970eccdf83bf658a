//! The phases of a benchmark.

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    WriteBig,
    ReadBig,
    WriteSmall,
    ReadSmall,
    StatSmall,
}

impl Phase {
    /// In the order in which they run.
    pub(crate) const ALL: [Phase; 5] = [
        Phase::WriteBig,
        Phase::ReadBig,
        Phase::WriteSmall,
        Phase::ReadSmall,
        Phase::StatSmall,
    ];

    /// Whether it is about big files.
    pub(crate) fn is_big(self) -> bool {
        matches!(self, Phase::WriteBig | Phase::ReadBig)
    }

    /// Whether it asks for what an earlier phase has written.
    pub(crate) fn reads(self) -> bool {
        !matches!(self, Phase::WriteBig | Phase::WriteSmall)
    }

    /// Beside its progress bar.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Phase::WriteBig => "Write big blocks",
            Phase::ReadBig => "Read big blocks",
            Phase::WriteSmall => "Write small blocks",
            Phase::ReadSmall => "Read small blocks",
            Phase::StatSmall => "Stat small files",
        }
    }
}
