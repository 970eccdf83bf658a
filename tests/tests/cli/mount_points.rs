//! Mount points that are taken, busy, or hang; and mount(8) with its table.

use jfs_testkit::{Jfs, Mount, MountArgs, scratch_dir, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

fn volume() -> (TempDir, String) {
    let dir = scratch_dir().unwrap();
    let url = format!("sqlite3://{}", dir.path().join("meta.db").display());
    let bucket = dir.path().join("objects");
    Jfs::find()
        .unwrap()
        .format(&url, "vol", &bucket, &[])
        .unwrap();
    (dir, url)
}

fn umount(flags: &[&str], point: &Path) -> jfs_testkit::Output {
    let point = point.display().to_string();
    let words = ["umount"]
        .iter()
        .chain(flags)
        .copied()
        .chain([point.as_str()]);
    Jfs::find()
        .unwrap()
        .run(&words.collect::<Vec<_>>())
        .unwrap()
}

fn mounts_at(point: &Path) -> usize {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let point = format!(" {} ", point.display());
    table.lines().filter(|line| line.contains(&point)).count()
}

#[test]
fn a_second_mount_is_refused_by_name_and_lies_on_top_by_force() {
    let (_dir, url) = volume();
    let jfs = Jfs::find().unwrap();
    let first = jfs.mount(MountArgs::new(&url)).unwrap();
    let point = first.path().display().to_string();
    let again = ["mount", "--cache-dir", "memory", &url, &point];
    let refused = jfs.run(&again).unwrap();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("is mounted already (JuiceFS:vol)"),
        "{}",
        refused.stderr
    );
    let second: Mount = jfs
        .mount(MountArgs::new(&url).on(first.path()).flags(["--force"]))
        .unwrap();
    wait_until("the second mount", Duration::from_secs(30), || {
        Ok((mounts_at(first.path()) == 2).then_some(()))
    })
    .unwrap();
    std::fs::write(second.at("x"), "above").unwrap();
    umount(&[], first.path()).ok().unwrap();
    assert_eq!(mounts_at(first.path()), 1);
    assert_eq!(std::fs::read_to_string(first.at("x")).unwrap(), "above");
}

#[test]
fn a_busy_mount_point_names_its_users() {
    let (dir, url) = volume();
    let mount = Jfs::find().unwrap().mount(MountArgs::new(&url)).unwrap();
    let open = std::fs::File::create(mount.at("open")).unwrap();
    for flags in [&[][..], &["--flush"]] {
        let refused = umount(flags, mount.path());
        assert_eq!(refused.code, Some(1));
        let me = format!("({})", std::process::id());
        for want in ["Device or resource busy", &me, "umount --force"] {
            assert!(refused.stderr.contains(want), "{want}: {}", refused.stderr);
        }
    }
    drop(open);
    // A link to the mount point does as well.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(mount.path(), &link).unwrap();
    umount(&["--flush"], &link).ok().unwrap();
    assert_eq!(mounts_at(mount.path()), 0);
    let again = umount(&[], mount.path());
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("not mounted"), "{}", again.stderr);
}

#[test]
fn a_hanging_mount_is_taken_away_by_force() {
    let (_dir, url) = volume();
    let jfs = Jfs::find().unwrap();
    let mount = jfs.mount(MountArgs::new(&url)).unwrap();
    let pids: Vec<Pid> = mount.pids().into_iter().map(Pid::from_raw).collect();
    let all = |signal| pids.iter().for_each(|pid| kill(*pid, signal).unwrap());
    all(Signal::SIGSTOP);
    let point = mount.path().display().to_string();
    let refused = jfs
        .run(&["mount", "--force", "--cache-dir", "memory", &url, &point])
        .unwrap();
    let forced = umount(&["--force"], mount.path());
    let left = mounts_at(mount.path());
    all(Signal::SIGCONT);
    assert!(
        refused.stderr.contains("does not answer in 10s"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        (refused.code, forced.code, left),
        (Some(1), Some(0), 0),
        "{}",
        forced.stderr
    );
    assert!(
        forced.stderr.contains("is stopped: kill -CONT"),
        "{}",
        forced.stderr
    );
    drop(mount);
}

/// In a namespace of its own, with another /etc and /sbin.
#[test]
fn the_table_of_mounts_is_kept_and_mount_reads_it() {
    let (dir, url) = volume();
    let point = dir.path().join("mnt");
    let script = r#"
        set -e
        cd "$DIR"
        mkdir etc sbin
        cp /etc/passwd /etc/group etc
        ln -s /proc/self/mounts etc/mtab
        printf '# mine\n' > etc/fstab
        mount --bind etc /etc
        mount --bind sbin "$(readlink -f /sbin)"
        "$JFS" mount -d "$URL" mnt --cache-dir memory --log log --no-syslog --update-fstab --metrics ""
        "$JFS" umount mnt
        readlink /sbin/mount.juicefs
        mount "$DIR/mnt"
        df -hT "$DIR/mnt"
        "$JFS" umount mnt
        mount -t juicefs "$URL" "$DIR/mnt" -o cache-dir=memory,read-only,attrcacheto=3,_netdev,noatime,log=$DIR/log,metrics=
        grep " $DIR/mnt " /proc/mounts
        "$JFS" umount mnt
        mount -f -t juicefs "$URL" "$DIR/mnt"
        ! grep " $DIR/mnt " /proc/mounts
    "#;
    let jfs = Jfs::find().unwrap();
    let output = Command::new("unshare")
        .args(["-m", "bash", "-c", script])
        .env("JFS", jfs.program())
        .env("DIR", dir.path())
        .env("URL", &url)
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    assert!(err.contains("Successfully updated fstab"), "{err}");
    let table = std::fs::read_to_string(dir.path().join("etc/fstab")).unwrap();
    let log = dir.path().join("log");
    let entry = format!(
        "# mine\n{url}  {}  juicefs  _netdev,nofail,cache-dir=memory,log={},metrics=,no-syslog  0 0\n",
        point.display(),
        log.display()
    );
    assert_eq!(table, entry);
    for want in [
        "/jfs\n",
        "JuiceFS:vol",
        "fuse.juicefs ro,nosuid,nodev,noatime",
    ] {
        assert!(out.contains(want), "{want}: {out}");
    }
}
