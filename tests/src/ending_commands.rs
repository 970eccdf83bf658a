//! Commands and calls that must end, and the one line by which a command is refused.

use jfs_testkit::Jfs;
use std::io;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

/// A command that has not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(240);

/// The output of `jfs` with these arguments, and its exit code. Panics when it does not end.
pub fn run(args: &[&str]) -> (i32, String) {
    let mut command = Command::new(Jfs::find().unwrap().program());
    command.arg(args[0]).arg("--no-color").args(&args[1..]);
    ended(format!("jfs {}", args.join(" ")), move || {
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (output.status.code().unwrap_or(-1), text)
    })
}

/// The one line by which a command is refused; exit code 1, no panic, and nothing said twice.
pub fn refused(args: &[&str]) -> String {
    let (code, text) = run(args);
    assert_eq!(code, 1, "{args:?}: {text}");
    assert!(!text.contains("panicked"), "{args:?}: {text}");
    let errors: Vec<&str> = text
        .lines()
        .filter(|l| l.contains("<FATAL>") || l.contains("<ERROR>"))
        .collect();
    let &[line] = &errors[..] else {
        panic!("{args:?}: not one error line: {text}");
    };
    let said = line.split_once(">: ").unwrap().1;
    let half = &said[..said.len() / 2];
    let first = half
        .char_indices()
        .nth(20)
        .map_or(half, |(at, _)| &half[..at]);
    assert_eq!(said.matches(first).count(), 1, "said twice: {line}");
    line.to_string()
}

/// As [`refused`], where the line must hold all of `words`.
pub fn refused_with(args: &[&str], words: &[&str]) {
    let line = refused(args);
    for word in words {
        assert!(line.contains(word), "{args:?}: {word:?} is not in: {line}");
    }
}

/// The result of `work`. Panics when it has not ended within the limit.
pub fn ended<T: Send + 'static>(what: String, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, result) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    result
        .recv_timeout(LIMIT)
        .unwrap_or_else(|e| panic!("{what} has not ended after {LIMIT:?} ({e})"))
}

/// Whether a result is EIO.
pub fn is_eio<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(e) if e.raw_os_error() == Some(libc::EIO))
}
