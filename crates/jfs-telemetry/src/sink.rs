//! Where lines go: standard error, or a file that log rotation may move away.

use parking_lot::Mutex;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// The destination of log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard error.
    Stderr,
    /// This file, appended to; made with mode 0644 when it is not there.
    File(PathBuf),
}

/// An open destination. Each line is written by one call, so lines of several threads (and
/// processes that append to one file) do not mix.
pub(crate) struct Sink {
    file: Option<LogFile>,
}

struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl Sink {
    pub(crate) fn open(output: &Output) -> io::Result<Sink> {
        Ok(Sink {
            file: match output {
                Output::Stderr => None,
                Output::File(path) => Some(LogFile {
                    path: path.clone(),
                    file: Mutex::new(append_to(path)?),
                }),
            },
        })
    }

    /// Whether lines may carry colours.
    pub(crate) fn is_terminal(&self) -> bool {
        self.file.is_none() && io::stderr().is_terminal()
    }

    /// Writes one line, the newline included. A log that cannot be written must not stop the file
    /// system, so errors end here.
    pub(crate) fn write(&self, line: &[u8]) {
        let _ = match &self.file {
            Some(log) => log.file.lock().write_all(line),
            None => io::stderr().lock().write_all(line),
        };
    }

    /// Opens the file again under its name. The old one stays in use when that fails.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        if let Some(log) = &self.file {
            let fresh = append_to(&log.path)?;
            *log.file.lock() = fresh;
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent()
        && !dir.as_os_str().is_empty()
    {
        std::fs::create_dir_all(dir)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_moved_file_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/dir/juicefs.log");
        let sink = Sink::open(&Output::File(path.clone())).unwrap();
        sink.write(b"one\n");
        let moved = dir.path().join("juicefs.log.1");
        std::fs::rename(&path, &moved).unwrap();
        sink.write(b"two\n");
        sink.reopen().unwrap();
        sink.write(b"three\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        // A second opening appends.
        Sink::open(&Output::File(path.clone()))
            .unwrap()
            .write(b"four\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\nfour\n");
    }
}
