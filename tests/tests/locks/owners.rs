//! Owners of locks, by letters, and where they work.

use super::client;
use super::operation::Operation;
use super::process::Process;
use jfs_testkit::scratch_dir;
use jfs_tests::{Db, Kind};
use jfs_types::{Caller, Format, Ino};
use jfs_vfs::Vfs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The place of an owner.
#[derive(Clone)]
pub(super) enum Place {
    /// A process works in this directory.
    Directory(PathBuf),
    /// A client of ours.
    Client(Vfs),
}

enum Owner {
    Process(Process),
    Client(client::Owner),
}

/// The owners `a`, `b`, ... The first one works at the first place, the second one at the second, and so on, round
/// and round.
pub(super) struct Owners {
    places: Vec<Place>,
    running: BTreeMap<char, Owner>,
    file: String,
    files: u32,
}

impl Owners {
    pub(super) fn at(places: &[Place]) -> Owners {
        Owners {
            places: places.to_vec(),
            running: BTreeMap::new(),
            file: String::new(),
            files: 0,
        }
    }

    fn place(&self, owner: char) -> &Place {
        &self.places[(owner as usize - 'a' as usize) % self.places.len()]
    }

    /// A new file for everybody; all descriptors are closed.
    pub(super) async fn begin_file(&mut self) {
        self.files += 1;
        self.file = format!("f{}", self.files);
        match &self.places[0] {
            Place::Directory(dir) => std::fs::write(dir.join(&self.file), b"").unwrap(),
            Place::Client(vfs) => {
                let (me, name) = (Caller::root(), self.file.as_bytes());
                let made = vfs.create(&me, Ino::ROOT, name, 0o666, 0, libc::O_RDWR);
                let (_, fh, _) = made.await.unwrap();
                vfs.release(fh).await;
            }
        }
        for owner in self.running.values_mut() {
            owner.reset(&self.file).await;
        }
    }

    async fn owner(&mut self, letter: char) -> &mut Owner {
        if !self.running.contains_key(&letter) {
            let mut owner = match self.place(letter) {
                Place::Directory(dir) => Owner::Process(Process::start(dir)),
                Place::Client(vfs) => Owner::Client(client::Owner::new(vfs, letter as u32)),
            };
            owner.reset(&self.file).await;
            self.running.insert(letter, owner);
        }
        self.running.get_mut(&letter).unwrap()
    }

    pub(super) async fn begin(&mut self, letter: char, operation: &Operation) {
        match self.owner(letter).await {
            Owner::Process(process) => process.begin(operation),
            Owner::Client(client) => client.begin(operation),
        }
    }

    /// The reply of the operation that was begun, when it comes in time. A process id is replaced by the letter of its
    /// owner; process 0 by `?`.
    pub(super) async fn reply(&mut self, letter: char, within: Duration) -> Option<String> {
        let reply = match self.owner(letter).await {
            Owner::Process(process) => process.reply(within).await,
            Owner::Client(client) => client.reply(within).await,
        }?;
        Some(match reply.split_once(' ') {
            Some(("0", rest)) => format!("? {rest}"),
            Some((pid, rest)) => {
                let pid: u32 = pid.parse().unwrap();
                let owner = self.running.iter().find(|(_, owner)| owner.pid() == pid);
                format!("{} {rest}", owner.unwrap().0)
            }
            None => reply,
        })
    }

    pub(super) async fn cancel(&mut self, letter: char) {
        match self.owner(letter).await {
            Owner::Process(process) => process.cancel(),
            Owner::Client(client) => client.cancel(),
        }
    }

    /// The process id of an owner that has begun.
    pub(super) fn pid(&self, owner: char) -> Option<u32> {
        self.running.get(&owner).map(Owner::pid)
    }

    /// The owner is no more.
    pub(super) fn forget(&mut self, letter: char) {
        self.running.remove(&letter);
    }

    /// Whether two owners see each other's process ids.
    pub(super) fn know_each_other(&self, a: char, b: char) -> bool {
        let place = |owner: char| (owner as usize - 'a' as usize) % self.places.len();
        place(a) == place(b)
    }
}

impl Owner {
    fn pid(&self) -> u32 {
        match self {
            Owner::Process(process) => process.pid(),
            Owner::Client(client) => client.pid(),
        }
    }

    async fn reset(&mut self, file: &str) {
        match self {
            Owner::Process(process) => process.reset(file).await,
            Owner::Client(client) => client.reset(file).await,
        }
    }
}

/// A volume with some clients of ours.
pub(super) struct Clients {
    pub(super) volumes: Vec<jfs::Volume>,
    pub(super) db: Db,
    _bucket: TempDir,
}

impl Clients {
    pub(super) async fn new(kind: Kind, count: usize) -> Clients {
        let (db, bucket) = (Db::new(kind).await, scratch_dir().unwrap());
        let format = Format {
            storage: "file".into(),
            bucket: format!("{}/", bucket.path().display()),
            trash_days: 0,
            ..jfs_tests::volume::setting()
        };
        let options = jfs::admin::FormatOptions::default();
        if kind == Kind::Memory {
            // The front door cannot reach the memory of this engine by its URL.
            format_memory(&db, &format).await;
        } else {
            let formatted = jfs::admin::format(&db.url(), format, options).await;
            formatted.unwrap();
        }
        let mut volumes = Vec::new();
        for _ in 0..count {
            let engine = db.connect().await;
            let options = jfs::OpenOptions::default();
            volumes.push(jfs::open_engine(engine, options).await.unwrap());
        }
        Clients {
            volumes,
            db,
            _bucket: bucket,
        }
    }

    pub(super) fn places(&self) -> Vec<Place> {
        let volumes = self.volumes.iter();
        volumes.map(|v| Place::Client(v.vfs().clone())).collect()
    }

    /// No record of a lock is left on any file.
    pub(super) async fn check_nothing_is_held(&self) {
        let engine = self.db.connect().await;
        for volume in &self.volumes {
            let sid = volume.meta().session_id().unwrap();
            assert_eq!(engine.list_locks(sid).await.unwrap(), []);
        }
    }

    pub(super) async fn close(self) {
        for volume in self.volumes {
            volume.close().await.unwrap();
        }
    }
}

async fn format_memory(db: &Db, format: &Format) {
    let mut root = jfs_types::Attr::new(jfs_types::FileType::Directory);
    (root.mode, root.parent) = (0o777, Ino::ROOT);
    let json = format.to_json();
    let engine = db.connect().await;
    engine
        .create_volume(json.as_bytes(), &root, None, false)
        .await
        .unwrap();
}

/// A local directory.
pub(super) fn local() -> (TempDir, Place) {
    let dir = scratch_dir().unwrap();
    let place = Place::Directory(Path::to_path_buf(dir.path()));
    (dir, place)
}
