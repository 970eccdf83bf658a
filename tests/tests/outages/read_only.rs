//! A server that takes no changes: a standby, or one that its administrator has made read-only.

use super::on_sql_servers;
use super::server::Bed;
use jfs_tests::SqlServer;
use jfs_tests::ending_commands::{ended, refused_with, run};
use std::fs;

on_sql_servers! { changes_fail_and_reads_go_on, commands_say_so }

/// Under a mount. Changes end with an error, reads go on, and changes work again when the server takes them.
fn changes_fail_and_reads_go_on(kind: SqlServer) {
    let bed = Bed::formatted(kind);
    let mount = bed.mount();
    fs::write(mount.at("file"), b"before").unwrap();
    bed.read_only(true);
    let path = mount.at("new");
    let made = ended("a create".into(), move || fs::write(path, b"new"));
    assert!(made.is_err(), "a create on a read-only server");
    assert_eq!(fs::read(mount.at("file")).unwrap(), b"before");
    assert_eq!(fs::read_dir(mount.path()).unwrap().count(), 1);
    assert!(mount.log().contains("read-only"), "{}", mount.log());
    bed.read_only(false);
    fs::write(mount.at("new"), b"now").unwrap();
    assert_eq!(fs::read(mount.at("new")).unwrap(), b"now");
    mount.unmount().unwrap();
}

fn commands_say_so(kind: SqlServer) {
    let bed = Bed::formatted(kind);
    bed.read_only(true);
    let (point, url) = (bed.path("point"), bed.url());
    fs::create_dir(&point).unwrap();
    let point = point.display().to_string();
    // A warning says why; the last line of a mount names the error number alone.
    let (code, text) = run(&["mount", &url, &point]);
    assert!(code == 1 && text.contains("read-only"), "{code}: {text}");
    refused_with(
        &["config", &url, "--trash-days", "3", "--yes"],
        &["read-only"],
    );
    let (code, text) = run(&["status", &url]);
    assert_eq!(code, 0, "a look needs no change: {text}");
}
