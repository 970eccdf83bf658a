//! A volume to be damaged.

pub(crate) use jfs_tests::ending_commands::{ended, is_eio, refused, refused_with, run};

use jfs_testkit::{Jfs, Mount, MountArgs, RedisOptions, RedisServer, scratch_dir};
use jfs_tests::Kind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

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

    /// Runs a statement on the database that no client knows of.
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

    /// Sends Redis a command that no client knows of.
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
