//! The same operations leave the same records on every engine, times and numbers included.

use super::ops::rule_for;
use jfs_meta::wire::{LockRecord, LockType};
use jfs_meta::{CopyRange, LockRange, NewNode, SetAttr, SetXattr};
use jfs_tests::volume::root;
use jfs_tests::{Client, Kind, Rng, Volume};
use jfs_types::*;

#[test]
fn one_script_one_state() {
    let mut states: Vec<(Kind, String)> = Vec::new();
    for kind in Kind::ALL {
        jfs_tests::run(kind, async |kind| {
            let text = script(kind).await;
            assert!(
                text.lines().count() > 300,
                "the script leaves something to compare"
            );
            for (other, state) in &states {
                assert_eq!(*state, text, "{other:?} and {kind:?} differ");
            }
            states.push((kind, text));
        });
    }
}

/// 900 random operations of one client, with the trash, then what is left of it without the work
/// that a background would do.
async fn script(kind: Kind) -> String {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let mut rng = Rng::new(0x5eed);
    let mut dirs = vec![Ino::ROOT];
    let mut files: Vec<Ino> = Vec::new();
    let names: [&[u8]; 7] = [
        b"a",
        b"b",
        b"c",
        b"\xff\xfe",
        b"name with space",
        &[b'L'; 255],
        b"z'\"\\",
    ];
    let mut answers = String::new();
    for n in 0..900 {
        if rng.below(3) == 0 {
            v.tick();
        }
        let dir = *rng.pick(&dirs);
        let name = *rng.pick(&names);
        let answer = step(&c, &mut rng, dir, name, &mut dirs, &mut files, &names).await;
        answers += &format!("{n} {answer}\n");
    }
    let census = v.verify().await;
    answers + &census.text()
}

async fn step(
    c: &Client,
    rng: &mut Rng,
    dir: Ino,
    name: &[u8],
    dirs: &mut Vec<Ino>,
    files: &mut Vec<Ino>,
    names: &[&[u8]],
) -> String {
    let me = root();
    let file = if files.is_empty() {
        Ino(999_999)
    } else {
        *rng.pick(files)
    };
    match rng.below(24) {
        0..=2 => {
            let made = c.touch(dir, name).await;
            files.extend(made);
            format!("create {made:?}")
        }
        3 | 4 => {
            let made = c.mkdir(&me, dir, name, 0o755, 0).await.map(|(ino, _)| ino);
            dirs.extend(made);
            format!("mkdir {made:?}")
        }
        5 => format!("symlink {:?}", c.symlink(&me, dir, name, name).await),
        6 => format!("link {:?}", c.link(&me, file, dir, name).await),
        7 => format!("unlink {:?}", c.unlink(&me, dir, name).await),
        8 => format!("rmdir {:?}", c.rmdir(&me, dir, name).await),
        9 | 10 => {
            let to = (*rng.pick(dirs), *rng.pick(names));
            let flags = rng.below(3) as u32;
            format!("rename {:?}", c.rename(&me, (dir, name), to, flags).await)
        }
        11 => {
            let (index, pos, len) = (
                rng.below(3) as u32,
                rng.below(1 << 20) as u32,
                1 + rng.below(1 << 20) as u32,
            );
            format!("write {:?}", c.put_slice(file, index, pos, len).await)
        }
        12 => format!(
            "truncate {:?}",
            c.truncate(&me, file, rng.below(3 * CHUNK_SIZE)).await
        ),
        13 => {
            let node = NewNode {
                kind: *rng.pick(&[FileType::Fifo, FileType::Socket, FileType::BlockDevice]),
                mode: 0o644,
                umask: 0o022,
                rdev: rng.below(1 << 32) as u32,
            };
            format!("mknod {:?}", c.mknod(&me, dir, name, node).await)
        }
        14 | 15 => {
            let how = *rng.pick(&[SetXattr::Any, SetXattr::Create, SetXattr::Replace]);
            let value = *rng.pick(&[&b""[..], b"v", b"\0\xff"]);
            format!("setxattr {:?}", c.set_xattr(file, name, value, how).await)
        }
        16 => format!(
            "removexattr {:?}, left {:?}",
            c.remove_xattr(file, name).await,
            c.list_xattrs(file).await
        ),
        17 => {
            let mode = *rng.pick(&[0, 1, 3, 0x10, 0x11]);
            let (off, size) = (rng.below(2 * CHUNK_SIZE), 1 + rng.below(CHUNK_SIZE));
            let done = c.fallocate(&me, file, mode, off, size).await;
            format!("fallocate {done:?}")
        }
        18 => {
            let range = CopyRange {
                from: *rng.pick(files.get(..).filter(|f| !f.is_empty()).unwrap_or(&[Ino(9)])),
                from_off: rng.below(CHUNK_SIZE),
                to: file,
                to_off: rng.below(2 * CHUNK_SIZE),
                size: rng.below(2 * CHUNK_SIZE),
            };
            format!("copy {:?}", c.copy_file_range(range).await)
        }
        19 => {
            let kind = *rng.pick(&[AclKind::Access, AclKind::Default]);
            let (ino, rule) = (*rng.pick(&[dir, file]), rule_for(rng.below(4) as u16));
            format!("setfacl {:?}", c.set_acl(&me, ino, kind, &rule).await)
        }
        20 => {
            let kind = *rng.pick(&[LockType::Read, LockType::Write, LockType::Unlock]);
            let flock = c.flock(file, rng.below(3), kind, false).await;
            let start = rng.below(50);
            let record = LockRecord {
                kind,
                pid: 1,
                start,
                end: start + rng.below(20),
            };
            let range = LockRange {
                owner: rng.below(3),
                record,
            };
            format!("locks {flock:?} {:?}", c.setlk(file, range, false).await)
        }
        21 | 22 => {
            let Ok(Some(plan)) = c.plan_compaction(file, 0).await else {
                return "nothing to compact".into();
            };
            let id = c.new_slice_id().await.unwrap();
            format!("compact {:?}", c.commit_compaction(&plan, id).await)
        }
        _ => {
            let set = SetAttr {
                mode: Some(rng.below(0o10000) as u16),
                uid: Some(rng.below(9) as u32),
                ..SetAttr::default()
            };
            format!("setattr {:?}", c.setattr(&me, file, &set).await)
        }
    }
}
