//! A volume to be damaged, and commands that must end.

use jfs_testkit::{Jfs, Mount, MountArgs, RedisOptions, RedisServer, scratch_dir};
use jfs_tests::Kind;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// A command that has not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(240);

/// A database and a bucket, private to the test.
pub(crate) struct Bed {
    pub(crate) dir: TempDir,
    pub(crate) redis: Option<RedisServer>,
}

impl Bed {
    pub(crate) fn new(kind: Kind) -> Bed {
        let append_only = true;
        let options = RedisOptions {
            append_only,
            ..RedisOptions::default()
        };
        Bed {
            dir: scratch_dir().unwrap(),
            redis: (kind == Kind::Redis).then(|| RedisServer::start_with(options).unwrap()),
        }
    }

    /// A formatted one: no trash, so that what is removed is gone at once.
    pub(crate) fn formatted(kind: Kind, flags: &[&str]) -> Bed {
        let bed = Bed::new(kind);
        bed.format(&[&["--trash-days", "0"], flags].concat());
        bed
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        match &self.redis {
            // A server that does not answer is given up soon.
            Some(redis) => format!("{}?read-timeout=1s", redis.url(1)),
            None => format!("sqlite3://{}", self.path("meta.db").display()),
        }
    }

    pub(crate) fn bucket(&self) -> PathBuf {
        self.path("bucket")
    }

    pub(crate) fn format(&self, flags: &[&str]) {
        let jfs = Jfs::find().unwrap();
        jfs.format(&self.url(), "vol", &self.bucket(), flags)
            .unwrap();
    }

    pub(crate) fn mount(&self, flags: &[&str]) -> Mount {
        self.mount_with(MountArgs::new(self.url()).flags(flags.iter().copied()))
    }

    pub(crate) fn mount_with(&self, args: MountArgs) -> Mount {
        Jfs::find().unwrap().mount(args).unwrap()
    }

    /// Runs a statement on the database behind everybody's back.
    pub(crate) fn sql(&self, statement: &str) {
        let db = rusqlite::Connection::open(self.path("meta.db")).unwrap();
        db.busy_timeout(Duration::from_secs(20)).unwrap();
        db.execute_batch(statement).unwrap();
    }

    /// Everything a statement finds, as text.
    pub(crate) fn sql_text(&self, statement: &str) -> Vec<String> {
        let db = rusqlite::Connection::open(self.path("meta.db")).unwrap();
        let mut statement = db.prepare(statement).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, rusqlite::types::Value>(0));
        rows.unwrap().map(|v| format!("{:?}", v.unwrap())).collect()
    }

    /// Sends Redis a command behind everybody's back.
    pub(crate) fn redis(&self, words: &[&[u8]]) -> Vec<u8> {
        self.redis.as_ref().unwrap().command(1, words).unwrap()
    }

    /// All objects of the volume that hold data.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.bucket().join("vol/chunks"), &mut found);
        found.sort();
        found
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => walk(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

/// What `jfs` with these arguments prints, and its exit code. Panics when it does not end.
pub(crate) fn run(args: &[&str]) -> (i32, String) {
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
pub(crate) fn refused(args: &[&str]) -> String {
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
pub(crate) fn refused_with(args: &[&str], words: &[&str]) {
    let line = refused(args);
    for word in words {
        assert!(line.contains(word), "{args:?}: {word:?} is not in: {line}");
    }
}

/// What `work` returns. Panics when it has not ended within the limit.
pub(crate) fn ended<T: Send + 'static>(
    what: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, result) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    result
        .recv_timeout(LIMIT)
        .unwrap_or_else(|e| panic!("{what} has not ended after {LIMIT:?} ({e})"))
}

/// Whether a result is EIO.
pub(crate) fn is_eio<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(e) if e.raw_os_error() == Some(libc::EIO))
}
