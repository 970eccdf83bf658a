//! Real programs at work on a mount, each with a check of its own: git, tar, rsync, sqlite3, cargo.
//!
//! What they leave is read again by a second mount, and the reference's `fsck` is content with it.
#![allow(clippy::unwrap_used, reason = "tests")]

use jfs_testkit::{Mount, scratch_dir};
use jfs_tests::compare_trees::{Facts, differences};
use jfs_tests::local_volume::{LocalVolume, Meta, ours};
use jfs_tests::steps::{marks, perform, small_steps};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

/// Everything that tar and rsync take along.
const CARRIED: Facts = Facts {
    modified: true,
    ..Facts::PORTABLE
};

#[test]
fn git_on_sqlite() {
    at_work(Meta::Sqlite, git, |top, _| shell(top, GIT_CHECK));
}

#[test]
fn git_on_redis() {
    at_work(Meta::Redis, git, |top, _| shell(top, GIT_CHECK));
}

#[test]
fn tar_on_sqlite() {
    at_work(Meta::Sqlite, tar, same_tree);
}

#[test]
fn rsync_on_redis() {
    at_work(Meta::Redis, rsync, same_tree);
}

#[test]
fn databases_on_sqlite() {
    at_work(Meta::Sqlite, databases, |top, _| shell(top, DATABASE_CHECK));
}

#[test]
fn databases_on_redis() {
    at_work(Meta::Redis, databases, |top, _| shell(top, DATABASE_CHECK));
}

#[test]
fn cargo_on_sqlite() {
    at_work(Meta::Sqlite, cargo, |top, _| shell(top, CARGO_CHECK));
}

#[test]
fn cargo_on_redis() {
    at_work(Meta::Redis, cargo, |top, _| shell(top, CARGO_CHECK));
}

#[test]
fn a_running_program_on_sqlite() {
    at_work(Meta::Sqlite, running, running_check);
}

#[test]
fn times_before_1970_on_redis() {
    at_work(Meta::Redis, old_times, old_times);
}

/// Does `work` on a new volume, with a plain directory beside it, and `check` on the next mount.
fn at_work(meta: Meta, work: fn(&Path, &Path), check: fn(&Path, &Path)) {
    let volume = LocalVolume::new(meta);
    volume.format(&ours(), &["--trash-days", "0", "--enable-acl"]);
    let beside = scratch_dir().unwrap();
    let mount = || -> Mount { volume.mount(&ours(), &["--enable-xattr"]) };
    let first = mount();
    work(first.path(), beside.path());
    first.unmount().unwrap();
    let second = mount();
    check(second.path(), beside.path());
    second.unmount().unwrap();
    volume.fsck();
}

/// Runs a script in `dir`; any command that fails is an error with all that was said.
fn shell(dir: &Path, script: &str) {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script])
        .current_dir(dir);
    // Neither the user's settings nor those of the cargo that runs this test.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["GIT_", "CARGO_", "RUSTFLAGS", "RUSTC"]
            .iter()
            .any(|start| name.starts_with(start))
            && name != "CARGO_HOME"
        {
            bash.env_remove(&*name);
        }
    }
    bash.env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        bash.env(format!("GIT_{role}_NAME"), "a")
            .env(format!("GIT_{role}_EMAIL"), "a@b");
    }
    let output = bash.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success(),
        "{}: {script}\n{said}",
        output.status
    );
}

/// A repository on the plain directory is cloned to the mount, gets commits and a merge there, is packed
/// anew, and comes back.
fn git(top: &Path, beside: &Path) {
    let script = r#"
        git init -q -b main "$1/origin" && cd "$1/origin"
        for commit in 1 2 3 4; do
            for dir in 1 2 3 4 5; do
                mkdir -p "d$dir"
                head -c $((commit * dir * 997)) /dev/urandom >"d$dir/f$commit"
            done
            git add . && git commit -qm "commit $commit"
        done
        cd "$2"
        git clone -q --no-local "$1/origin" clone && cd clone
        git fsck --full --strict
        [ -z "$(git status --porcelain)" ]
        git checkout -qb side HEAD~2 && echo side >new && git add new && git commit -qm side
        git rebase -q main && git checkout -q main && git merge -q side
        echo changed >>new && git stash -q && git stash pop -q && git checkout -q .
        git gc -q --prune=now
        git fsck --full --strict
        git clone -q --no-local . "$1/back"
        [ "$(git rev-parse HEAD)" = "$(git -C "$1/back" rev-parse HEAD)" ]
        diff -r --exclude=.git . "$1/back"
    "#;
    shell_with(top, script, &[beside, top]);
}

const GIT_CHECK: &str =
    "cd clone && git fsck --full --strict && [ -z \"$(git status --porcelain)\" ]";

/// [`shell`] with arguments.
fn shell_with(dir: &Path, script: &str, arguments: &[&Path]) {
    let words: Vec<String> = arguments
        .iter()
        .map(|a| format!("'{}'", a.display()))
        .collect();
    shell(dir, &format!("set -- {}\n{script}", words.join(" ")));
}

/// A tree of all kinds of entries, made beside the mount.
fn tree(beside: &Path) {
    let list = small_steps("tree", 1 << 16, 21);
    perform(&list, beside).unwrap();
    perform(&marks("tree"), beside).unwrap();
    let specials = "mkfifo tree/fifo; mknod tree/null c 1 3; truncate -s 9M tree/sparse; echo end >>tree/sparse";
    shell(beside, specials);
}

/// Into the mount and out again.
fn tar(top: &Path, beside: &Path) {
    tree(beside);
    let script = r#"
        all="--acls --xattrs --xattrs-include=* --sparse --numeric-owner"
        set -f
        copy() { mkdir "$2"; tar -C "$1" $all -cf - tree | tar -C "$2" $all -xpf -; }
        copy "$1" "$2/in"
        copy "$2/in" "$1/out"
        mv "$2/in/tree" "$2/tree"
    "#;
    shell_with(top, script, &[beside, top]);
    assert_eq!(
        differences(&beside.join("tree"), &beside.join("out/tree"), CARRIED),
        NONE
    );
}

fn rsync(top: &Path, beside: &Path) {
    tree(beside);
    let script = r#"
        # By itself rsync takes times within one second for equal.
        copy="rsync -aHAXS --numeric-ids --modify-window=-1"
        $copy "$1/tree/" "$2/tree/"
        [ -z "$($copy --itemize-changes --checksum "$1/tree/" "$2/tree/")" ]
        $copy "$2/tree/" "$1/out/"
    "#;
    shell_with(top, script, &[beside, top]);
    assert_eq!(
        differences(&beside.join("tree"), &beside.join("out"), CARRIED),
        NONE
    );
}

fn same_tree(top: &Path, beside: &Path) {
    assert_eq!(
        differences(&beside.join("tree"), &top.join("tree"), CARRIED),
        NONE
    );
}

const NONE: Vec<String> = Vec::new();

/// Each journal mode: transactions, a vacuum, writers side by side, one that is killed in the middle of its
/// transaction.
fn databases(top: &Path, beside: &Path) {
    let script = r#"
        for mode in delete truncate wal; do
            db=$mode.db
            sql() { sqlite3 -cmd '.timeout 60000' $db "$@"; }
            [ "$(sql "pragma journal_mode=$mode")" = $mode ]
            sql 'create table t(id integer primary key, a text, b blob); create index i on t(a)'
            fill="with recursive n(x) as (select 1 union all select x+1 from n where x<2000)
                insert into t(a,b) select 'k'||x, randomblob(200) from n"
            sql "begin; $fill; commit; begin; $fill; rollback"
            for n in 1 2 3 4 5; do sql "insert into t(a,b) values('one', randomblob(9000))"; done
            sql "update t set a=a||'y' where id%3=0; delete from t where id%7=0; vacuum"
            before=$(sql 'select count(*) from t')
            writer() { for n in $(seq 8); do sql "insert into t(a,b) values('side', zeroblob(500))"; done; }
            writer & one=$!
            writer & two=$!
            wait $one && wait $two
            [ "$(sql 'select count(*) from t')" = $((before + 16)) ]
            # The writer is killed with pages of its transaction in the file.
            mkfifo "$1/$mode.fifo"
            exec 5<>"$1/$mode.fifo"
            sqlite3 $db <&5 >"$1/$mode.said" & killed=$!
            echo 'pragma cache_size=5; begin; update t set b=zeroblob(3000); select 4711;' >&5
            until grep -q 4711 "$1/$mode.said"; do sleep 0.02; done
            kill -9 $killed; wait $killed || true
            exec 5>&-
            [ "$(sql 'pragma integrity_check')" = ok ]
            [ "$(sql 'select count(*) from t where length(b)=3000')" = 0 ]
            sql .dump | sqlite3 "$1/$mode.db"
            [ "$(sql .sha3sum)" = "$(sqlite3 "$1/$mode.db" .sha3sum)" ]
        done
    "#;
    shell_with(top, script, &[beside]);
}

const DATABASE_CHECK: &str = r#"
    for mode in delete truncate wal; do
        [ "$(sqlite3 $mode.db 'pragma integrity_check')" = ok ]
        [ "$(sqlite3 $mode.db "select count(*) from t where a='side'")" = 16 ]
    done
"#;

/// A program on the mount that runs refuses to be emptied, and is whole afterwards.
fn running(top: &Path, _beside: &Path) {
    shell(top, "cp \"$(command -v sleep)\" program");
    let program = top.join("program");
    let mut child = Command::new(&program).arg("600").spawn().unwrap();
    for access in [libc::O_RDONLY, libc::O_WRONLY] {
        let mut open = std::fs::OpenOptions::new();
        open.read(access == libc::O_RDONLY)
            .write(access == libc::O_WRONLY)
            .custom_flags(libc::O_TRUNC);
        let refused = open.open(&program).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ETXTBSY), "{access}");
    }
    assert_eq!(child.try_wait().unwrap(), None, "the program has ended");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn running_check(top: &Path, _beside: &Path) {
    shell(top, "cmp \"$(command -v sleep)\" program");
}

/// Files are as old as they are beside the mount.
fn old_times(top: &Path, beside: &Path) {
    let script = "\
        for t in -0.000000001 -1.5 -86400.25 -3 0 1.5; do
            for f in \"$PWD/old$t\" \"$1/old$t\"; do
                [ -e \"$f\" ] || touch -d \"@$t\" \"$f\"
            done
            [ \"$(stat -c '%.9X %.9Y' \"$PWD/old$t\")\" = \"$(stat -c '%.9X %.9Y' \"$1/old$t\")\" ] ||
                { stat \"$PWD/old$t\" \"$1/old$t\"; exit 1; }
        done";
    shell_with(top, script, &[beside]);
}

/// A package without dependencies, everything on the mount.
fn cargo(top: &Path, _beside: &Path) {
    let script = r#"
        mkdir -p hello/src && cd hello
        printf '[package]\nname="hello"\nversion="0.1.0"\nedition="2021"\n[workspace]\n' >Cargo.toml
        printf 'pub fn twice(x: u64) -> u64 { 2 * x }\n' >src/lib.rs
        printf 'fn main() { println!("{}", hello::twice(21)) }\n' >src/main.rs
        cargo build --offline --quiet
        [ "$(target/debug/hello)" = 42 ]
    "#;
    shell(top, script);
}

/// Nothing to do the next time, after a change what is new.
const CARGO_CHECK: &str = r#"
    cd hello
    cargo build --offline --verbose 2>&1 | grep Fresh
    printf 'pub fn twice(x: u64) -> u64 { 2 * x + 1 }\n' >src/lib.rs
    cargo build --offline --quiet
    [ "$(target/debug/hello)" = 43 ]
"#;
