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

/// Rules that the reference keeps too. It leaves out these: closing another descriptor of a file keeps the record locks,
/// a change of flock that is refused keeps the old lock, neighbours do not always join, F_GETLK finds any lock in the
/// way. Its kernel drops the flock of a closed file a little later than the close.
const COMMON: &[&str] = &[
    "shared locks go together, exclusive ones exclude",
    "a close drops the locks of its process alone",
    "an unlock in the middle splits a lock",
    "length 0 reaches to the end, wherever that will be",
    "upgrade and downgrade",
    "locks belong to the file, not to its name",
    "record locks and flock do not see each other",
    "a request waits until the last lock in its way is dropped",
    "a downgrade lets readers in",
    "readers wait together",
];

async fn rules_beside_the_reference(shared: &Shared) {
    let [theirs, ours] = shared.places();
    for places in [[theirs.clone(), ours.clone()], [ours, theirs]] {
        let mut owners = Owners::at(&places);
        let cases = [RECORD_LOCKS, FLOCK, WAITING].concat();
        let common = cases.iter().filter(|case| COMMON.contains(&case.rule));
        let mut checked = 0;
        for case in common {
            case.run(&mut owners).await;
            checked += 1;
        }
        // One rule stands for records and for whole files.
        assert_eq!(checked, COMMON.len() + 1);
        owners.begin_file().await;
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
