//! Operations as values: what random clients, histories and fault sweeps are made of.

use jfs_meta::wire::{LockRecord, LockType};
use jfs_meta::{Compacted, CopyRange, LockRange, Meta, NewNode, SetAttr, SetXattr};
use jfs_tests::volume::{root, slice};
use jfs_types::*;

/// Something a client does. Directories are numbers known before; names are few, so that clients
/// get in each other's way.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create(Ino, &'static str),
    Mkdir(Ino, &'static str),
    Symlink(Ino, &'static str),
    Link(Ino, Ino, &'static str),
    Unlink(Ino, &'static str),
    Rmdir(Ino, &'static str),
    Rename(Ino, &'static str, Ino, &'static str, u32),
    Write {
        ino: Ino,
        index: u32,
        id: u64,
        pos: u32,
        len: u32,
    },
    Truncate(Ino, u64),
    Chmod(Ino, u16),
    Lookup(Ino, &'static str),
    Getattr(Ino),
    Readlink(Ino),
    Mknod(Ino, &'static str),
    SetXattr(Ino, &'static str, &'static str, SetXattr),
    DelXattr(Ino, &'static str),
    Fallocate {
        ino: Ino,
        mode: i32,
        off: u64,
        size: u64,
    },
    Copy(CopyRange),
    /// A rule with a named user who gets these permissions; 0 removes the rule.
    Acl(Ino, AclKind, u16),
    Flock(Ino, u64, LockType),
    Setlk(Ino, u64, LockType, u64, u64),
    /// Compacts chunk 0 into the slice of this number.
    Compact(Ino, u64),
}

/// See [`Op::Acl`].
pub(crate) fn rule_for(perm: u16) -> AclRule {
    if perm == 0 {
        return AclRule::empty();
    }
    AclRule {
        owner: 7,
        group: 5,
        mask: 6,
        other: 1,
        named_users: vec![AclEntry { id: 1000, perm }],
        named_groups: vec![AclEntry { id: 2000, perm: 7 }],
    }
}

impl Op {
    /// Does it and says how it ended, inode numbers left out.
    pub(crate) async fn run(&self, c: &Meta) -> String {
        let me = root();
        let brief = |a: &Attr| format!("{:?} {:o} n{} l{}", a.kind, a.mode, a.nlink, a.length);
        let answer: Result<String, Errno> = match *self {
            Op::Create(dir, name) => match c.create(&me, dir, name.as_bytes(), 0o644, 0).await {
                Ok((ino, attr)) => {
                    // Closed at once: nothing sustains it, and closing writes nothing.
                    assert_eq!(c.close(ino), None);
                    Ok(brief(&attr))
                }
                Err(e) => Err(e),
            },
            Op::Mkdir(dir, name) => c
                .mkdir(&me, dir, name.as_bytes(), 0o755, 0)
                .await
                .map(|(_, a)| brief(&a)),
            Op::Symlink(dir, name) => c
                .symlink(&me, dir, name.as_bytes(), b"target")
                .await
                .map(|(_, a)| brief(&a)),
            Op::Link(ino, dir, name) => c
                .link(&me, ino, dir, name.as_bytes())
                .await
                .map(|a| brief(&a)),
            Op::Unlink(dir, name) => c
                .unlink(&me, dir, name.as_bytes())
                .await
                .map(|()| "gone".into()),
            Op::Rmdir(dir, name) => c
                .rmdir(&me, dir, name.as_bytes())
                .await
                .map(|()| "gone".into()),
            Op::Rename(from, a, to, b, flags) => {
                let (from, to) = ((from, a.as_bytes()), (to, b.as_bytes()));
                c.rename(&me, from, to, flags).await.map(|(_, a)| brief(&a))
            }
            Op::Write {
                ino,
                index,
                id,
                pos,
                len,
            } => c
                .write_chunk(ino, index, slice(id, pos, len), c.now())
                .await
                .map(|a| brief(&a)),
            Op::Truncate(ino, length) => c.truncate(&me, ino, length).await.map(|a| brief(&a)),
            Op::Chmod(ino, mode) => {
                let set = SetAttr {
                    mode: Some(mode),
                    ..SetAttr::default()
                };
                c.setattr(&me, ino, &set).await.map(|a| brief(&a))
            }
            Op::Lookup(dir, name) => c
                .lookup(&me, dir, name.as_bytes())
                .await
                .map(|(_, a)| brief(&a)),
            Op::Getattr(ino) => c.getattr(ino).await.map(|a| brief(&a)),
            Op::Readlink(ino) => c.readlink(ino).await.map(|t| format!("{t:?}")),
            Op::Mknod(dir, name) => {
                let node = NewNode {
                    kind: FileType::CharDevice,
                    mode: 0o640,
                    umask: 0,
                    rdev: 0x1111_0370,
                };
                c.mknod(&me, dir, name.as_bytes(), node)
                    .await
                    .map(|(_, a)| brief(&a))
            }
            Op::SetXattr(ino, name, value, how) => c
                .set_xattr(ino, name.as_bytes(), value.as_bytes(), how)
                .await
                .map(|()| "set".into()),
            Op::DelXattr(ino, name) => c
                .remove_xattr(ino, name.as_bytes())
                .await
                .map(|()| "gone".into()),
            Op::Fallocate {
                ino,
                mode,
                off,
                size,
            } => c
                .fallocate(&me, ino, mode, off, size)
                .await
                .map(|a| brief(&a)),
            Op::Copy(range) => c
                .copy_file_range(range)
                .await
                .map(|(n, a)| format!("{n} {}", brief(&a))),
            Op::Acl(ino, kind, perm) => c
                .set_acl(&me, ino, kind, &rule_for(perm))
                .await
                .map(|a| brief(&a)),
            Op::Flock(ino, owner, kind) => c.flock(ino, owner, kind).await.map(|()| "done".into()),
            Op::Setlk(ino, owner, kind, start, end) => {
                let record = LockRecord {
                    kind,
                    pid: 7,
                    start,
                    end,
                };
                c.setlk(ino, LockRange { owner, record })
                    .await
                    .map(|()| "done".into())
            }
            Op::Compact(ino, id) => match c.plan_compaction(ino, 0).await {
                Ok(Some(plan)) => c.commit_compaction(&plan, id).await.map(|done| match done {
                    // A lost answer tells of no slices; the hourly job finds them.
                    Compacted::Done(_) => format!("merged {}", plan.merged()),
                    Compacted::Changed => "changed".into(),
                }),
                Ok(None) => Ok("nothing to do".into()),
                Err(e) => Err(e),
            },
        };
        format!("{answer:?}")
    }
}
