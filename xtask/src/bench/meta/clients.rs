//! The clients of the metadata benchmark and their mounts.

use super::servers::Server;
use crate::bench::release_jfs;
use anyhow::Result;
use jfs_testkit::{Client, Mount, MountArgs, Reference, scratch_dir};
use tempfile::TempDir;

/// Without uploads of metadata and reports in between.
const MOUNT_FLAGS: [&str; 3] = ["--no-usage-report", "--backup-meta", "0"];

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Jfs,
    Juicefs,
}

impl Who {
    pub(super) const ALL: [Who; 2] = [Self::Jfs, Self::Juicefs];

    pub(super) fn parse(word: &str) -> Option<Who> {
        Self::ALL.into_iter().find(|who| who.name() == word)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jfs => "jfs",
            Self::Juicefs => "juicefs",
        }
    }

    fn client(self) -> Result<Client> {
        Ok(match self {
            Self::Jfs => Client::at(release_jfs()?),
            Self::Juicefs => (*Reference::find()?).clone(),
        })
    }
}

/// A volume and a mount for each client, on one server.
pub(super) struct Bed {
    mounts: Vec<(Who, Mount)>,
    /// Buckets; they outlive the mounts.
    _dir: TempDir,
}

impl Bed {
    pub(super) fn new(server: &Server, clients: &[Who]) -> Result<Bed> {
        let dir = scratch_dir()?;
        let mut mounts = Vec::new();
        for (number, who) in (1..).zip(clients) {
            let url = server.database(who.name(), number)?;
            let client = who.client()?;
            let bucket = dir.path().join(who.name());
            client.format(&url, "bench", &bucket, &["--trash-days", "0"])?;
            mounts.push((*who, client.mount(MountArgs::new(url).flags(MOUNT_FLAGS))?));
        }
        Ok(Bed { mounts, _dir: dir })
    }

    pub(super) fn mounts(&self) -> impl Iterator<Item = (Who, &Mount)> {
        self.mounts.iter().map(|(who, mount)| (*who, mount))
    }

    pub(super) fn end(self) -> Result<()> {
        for (_, mount) in self.mounts {
            mount.unmount()?;
        }
        Ok(())
    }
}
