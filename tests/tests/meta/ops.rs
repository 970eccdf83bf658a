//! Operations as values: what random clients, histories and fault sweeps are made of.

use jfs_meta::{Meta, SetAttr};
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
        };
        format!("{answer:?}")
    }
}
