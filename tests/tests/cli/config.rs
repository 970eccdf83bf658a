//! `config` of both clients on volumes of both.

use jfs_testkit::{Client, Jfs, MountArgs, Reference, scratch_dir, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const HEARTBEAT_LIMIT: Duration = Duration::from_secs(30);

struct Volume(TempDir);

impl Volume {
    fn format(by: &Client) -> Volume {
        let volume = Volume(scratch_dir().unwrap());
        by.format(&volume.url(), "vol", &volume.bucket(), &[])
            .unwrap();
        volume
    }

    fn bucket(&self) -> PathBuf {
        self.0.path().join("objects")
    }

    fn url(&self) -> String {
        format!("sqlite3://{}", self.0.path().join("meta.db").display())
    }

    /// Exit code and the lines about changes. Questions and warnings are in words of each client.
    fn changes(&self, by: &Client, flags: &str) -> (Option<i32>, Vec<String>) {
        let (code, shown) = self.config(by, flags);
        let lines = shown
            .lines()
            .filter(|l| l.contains(" -> ") || l.ends_with(": updated"));
        (code, lines.map(str::to_string).collect())
    }

    /// Exit code and standard output.
    fn config(&self, by: &Client, flags: &str) -> (Option<i32>, String) {
        let url = self.url();
        let words = ["config", &url].into_iter().chain(flags.split_whitespace());
        let output = by.run(&words.collect::<Vec<_>>()).unwrap();
        let shown = output
            .stdout
            .replace("\x1b[1;33m", "")
            .replace("\x1b[0m", "");
        (output.code, shown)
    }

    /// The stored setting, as the reference shows it, without what is this volume's own.
    fn setting(&self) -> Value {
        let (code, text) = self.config(&Reference::find().unwrap(), "");
        assert_eq!(code, Some(0));
        let (our_code, ours) = self.config(&Jfs::find().unwrap(), "");
        assert_eq!((our_code, &ours), (Some(0), &text), "both show the same");
        let mut setting: Value = serde_json::from_str(&text).unwrap();
        setting["UUID"] = Value::Null;
        setting["Bucket"] = Value::Null;
        setting
    }
}

/// One after the other on a volume each: the same lines, the same setting, accepted by the other.
#[test]
fn both_clients_change_a_setting_alike() {
    let (ours, reference) = (Jfs::find().unwrap(), Reference::find().unwrap());
    let (a, b) = (Volume::format(&ours), Volume::format(&reference));
    for flags in [
        "--trash-days 3",
        "--trash-days 3",
        "--yes",
        "--trash-days 0",
        "--trash-days 0 --yes",
        "--trash-days -1",
        "--capacity 1",
        "--capacity 10G --inodes 100",
        "--capacity 0 --inodes 0",
        "--dir-stats=false",
        "--dir-stats",
        "--enable-acl --trash-days 2",
        "--changelog --user-group-quota",
        "--changelog",
        "--changelog-max-age 90m --changelog-max-lines 1000",
        "--changelog-max-age 0",
        "--changelog-max-lines 0 --changelog=false --user-group-quota=false",
        "--changelog --changelog-max-age 0s",
        "--changelog-max-lines -1",
        "--changelog-max-age -1s",
        "--changelog=false",
        "--enable-acl=false",
        "--min-client-version 1.0",
        "--min-client-version bad",
        "--min-client-version 1.3.0",
        "--min-client-version 9.9",
        "--max-client-version 2.0.0",
        "--storage-class STANDARD_IA --force",
        "--storage-class STANDARD_IA --force",
        "--secret-key hush --access-key me --force",
    ] {
        let (mine, theirs) = (a.changes(&ours, flags), b.changes(&reference, flags));
        assert_eq!(mine, theirs, "{flags}");
        let (mut mine, theirs) = (a.setting(), b.setting());
        if theirs.get("SecretKey").is_some() {
            // The reference keeps the first secret of a volume in plain text, ours seals it.
            assert_eq!(mine["KeyEncrypted"], true);
            mine.as_object_mut().unwrap().remove("KeyEncrypted");
        }
        assert_eq!(mine, theirs, "{flags}");
    }
    let db = std::fs::read(a.0.path().join("meta.db")).unwrap();
    assert!(!db.windows(4).any(|w| w == b"hush"), "sealed");
    // Each goes on where the other left off.
    assert_eq!(a.config(&reference, "--trash-days 7").0, Some(0));
    assert_eq!(b.config(&ours, "--trash-days 7").0, Some(0));
    assert_eq!(a.setting()["TrashDays"], b.setting()["TrashDays"]);
}

#[test]
fn a_new_bucket_is_tried_before_it_is_stored() {
    let (ours, volume) = (Jfs::find().unwrap(), Volume::format(&Jfs::find().unwrap()));
    let other = Volume::format(&ours);
    let before = ours.run(&["config", &volume.url()]).unwrap().stdout;
    for bad in [Path::new("/dev/null/x").to_path_buf(), other.bucket()] {
        let bucket = bad.display().to_string();
        let output = ours
            .run(&["config", &volume.url(), "--bucket", &bucket])
            .unwrap();
        assert_eq!(output.code, Some(1), "{bucket}");
        assert!(output.stderr.contains(&bucket), "{}", output.stderr);
        let now = ours.run(&["config", &volume.url()]).unwrap().stdout;
        assert_eq!(now, before, "{bucket}");
    }
    let free = volume.0.path().join("free").display().to_string();
    let output = ours
        .run(&["config", &volume.url(), "--bucket", &free])
        .unwrap()
        .ok()
        .unwrap();
    assert!(
        output.stderr.contains("have to be copied there"),
        "{}",
        output.stderr
    );
}

#[test]
fn members_of_newer_clients_stay() {
    let (ours, volume) = (Jfs::find().unwrap(), Volume::format(&Jfs::find().unwrap()));
    let db = rusqlite::Connection::open(volume.0.path().join("meta.db")).unwrap();
    let sql = "UPDATE jfs_setting SET value = replace(value, '\"MetaVersion\"', '\"Later\": {\"a\": [1]}, \"MetaVersion\"')";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
    assert_eq!(volume.config(&ours, "--trash-days 4").0, Some(0));
    let text = ours.run(&["config", &volume.url()]).unwrap().stdout;
    let setting: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(setting["Later"], serde_json::json!({ "a": [1] }));
    assert_eq!(setting["TrashDays"], 4);
}

#[test]
fn a_mount_follows_at_its_heartbeat() {
    let (ours, volume) = (Jfs::find().unwrap(), Volume::format(&Jfs::find().unwrap()));
    let mount = ours
        .mount(MountArgs::new(volume.url()).flags(["--heartbeat", "1s"]))
        .unwrap();
    std::fs::write(mount.at("old"), vec![7; 100_000]).unwrap();
    let fresh = volume.0.path().join("fresh");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([volume.bucket(), fresh.clone()])
        .status();
    assert!(copied.unwrap().success());
    let bucket = fresh.display().to_string();
    let flags = format!("--capacity 3 --inodes 1000 --trash-days 0 --yes --bucket {bucket}");
    assert_eq!(volume.config(&ours, &flags).0, Some(0));
    wait_until("the new limit to arrive", HEARTBEAT_LIMIT, || {
        let stat = nix::sys::statvfs::statvfs(mount.path()).unwrap();
        let total = stat.blocks() * stat.fragment_size();
        Ok((total == 3 << 30).then_some(()))
    })
    .unwrap();
    std::fs::write(mount.at("new"), vec![9; 100_000]).unwrap();
    assert_eq!(std::fs::read(mount.at("old")).unwrap(), vec![7; 100_000]);
    std::fs::remove_file(mount.at("old")).unwrap();
    assert_eq!(std::fs::read_dir(mount.at(".trash")).unwrap().count(), 0);
    let count = |dir: &Path| {
        let tree = jfs_testkit::walk(dir).unwrap();
        tree.iter()
            .filter(|(_, n)| n.kind == jfs_testkit::Kind::File)
            .count()
    };
    mount.unmount().unwrap();
    assert_eq!(
        count(&volume.bucket()),
        2,
        "the mark and the old file's block"
    );
    assert!(
        count(&fresh) >= 2,
        "what was written since lies in the new bucket"
    );
    let mount = ours.mount(MountArgs::new(volume.url())).unwrap();
    assert_eq!(std::fs::read(mount.at("new")).unwrap(), vec![9; 100_000]);
    mount.unmount().unwrap();
}
