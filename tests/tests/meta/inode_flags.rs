//! The flags of inodes: immutable, append-only, and removal without the trash.

use super::special_files::node;
use jfs_meta::{CopyRange, SetAttr, SetXattr};
use jfs_tests::volume::root;
use jfs_tests::{Kind, Volume, on_every_engine};
use jfs_types::attr::flags;
use jfs_types::*;

on_every_engine! { frozen_files, frozen_directories, skipping_the_trash }

fn with_flags(flags: u8) -> SetAttr {
    SetAttr {
        flags: Some(flags),
        ..SetAttr::default()
    }
}

/// What an immutable or append-only file refuses, operation by operation.
async fn frozen_files(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    let chmod = SetAttr {
        mode: Some(0o600),
        ..SetAttr::default()
    };
    for bits in [flags::IMMUTABLE, flags::APPEND] {
        let f = c.touch(Ino::ROOT, b"f").await.unwrap();
        let other = c.touch(Ino::ROOT, b"other").await.unwrap();
        c.put_slice(f, 0, 0, 100).await.unwrap();
        c.put_slice(other, 0, 0, 100).await.unwrap();
        let set = c.setattr(&me, f, &with_flags(bits)).await.unwrap();
        assert_eq!(set.flags, bits);
        let (a, b) = ((Ino::ROOT, &b"f"[..]), (Ino::ROOT, &b"other"[..]));
        let no = Err(Errno::EPERM);
        assert_eq!(c.unlink(&me, Ino::ROOT, b"f").await, no);
        assert_eq!(c.rename(&me, a, b, 0).await.map(|_| ()), no);
        assert_eq!(c.rename(&me, b, a, 0).await.map(|_| ()), no);
        assert_eq!(c.rename(&me, a, b, 2).await.map(|_| ()), no);
        assert_eq!(c.rename(&me, b, a, 2).await.map(|_| ()), no);
        assert_eq!(c.link(&me, f, Ino::ROOT, b"l").await.map(|_| ()), no);
        assert_eq!(c.truncate(&me, f, 5).await.map(|_| ()), no);
        assert_eq!(c.setattr(&me, f, &chmod).await.map(|_| ()), no);
        assert_eq!(c.open(&me, f, libc_o::WRONLY).await.map(|_| ()), no);
        assert_eq!(c.fallocate(&me, f, 0x10, 0, 50).await.map(|_| ()), no);
        let range = CopyRange {
            from: other,
            from_off: 0,
            to: f,
            to_off: 200,
            size: 10,
        };
        assert_eq!(c.copy_file_range(range).await.map(|_| ()), no);
        let frozen = bits == flags::IMMUTABLE;
        assert_eq!(c.put_slice(f, 0, 100, 10).await.is_err(), frozen);
        assert_eq!(c.fallocate(&me, f, 0, 0, 500).await.is_err(), frozen);
        let rule = super::operations::rule_for(4);
        let acl = c.set_acl(&me, f, AclKind::Access, &rule).await;
        assert_eq!(acl.is_err(), frozen);
        // Reading, and extended attributes, go on.
        c.open(&me, f, 0).await.unwrap();
        c.close(f);
        c.set_xattr(f, b"user.a", b"v", SetXattr::Any)
            .await
            .unwrap();
        // Only the super-user takes the flags away.
        let user = Caller::user(0, 0);
        assert_eq!(user.uid, 0);
        let owner = Caller::user(7, 7);
        assert_eq!(c.setattr(&owner, f, &with_flags(0)).await.map(|_| ()), no);
        c.setattr(&me, f, &with_flags(0)).await.unwrap();
        c.unlink(&me, Ino::ROOT, b"f").await.unwrap();
        c.unlink(&me, Ino::ROOT, b"other").await.unwrap();
        c.do_work().await;
        v.verify().await;
    }
}

mod libc_o {
    pub(super) const WRONLY: i32 = 1;
}

/// An immutable directory takes and gives nothing, an append-only one only takes.
async fn frozen_directories(kind: Kind) {
    let v = Volume::new(kind, 0).await;
    let c = v.client().await;
    let me = root();
    for bits in [flags::IMMUTABLE, flags::APPEND] {
        let d = c.dir(Ino::ROOT, b"d").await;
        c.touch(d, b"old").await.unwrap();
        c.dir(d, b"sub").await;
        c.touch(Ino::ROOT, b"f").await.unwrap();
        c.setattr(&me, d, &with_flags(bits)).await.unwrap();
        let no = Err(Errno::EPERM);
        let takes = match bits {
            flags::APPEND => Ok(()),
            _ => no,
        };
        let fifo = node(FileType::Fifo, 0);
        assert_eq!(c.touch(d, b"new").await.map(|_| ()), takes);
        assert_eq!(c.mknod(&me, d, b"fifo", fifo).await.map(|_| ()), takes);
        assert_eq!(c.mkdir(&me, d, b"dir", 0o755, 0).await.map(|_| ()), takes);
        assert_eq!(c.symlink(&me, d, b"link", b"t").await.map(|_| ()), takes);
        let (root_f, d_old) = ((Ino::ROOT, &b"f"[..]), (d, &b"old"[..]));
        assert_eq!(
            c.rename(&me, root_f, (d, b"in"), 0).await.map(|_| ()),
            takes
        );
        assert_eq!(c.unlink(&me, d, b"old").await, no);
        assert_eq!(c.rmdir(&me, d, b"sub").await, no);
        assert_eq!(
            c.rename(&me, d_old, (Ino::ROOT, b"out"), 0)
                .await
                .map(|_| ()),
            no
        );
        c.touch(Ino::ROOT, b"g").await.unwrap();
        assert_eq!(
            c.rename(&me, d_old, (Ino::ROOT, b"g"), 2).await.map(|_| ()),
            no
        );
        assert_eq!(c.rmdir(&me, Ino::ROOT, b"d").await.map(|_| ()), no);
        c.setattr(&me, d, &with_flags(0)).await.unwrap();
        c.rename(
            &me,
            (Ino::ROOT, b"d"),
            (Ino::ROOT, format!("d{bits}").as_bytes()),
            0,
        )
        .await
        .unwrap();
        for name in [&b"f"[..], b"g"] {
            let _ = c.unlink(&me, Ino::ROOT, name).await;
        }
        v.verify().await;
    }
}

/// The flag for secure removal: children inherit it, and removal passes the trash by.
async fn skipping_the_trash(kind: Kind) {
    let v = Volume::new(kind, 1).await;
    let c = v.client().await;
    let me = root();
    let d = c.dir(Ino::ROOT, b"d").await;
    c.setattr(&me, d, &with_flags(flags::SKIP_TRASH))
        .await
        .unwrap();
    let (ino, made) = c
        .mknod(&me, d, b"fifo", node(FileType::Fifo, 0))
        .await
        .unwrap();
    assert_eq!(made.flags, flags::SKIP_TRASH);
    c.unlink(&me, d, b"fifo").await.unwrap();
    assert_eq!(c.getattr(ino).await, Err(Errno::ENOENT));
    v.verify().await;
}
