//! The destination of lines: standard error, or a file that log rotation may move away.

use parking_lot::Mutex;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The destination of log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard error.
    Stderr,
    /// This file, appended to; made with mode 0644 when it is not there. Lines go to standard error
    /// as long as it cannot be opened. A pipe takes lines while another process reads it; what it has no
    /// room for is lost.
    File(PathBuf),
}

/// An open destination. Each line is written by one call, so lines of several threads (and
/// processes that append to one file) do not mix.
pub(crate) struct Sink {
    file: Option<LogFile>,
}

struct LogFile {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Sink {
    /// Opens the destination. A file that cannot be opened is no obstacle; why is told as well.
    pub(crate) fn open(output: &Output) -> (Sink, Option<io::Error>) {
        let (file, error) = match output {
            Output::Stderr => (None, None),
            Output::File(path) => {
                let (open, error) = match append_to(path) {
                    Ok(open) => (Some(open), None),
                    Err(error) => (None, Some(error)),
                };
                let path = path.clone();
                let file = Mutex::new(open);
                (Some(LogFile { path, file }), error)
            }
        };
        (Sink { file }, error)
    }

    /// Whether lines may carry colours.
    pub(crate) fn is_terminal(&self) -> bool {
        self.file.is_none() && io::stderr().is_terminal()
    }

    /// Writes one line, the newline included. A log that cannot be written must not stop the file
    /// system, so errors end here.
    pub(crate) fn write(&self, line: &[u8]) {
        let mut file = self.file.as_ref().map(|log| log.file.lock());
        let _ = match file.as_deref_mut().and_then(Option::as_mut) {
            Some(file) => file.write_all(line),
            None => io::stderr().lock().write_all(line),
        };
    }

    /// Opens the file again under its name. The old one stays in use when that fails.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        if let Some(log) = &self.file {
            let fresh = append_to(&log.path)?;
            *log.file.lock() = Some(fresh);
        }
        Ok(())
    }
}

/// Opens a log file for appending. A missing file is made, and its missing directories. Only their owner may write
/// them: the umask of the process makes no difference. Neither opening nor writing waits. A pipe without a reader
/// cannot be opened.
pub fn append_to(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent()
        && !dir.as_os_str().is_empty()
    {
        DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o644);
    let opened = options.custom_flags(libc::O_NONBLOCK).open(path);
    opened.map_err(|e| match e.raw_os_error() {
        Some(libc::ENXIO) => io::Error::other("no process reads this pipe"),
        _ => e,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_moved_file_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/dir/juicefs.log");
        let (sink, error) = Sink::open(&Output::File(path.clone()));
        assert!(error.is_none());
        sink.write(b"one\n");
        let moved = dir.path().join("juicefs.log.1");
        std::fs::rename(&path, &moved).unwrap();
        sink.write(b"two\n");
        sink.reopen().unwrap();
        sink.write(b"three\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        // A second opening appends.
        Sink::open(&Output::File(path.clone())).0.write(b"four\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\nfour\n");
    }

    /// A pipe that waited would make the file system wait.
    #[test]
    fn a_pipe_without_a_reader_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let (sender, written) = std::sync::mpsc::channel();
        let at = path.clone();
        std::thread::spawn(move || {
            let (_, error) = Sink::open(&Output::File(at.clone()));
            sender.send(error.map(|e| e.to_string())).unwrap();
            let reader = OpenOptions::new().read(true).write(true).open(&at).unwrap();
            let (sink, error) = Sink::open(&Output::File(at));
            assert!(error.is_none());
            // More than the pipe holds.
            (0..20_000).for_each(|_| sink.write(b"a line of the log\n"));
            drop(reader);
            sender.send(None).unwrap();
        });
        let soon = std::time::Duration::from_secs(20);
        let error = written.recv_timeout(soon).expect("opening waits").unwrap();
        assert!(error.contains("no process reads"), "{error}");
        written.recv_timeout(soon).expect("writing waits");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_opened_later() {
        let dir = tempfile::tempdir().unwrap();
        let obstacle = dir.path().join("logs");
        std::fs::write(&obstacle, "a file where a directory belongs").unwrap();
        let path = obstacle.join("juicefs.log");
        let (sink, error) = Sink::open(&Output::File(path.clone()));
        assert!(error.is_some());
        assert!(sink.reopen().is_err());
        sink.write(b"to standard error\n");
        std::fs::remove_file(&obstacle).unwrap();
        sink.reopen().unwrap();
        sink.write(b"one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
    }
}
