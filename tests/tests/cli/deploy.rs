//! The files of `deploy/`, read by the programs they are for.

use jfs_testkit::{Jfs, scratch_dir};
use std::path::{Path, PathBuf};
use std::process::Command;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// Exit code 0 is wanted; answers what was shown.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let shown = [output.stdout, output.stderr].concat();
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(output.status.success(), "{command:?}: {shown}");
    shown
}

/// The log of a mount is rotated while the mount goes on writing to it.
#[test]
fn logrotate_takes_its_file_and_rotates_the_log_of_a_mount() {
    let dir = scratch_dir().unwrap();
    let place = dir.path();
    let text = std::fs::read_to_string(deploy().join("logrotate.d/juicefs")).unwrap();
    assert!(text.contains("/var/log/juicefs.log {"), "{text}");
    let log = place.join("juicefs.log");
    let own = place.join("conf");
    let (from, to) = ("/var/log/juicefs.log", log.display().to_string());
    std::fs::write(&own, text.replace(from, &to)).unwrap();

    let jfs = Jfs::find().unwrap();
    let url = format!("sqlite3://{}/meta.db", place.display());
    let bucket = place.join("objects");
    jfs.format(&url, "vol", &bucket, &[]).unwrap();
    let point = place.join("mnt").display().to_string();
    let cache = place.join("cache").display().to_string();
    let mount = [
        "mount",
        "-d",
        "--log",
        &to,
        "--cache-dir",
        &cache,
        "--no-usage-report",
        "--metrics",
        "127.0.0.1:0",
        &url,
        &point,
    ];
    jfs.run(&mount).unwrap().ok().unwrap();
    let state = place.join("state");
    for debug in [true, false] {
        let mut logrotate = Command::new("logrotate");
        logrotate.arg(if debug { "-d" } else { "-f" });
        let shown = run(logrotate.arg("-s").arg(&state).arg(&own));
        assert!(!shown.contains("error"), "{shown}");
    }
    jfs.run(&["umount", &point]).unwrap().ok().unwrap();
    let before = std::fs::read_to_string(place.join("juicefs.log.1")).unwrap();
    let after = std::fs::read_to_string(&log).unwrap();
    assert!(before.contains("is ready at"), "{before}");
    assert!(!after.is_empty() && !after.contains('\0'), "{after:?}");
    assert!(!after.contains("is ready at"), "{after}");
}

#[test]
fn systemd_takes_the_mount_unit_and_orders_docker_behind_it() {
    let dir = scratch_dir().unwrap();
    let units = deploy().join("systemd");
    let copy = |name: &str| {
        let to = dir.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(units.join(name), &to).unwrap();
        to
    };
    let mount = copy("jfs.mount");
    copy("docker.service.d/jfs.conf");
    let docker = dir.path().join("docker.service");
    std::fs::write(&docker, "[Service]\nExecStart=/bin/true\n").unwrap();
    // An empty last part keeps the units of the system.
    let path = format!("{}:", dir.path().display());
    let verify = |unit: &Path| {
        let mut analyze = Command::new("systemd-analyze");
        analyze
            .arg("verify")
            .arg(unit)
            .env("SYSTEMD_UNIT_PATH", &path);
        run(&mut analyze)
    };
    for unit in [&mount, &docker] {
        let shown = verify(unit);
        assert!(
            !shown.contains("jfs.mount") && !shown.contains("docker"),
            "{shown}"
        );
    }
    // The drop-in is read: without the unit it asks for, docker is refused.
    std::fs::remove_file(&mount).unwrap();
    let mut analyze = Command::new("systemd-analyze");
    analyze
        .arg("verify")
        .arg(&docker)
        .env("SYSTEMD_UNIT_PATH", &path);
    let output = analyze.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("jfs.mount"), "{shown}");
}
