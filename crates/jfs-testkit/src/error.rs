//! Errors of test helpers, worded for the developer whose test has just failed.

use std::path::PathBuf;
use std::time::Duration;

/// Result of every helper.
pub type Result<T> = std::result::Result<T, KitError>;

/// The failure of a helper. The text is one clear line.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// A program that the tests need is not on this machine.
    #[error("{program} is not installed: {remedy}")]
    MissingProgram {
        /// Name of the program.
        program: &'static str,
        /// The command that installs the program.
        remedy: &'static str,
    },
    /// Our own binaries are not built.
    #[error("{0} does not exist: cargo build -p jfs-cli -p jfs-mount")]
    NotBuilt(PathBuf),
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// The action, with its object.
        what: String,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A condition did not come true in time.
    #[error("still waiting after {after:?}: {what}")]
    Timeout {
        /// The condition.
        what: String,
        /// The time limit.
        after: Duration,
    },
    /// A program ended when it should not have, or said no.
    #[error("{what}\n{output}")]
    Failed {
        /// The action.
        what: String,
        /// The end of what the program printed.
        output: String,
    },
    /// A manifest or another file of the test data does not read as it should.
    #[error("{file}: {reason}")]
    BadData {
        /// The file.
        file: PathBuf,
        /// The defect.
        reason: String,
    },
}

/// Adds what was being done to an error of the system.
pub(crate) trait IoContext<T> {
    /// Turns the error into [`KitError::Io`] with `what` as its subject.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| KitError::Io {
            what: what(),
            source,
        })
    }
}
