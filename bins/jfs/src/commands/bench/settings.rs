//! Sizes and counts of a benchmark.

use super::phase::Phase;
use anyhow::bail;
use jfs_commands::commands::BenchCommand;

/// Most threads.
const THREADS_MAX: u64 = 10_000;
/// Largest block, bytes: each thread has one in memory.
const BLOCK_MAX: u64 = 1 << 30;
/// Largest file, bytes.
const FILE_MAX: u64 = 1 << 50;
/// Most small files of a thread.
const SMALL_FILES_MAX: u64 = 100_000_000;

/// What is written and read. Sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) block: u64,
    /// 0: no big files.
    pub(crate) big_file: u64,
    /// 0: no small files.
    pub(crate) small_file: u64,
    /// Of each thread; 0: no small files.
    pub(crate) small_files: u64,
    pub(crate) threads: u64,
}

impl Settings {
    pub(crate) fn of(args: &BenchCommand) -> anyhow::Result<Settings> {
        let settings = Settings {
            block: args.block_size,
            big_file: args.big_file_size,
            small_file: args.small_file_size,
            small_files: args.small_file_count,
            threads: args.threads,
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> anyhow::Result<()> {
        for (flag, value, least, most) in [
            ("--block-size", self.block, 1, BLOCK_MAX),
            ("--big-file-size", self.big_file, 0, FILE_MAX),
            ("--small-file-size", self.small_file, 0, FILE_MAX),
            ("--small-file-count", self.small_files, 0, SMALL_FILES_MAX),
            ("--threads", self.threads, 1, THREADS_MAX),
        ] {
            if value < least || value > most {
                bail!("invalid argument: {flag} must be from {least} to {most}");
            }
        }
        if self.phases().next().is_none() {
            bail!(
                "invalid argument: neither big nor small files; one of --big-file-size and --small-file-size must not be 0"
            );
        }
        Ok(())
    }

    /// What is to be done, in order.
    pub(crate) fn phases(&self) -> impl Iterator<Item = Phase> + use<> {
        let big = self.big_file > 0;
        let small = self.small_file > 0 && self.small_files > 0;
        Phase::ALL
            .into_iter()
            .filter(move |phase| if phase.is_big() { big } else { small })
    }

    /// Files of each thread in a phase.
    pub(crate) fn files(&self, phase: Phase) -> u64 {
        if phase.is_big() { 1 } else { self.small_files }
    }

    /// Bytes of a file of a phase.
    pub(crate) fn file_size(&self, phase: Phase) -> u64 {
        if phase.is_big() {
            self.big_file
        } else {
            self.small_file
        }
    }

    /// Steps of all threads in a phase: blocks, or files whose attributes are looked at.
    pub(crate) fn steps(&self, phase: Phase) -> u64 {
        let of_file = match phase {
            Phase::StatSmall => 1,
            _ => self.file_size(phase).div_ceil(self.block),
        };
        of_file
            .saturating_mul(self.files(phase))
            .saturating_mul(self.threads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Settings = Settings {
        block: 1 << 20,
        big_file: 10 << 20,
        small_file: 1 << 10,
        small_files: 7,
        threads: 3,
    };

    #[test]
    fn what_is_zero_is_left_out() {
        use Phase::{ReadBig, ReadSmall, StatSmall, WriteBig, WriteSmall};
        let phases = |settings: Settings| settings.phases().collect::<Vec<_>>();
        assert_eq!(phases(USUAL), Phase::ALL);
        let big = [WriteBig, ReadBig];
        let small = [WriteSmall, ReadSmall, StatSmall];
        assert_eq!(
            phases(Settings {
                big_file: 0,
                ..USUAL
            }),
            small
        );
        assert_eq!(
            phases(Settings {
                small_file: 0,
                ..USUAL
            }),
            big
        );
        assert_eq!(
            phases(Settings {
                small_files: 0,
                ..USUAL
            }),
            big
        );
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(USUAL.check().is_ok());
        for bad in [
            Settings { block: 0, ..USUAL },
            Settings {
                block: BLOCK_MAX + 1,
                ..USUAL
            },
            Settings {
                threads: 0,
                ..USUAL
            },
            Settings {
                threads: u64::MAX,
                ..USUAL
            },
            Settings {
                big_file: u64::MAX,
                ..USUAL
            },
            Settings {
                big_file: 0,
                small_file: 0,
                ..USUAL
            },
            Settings {
                big_file: 0,
                small_files: 0,
                ..USUAL
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn steps() {
        assert_eq!(USUAL.steps(Phase::WriteBig), 30);
        assert_eq!(USUAL.steps(Phase::ReadSmall), 21);
        assert_eq!(USUAL.steps(Phase::StatSmall), 21);
        let small = Settings {
            block: 1000,
            ..USUAL
        };
        assert_eq!(
            small.steps(Phase::WriteSmall),
            42,
            "a part of a block is one"
        );
        assert_eq!(small.steps(Phase::StatSmall), 21);
    }
}
