//! Processes on a mount of the reference beside owners of ours: the same locks, the same records.

use super::flock_cases::FLOCK;
use super::owners::{Owners, Place};
use super::record_lock_cases::RECORD_LOCKS;
use super::script::Case;
use super::waiting_cases::WAITING;
use jfs_meta::wire::LockRecord;
use jfs_testkit::Mount;
use jfs_tests::Kind;
use jfs_tests::local_volume::{LocalVolume, Meta, ours, reference};

/// A volume that is open here and mounted by the reference.
struct Shared {
    volume: LocalVolume,
    mount: Mount,
    client: jfs::Volume,
}

impl Shared {
    async fn new(meta: Meta) -> Shared {
        let volume = LocalVolume::new(meta);
        volume.format(&ours(), &["--trash-days", "0"]);
        let mount = volume.mount(&reference(), &[]);
        let url = volume.url();
        let client = jfs::Volume::open(&url, jfs::OpenOptions::new());
        let client = client.await.unwrap();
        Shared {
            volume,
            mount,
            client,
        }
    }

    /// The mount, then our client.
    fn places(&self) -> [Place; 2] {
        let theirs = Place::Directory(self.mount.path().to_path_buf());
        [theirs, Place::Client(self.client.vfs().clone())]
    }

    async fn close(self) {
        self.client.close().await.unwrap();
        self.mount.unmount().unwrap();
        self.volume.fsck();
    }
}

fn run(meta: Meta, test: impl AsyncFnOnce(&Shared)) {
    jfs_tests::run(Kind::Memory, |_| async {
        let shared = Shared::new(meta).await;
        test(&shared).await;
        shared.close().await;
    });
}

#[test]
fn rules_beside_the_reference_on_sqlite() {
    run(Meta::Sqlite, rules_beside_the_reference);
}

#[test]
fn rules_beside_the_reference_on_redis() {
    run(Meta::Redis, rules_beside_the_reference);
}

async fn rules_beside_the_reference(shared: &Shared) {
    let [theirs, ours] = shared.places();
    for (places, first) in [
        ([theirs.clone(), ours.clone()], "theirs"),
        ([ours, theirs], "ours"),
    ] {
        let mut broken = Vec::new();
        let mut owners = Owners::at(&places);
        for case in [RECORD_LOCKS, FLOCK, WAITING].concat() {
            let run = tokio::spawn(async move {
                case.run(&mut owners).await;
                owners
            });
            owners = match run.await {
                Ok(owners) => owners,
                Err(_) => {
                    broken.push(case.rule);
                    Owners::after(&places, broken.len() as u32)
                }
            };
        }
        owners.begin_file().await;
        assert_eq!(broken, [""], "{first}");
    }
}

#[test]
fn the_same_records_on_sqlite() {
    run(Meta::Sqlite, the_same_records);
}

#[test]
fn the_same_records_on_redis() {
    run(Meta::Redis, the_same_records);
}

/// One script by either, and what lies in the database after that.
async fn the_same_records(shared: &Shared) {
    let [theirs, ours] = shared.places();
    let mut stored = Vec::new();
    for place in [theirs, ours] {
        let mut owners = Owners::at(&[place]);
        CHANGES.run(&mut owners).await;
        let ino = shared.client.vfs();
        let me = jfs_types::Caller::root();
        let found = ino.lookup(&me, jfs_types::Ino::ROOT, b"f1").await.unwrap();
        let held = shared.client.meta().locks_on(found.ino).await.unwrap();
        let pid = held.posix[0].what[0].pid;
        let ranges: Vec<LockRecord> = held.posix[0].what.clone();
        assert!(ranges.iter().all(|l| l.pid == pid));
        let brief = ranges.iter().map(|l| (l.kind, l.start, l.end));
        let whole: Vec<char> = held.flocks.iter().map(|l| l.what).collect();
        stored.push((brief.collect::<Vec<_>>(), whole, held.posix.len()));
        assert_eq!(Some(pid), owners.pid('a'));
        owners.begin_file().await;
        std::fs::remove_file(shared.mount.at("f1")).unwrap();
        let _ = std::fs::remove_file(shared.mount.at("f2"));
    }
    assert_eq!(stored[0], stored[1]);
    assert_eq!(stored[0].0.len(), 6);
}

const CHANGES: Case = Case {
    rule: "changes of one owner",
    script: "
        a open rw
        a set 1 R 0 9
        a set 1 W 20 29
        a set 1 R 10 14
        a set 1 U 22 23
        a set 1 R 28 35
        a set 1 W 100 max
        a set 1 R 5000000000 6000000000
        a set 1 U 6000000001 max
        a flock 1 W
    ",
};
