//! A volume on local files: a database of one kind and a bucket beside it.

use crate::fsck;
use crate::steps::{Step, kept_by_sql_servers};
use crate::{SqlDatabase, SqlServer};
use jfs_testkit::{
    Client, Jfs, Mount, MountArgs, RedisOptions, RedisServer, Reference, scratch_dir,
};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// A file.
    Sqlite,
    /// A server of its own for each volume.
    Redis,
    /// A database of its own on the process's server.
    Postgres,
    /// A database of its own on the process's server.
    Mariadb,
}

/// The database of a volume.
#[derive(Debug)]
enum Database {
    File,
    Redis(RedisServer),
    Sql(SqlDatabase),
}

/// A database and a bucket, private to the test.
#[derive(Debug)]
pub struct LocalVolume {
    dir: TempDir,
    database: Database,
}

impl LocalVolume {
    /// An empty database; nothing is formatted yet.
    pub fn new(meta: Meta) -> LocalVolume {
        let database = match meta {
            Meta::Sqlite => Database::File,
            Meta::Redis => {
                Database::Redis(RedisServer::start_with(RedisOptions::default()).unwrap())
            }
            Meta::Postgres => Database::Sql(SqlDatabase::new(SqlServer::Postgres)),
            Meta::Mariadb => Database::Sql(SqlDatabase::new(SqlServer::Mariadb)),
        };
        LocalVolume {
            dir: scratch_dir().unwrap(),
            database,
        }
    }

    /// The metadata URL.
    pub fn url(&self) -> String {
        match &self.database {
            Database::File => format!("sqlite3://{}", self.dir.path().join("meta.db").display()),
            Database::Redis(redis) => redis.url(1),
            Database::Sql(database) => database.url(),
        }
    }

    /// The steps that a volume on this database can keep.
    pub fn steps(&self, steps: Vec<Step>) -> Vec<Step> {
        match &self.database {
            Database::Sql(_) => kept_by_sql_servers(steps),
            _ => steps,
        }
    }

    /// The directory that holds the objects of the volume below `vol/`.
    pub fn bucket(&self) -> PathBuf {
        self.dir.path().join("bucket")
    }

    /// Takes the volume's objects away; what is cached can still be read.
    pub fn hide_bucket(&self) {
        let chunks = self.bucket().join("vol/chunks");
        std::fs::rename(&chunks, chunks.with_extension("away")).unwrap();
    }

    /// Formats the volume `vol` on local files.
    pub fn format(&self, by: &Client, flags: &[&str]) {
        by.format(&self.url(), "vol", &self.bucket(), flags)
            .unwrap();
    }

    /// A mount with a cache directory of its own.
    pub fn mount(&self, by: &Client, flags: &[&str]) -> Mount {
        by.mount(MountArgs::new(self.url()).flags(flags.iter().copied()))
            .unwrap()
    }

    /// A mount with these cache directories.
    pub fn mount_cached(&self, by: &Client, dirs: &str) -> Mount {
        by.mount(MountArgs::new(self.url()).cache_dir(dirs))
            .unwrap()
    }

    /// Used space and inodes as the counters say.
    fn usage(&self) -> [i64; 2] {
        match &self.database {
            Database::File => fsck::usage_in_sqlite(&self.dir.path().join("meta.db")),
            Database::Redis(redis) => fsck::usage_in_redis(redis, 1),
            Database::Sql(database) => fsck::usage_in_sql(database),
        }
    }

    /// [`fsck::everything`] is content.
    pub fn fsck(&self) {
        match &self.database {
            Database::Sql(database) if database.server() == SqlServer::Postgres => {
                fsck::on_postgres(&reference(), &self.url(), database);
            }
            _ => fsck::everything(&reference(), &self.url(), || self.usage()),
        }
    }

    /// [`fsck::objects`] is content, which holds after a kill as well.
    pub fn fsck_objects(&self) {
        fsck::objects(&reference(), &self.url());
    }

    /// Breaks a statistics record, to see that [`LocalVolume::fsck`] notices. SQLite only.
    pub fn spoil(&self) {
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

/// Our own client.
pub fn ours() -> Client {
    (*Jfs::find().unwrap()).clone()
}

/// The reference client.
pub fn reference() -> Client {
    (*Reference::find().unwrap()).clone()
}
