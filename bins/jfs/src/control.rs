//! Talking to a mount through its control file.

use anyhow::{Context, bail};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Names of the control file, as mounts may call it.
const NAMES: [&str; 2] = [".jfs.control", ".control"];
/// Pauses between looks for an answer: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(300);
/// Longest answer, bytes.
const ANSWER_MAX: usize = 1 << 30;
/// Progress is shown when something takes longer.
const QUIET: Duration = Duration::from_secs(1);

/// First bytes of the pieces of an answer.
const PROGRESS: u8 = 0xFE;
const DATA: u8 = 0xFF;
/// Bytes of a progress record, and those before data.
const PROGRESS_BYTES: usize = 17;
const DATA_BYTES: usize = 5;

/// Opens the control file that serves `path`: that of the directory it lies in, or is.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let dir = match path.metadata() {
        Ok(meta) if meta.is_dir() => path.to_path_buf(),
        // A link outside may lead into a mount.
        _ => {
            let file = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
            file.parent().map(Path::to_path_buf).unwrap_or_default()
        }
    };
    let mut last = None;
    for name in NAMES {
        let place: PathBuf = dir.join(name);
        match OpenOptions::new().read(true).write(true).open(&place) {
            Ok(file) => return Ok(file),
            Err(e) => {
                // A directory of a mount has the file, whatever else it holds.
                let hint = match e.kind() {
                    io::ErrorKind::NotFound => "; is this a path of a mounted volume?",
                    _ => "",
                };
                let text = format!("open {}: {}{hint}", place.display(), plain(&e));
                last = Some(io::Error::new(e.kind(), text));
            }
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no name to try")))
}

/// The text of an error without its number.
pub(crate) fn plain(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(number) => jfs_types::Errno(number).text().to_string(),
        None => e.to_string(),
    }
}

/// Sends a request and waits for its data. `what` is counted meanwhile.
pub(crate) fn ask(
    file: &mut File,
    opcode: u32,
    body: &[u8],
    what: &str,
) -> anyhow::Result<Vec<u8>> {
    let length = u32::try_from(body.len()).context("the request is too long")?;
    let mut request = opcode.to_be_bytes().to_vec();
    request.extend_from_slice(&length.to_be_bytes());
    request.extend_from_slice(body);
    file.write_all(&request)
        .context("write to the control file")?;
    let mut waiting = Waiting::new(what);
    let mut got = Vec::new();
    let mut part = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut part).context("read the control file")?;
        got.extend_from_slice(part.get(..n).unwrap_or_default());
        while got.first() == Some(&PROGRESS) && got.len() >= PROGRESS_BYTES {
            waiting.show(&got);
            got.drain(..PROGRESS_BYTES);
        }
        match (got.first(), got.get(1..DATA_BYTES)) {
            (Some(&DATA), Some(length)) => {
                let length = number(length) as usize;
                if length > ANSWER_MAX {
                    bail!("the mount announces an answer of {length} bytes");
                }
                if got.len() >= DATA_BYTES + length {
                    waiting.end();
                    return Ok(got.drain(DATA_BYTES..DATA_BYTES + length).collect());
                }
            }
            (Some(&(PROGRESS | DATA)) | None, _) => {}
            (Some(&status), _) => {
                waiting.end();
                let errno = jfs_types::Errno(i32::from(status));
                if errno == jfs_types::Errno::EINVAL {
                    bail!("the mount does not know this request: mount it with a newer client");
                }
                bail!("{}", errno.text());
            }
        }
        if n == 0 {
            waiting.pause();
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| (n << 8) | u64::from(*b))
}

/// Waits, and says how far it is.
struct Waiting<'a> {
    what: &'a str,
    since: Instant,
    pause: Duration,
    shown: bool,
}

impl Waiting<'_> {
    fn new(what: &str) -> Waiting<'_> {
        Waiting {
            what,
            since: Instant::now(),
            pause: PAUSE_MIN,
            shown: false,
        }
    }

    fn pause(&mut self) {
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    fn show(&mut self, record: &[u8]) {
        if self.since.elapsed() < QUIET || !io::stderr().is_terminal() {
            return;
        }
        let count = number(record.get(1..9).unwrap_or_default());
        let bytes = number(record.get(9..17).unwrap_or_default());
        eprint!("\r{}: {count}, {bytes} bytes", self.what);
        self.shown = true;
    }

    fn end(&self) {
        if self.shown {
            eprintln!();
        }
    }
}
