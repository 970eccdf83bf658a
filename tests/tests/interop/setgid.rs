//! The setgid bit on a mount and in a local directory: what is cleared and what stays is the same.

use super::local_volume::{LocalVolume, Meta, ours};
use jfs_testkit::scratch_dir;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Changes files and directories as root, as an owner in two groups (5001: 6001, 6002), as one in his
/// own only, and as somebody else. Prints what became of each. 6002 is a supplementary group, 7000 one
/// that nobody is in.
const CASES: &str = r#"
umask 0
as() { who=$1; shift; case $who in
    root) "$@" ;;
    member) setpriv --reuid=5001 --regid=6001 --groups=6001,6002 "$@" ;;
    alone) setpriv --reuid=5001 --regid=6001 --groups=6001 "$@" ;;
    other) setpriv --reuid=5002 --regid=6001 --groups=6001,6002 "$@" ;;
esac 2>/dev/null || printf 'refused '; }
fresh() { # KIND GROUP MODE
    rm -rf x; case $1 in dir) mkdir x ;; file) echo text > x ;; esac; chown 5001:$2 x; chmod $3 x; }
say() { echo "$*: $(stat -c '%a %u:%g' x)"; }

for kind in file dir; do for group in 6002 7000; do
    for who in root member alone other; do
        fresh $kind $group 777; as $who chmod 2755 x; say $kind $group $who chmod 2755
    done
    for who in root member alone; do
        fresh $kind $group 6775; as $who chown :6001 x; say $kind $group $who chown of 6775
        fresh $kind $group 6644; as $who chown :6001 x; say $kind $group $who chown of 6644
        fresh $kind $group 2644; as $who chown 5001 x; say $kind $group $who chown of 2644 to the same
        fresh $kind $group 2775; as $who setfacl -m u:1001:rwx x; say $kind $group $who setfacl
        fresh $kind $group 2775; as $who setfacl -m g::r x; say $kind $group $who setfacl without names
        fresh $kind $group 2775; setfacl -m u:1001:rwx x; as $who setfacl -b x; say $kind $group $who setfacl -b
        fresh $kind $group 2775; setfacl -m u:1001:rwx x; as $who chmod 2750 x; say $kind $group $who chmod with an ACL
    done
done; done
for group in 6002 7000; do for who in root member alone; do
    fresh dir $group 2775; as $who setfacl -d -m u:1001:rwx x; say $group $who default rule
    as $who setfacl -k x; say $group $who no default rule
done; done

make() { # WHO UMASK MODE: makes all kinds of things with one process
    as $1 env PATH=/usr/bin:/bin python3 -c '
import os, stat, sys
os.umask(int(sys.argv[1], 8)); mode = int(sys.argv[2], 8)
os.close(os.open("made/file", os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
os.mkdir("made/dir", mode); os.mkfifo("made/fifo", mode); os.symlink("x", "made/link")
os.mknod("made/node", mode | stat.S_IFREG)' $2 $3
    (cd made && stat -c '  %n %a %u:%g' dir fifo file link node); }
for below in '2777 6002' '2777 7000' '0777 6002'; do for rule in none default; do
    for who in root member alone; do for asked in '022 2775' '010 2775' '0 6764'; do
        rm -rf made; mkdir made; chown 0:${below#* } made; chmod ${below% *} made
        [ $rule = none ] || setfacl -d -m u::rwx,g::rx,o::rx,u:1001:rwx made
        echo "below $below, rule $rule, $who, umask and mode $asked"; make $who $asked
    done; done
done; done
"#;

fn run_in(dir: &Path) -> Vec<String> {
    fs::set_permissions(dir, Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new("bash");
    let output = command.arg("-c").arg(CASES).current_dir(dir).output();
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_string).collect()
}

/// Where the kernel checks permissions, and where the mount does so, with the groups of the process.
#[test]
fn setgid_is_that_of_a_local_directory() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let volume = LocalVolume::new(Meta::Sqlite);
    volume.format(&ours(), &["--enable-acl", "--trash-days", "0"]);
    let local = scratch_dir().unwrap();
    let mut results = Vec::new();
    let there = std::thread::spawn(move || run_in(local.path()));
    for (dir, flags) in [("a", &[][..]), ("b", &["--non-default-permission"])] {
        let mount = volume.mount(&ours(), flags);
        fs::create_dir(mount.at(dir)).unwrap();
        let here = run_in(&mount.at(dir));
        mount.unmount().unwrap();
        results.push((flags, here));
    }
    let there = there.join().unwrap();
    assert!(there.len() > 300, "{} lines", there.len());
    for (flags, here) in results {
        let differ: Vec<_> = here.iter().zip(&there).filter(|(a, b)| a != b).collect();
        assert!(differ.is_empty(), "{flags:?} (mount, local): {differ:#?}");
        assert_eq!(here.len(), there.len());
    }
}
