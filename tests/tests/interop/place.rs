//! Where a volume of these tests lies: a database of one kind and a bucket beside it.

use jfs_testkit::{
    Client, Jfs, Mount, MountArgs, RedisOptions, RedisServer, Reference, scratch_dir,
};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    Sqlite,
    Redis,
}

/// A database and a bucket, private to the test.
pub(crate) struct Place {
    dir: TempDir,
    redis: Option<RedisServer>,
}

impl Place {
    pub(crate) fn new(meta: Meta) -> Place {
        let redis = match meta {
            Meta::Sqlite => None,
            Meta::Redis => Some(RedisServer::start_with(RedisOptions::default()).unwrap()),
        };
        Place {
            dir: scratch_dir().unwrap(),
            redis,
        }
    }

    pub(crate) fn url(&self) -> String {
        match &self.redis {
            Some(redis) => redis.url(1),
            None => format!("sqlite3://{}", self.dir.path().join("meta.db").display()),
        }
    }

    fn bucket(&self) -> PathBuf {
        self.dir.path().join("bucket")
    }

    /// Takes the volume's objects away; what is cached can still be read.
    pub(crate) fn hide_bucket(&self) {
        let chunks = self.bucket().join("vol/chunks");
        std::fs::rename(&chunks, chunks.with_extension("away")).unwrap();
    }

    pub(crate) fn format(&self, by: &Client, flags: &[&str]) {
        by.format(&self.url(), "vol", &self.bucket(), flags)
            .unwrap();
    }

    pub(crate) fn mount(&self, by: &Client, flags: &[&str]) -> Mount {
        by.mount(MountArgs::new(self.url()).flags(flags.iter().copied()))
            .unwrap()
    }

    /// A mount with these cache directories.
    pub(crate) fn mount_cached(&self, by: &Client, dirs: &str) -> Mount {
        by.mount(MountArgs::new(self.url()).cache_dir(dirs))
            .unwrap()
    }

    /// Used space and inodes as the counters say.
    fn usage(&self) -> [i64; 2] {
        ["usedSpace", "totalInodes"].map(|name| match &self.redis {
            Some(redis) => {
                let reply = redis.command(1, &[b"GET", name.as_bytes()]).unwrap();
                let text = String::from_utf8(reply).unwrap();
                text.lines().nth(1).unwrap_or("0").trim().parse().unwrap()
            }
            None => {
                let db = rusqlite::Connection::open(self.dir.path().join("meta.db")).unwrap();
                let query = "SELECT value FROM jfs_counter WHERE name = ?1";
                db.query_row(query, [name], |row| row.get(0)).unwrap()
            }
        })
    }

    /// The reference finds no missing object, no wrong link count and no wrong statistics, and a
    /// repair leaves the usage counters as they are. Nothing may have the volume mounted.
    pub(crate) fn fsck(&self) {
        self.fsck_objects();
        let path = ["--path", "/", "-r", "--sync-dir-stat"];
        let checked = self.check(&path);
        assert!(checked.contains("Checked "), "{checked}");
        let before = self.usage();
        self.check(&[&path[..], &["--repair"]].concat());
        assert_eq!(self.usage(), before, "the repair counted differently");
    }

    /// The reference finds every object. Holds after a kill as well, unlike the statistics.
    pub(crate) fn fsck_objects(&self) {
        let all = self.check(&[]);
        assert!(all.contains("blocks ("), "{all}");
    }

    fn check(&self, flags: &[&str]) -> String {
        let url = self.url();
        let arguments = [&["fsck", &url], flags].concat();
        let text = reference().run(&arguments).unwrap().ok().unwrap().text();
        // Said at every start, about nothing that is stored in the volume.
        let usual = [
            "Set storage tier: not supported",
            "AOF is not enabled",
            "latency to database is too high",
        ];
        let bad = ["<WARNING>", "<ERROR>", "<FATAL>"];
        let odd: Vec<&str> = text
            .lines()
            .filter(|line| bad.iter().any(|level| line.contains(level)))
            .filter(|line| !usual.iter().any(|known| line.contains(known)))
            .collect();
        assert!(odd.is_empty(), "{arguments:?}: {odd:#?}");
        text
    }

    /// Breaks a statistics record, to see that [`Place::fsck`] notices.
    pub(crate) fn spoil(&self) {
        let db = self.dir.path().join("meta.db");
        let change = "UPDATE jfs_dir_stats SET used_space = used_space + 4096 WHERE inode = 2";
        assert!(
            Command::new("sqlite3")
                .arg(db)
                .arg(change)
                .status()
                .unwrap()
                .success()
        );
    }
}

pub(crate) fn ours() -> Client {
    (*Jfs::find().unwrap()).clone()
}

pub(crate) fn reference() -> Client {
    (*Reference::find().unwrap()).clone()
}
