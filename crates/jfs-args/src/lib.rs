//! Command-line conventions shared by the binaries: flags, sizes, durations, help.
