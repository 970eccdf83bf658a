//! mknod: FIFOs, sockets, devices and regular files.

use jfs_meta::NewNode;
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::*;

on_every_engine! { special_files, mknod_errors }

/// The request for a new inode.
pub(super) fn node(kind: FileType, rdev: u32) -> NewNode {
    NewNode {
        kind,
        mode: 0o666,
        umask: 0o022,
        rdev,
    }
}

async fn special_files(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let user = Caller::user(5, 6);
    // (259, 70000) in Linux's packing.
    let rdev = 0x1111_0370;
    for (name, file, rdev) in [
        (&b"fifo"[..], FileType::Fifo, 0),
        (b"sock", FileType::Socket, 0),
        (b"chr", FileType::CharDevice, rdev),
        (b"blk", FileType::BlockDevice, rdev),
        (b"reg", FileType::Regular, 0),
    ] {
        let (ino, made) = c
            .mknod(&user, Ino::ROOT, name, node(file, rdev))
            .await
            .unwrap();
        assert_eq!((made.kind, made.rdev, made.mode), (file, rdev, 0o644));
        assert_eq!((made.uid, made.gid, made.nlink, made.length), (5, 6, 1, 0));
        assert_eq!(c.getattr(ino).await.unwrap(), made);
        assert_eq!(
            c.lookup(&root(), Ino::ROOT, name).await.unwrap(),
            (ino, made)
        );
        assert_eq!(
            c.truncate(&root(), ino, 5).await.is_ok(),
            file == FileType::Regular
        );
    }
    let census = v.verify().await;
    assert_eq!(census.counters[..2], [5 * 4096, 5]);
    for name in [&b"fifo"[..], b"sock", b"chr", b"blk"] {
        c.unlink(&root(), Ino::ROOT, name).await.unwrap();
    }
    assert_eq!(v.verify().await.counters[..2], [4096, 1]);
}

async fn mknod_errors(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let f = c.touch(Ino::ROOT, b"f").await.unwrap();
    let fifo = node(FileType::Fifo, 0);
    let user = Caller::user(5, 6);
    let closed = c.dir(Ino::ROOT, b"d").await;
    for (caller, parent, name, node, errno) in [
        (&root(), Ino::ROOT, &b"f"[..], fifo, Errno::EEXIST),
        (&root(), f, b"x", fifo, Errno::ENOTDIR),
        (&root(), Ino(999), b"x", fifo, Errno::ENOENT),
        (&root(), Ino::TRASH, b"x", fifo, Errno::EPERM),
        (&root(), Ino::ROOT, b".trash", fifo, Errno::EPERM),
        (&user, closed, b"x", fifo, Errno::EACCES),
        (&root(), Ino::ROOT, &[b'n'; 256], fifo, Errno::ENAMETOOLONG),
        (
            &root(),
            Ino::ROOT,
            b"x",
            node(FileType::Directory, 0),
            Errno::EINVAL,
        ),
        (
            &root(),
            Ino::ROOT,
            b"x",
            node(FileType::Symlink, 0),
            Errno::EINVAL,
        ),
    ] {
        let got = c.mknod(caller, parent, name, node).await;
        assert_eq!(got.map(|_| ()), Err(errno), "{name:?}");
    }
    v.verify().await;
}
