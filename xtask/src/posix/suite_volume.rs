//! A volume for one run of a suite: its database, its bucket, its mount.

use anyhow::{Result, ensure};
use jfs_testkit::{Jfs, Mount, MountArgs, RedisServer, Reference, scratch_dir};
use std::path::Path;
use tempfile::TempDir;

/// The metadata engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    Sqlite,
    Redis,
}

impl Meta {
    pub(crate) const ALL: [Meta; 2] = [Meta::Sqlite, Meta::Redis];

    pub(super) fn parse(word: &str) -> Option<Meta> {
        match word {
            "sqlite" => Some(Meta::Sqlite),
            "redis" => Some(Meta::Redis),
            _ => None,
        }
    }
}

/// A volume on local files.
pub(super) struct SuiteVolume {
    dir: TempDir,
    url: String,
    _redis: Option<RedisServer>,
}

impl SuiteVolume {
    /// Formats one.
    pub(super) fn new(meta: Meta, trash_days: u32) -> Result<SuiteVolume> {
        let dir = scratch_dir()?;
        let redis = match meta {
            Meta::Sqlite => None,
            Meta::Redis => Some(RedisServer::start()?),
        };
        let url = match &redis {
            Some(redis) => redis.url(1),
            None => format!("sqlite3://{}", dir.path().join("meta.db").display()),
        };
        let days = trash_days.to_string();
        let bucket = dir.path().join("bucket");
        Jfs::find()?.format(&url, "vol", &bucket, &["--trash-days", &days])?;
        Ok(SuiteVolume {
            dir,
            url,
            _redis: redis,
        })
    }

    pub(super) fn mount(&self, flags: &[&str]) -> Result<Mount> {
        let arguments = MountArgs::new(&self.url).flags(flags.iter().copied());
        Ok(Jfs::find()?.mount(arguments)?)
    }

    /// A directory beside the volume, for files of the suite.
    pub(super) fn beside(&self) -> &Path {
        self.dir.path()
    }

    /// The reference finds every object. Nothing may have the volume mounted.
    pub(super) fn fsck(&self) -> Result<()> {
        let text = Reference::find()?.run(&["fsck", &self.url])?.ok()?.text();
        let bad = ["<ERROR>", "<FATAL>", "missing", "broken"];
        let odd: Vec<&str> = text
            .lines()
            .filter(|line| bad.iter().any(|b| line.contains(b)))
            .collect();
        ensure!(odd.is_empty(), "fsck of the reference: {odd:#?}");
        Ok(())
    }
}
